//! What is tried again, how soon, and what ends the connector.

use std::time::Duration;

use tokio::time::Instant;
use walcast_delivery::Status;

use crate::fakes::{
    Act, KafkaCall, PostgresCall, TestFault, World, delivered_ids, insert, verify, verify_so_far,
};

const GONE: TestFault = TestFault::passing("connection lost");
const REFUSED: TestFault = TestFault::lasting("access denied");

/// Before the first stream somebody is watching: every fault is shown to them.
#[tokio::test(start_paused = true)]
async fn before_the_first_stream_a_fault_is_returned() {
    for call in [PostgresCall::Lead, PostgresCall::Survey, PostgresCall::Start] {
        let world = World::set_up();
        world
            .postgres
            .edit(|server| server.script.at(call, 1, Act::Fail(GONE)));
        let error = world.run_to_its_end().await;
        assert_eq!(error.to_string(), "postgres: connection lost");
        assert!(error.is_retryable());
    }
    let world = World::set_up();
    world
        .kafka
        .edit(|broker| broker.script.at(KafkaCall::Open, 1, Act::Fail(GONE)));
    assert_eq!(world.run_to_its_end().await.to_string(), "kafka: connection lost");
}

/// Once it has streamed, connecting is tried again for ever, with a delay that doubles up to its limit.
#[tokio::test(start_paused = true)]
async fn after_the_first_stream_it_is_tried_again_with_a_growing_delay() {
    let world = World::set_up();
    let outage = async {
        world.postgres.commit([("accounts", insert(1))]);
        world.everything_delivered().await;
        world.postgres.edit(|server| {
            server.script.at(PostgresCall::Next, 1, Act::Fail(GONE));
            for nth in 1..=9 {
                server.script.at(PostgresCall::Lead, nth, Act::Fail(GONE));
            }
        });
        world.postgres.commit([("accounts", insert(2))]);
        world.everything_delivered().await;
    };
    let mut delays = Vec::new();
    let mut status = world.status.subscribe();
    let note_delays = async {
        loop {
            let known = status.borrow_and_update().clone();
            if let Status::Retrying { delay, .. } = known {
                delays.push(delay.as_millis());
            }
            status.changed().await.expect("the world outlives its connectors");
        }
    };
    tokio::select! {
        outcome = world.run(outage) => outcome.unwrap(),
        () = note_delays => {}
    }
    assert_eq!(
        delays,
        [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]
    );
    verify(&world);
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_time_cannot_heal_ends_it() {
    let faults: [&dyn Fn(&World); 4] = [
        &|world| {
            world
                .postgres
                .edit(|server| server.script.at(PostgresCall::Next, 3, Act::Fail(REFUSED)))
        },
        &|world| {
            world
                .kafka
                .edit(|broker| broker.script.at(KafkaCall::Write, 1, Act::Fail(REFUSED)))
        },
        &|world| {
            world
                .kafka
                .edit(|broker| broker.script.at(KafkaCall::Commit, 1, Act::Fail(REFUSED)))
        },
        &|world| {
            world.registry.plan(1, Act::Fail(REFUSED));
        },
    ];
    let mut texts = Vec::new();
    for plan in faults {
        let world = World::set_up();
        world.postgres.commit([("accounts", insert(1))]);
        plan(&world);
        let error = world.run_to_its_end().await;
        assert!(!error.is_retryable());
        assert_eq!(world.postgres.read(|server| server.starts.len()), 1);
        assert_eq!(world.status.borrow().error(), Some(error.to_string().as_str()));
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

/// Records of a replaced producer can fail for other reasons before it learns why: the abort that follows knows.
#[tokio::test(start_paused = true)]
async fn an_abort_that_finds_us_fenced_ends_the_connector() {
    let world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    world.kafka.edit(|broker| {
        broker.script.at(KafkaCall::Write, 1, Act::Fail(GONE));
        broker
            .script
            .at(KafkaCall::Abort, 1, Act::Fail(TestFault::fenced()));
    });
    let error = world.run_to_its_end().await;
    assert!(error.is_fenced(), "{error}");
    assert_eq!(world.kafka.read(|broker| broker.script.count(KafkaCall::Open)), 1);
    assert!(delivered_ids(&world).is_empty());
}

/// Another instance takes over while this one writes: it ends, says so, and nothing of it is ever seen.
#[tokio::test(start_paused = true)]
async fn a_fenced_instance_ends_and_never_writes_again() {
    let mut world = World::set_up();
    world.config.commit_interval = Duration::from_secs(60);
    let zombie = world.run(std::future::pending());
    let takeover = async {
        world.postgres.commit([("accounts", insert(1))]);
        let wrote = || world.kafka.read(|broker| broker.script.count(KafkaCall::Write)) == 1;
        world.steps.until(wrote).await;
        // Another instance's open: its connection is not of interest here.
        walcast_delivery::Sink::open(&mut world.kafka.sink())
            .await
            .unwrap();
        let calls = world.kafka.read(|broker| broker.script.made().len());
        world.postgres.commit([("accounts", insert(2))]);
        calls
    };
    let (error, calls_before) = tokio::join!(zombie, takeover);
    let error = error.unwrap_err();
    assert!(error.is_fenced());
    let calls_after = world
        .kafka
        .read(|broker| broker.script.made()[calls_before..].to_vec());
    assert!(
        matches!(
            calls_after[..],
            [KafkaCall::Write | KafkaCall::Commit, KafkaCall::Abort]
        ),
        "a fenced instance went on: {calls_after:?}"
    );
    assert!(delivered_ids(&world).is_empty());
    assert_eq!(world.status.borrow().word(), "halted");
    world.deliver().await;
}

/// Leadership is lost while streaming: the session ends and leadership is asked for again.
#[tokio::test(start_paused = true)]
async fn a_lost_lead_is_asked_for_again() {
    let world = World::set_up();
    let lose = async {
        world.postgres.commit([("accounts", insert(1))]);
        world.everything_delivered().await;
        world.postgres.read(|server| server.lead_lost.notify_one());
        let led_twice = || world.postgres.read(|server| server.starts.len()) == 2;
        world.steps.until(led_twice).await;
        world.postgres.commit([("accounts", insert(2))]);
        world.everything_delivered().await;
    };
    let begun = Instant::now();
    world.run(lose).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    verify(&world);
}
