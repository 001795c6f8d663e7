//! Two processes with one name: one leads, the other waits; and one that lost the lead while it was not looking.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_testbed::{Load, LoadOptions, Postgres, PostgresOptions, Shop, fence};
use walcast_tests::{Alert, Instance, World, await_that, await_writes};

/// The exit code of an instance that finds that another one has taken over.
const FENCED: i32 = 4;

/// The exit code of an instance whose checkpoint does not fit its source.
const HALTED: i32 = 3;

/// A leader under load, and a standby.
async fn two_under_load(name: &str) -> (World, Instance, Instance, Load) {
    let (world, first, load) = one_under_load(name).await;
    let mut second = Instance::spawn(&world.config());
    second.await_state("standby").await;
    (world, first, second, load)
}

async fn one_under_load(name: &str) -> (World, Instance, Load) {
    let world = World::sharing(name, PostgresOptions::default()).await;
    let shop = Shop::create(&world.postgres).await.unwrap();
    let first = Instance::start(&world.config()).await;
    let options = LoadOptions {
        writes_per_second: Some(600),
        ..LoadOptions::default()
    };
    let load = shop.run(&world.postgres, &options);
    await_writes(&load, 200).await;
    (world, first, load)
}

async fn await_progress(instance: &Instance) {
    let before = instance.position("checkpointed").await;
    await_that("a later checkpoint of the leader", async || {
        instance.position("checkpointed").await > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_instance_stands_by_without_disturbing_and_takes_over_from_a_killed_one() {
    let (world, mut first, mut second, load) = two_under_load("standby").await;
    // A standby that had initialised its transactions would have fenced the leader at its next commit.
    for _ in 0..3 {
        await_writes(&load, 200).await;
        await_progress(&first).await;
    }
    assert_eq!(second.status().await["state"], "standby");
    let (missing, stopped) = (
        Alert::of("WalcastStandbyMissing"),
        Alert::of("WalcastNotStreaming"),
    );
    let pages = first.page("metrics").await + &second.page("metrics").await;
    assert!(!missing.is_true(&pages) && !stopped.is_true(&pages), "{pages}");
    assert_eq!(first.status().await["reconnects"], 0, "{}", first.log_end());

    first.kill9();
    second.ready().await;
    let pages = second.page("metrics").await;
    assert!(missing.is_true(&pages) && !stopped.is_true(&pages), "{pages}");
    await_writes(&load, 300).await;
    load.stop().await.unwrap();
    let mut audit = world.audit(&Shop::TABLES);
    world.assert_delivered(&mut audit, &mut second).await;
    second.stop().await;
    world.assert_still_clean(&mut audit, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_that_wakes_after_another_took_over_writes_nothing() {
    let (world, mut first, mut second, load) = two_under_load("zombie").await;
    first.pause();
    // More than what one commit holds waits for it when it wakes.
    await_writes(&load, 200).await;
    world.terminate(world.walsender().await.unwrap()).await;
    world.terminate(world.leader().await.unwrap()).await;
    second.ready().await;
    await_writes(&load, 300).await;
    await_progress(&second).await;

    first.resume();
    let mut ended = None;
    await_that("the zombie's end or standing by", async || {
        ended = first.process().ended().unwrap();
        let status = first.try_status().await;
        ended.is_some() || status.is_some_and(|status| status["state"] == "standby")
    })
    .await;
    eprintln!("the zombie: {}", first.log().lines().last().unwrap_or_default());
    if let Some(status) = ended {
        assert_eq!(status.code(), Some(FENCED), "{}", first.log_end());
    }
    await_writes(&load, 300).await;
    load.stop().await.unwrap();
    let mut audit = world.audit(&Shop::TABLES);
    world.assert_delivered(&mut audit, &mut second).await;
    assert_eq!(
        second.status().await["reconnects"],
        0,
        "the zombie disturbed the leader\n{}",
        second.log_end()
    );
    second.stop().await;
    world.assert_still_clean(&mut audit, &second).await;
}

/// The lock of another source is free, so only the checkpoint shows that it is not the right one.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_name_on_another_cluster_halts_and_does_not_disturb_the_right_one() {
    let (world, mut first, load) = one_under_load("stranger").await;
    let elsewhere = Postgres::start(PostgresOptions::default()).await.unwrap();
    Shop::create(&elsewhere).await.unwrap();
    let mut stranger = Instance::spawn(&world.config().set("postgres.url", elsewhere.url()));
    assert_eq!(stranger.exit_code().await, HALTED, "{}", stranger.log_end());
    await_writes(&load, 300).await;
    await_progress(&first).await;
    load.stop().await.unwrap();
    let mut audit = world.audit(&Shop::TABLES);
    world.assert_delivered(&mut audit, &mut first).await;
    assert_eq!(first.status().await["reconnects"], 0, "{}", first.log_end());
    first.stop().await;
    world.assert_still_clean(&mut audit, &first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_kafka_fences_in_full_flow_ends_with_its_own_code_and_a_restart_continues() {
    let (world, mut first, load) = one_under_load("fenced").await;
    // What an instance with the same name does that the source's lock did not keep away.
    fence(&world.kafka().brokers(), "walcast-fenced").await.unwrap();
    assert_eq!(first.exit_code().await, FENCED, "{}", first.log_end());

    first.start_again();
    first.ready().await;
    await_writes(&load, 300).await;
    load.stop().await.unwrap();
    let mut audit = world.audit(&Shop::TABLES);
    world.assert_delivered(&mut audit, &mut first).await;
    first.stop().await;
    world.assert_still_clean(&mut audit, &first).await;
}
