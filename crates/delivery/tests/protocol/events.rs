//! Events other than row changes: transaction metadata, truncates, messages and heartbeats; and the next topic of a table whose
//! schema is incompatible.

use std::time::Duration;

use expect_test::expect;
use tokio::time::sleep;
use walcast_delivery::{DeliveryError, OnIncompatible};
use walcast_mapper::config::Operation;
use walcast_pgoutput::{LogicalMessage, Lsn, Message};

use crate::exactly_once::write_history;
use crate::fakes::{
    Act, CONNECTION_LOST, PostgresCall, TestFault, World, data_frame, delivered_ids, insert, insert_padded,
    message, truncate, update_key, verify, verify_so_far,
};

/// A world with all optional events enabled.
fn world_with_all_events() -> World {
    let mut world = World::set_up();
    world.mapper.events.transactions = true;
    world.mapper.events.operations.push(Operation::Truncate);
    world.mapper.events.heartbeat_interval = Duration::from_secs(1);
    world
}

#[tokio::test(start_paused = true)]
async fn all_events_survive_a_crash_at_any_step() {
    for frames_per_block in [1, 1000] {
        let mut steps = 0;
        loop {
            let world = world_with_all_events();
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

/// Values of the transaction metadata topic that a consumer sees.
fn transaction_metadata(world: &World) -> Vec<Vec<u8>> {
    world.kafka.read(|broker| {
        let records = broker
            .committed()
            .filter(|record| record.topic == "shop.transaction");
        records
            .map(|record| record.value.clone().expect("transaction metadata has values"))
            .collect()
    })
}

/// The metadata of a transaction counts all its events, even if a part of it was delivered before a crash.
#[tokio::test(start_paused = true)]
async fn split_transaction_has_the_metadata_of_the_whole() {
    let large = || {
        let mut world = world_with_all_events();
        world.config.split_over_bytes = Some(300_000);
        world.postgres.edit(|server| server.frames_per_block = 2);
        let rows = (0..10).map(|id| ("accounts", insert_padded(id, 100_000)));
        let others = [
            ("orders", insert(1)),
            ("orders", message()),
            ("orders", truncate()),
            ("accounts", update_key(1, 100)),
        ];
        world.postgres.commit(rows.chain(others));
        world
    };
    let undisturbed = large();
    undisturbed.deliver().await;
    let expected = transaction_metadata(&undisturbed);
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
        assert_eq!(transaction_metadata(&world), expected, "after {steps} steps");
        steps += 1;
    }
    assert!(inside > 5, "only {inside} crashes between two parts");
}

/// Metadata is emitted for a transaction without a captured change too, as Debezium does.
#[tokio::test(start_paused = true)]
async fn emits_metadata_for_a_transaction_without_captured_changes() {
    let world = world_with_all_events();
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

/// A non-transactional message does not move the position: the checkpoint records the message itself.
#[tokio::test(start_paused = true)]
async fn non_transactional_message_is_delivered_once_before_the_position_moves() {
    let world = World::set_up();
    // The keepalive that would move the position is not sent.
    let hang_after = |frames: usize| {
        world.postgres.edit(|server| {
            server.frames_per_block = 1;
            server.script.at(PostgresCall::Next, frames + 1, Act::Hang);
        });
    };
    let end = world.postgres.commit([("accounts", insert(1))]).end_lsn;
    let first = world.postgres.emit_message();
    // Begin, relation, insert, commit, message.
    hang_after(5);
    let in_kafka = |count: usize| {
        let world = &world;
        async move { world.steps.until(|| delivered_ids(world).len() == count).await }
    };
    world.run(in_kafka(2)).await.unwrap();
    let checkpoint = world.kafka.checkpoint().unwrap();
    assert_eq!((checkpoint.end_lsn, checkpoint.last_message), (end, Some(first)));

    // The message is read again and not delivered again; the next one is delivered.
    let second = world.postgres.emit_message();
    hang_after(2);
    world.run(in_kafka(3)).await.unwrap();
    let starts = world.postgres.read(|server| server.starts.clone());
    assert_eq!(starts[1], end);
    let checkpoint = world.kafka.checkpoint().unwrap();
    assert_eq!((checkpoint.end_lsn, checkpoint.last_message), (end, Some(second)));

    // After a later commit the checkpoint no longer needs the message.
    world.postgres.commit([("accounts", insert(2))]);
    world.deliver().await;
    assert_eq!(world.kafka.checkpoint().unwrap().last_message, None);
}

#[tokio::test(start_paused = true)]
async fn unselected_messages_are_counted_and_omitted() {
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
async fn non_transactional_message_inside_a_transaction_is_out_of_order() {
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
        server.injected_frames.extend([
            data_frame(Lsn::new(1), &Message::Begin(begin)),
            data_frame(Lsn::new(1), &Message::Logical(alone)),
        ]);
    });
    let error = world.run_to_end().await;
    assert!(matches!(error, DeliveryError::OutOfOrder { .. }), "{error}");
    expect!["the replication stream after 0/1000000 is out of order: a message outside of any transaction stands inside one"]
        .assert_eq(&error.to_string());
}

#[tokio::test(start_paused = true)]
async fn idle_connector_sends_heartbeats_at_the_interval() {
    let world = world_with_all_events();
    let interval = world.mapper.events.heartbeat_interval;
    world.postgres.commit([("accounts", insert(1))]);
    world.run(sleep(interval * 10 + interval / 2)).await.unwrap();
    let heartbeats = world.kafka.read(|broker| broker.heartbeats());
    assert_eq!(heartbeats, 10);
    verify(&world);
}

/// A heartbeat is a commit, so it waits while a transaction is being written.
#[tokio::test(start_paused = true)]
async fn heartbeat_waits_for_the_end_of_the_transaction() {
    let world = world_with_all_events();
    world.postgres.edit(|server| {
        server.frames_per_block = 1;
        // After the begin, the relation and the first row the server sends nothing.
        server.script.at(PostgresCall::Next, 4, Act::Hang);
    });
    world
        .postgres
        .commit([("accounts", insert_padded(1, 300_000)), ("accounts", insert(2))]);
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
async fn incompatible_schema_ends_the_connector_or_moves_to_the_next_topic() {
    let mut world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    // The key fits, the value does not.
    world.registry.plan(2, Act::Fail(TestFault::incompatible()));
    let error = world.run_to_end().await;
    assert!(matches!(error, DeliveryError::Registry { .. }), "{error}");
    assert!(topics(&world).is_empty());

    world.config.on_incompatible = OnIncompatible::NewSubject;
    // The value is rejected for the first topic, the key for the second.
    world.registry.plan(2, Act::Fail(TestFault::incompatible()));
    world.registry.plan(3, Act::Fail(TestFault::incompatible()));
    world.run(world.all_delivered()).await.unwrap();
    assert_eq!(topics(&world), ["shop.public.accounts.v3"]);
    assert_eq!(world.registry.versions("shop.public.accounts.v3-value").len(), 1);
}

/// An unavailable registry is not an incompatibility.
#[tokio::test(start_paused = true)]
async fn other_registry_errors_keep_the_topic() {
    let mut world = World::set_up();
    world.config.on_incompatible = OnIncompatible::NewSubject;
    world.postgres.commit([("accounts", insert(1))]);
    world.registry.plan(2, Act::Fail(CONNECTION_LOST));
    world.deliver().await;
    assert_eq!(topics(&world), ["shop.public.accounts"]);
}
