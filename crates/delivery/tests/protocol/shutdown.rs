//! A stop commits or aborts, and ends within seconds even if a call hangs.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::fakes::{
    Act, CONSISTENT_POINT, KafkaCall, PostgresCall, World, delivered_ids, insert, insert_padded, verify,
    verify_so_far,
};

/// Three timeouts of five seconds: for the drain, the abort, and closing the stream.
const STOP_SECONDS_MAX: u64 = 16;

/// Runs until `ready`, requests a stop, and returns the duration of the stop.
async fn stop_when(world: &World, ready: impl FnMut() -> bool) -> Duration {
    let requested = std::cell::Cell::new(None);
    let stop = async {
        world.steps.until(ready).await;
        // Lets all pending work run first.
        sleep(Duration::from_millis(1)).await;
        requested.set(Some(Instant::now()));
    };
    world.run(stop).await.expect("the connector stops cleanly");
    requested.get().expect("a stop was requested").elapsed()
}

fn kafka_calls(world: &World, call: KafkaCall) -> usize {
    world.kafka.read(|broker| broker.script.count(call))
}

#[tokio::test(start_paused = true)]
async fn stop_aborts_a_large_transaction() {
    let world = World::set_up();
    world
        .postgres
        .commit((0..12).map(|id| ("accounts", insert_padded(id, 100_000))));
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::Next, 4, Act::Hang));
    let duration = stop_when(&world, || kafka_calls(&world, KafkaCall::Write) >= 2).await;
    assert!(
        duration < Duration::from_secs(1),
        "no call hangs, but the stop took {duration:?}"
    );
    assert!(delivered_ids(&world).is_empty());
    assert_eq!(world.kafka.checkpointed(), CONSISTENT_POINT);
    assert!(kafka_calls(&world, KafkaCall::Abort) > 0);
    world.deliver().await;
}

#[tokio::test(start_paused = true)]
async fn stop_commits_and_confirms_at_a_boundary() {
    let mut world = World::set_up();
    world.config.commit_interval = Duration::from_secs(3000);
    world.postgres.commit([("accounts", insert(1))]);
    stop_when(&world, || kafka_calls(&world, KafkaCall::Write) == 1).await;
    let end = world.postgres.read(|server| server.wal_end);
    assert_eq!(world.postgres.confirmed(), end);
    verify(&world);
}

/// The start of the next transaction has been read, but not written: the complete transaction before it is still committed.
#[tokio::test(start_paused = true)]
async fn stop_omits_the_start_of_the_next_transaction() {
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
async fn stop_ends_within_seconds_if_a_call_hangs() {
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
        let duration = stop_when(&world, || kafka_calls(&world, call) == 1).await;
        assert!(
            duration.as_secs() <= STOP_SECONDS_MAX,
            "{call:?} hangs, and the stop took {duration:?}"
        );
        assert!(
            duration.as_secs() >= 5,
            "{call:?} was given only {duration:?} to finish"
        );
        assert!(delivered_ids(&world).is_empty());
        verify_so_far(&world);
        world.deliver().await;
    }
}

/// A standby stops without opening its producer, so it fences no other instance.
#[tokio::test(start_paused = true)]
async fn standby_stops_without_calling_kafka() {
    let world = World::set_up();
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::AcquireLeadership, 1, Act::Hang));
    let standing_by = async {
        let mut status = world.state.status.subscribe();
        status
            .wait_for(|status| status.word() == "standby")
            .await
            .unwrap();
    };
    world.run(standing_by).await.unwrap();
    assert_eq!(world.kafka.read(|broker| broker.script.made().len()), 0);
}

/// The source may wait for the slot for minutes.
#[tokio::test(start_paused = true)]
async fn stop_interrupts_the_start_of_the_stream() {
    let world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::Start, 1, Act::Hang));
    let duration = stop_when(&world, || world.postgres.count(PostgresCall::Start) == 1).await;
    assert!(duration.as_secs() < 1, "the stop took {duration:?}");
    world.deliver().await;
}

#[tokio::test(start_paused = true)]
async fn stop_interrupts_the_wait_before_a_retry() {
    let mut world = World::set_up();
    world.config.retry_backoff_min = Duration::from_secs(1000);
    world.config.retry_backoff_max = Duration::from_secs(1000);
    let connection_lost = crate::fakes::TestFault::transient("connection lost");
    world.postgres.edit(|server| {
        server
            .script
            .at(PostgresCall::Next, 1, Act::Fail(connection_lost))
    });
    let retrying = async {
        let mut status = world.state.status.subscribe();
        status
            .wait_for(|status| status.word() == "retrying")
            .await
            .unwrap();
    };
    let start = Instant::now();
    world.run(retrying).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
}
