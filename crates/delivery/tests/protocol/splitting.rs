//! Transactions that are too large or too slow for one Kafka transaction.

use std::time::Duration;

use expect_test::expect;
use walcast_delivery::{DeliveryError, Halt};

use crate::fakes::{
    Act, CONNECTION_LOST, KafkaCall, PostgresCall, World, delivered_ids, insert, insert_padded, verify_so_far,
};

/// Twenty rows of 100 KB, to be split over 300 KB, between two small transactions.
fn world_with_split() -> World {
    let mut world = World::set_up();
    world.config.split_over_bytes = Some(300_000);
    world.postgres.edit(|server| server.frames_per_block = 2);
    world.postgres.commit([("orders", insert(1))]);
    world
        .postgres
        .commit((0..20).map(|id| ("accounts", insert_padded(id, 100_000))));
    world.postgres.commit([("orders", insert(2))]);
    world
}

fn partial_checkpoints(world: &World) -> usize {
    let count = |broker: &crate::fakes::Broker| {
        let partial = broker
            .checkpoints()
            .filter(|(_, update)| update.current.partial.is_some());
        partial.count()
    };
    world.kafka.read(count)
}

#[tokio::test(start_paused = true)]
async fn a_split_transaction_is_checkpointed_in_parts() {
    let world = world_with_split();
    world.deliver().await;
    assert!(partial_checkpoints(&world) >= 3);
    assert_eq!(world.kafka.checkpoint().unwrap().partial, None);
}

/// No position of the transaction is confirmed until its last part is delivered.
#[tokio::test(start_paused = true)]
async fn restart_resumes_after_the_delivered_part() {
    let mut after_a_part = 0;
    for nth in 4..13 {
        let world = world_with_split();
        world.postgres.edit(|server| {
            server
                .script
                .at(PostgresCall::Next, nth, Act::Fail(CONNECTION_LOST))
        });
        world
            .run(
                world
                    .steps
                    .until(|| world.postgres.read(|server| server.starts.len()) == 2),
            )
            .await
            .unwrap();
        verify_so_far(&world);
        if world.kafka.checkpoint().unwrap().partial.is_some() {
            after_a_part += 1;
        }
        world.deliver().await;
    }
    assert!(
        after_a_part >= 4,
        "only {after_a_part} restarts fell into the transaction"
    );
}

#[tokio::test(start_paused = true)]
async fn crash_at_any_step_of_a_split_transaction_duplicates_no_change() {
    let mut steps = 0;
    loop {
        let world = world_with_split();
        if !world.crash_after(steps).await {
            break;
        }
        verify_so_far(&world);
        world.deliver().await;
        steps += 1;
    }
    assert!(steps > 20, "only {steps} steps");
}

/// After a restart inside a split transaction, a keepalive before the transaction moves the position; the checkpoint must keep the
/// delivered part.
#[tokio::test(start_paused = true)]
async fn idle_position_keeps_the_delivered_part() {
    let mut world = World::set_up();
    world.config.split_over_bytes = Some(300_000);
    let before = world.postgres.write_unrelated_wal(0x1000);
    world
        .postgres
        .commit((0..8).map(|id| ("accounts", insert_padded(id, 100_000))));
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::Next, 3, Act::Hang));
    world
        .run(world.steps.until(|| partial_checkpoints(&world) == 1))
        .await
        .unwrap();
    world.postgres.edit(|server| {
        server.idle_ends.insert(before);
        server
            .injected_frames
            .push_back(crate::fakes::keepalive_frame(before));
        server.frames_per_block = 1;
        server.script.at(PostgresCall::Next, 2, Act::Hang);
    });
    world
        .run(world.steps.until(|| world.kafka.checkpointed() == before))
        .await
        .unwrap();
    verify_so_far(&world);
    world.deliver().await;
}

fn commit_slow_transaction(world: &mut World) {
    world.config.transaction_timeout = Duration::from_secs(60);
    world.postgres.commit([("orders", insert(1))]);
    world
        .postgres
        .commit((0..20).map(|id| ("accounts", insert_padded(id, 100_000))));
}

/// The connector halts before Kafka's transaction times out, and names the settings that help.
#[tokio::test(start_paused = true)]
async fn slow_transaction_halts_before_the_broker_aborts_it() {
    let mut world = World::set_up();
    commit_slow_transaction(&mut world);
    // The rest of the transaction never arrives.
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::Next, 6, Act::Hang));
    let start = tokio::time::Instant::now();
    let error = world.run_to_end().await;
    assert!(start.elapsed() < Duration::from_secs(60));
    assert!(matches!(
        error,
        DeliveryError::Halt(Halt::TransactionTooSlow { .. })
    ));
    expect!["transaction 701 (commit 0/1000BB0) is not delivered after 54 s, and Kafka would abort its transaction at 60 s; nothing after 0/1000130 was delivered"].assert_eq(&error.to_string());
    assert_eq!(
        delivered_ids(&world).len(),
        1,
        "the transaction before it is delivered"
    );
    assert!(world.kafka.read(|broker| broker.script.count(KafkaCall::Abort)) > 0);
    verify_so_far(&world);
}
