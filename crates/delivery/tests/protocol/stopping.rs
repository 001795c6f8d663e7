//! A stop finishes or aborts, and ends within seconds whatever hangs.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::fakes::{
    Act, CONSISTENT_POINT, KafkaCall, PostgresCall, World, delivered_ids, insert, insert_padded, verify,
    verify_so_far,
};

/// Three waits of five seconds: for the drain, the abort, the goodbye.
const SECONDS_AT_MOST: u64 = 16;

/// Runs until `ready`, asks to stop, and returns how long the stop took.
async fn stop_when(world: &World, ready: impl FnMut() -> bool) -> Duration {
    let asked = std::cell::Cell::new(None);
    let stop = async {
        world.steps.until(ready).await;
        // Whatever can still happen by itself has happened then.
        sleep(Duration::from_millis(1)).await;
        asked.set(Some(Instant::now()));
    };
    world.run(stop).await.expect("it stops in good order");
    asked.get().expect("it was asked to stop").elapsed()
}

fn kafka_calls(world: &World, call: KafkaCall) -> usize {
    world.kafka.read(|broker| broker.script.count(call))
}

#[tokio::test(start_paused = true)]
async fn in_the_middle_of_a_large_transaction_it_is_aborted() {
    let world = World::set_up();
    world
        .postgres
        .commit((0..12).map(|id| ("accounts", insert_padded(id, 100_000))));
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::Next, 4, Act::Hang));
    let took = stop_when(&world, || kafka_calls(&world, KafkaCall::Write) >= 2).await;
    assert!(
        took < Duration::from_secs(1),
        "nothing hangs, but it took {took:?}"
    );
    assert!(delivered_ids(&world).is_empty());
    assert_eq!(world.kafka.checkpointed(), CONSISTENT_POINT);
    assert!(kafka_calls(&world, KafkaCall::Abort) > 0);
    world.deliver().await;
}

#[tokio::test(start_paused = true)]
async fn at_a_boundary_it_is_committed_and_confirmed() {
    let mut world = World::set_up();
    world.config.commit_interval = Duration::from_secs(3000);
    world.postgres.commit([("accounts", insert(1))]);
    stop_when(&world, || kafka_calls(&world, KafkaCall::Write) == 1).await;
    let end = world.postgres.read(|server| server.wal_end);
    assert_eq!(world.postgres.confirmed(), end);
    verify(&world);
}

/// The beginning of the next transaction has been read, but nothing of it was handed on: it does not keep what is whole
/// from being committed.
#[tokio::test(start_paused = true)]
async fn the_beginning_of_the_next_transaction_is_left_out() {
    let mut world = World::set_up();
    world.config.commit_interval = Duration::from_secs(3000);
    world.postgres.edit(|server| {
        server.frames_per_block = 5;
        server.script.at(PostgresCall::Next, 2, Act::Hang);
    });
    // One block: begin, relation, insert, commit, begin.
    world.postgres.commit([("accounts", insert(1))]);
    world.postgres.commit([("accounts", insert(2))]);
    stop_when(&world, || kafka_calls(&world, KafkaCall::Write) == 1).await;
    assert_eq!(delivered_ids(&world).len(), 1);
    verify_so_far(&world);
    world.deliver().await;
}

#[tokio::test(start_paused = true)]
async fn whatever_hangs_it_ends_within_seconds() {
    for call in [KafkaCall::Write, KafkaCall::Commit] {
        let world = World::set_up();
        world.postgres.commit([("accounts", insert(1))]);
        world.kafka.edit(|broker| {
            broker.script.at(call, 1, Act::Hang);
            broker.script.at(KafkaCall::Abort, 1, Act::Hang);
        });
        world
            .postgres
            .edit(|server| server.script.at(PostgresCall::Stop, 1, Act::Hang));
        let took = stop_when(&world, || kafka_calls(&world, call) == 1).await;
        assert!(
            took.as_secs() <= SECONDS_AT_MOST,
            "{call:?} hangs, and the stop took {took:?}"
        );
        assert!(took.as_secs() >= 5, "{call:?} was given only {took:?} to finish");
        assert!(delivered_ids(&world).is_empty());
        verify_so_far(&world);
        world.deliver().await;
    }
}

/// A standby that is asked to stop does, and has fenced nobody.
#[tokio::test(start_paused = true)]
async fn a_standby_stops_without_having_touched_kafka() {
    let world = World::set_up();
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::Lead, 1, Act::Hang));
    let standing_by = async {
        let mut status = world.status.subscribe();
        status
            .wait_for(|status| status.word() == "standby")
            .await
            .unwrap();
    };
    world.run(standing_by).await.unwrap();
    assert_eq!(world.kafka.read(|broker| broker.script.made().len()), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_heard_while_waiting_to_try_again() {
    let mut world = World::set_up();
    world.config.retry_delay_min = Duration::from_secs(1000);
    world.config.retry_delay_max = Duration::from_secs(1000);
    let gone = crate::fakes::TestFault::passing("connection lost");
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::Next, 1, Act::Fail(gone)));
    let retrying = async {
        let mut status = world.status.subscribe();
        status
            .wait_for(|status| status.word() == "retrying")
            .await
            .unwrap();
    };
    let begun = Instant::now();
    world.run(retrying).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
}
