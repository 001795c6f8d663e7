//! Faults that are retried, the delay before a retry, and faults that end the connector.

use std::time::Duration;

use tokio::time::Instant;
use walcast_delivery::Status;

use crate::fakes::{
    Act, CONNECTION_LOST, KafkaCall, PostgresCall, TestFault, World, delivered_ids, insert, verify,
    verify_so_far,
};

const ACCESS_DENIED: TestFault = TestFault::permanent("access denied");

/// Until the first stream has started, an operator is watching: every fault is returned.
#[tokio::test(start_paused = true)]
async fn returns_faults_before_the_first_stream() {
    for call in [
        PostgresCall::AcquireLeadership,
        PostgresCall::Inspect,
        PostgresCall::Start,
    ] {
        let world = World::set_up();
        world.postgres.fail(call, 1, CONNECTION_LOST);
        let error = world.run_to_end().await;
        assert_eq!(error.to_string(), "postgres: connection lost");
        assert!(error.is_retryable());
    }
    let world = World::set_up();
    world.kafka.fail(KafkaCall::Open, 1, CONNECTION_LOST);
    assert_eq!(world.run_to_end().await.to_string(), "kafka: connection lost");
}

/// A server that answers and has no connection left is waited for, also at a start.
#[tokio::test(start_paused = true)]
async fn start_waits_for_a_fault_that_passes_by_itself() {
    let world = World::set_up();
    for nth in 1..=3 {
        let full = TestFault::passing("too many clients already");
        world.postgres.fail(PostgresCall::AcquireLeadership, nth, full);
    }
    world.run(world.insert_delivered(1)).await.unwrap();
    verify(&world);
}

/// Once the connector has streamed, it retries without end, with a delay that doubles up to its limit.
#[tokio::test(start_paused = true)]
async fn retries_with_a_growing_delay_after_the_first_stream() {
    let world = World::set_up();
    let outage = async {
        world.insert_delivered(1).await;
        world.postgres.fail(PostgresCall::Next, 1, CONNECTION_LOST);
        for nth in 1..=9 {
            world
                .postgres
                .fail(PostgresCall::AcquireLeadership, nth, CONNECTION_LOST);
        }
        world.insert_delivered(2).await;
    };
    let mut delays = Vec::new();
    let mut status = world.state.status.subscribe();
    let record_delays = async {
        loop {
            let known = status.borrow_and_update().clone();
            if let Status::Retrying {
                delay: Some(delay), ..
            } = known
            {
                delays.push(delay.as_millis());
            }
            status.changed().await.expect("the world outlives its connectors");
        }
    };
    tokio::select! {
        outcome = world.run(outage) => outcome.unwrap(),
        () = record_delays => {}
    }
    let full = [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000];
    assert_eq!(delays.len(), full.len(), "{delays:?}");
    for (delay, full) in delays.iter().zip(full) {
        assert!((full / 2..=full).contains(delay), "{delays:?}");
    }
    verify(&world);
}

#[tokio::test(start_paused = true)]
async fn permanent_fault_ends_the_connector() {
    let faults: [&dyn Fn(&World); 4] = [
        &|world| world.postgres.fail(PostgresCall::Next, 3, ACCESS_DENIED),
        &|world| world.kafka.fail(KafkaCall::Write, 1, ACCESS_DENIED),
        &|world| world.kafka.fail(KafkaCall::Commit, 1, ACCESS_DENIED),
        &|world| {
            world.registry.plan(1, Act::Fail(ACCESS_DENIED));
        },
    ];
    let mut texts = Vec::new();
    for plan in faults {
        let world = World::set_up();
        world.postgres.commit([("accounts", insert(1))]);
        plan(&world);
        let error = world.run_to_end().await;
        assert!(!error.is_retryable());
        assert_eq!(world.postgres.read(|server| server.starts.len()), 1);
        assert_eq!(
            world.state.status.read().error(),
            Some(error.to_string().as_str())
        );
        verify_so_far(&world);
        texts.push(error.to_string());
    }
    expect_test::expect![[r#"
        postgres: access denied
        kafka: access denied
        kafka: access denied
        schema registry: subject shop.public.accounts-key: access denied"#]]
    .assert_eq(&texts.join("\n"));
}

/// Writes of a replaced producer can fail with another error first: the abort that follows reports the fencing.
#[tokio::test(start_paused = true)]
async fn abort_that_reports_fencing_ends_the_connector() {
    let world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    world.kafka.fail(KafkaCall::Write, 1, CONNECTION_LOST);
    world.kafka.fail(KafkaCall::Abort, 1, TestFault::fenced());
    let error = world.run_to_end().await;
    assert!(error.is_fenced(), "{error}");
    assert_eq!(world.kafka.count(KafkaCall::Open), 1);
    assert!(delivered_ids(&world).is_empty());
}

/// Another instance takes over while this one writes: it ends with an error, and its records are never visible.
#[tokio::test(start_paused = true)]
async fn fenced_instance_ends_and_never_writes_again() {
    let mut world = World::set_up();
    world.config.commit_interval = Duration::from_secs(60);
    let fenced = world.run(std::future::pending());
    let takeover = async {
        world.postgres.commit([("accounts", insert(1))]);
        let wrote = || world.kafka.count(KafkaCall::Write) == 1;
        world.steps.until(wrote).await;
        // Another instance opens its producer; its connection to the source does not matter here.
        walcast_delivery::Sink::open(&mut world.kafka.sink())
            .await
            .unwrap();
        let calls = world.kafka.read(|broker| broker.script.made().len());
        world.postgres.commit([("accounts", insert(2))]);
        calls
    };
    let (error, calls_before) = tokio::join!(fenced, takeover);
    let error = error.unwrap_err();
    assert!(error.is_fenced());
    let calls_after = world
        .kafka
        .read(|broker| broker.script.made()[calls_before..].to_vec());
    assert!(
        matches!(
            calls_after[..],
            [KafkaCall::Abort] | [KafkaCall::Write | KafkaCall::Commit, KafkaCall::Abort]
        ),
        "a fenced instance continued: {calls_after:?}"
    );
    assert!(delivered_ids(&world).is_empty());
    assert_eq!(world.state.status.read().word(), "halted");
    world.deliver().await;
}

/// Leadership is lost while streaming: the session ends and leadership is acquired again.
#[tokio::test(start_paused = true)]
async fn acquires_lost_leadership_again() {
    let world = World::set_up();
    let lose = async {
        world.insert_delivered(1).await;
        world.postgres.read(|server| server.leadership_lost.notify_one());
        let led_twice = || world.postgres.read(|server| server.starts.len()) == 2;
        world.steps.until(led_twice).await;
        world.insert_delivered(2).await;
    };
    let begun = Instant::now();
    world.run(lose).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    verify(&world);
}
