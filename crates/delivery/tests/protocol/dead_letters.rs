//! Changes that cannot be delivered, kept as dead letters: each once, in the Kafka transaction of the change, and everything
//! else goes on.

use std::time::Duration;

use walcast_delivery::{DeadLetterRule, DeliveryError, OnError, SnapshotMode};

use crate::fakes::{
    Act, Change, DEAD_LETTERS, KafkaCall, Logged, TestFault, World, delete, delivered_ids, insert,
    insert_padded, truncate, update, verify, verify_so_far,
};
use crate::snapshots::{deliver, note_slot, reads};

/// Larger than the records that are refused for their size.
const LARGE: usize = 5_000;

fn unmappable() -> Change {
    Change::Insert(vec![Some("one".to_owned()), None])
}

fn is_unmappable(logged: &Logged) -> bool {
    matches!(&logged.change, Change::Insert(row) if row.first() == Some(&Some("one".to_owned())))
}

fn is_large(logged: &Logged) -> bool {
    matches!(&logged.change, Change::Insert(row) if row.iter().flatten().any(|value| value.len() >= LARGE))
}

fn is_of_orders(logged: &Logged) -> bool {
    logged.relation.name == "orders"
}

/// A world in which changes of every table may become dead letters.
fn keeping() -> World {
    let mut world = World::set_up();
    world.config.dead_letters.on_error = OnError::DeadLetter;
    world
}

fn keeping_unmappable() -> World {
    let mut world = keeping();
    world.poison = is_unmappable;
    world
}

fn write_poison(world: &World) {
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

/// Dead letters a consumer sees, parsed.
fn letters(world: &World) -> Vec<serde_json::Value> {
    world.kafka.read(|broker| {
        let letters = broker
            .committed_with_reads()
            .filter(|record| record.topic == DEAD_LETTERS);
        letters
            .map(|record| {
                serde_json::from_slice(record.value.as_ref().expect("it has a value")).expect("it is JSON")
            })
            .collect()
    })
}

fn limits_asked(world: &World) -> usize {
    world.kafka.read(|broker| broker.script.count(KafkaCall::Limits))
}

/// The broker takes no larger records, and says so or not.
fn limit_records(world: &World, bytes_max: Option<usize>, is_told: bool) {
    world.kafka.edit(|broker| {
        broker.record_bytes_max = bytes_max;
        broker.told_bytes_max = bytes_max.filter(|_| is_told);
    });
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_mapped_is_kept_and_everything_else_goes_on() {
    let world = keeping_unmappable();
    write_poison(&world);
    world.deliver().await;
    let letters = letters(&world);
    assert_eq!(letters.len(), 3);
    let tables: Vec<_> = letters
        .iter()
        .map(|letter| letter["table"].as_str().unwrap())
        .collect();
    assert_eq!(tables, ["accounts", "orders", "accounts"]);
    for letter in &letters {
        assert_eq!(letter["after"]["id"], "one");
        assert_eq!(letter["reason"], "mapping");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_step_neither_loses_nor_doubles_a_dead_letter() {
    for steps in 0.. {
        let world = keeping_unmappable();
        world.postgres.edit(|server| server.frames_per_block = 2);
        write_poison(&world);
        let was_cut_off = world.crash_after(steps).await;
        verify_so_far(&world);
        world.deliver().await;
        assert_eq!(letters(&world).len(), 3);
        if !was_cut_off {
            assert!(steps > 20, "hardly anything was cut off");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_sink_at_any_call_neither_loses_nor_doubles_a_dead_letter() {
    for call in [
        KafkaCall::Write,
        KafkaCall::Commit,
        KafkaCall::EnsureTopic,
        KafkaCall::Limits,
    ] {
        for nth in 1..=3 {
            let world = keeping_unmappable();
            write_poison(&world);
            let gone = TestFault::passing("connection lost");
            world
                .kafka
                .edit(|broker| broker.script.at(call, nth, Act::Fail(gone)));
            world.deliver().await;
            assert_eq!(letters(&world).len(), 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_split_transaction_has_its_dead_letters_once() {
    for steps in 0.. {
        let mut world = keeping_unmappable();
        world.config.split_over_bytes = Some(150_000);
        world.mapper.events.transactions = true;
        let mut changes = Vec::new();
        for id in 0..8 {
            changes.push(("accounts", insert_padded(id, 100_000)));
            changes.push(("accounts", unmappable()));
        }
        world.postgres.commit(changes);
        let was_cut_off = world.crash_after(steps).await;
        verify_so_far(&world);
        world.deliver().await;
        assert_eq!(letters(&world).len(), 8);
        if !was_cut_off {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_rule_that_chooses_a_table_decides() {
    let mut world = keeping_unmappable();
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
    let poisoned = world.postgres.commit([("orders", unmappable())]);
    let error = world.run_to_its_end().await;
    assert!(matches!(error, DeliveryError::Map { commit_lsn, .. } if commit_lsn == poisoned.commit_lsn));
    assert_eq!(letters(&world).len(), 1);
    verify_so_far(&world);
}

/// Where no table has dead letters, nothing is asked of Kafka for them.
#[tokio::test(start_paused = true)]
async fn without_dead_letters_no_limit_is_asked_for_and_no_topic_made() {
    let world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    assert_eq!(limits_asked(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_known_to_be_too_large_is_kept_without_beginning_anew() {
    let mut world = keeping();
    world.poison = is_large;
    world.mapper.events.transactions = true;
    limit_records(&world, Some(LARGE), true);
    world.postgres.commit([
        ("accounts", insert(1)),
        ("accounts", insert_padded(2, LARGE)),
        ("accounts", update(1)),
    ]);
    world.deliver().await;
    assert_eq!(world.postgres.read(|server| server.starts.len()), 1);
    let letters = letters(&world);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["reason"], "size");
    assert_eq!(letters[0]["after"]["note"]["cut"], true);
    assert_eq!(letters[0]["after"]["note"]["bytes"], LARGE);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_raised_while_running_counts_at_once() {
    let mut world = keeping();
    world.poison = |logged| is_large(logged) && logged.lsn == crate::fakes::CONSISTENT_POINT;
    limit_records(&world, Some(LARGE), true);
    world.postgres.commit([("accounts", insert_padded(1, LARGE))]);
    let raise = async {
        world.everything_delivered().await;
        limit_records(&world, Some(10 * LARGE), true);
        world.postgres.commit([("accounts", insert_padded(2, LARGE))]);
        world.everything_delivered().await;
    };
    world.run(raise).await.unwrap();
    verify(&world);
    assert_eq!(letters(&world).len(), 1);
}

/// The limit was lowered since it was asked for, or records are compressed: only the broker knows.
#[tokio::test(start_paused = true)]
async fn a_record_that_only_the_broker_knows_to_be_too_large_is_kept_when_it_comes_again() {
    let mut world = keeping();
    world.poison = is_large;
    limit_records(&world, Some(LARGE), false);
    world.postgres.commit([
        ("accounts", insert(1)),
        ("accounts", insert_padded(2, LARGE)),
        // The first of its table, which has no plan yet when it comes again.
        ("orders", insert_padded(3, LARGE)),
        ("orders", insert(4)),
        ("accounts", update(1)),
    ]);
    world.deliver().await;
    assert_eq!(letters(&world).len(), 2);
    assert_eq!(world.postgres.read(|server| server.starts.len()), 3);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_the_broker_refuses_of_a_table_without_dead_letters_ends_the_connector() {
    let mut world = keeping();
    world.poison = is_large;
    world.config.dead_letters.rules = vec![DeadLetterRule {
        tables: "public.accounts".parse().unwrap(),
        on_error: OnError::Halt,
    }];
    limit_records(&world, Some(LARGE), false);
    world.postgres.commit([("orders", insert_padded(1, LARGE))]);
    world.deliver().await;
    world.postgres.commit([("accounts", insert_padded(2, LARGE))]);
    let error = world.run_to_its_end().await;
    assert!(matches!(error, DeliveryError::Sink(_)), "{error}");
    assert_eq!(letters(&world).len(), 1);
    verify_so_far(&world);
}

#[tokio::test(start_paused = true)]
async fn a_table_whose_schema_is_refused_is_kept_until_it_is_accepted_and_others_go_on() {
    let mut world = keeping();
    world.poison = |logged| is_of_orders(logged) && logged.lsn < walcast_pgoutput::Lsn::new(0x0100_0400);
    world.registry.plan(1, Act::Fail(TestFault::incompatible()));
    world
        .postgres
        .commit([("orders", insert(1)), ("accounts", insert(1))]);
    world
        .postgres
        .commit([("orders", update(1)), ("orders", delete(1))]);
    let accept = async {
        world.everything_delivered().await;
        assert_eq!(letters(&world).len(), 3);
        world
            .postgres
            .edit(|server| server.wal_end = walcast_pgoutput::Lsn::new(0x0100_0400));
        tokio::time::sleep(Duration::from_secs(61)).await;
        world
            .postgres
            .commit([("orders", insert(2)), ("accounts", insert(2))]);
        world.everything_delivered().await;
    };
    world.run(accept).await.unwrap();
    verify(&world);
    let letters = letters(&world);
    assert_eq!(letters.len(), 3);
    assert!(letters.iter().all(|letter| letter["reason"] == "schema"));
    assert_eq!(letters[2]["operation"], "delete");
    assert_eq!(letters[2]["before"]["id"], "1");
    assert_eq!(world.postgres.read(|server| server.starts.len()), 1);
}

/// A registry that is away is waited for, whatever is done with what it refuses.
#[tokio::test(start_paused = true)]
async fn a_registry_that_is_away_makes_no_dead_letters() {
    let world = keeping();
    world
        .registry
        .plan(1, Act::Fail(TestFault::passing("registry is away")));
    world.postgres.commit([("orders", insert(1))]);
    world.deliver().await;
    assert_eq!(letters(&world).len(), 0);
    assert_eq!(delivered_ids(&world).len(), 1);
}

/// Existing rows, one of which cannot be mapped, cut off at any step.
#[tokio::test(start_paused = true)]
async fn an_existing_row_that_cannot_be_mapped_is_kept_once_wherever_reading_is_cut_off() {
    for steps in 0.. {
        let mut world = World::new();
        world.config.dead_letters.on_error = OnError::DeadLetter;
        world.config.snapshot.mode = SnapshotMode::Initial;
        world.postgres.commit([
            ("accounts", insert(1)),
            ("accounts", unmappable()),
            ("accounts", insert(3)),
        ]);
        let was_cut_off = world.cut_off_after(steps, deliver(&world)).await.is_none();
        note_slot(&world);
        world.postgres.commit([("accounts", update(3))]);
        deliver(&world).await;
        verify(&world);
        let letters = letters(&world);
        assert_eq!(letters.len(), 1, "{letters:#?}");
        assert_eq!(letters[0]["operation"], "read");
        assert_eq!(letters[0]["after"]["id"], "one");
        let read = reads(&world);
        assert_eq!(read.len(), 3, "a row is missing or there twice: {read:?}");
        if !was_cut_off {
            assert!(steps > 30, "there is more to be cut off than {steps} steps");
            return;
        }
    }
}
