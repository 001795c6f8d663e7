//! Changes that cannot be delivered are written as dead letters: each once, in the Kafka transaction of the change, while all
//! other changes are delivered.

use std::time::Duration;

use walcast_delivery::{DeadLetterRule, DeliveryError, OnError, SnapshotMode};

use crate::fakes::{
    Act, Change, DEAD_LETTERS, KafkaCall, LoggedChange, TestFault, World, delete, delivered_ids, insert,
    insert_padded, truncate, update, verify, verify_so_far,
};
use crate::snapshots::{deliver, reads, record_slot_position};

/// Size of a row above the broker's limit, where there is one.
const LARGE: usize = 5_000;

fn unmappable() -> Change {
    Change::Insert(vec![Some("one".to_owned()), None])
}

fn is_unmappable(logged: &LoggedChange) -> bool {
    matches!(&logged.change, Change::Insert(row) if row.first() == Some(&Some("one".to_owned())))
}

fn is_large(logged: &LoggedChange) -> bool {
    matches!(&logged.change, Change::Insert(row) if row.iter().flatten().any(|value| value.len() >= LARGE))
}

fn is_of_orders(logged: &LoggedChange) -> bool {
    logged.relation.name == "orders"
}

/// A world in which undeliverable changes of every table become dead letters.
fn world_with_dead_letters() -> World {
    let mut world = World::set_up();
    world.config.dead_letters.on_error = OnError::DeadLetter;
    world
}

fn world_with_unmappable() -> World {
    let mut world = world_with_dead_letters();
    world.undeliverable = is_unmappable;
    world
}

fn write_undeliverable(world: &World) {
    world.postgres.commit([("accounts", insert(1))]);
    world.postgres.commit([
        ("accounts", insert(2)),
        ("accounts", unmappable()),
        ("orders", insert(1)),
        ("orders", unmappable()),
        ("accounts", delete(2)),
    ]);
    world.postgres.commit([("accounts", unmappable())]);
    world
        .postgres
        .commit([("orders", truncate()), ("accounts", insert(3))]);
}

/// Dead letters that a consumer sees, parsed.
fn dead_letters(world: &World) -> Vec<serde_json::Value> {
    world.kafka.read(|broker| {
        let dead_letters = broker
            .committed_with_reads()
            .filter(|record| record.topic == DEAD_LETTERS);
        dead_letters
            .map(|record| {
                serde_json::from_slice(record.value.as_ref().expect("dead letters have values"))
                    .expect("dead letters are JSON")
            })
            .collect()
    })
}

fn limit_queries(world: &World) -> usize {
    world.kafka.read(|broker| broker.script.count(KafkaCall::Limits))
}

/// Limits the size of records; the broker reports the limit only if `is_reported`.
fn limit_records(world: &World, bytes_max: Option<usize>, is_reported: bool) {
    world.kafka.edit(|broker| {
        broker.record_bytes_max = bytes_max;
        broker.reported_bytes_max = bytes_max.filter(|_| is_reported);
    });
}

#[tokio::test(start_paused = true)]
async fn unmappable_row_becomes_dead_letter_and_others_are_delivered() {
    let world = world_with_unmappable();
    write_undeliverable(&world);
    world.deliver().await;
    let dead_letters = dead_letters(&world);
    assert_eq!(dead_letters.len(), 3);
    let tables: Vec<_> = dead_letters
        .iter()
        .map(|dead_letter| dead_letter["table"].as_str().unwrap())
        .collect();
    assert_eq!(tables, ["accounts", "orders", "accounts"]);
    for dead_letter in &dead_letters {
        assert_eq!(dead_letter["after"]["id"], "one");
        assert_eq!(dead_letter["reason"], "mapping");
    }
}

#[tokio::test(start_paused = true)]
async fn crash_at_any_step_neither_loses_nor_duplicates_a_dead_letter() {
    for steps in 0.. {
        let world = world_with_unmappable();
        world.postgres.edit(|server| server.frames_per_block = 2);
        write_undeliverable(&world);
        let was_interrupted = world.crash_after(steps).await;
        verify_so_far(&world);
        world.deliver().await;
        assert_eq!(dead_letters(&world).len(), 3);
        if !was_interrupted {
            assert!(steps > 20, "only {steps} steps");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sink_failure_at_any_call_neither_loses_nor_duplicates_a_dead_letter() {
    for call in [
        KafkaCall::Write,
        KafkaCall::Commit,
        KafkaCall::EnsureTopic,
        KafkaCall::Limits,
    ] {
        for nth in 1..=3 {
            let world = world_with_unmappable();
            write_undeliverable(&world);
            let connection_lost = TestFault::transient("connection lost");
            world
                .kafka
                .edit(|broker| broker.script.at(call, nth, Act::Fail(connection_lost)));
            world.deliver().await;
            assert_eq!(dead_letters(&world).len(), 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn split_transaction_writes_each_dead_letter_once() {
    for steps in 0.. {
        let mut world = world_with_unmappable();
        world.config.split_over_bytes = Some(150_000);
        world.mapper.events.transactions = true;
        let mut changes = Vec::new();
        for id in 0..8 {
            changes.push(("accounts", insert_padded(id, 100_000)));
            changes.push(("accounts", unmappable()));
        }
        world.postgres.commit(changes);
        let was_interrupted = world.crash_after(steps).await;
        verify_so_far(&world);
        world.deliver().await;
        assert_eq!(dead_letters(&world).len(), 8);
        if !was_interrupted {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn first_matching_rule_applies() {
    let mut world = world_with_unmappable();
    let rule = |tables: &str, on_error| DeadLetterRule {
        tables: tables.parse().unwrap(),
        on_error,
    };
    world.config.dead_letters.on_error = OnError::Halt;
    world.config.dead_letters.rules = vec![
        rule("public.accounts", OnError::DeadLetter),
        rule("public.*", OnError::Halt),
        rule("public.orders", OnError::DeadLetter),
    ];
    world.postgres.commit([("accounts", unmappable())]);
    let failed = world.postgres.commit([("orders", unmappable())]);
    let error = world.run_to_end().await;
    assert!(matches!(error, DeliveryError::Map { commit_lsn, .. } if commit_lsn == failed.commit_lsn));
    assert_eq!(dead_letters(&world).len(), 1);
    verify_so_far(&world);
}

/// Without dead letters the broker's limits are not queried.
#[tokio::test(start_paused = true)]
async fn queries_no_limits_without_dead_letters() {
    let world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    assert_eq!(limit_queries(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn oversized_record_becomes_dead_letter_without_a_restart() {
    let mut world = world_with_dead_letters();
    world.undeliverable = is_large;
    world.mapper.events.transactions = true;
    limit_records(&world, Some(LARGE), true);
    world.postgres.commit([
        ("accounts", insert(1)),
        ("accounts", insert_padded(2, LARGE)),
        ("accounts", update(1)),
    ]);
    world.deliver().await;
    assert_eq!(world.postgres.read(|server| server.starts.len()), 1);
    let dead_letters = dead_letters(&world);
    assert_eq!(dead_letters.len(), 1);
    assert_eq!(dead_letters[0]["reason"], "size");
    assert_eq!(dead_letters[0]["after"]["note"]["cut"], true);
    assert_eq!(dead_letters[0]["after"]["note"]["bytes"], LARGE);
}

#[tokio::test(start_paused = true)]
async fn raised_record_limit_applies_immediately() {
    let mut world = world_with_dead_letters();
    world.undeliverable = |logged| is_large(logged) && logged.lsn == crate::fakes::CONSISTENT_POINT;
    limit_records(&world, Some(LARGE), true);
    world.postgres.commit([("accounts", insert_padded(1, LARGE))]);
    let raise = async {
        world.all_delivered().await;
        limit_records(&world, Some(10 * LARGE), true);
        world.postgres.commit([("accounts", insert_padded(2, LARGE))]);
        world.all_delivered().await;
    };
    world.run(raise).await.unwrap();
    verify(&world);
    assert_eq!(dead_letters(&world).len(), 1);
}

/// The limit was lowered after it was queried, or records are compressed: only the broker can reject the record.
#[tokio::test(start_paused = true)]
async fn record_rejected_by_the_broker_becomes_dead_letter_after_a_restart() {
    let mut world = world_with_dead_letters();
    world.undeliverable = is_large;
    limit_records(&world, Some(LARGE), false);
    world.postgres.commit([
        ("accounts", insert(1)),
        ("accounts", insert_padded(2, LARGE)),
        // First change of its table, whose plan does not exist yet when the change is sent again.
        ("orders", insert_padded(3, LARGE)),
        ("orders", insert(4)),
        ("accounts", update(1)),
    ]);
    world.deliver().await;
    assert_eq!(dead_letters(&world).len(), 2);
    assert_eq!(world.postgres.read(|server| server.starts.len()), 3);
}

#[tokio::test(start_paused = true)]
async fn record_rejected_by_the_broker_ends_connector_without_dead_letters() {
    let mut world = world_with_dead_letters();
    world.undeliverable = is_large;
    world.config.dead_letters.rules = vec![DeadLetterRule {
        tables: "public.accounts".parse().unwrap(),
        on_error: OnError::Halt,
    }];
    limit_records(&world, Some(LARGE), false);
    world.postgres.commit([("orders", insert_padded(1, LARGE))]);
    world.deliver().await;
    world.postgres.commit([("accounts", insert_padded(2, LARGE))]);
    let error = world.run_to_end().await;
    assert!(matches!(error, DeliveryError::Sink(_)), "{error}");
    assert_eq!(dead_letters(&world).len(), 1);
    verify_so_far(&world);
}

#[tokio::test(start_paused = true)]
async fn rejected_schema_makes_dead_letters_until_it_is_accepted() {
    let mut world = world_with_dead_letters();
    world.undeliverable =
        |logged| is_of_orders(logged) && logged.lsn < walcast_pgoutput::Lsn::new(0x0100_0400);
    world.registry.plan(1, Act::Fail(TestFault::incompatible()));
    world
        .postgres
        .commit([("orders", insert(1)), ("accounts", insert(1))]);
    world
        .postgres
        .commit([("orders", update(1)), ("orders", delete(1))]);
    let accept = async {
        world.all_delivered().await;
        assert_eq!(dead_letters(&world).len(), 3);
        world
            .postgres
            .edit(|server| server.wal_end = walcast_pgoutput::Lsn::new(0x0100_0400));
        tokio::time::sleep(Duration::from_secs(61)).await;
        world
            .postgres
            .commit([("orders", insert(2)), ("accounts", insert(2))]);
        world.all_delivered().await;
    };
    world.run(accept).await.unwrap();
    verify(&world);
    let dead_letters = dead_letters(&world);
    assert_eq!(dead_letters.len(), 3);
    assert!(
        dead_letters
            .iter()
            .all(|dead_letter| dead_letter["reason"] == "schema")
    );
    assert_eq!(dead_letters[2]["operation"], "delete");
    assert_eq!(dead_letters[2]["before"]["id"], "1");
    assert_eq!(world.postgres.read(|server| server.starts.len()), 1);
}

/// The connector waits for an unavailable registry, even where rejected schemas lead to dead letters.
#[tokio::test(start_paused = true)]
async fn unavailable_registry_makes_no_dead_letters() {
    let world = world_with_dead_letters();
    world
        .registry
        .plan(1, Act::Fail(TestFault::transient("registry is unavailable")));
    world.postgres.commit([("orders", insert(1))]);
    world.deliver().await;
    assert_eq!(dead_letters(&world).len(), 0);
    assert_eq!(delivered_ids(&world).len(), 1);
}

/// The process stops at any step of reading existing rows, one of which cannot be mapped.
#[tokio::test(start_paused = true)]
async fn unmappable_existing_row_becomes_one_dead_letter_after_any_interruption() {
    for steps in 0.. {
        let mut world = World::new();
        world.config.dead_letters.on_error = OnError::DeadLetter;
        world.config.snapshot.mode = SnapshotMode::Initial;
        world.postgres.commit([
            ("accounts", insert(1)),
            ("accounts", unmappable()),
            ("accounts", insert(3)),
        ]);
        let was_interrupted = world.interrupt_after(steps, deliver(&world)).await.is_none();
        record_slot_position(&world);
        world.postgres.commit([("accounts", update(3))]);
        deliver(&world).await;
        verify(&world);
        let dead_letters = dead_letters(&world);
        assert_eq!(dead_letters.len(), 1, "{dead_letters:#?}");
        assert_eq!(dead_letters[0]["operation"], "read");
        assert_eq!(dead_letters[0]["after"]["id"], "one");
        let read = reads(&world);
        assert_eq!(read.len(), 3, "a row is missing or duplicated: {read:?}");
        if !was_interrupted {
            assert!(steps > 30, "only {steps} steps");
            return;
        }
    }
}
