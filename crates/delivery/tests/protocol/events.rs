//! Events beside those of rows: edges of transactions, emptied tables, messages, heartbeats; and topics that a table
//! moves to.

use std::time::Duration;

use expect_test::expect;
use tokio::time::sleep;
use walcast_delivery::{DeliveryError, OnIncompatible};
use walcast_mapper::Operation;
use walcast_pgoutput::{LogicalMessage, Lsn, Message};

use crate::exactly_once::write_history;
use crate::fakes::{
    Act, PostgresCall, TestFault, World, data_frame, delivered_ids, insert, insert_padded, message, truncate,
    update_moved, verify, verify_so_far,
};

const GONE: TestFault = TestFault::passing("connection lost");

/// Everything that can be sent is.
fn talkative() -> World {
    let mut world = World::set_up();
    world.mapper.events.transactions = true;
    world.mapper.events.operations.push(Operation::Truncate);
    world.mapper.events.heartbeat_interval_ms = 1000;
    world
}

#[tokio::test(start_paused = true)]
async fn everything_that_can_be_sent_survives_a_crash_at_any_step() {
    for frames_per_block in [1, 1000] {
        let mut steps = 0;
        loop {
            let world = talkative();
            world
                .postgres
                .edit(|server| server.frames_per_block = frames_per_block);
            write_history(&world);
            if !world.crash_after(steps).await {
                break;
            }
            verify_so_far(&world);
            world.deliver().await;
            steps += 1;
        }
        assert!(steps > 30, "only {steps} steps");
    }
}

/// What a consumer sees of the transactions' topic.
fn told(world: &World) -> Vec<Vec<u8>> {
    world.kafka.read(|broker| {
        let told = broker
            .committed()
            .filter(|record| record.topic == "shop.transaction");
        told.filter_map(|record| record.value.clone()).collect()
    })
}

/// The counts of a transaction are those of the whole, also when a part of it was delivered before a crash.
#[tokio::test(start_paused = true)]
async fn a_split_transaction_is_told_as_a_whole() {
    let large = || {
        let mut world = talkative();
        world.config.split_over_bytes = Some(300_000);
        world.postgres.edit(|server| server.frames_per_block = 2);
        let rows = (0..10).map(|id| ("accounts", insert_padded(id, 100_000)));
        let others = [
            ("orders", insert(1)),
            ("orders", message()),
            ("orders", truncate()),
            ("accounts", update_moved(1, 100)),
        ];
        world.postgres.commit(rows.chain(others));
        world
    };
    let undisturbed = large();
    undisturbed.deliver().await;
    let expected = told(&undisturbed);
    assert_eq!(expected.len(), 2);
    let (mut steps, mut inside) = (0, 0);
    loop {
        let world = large();
        if !world.crash_after(steps).await {
            break;
        }
        verify_so_far(&world);
        if world.kafka.checkpoint().unwrap().partial.is_some() {
            inside += 1;
        }
        world.deliver().await;
        assert_eq!(told(&world), expected, "after {steps} steps");
        steps += 1;
    }
    assert!(inside > 5, "only {inside} crashes between two parts");
}

/// A transaction without a captured change is told too, as Debezium does.
#[tokio::test(start_paused = true)]
async fn a_transaction_without_a_captured_change_is_told() {
    let world = talkative();
    world
        .postgres
        .edit(|server| server.table("orders").captured = false);
    let lsn = world.postgres.commit([("orders", insert(1))]).commit_lsn;
    world.deliver().await;
    assert_eq!(
        delivered_ids(&world),
        [format!("{lsn}/begin"), format!("{lsn}/end")]
    );
}

/// The position does not move with a message that stands for itself: the checkpoint remembers it.
#[tokio::test(start_paused = true)]
async fn a_message_alone_is_neither_lost_nor_doubled_before_the_position_moves() {
    let world = World::set_up();
    // The keepalive that would move the position does not come.
    let silent_after = |frames: usize| {
        world.postgres.edit(|server| {
            server.frames_per_block = 1;
            server.script.at(PostgresCall::Next, frames + 1, Act::Hang);
        });
    };
    let end = world.postgres.commit([("accounts", insert(1))]).end_lsn;
    let first = world.postgres.emit_message();
    // Begin, relation, insert, commit, message.
    silent_after(5);
    let in_kafka = |count: usize| {
        let world = &world;
        async move { world.steps.until(|| delivered_ids(world).len() == count).await }
    };
    world.run(in_kafka(2)).await.unwrap();
    let checkpoint = world.kafka.checkpoint().unwrap();
    assert_eq!((checkpoint.end_lsn, checkpoint.last_message), (end, Some(first)));

    // Read again, and not sent again; the next one is.
    let second = world.postgres.emit_message();
    silent_after(2);
    world.run(in_kafka(3)).await.unwrap();
    let starts = world.postgres.read(|server| server.starts.clone());
    assert_eq!(starts[1], end);
    let checkpoint = world.kafka.checkpoint().unwrap();
    assert_eq!((checkpoint.end_lsn, checkpoint.last_message), (end, Some(second)));

    // A commit after it makes it history.
    world.postgres.commit([("accounts", insert(2))]);
    world.deliver().await;
    assert_eq!(world.kafka.checkpoint().unwrap().last_message, None);
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_not_chosen_count_and_are_left_out() {
    let mut world = World::set_up();
    world.mapper.events.messages.clear();
    let commit = world
        .postgres
        .commit([("accounts", message()), ("accounts", insert(1))]);
    world.postgres.emit_message();
    world.deliver().await;
    assert_eq!(delivered_ids(&world), [format!("{}/1", commit.commit_lsn)]);
    assert!(world.registry.versions("shop.message-value").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_alone_inside_a_transaction_is_out_of_order() {
    let world = World::set_up();
    let alone = LogicalMessage {
        xid: None,
        transactional: false,
        lsn: Lsn::new(1),
        prefix: "test",
        content: b"",
    };
    world.postgres.commit([("accounts", insert(1))]);
    world.postgres.edit(|server| {
        let begin = walcast_pgoutput::Begin {
            commit_lsn: Lsn::new(0x0200_0000),
            commit_time: walcast_pgoutput::PgTimestamp::from_unix_micros(0),
            xid: walcast_pgoutput::Xid::new(7),
        };
        server.intruders.extend([
            data_frame(Lsn::new(1), &Message::Begin(begin)),
            data_frame(Lsn::new(1), &Message::Logical(alone)),
        ]);
    });
    let error = world.run_to_its_end().await;
    assert!(matches!(error, DeliveryError::OutOfOrder { .. }), "{error}");
    expect!["the replication stream after 0/1000000 is out of order: a message outside of any transaction stands inside one"]
        .assert_eq(&error.to_string());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connector_beats_at_the_interval() {
    let world = talkative();
    let interval = Duration::from_millis(world.mapper.events.heartbeat_interval_ms);
    world.postgres.commit([("accounts", insert(1))]);
    world.run(sleep(interval * 10 + interval / 2)).await.unwrap();
    let beats = world.kafka.read(|broker| broker.heartbeats());
    assert_eq!(beats, 10);
    verify(&world);
}

/// A beat is a commit, and none falls into a transaction that is being written.
#[tokio::test(start_paused = true)]
async fn a_beat_waits_for_the_end_of_the_transaction() {
    let world = talkative();
    world.postgres.edit(|server| {
        server.frames_per_block = 1;
        // After the beginning, the relation and the first row: silence.
        server.script.at(PostgresCall::Next, 4, Act::Hang);
    });
    world
        .postgres
        .commit([("accounts", insert(1)), ("accounts", insert(2))]);
    world.run(sleep(Duration::from_secs(5))).await.unwrap();
    assert_eq!(world.kafka.read(|broker| broker.heartbeats()), 0);
    verify_so_far(&world);
    world.deliver().await;
}

fn topics(world: &World) -> Vec<String> {
    world
        .kafka
        .read(|broker| broker.committed().map(|record| record.topic.clone()).collect())
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_does_not_fit_ends_the_connector_or_moves_to_the_next_topic() {
    let mut world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    // The key fits, the value does not.
    world.registry.plan(2, Act::Fail(TestFault::incompatible()));
    let error = world.run_to_its_end().await;
    assert!(matches!(error, DeliveryError::Registry { .. }), "{error}");
    assert!(topics(&world).is_empty());

    world.config.on_incompatible = OnIncompatible::NewSubject;
    // Of the first topic the value, of the second the key.
    world.registry.plan(2, Act::Fail(TestFault::incompatible()));
    world.registry.plan(3, Act::Fail(TestFault::incompatible()));
    world.run(world.everything_delivered()).await.unwrap();
    assert_eq!(topics(&world), ["shop.public.accounts.v3"]);
    assert_eq!(world.registry.versions("shop.public.accounts.v3-value").len(), 1);
}

/// A registry that is away is no incompatibility.
#[tokio::test(start_paused = true)]
async fn another_fault_of_the_registry_moves_nothing() {
    let mut world = World::set_up();
    world.config.on_incompatible = OnIncompatible::NewSubject;
    world.postgres.commit([("accounts", insert(1))]);
    world.registry.plan(2, Act::Fail(GONE));
    world.deliver().await;
    assert_eq!(topics(&world), ["shop.public.accounts"]);
}
