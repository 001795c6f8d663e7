//! Servers that go away and come back, connections that are cut: the stream resumes from its checkpoint.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_testbed::{
    ConnectorConfig, Load, LoadOptions, PostgresOptions, Proxy, Shop, StopMode, TestbedOptions, TpcB,
    topic_names, wait_until,
};
use walcast_tests::{Instance, LIMIT, World, await_that, await_writes};

fn brisk() -> LoadOptions {
    LoadOptions {
        writes_per_second: Some(500),
        ..LoadOptions::default()
    }
}

/// The shop's tables, a connector that captures them, then the shop's business: what was there before a connector is not
/// its to deliver.
async fn shop_and_connector(world: &World, config: ConnectorConfig) -> (Load, Instance) {
    let shop = Shop::create(&world.postgres).await.unwrap();
    // The delay grows with every failure in a row; here they follow one another on purpose.
    let walcast = Instance::start(&config.set("retry.backoff_max", "1000ms")).await;
    (shop.run(&world.postgres, &brisk()), walcast)
}

/// Ends the load and the connector; all that was committed must be in Kafka, once and in order.
async fn assert_clean_end(world: &World, load: Load, tables: &[&str], walcast: &mut Instance) {
    load.stop().await.unwrap();
    let mut audit = world.audit(tables);
    world.assert_delivered(&mut audit, walcast).await;
    walcast.stop().await;
    world.assert_still_clean(&mut audit, walcast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_restarts_and_one_that_is_killed_interrupt_nothing_for_good() {
    let mut world = World::alone("broker", TestbedOptions::default()).await;
    let (load, mut walcast) = shop_and_connector(&world, world.config()).await;
    await_writes(&load, 300).await;
    world.kafka_mut().stop().await.unwrap();
    await_writes(&load, 300).await;
    world.kafka_mut().start_again().await.unwrap();
    await_writes(&load, 300).await;
    world.kafka_mut().kill().unwrap();
    await_writes(&load, 300).await;
    world.kafka_mut().start_again().await.unwrap();
    await_writes(&load, 300).await;
    assert_clean_end(&world, load, &Shop::TABLES, &mut walcast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_does_not_cost_the_replication_connection() {
    let mut options = TestbedOptions::default();
    // Longer than a busy machine stands still. Twice this is shorter than the 30 s after which a commit is abandoned.
    options.postgres = options.postgres.with_setting("wal_sender_timeout", "6s");
    let mut world = World::alone("frozen", options).await;
    let (load, mut walcast) = shop_and_connector(&world, world.config()).await;
    await_writes(&load, 300).await;
    // A table that changes for the first time needs a topic, and cannot have one from a frozen broker.
    let brokers = world.kafka().brokers();
    await_that("a topic for each table", async || {
        let topics = topic_names(&brokers).await.unwrap();
        Shop::TABLES
            .iter()
            .all(|table| topics.contains(&world.topic(table)))
    })
    .await;
    let mut walsender = None;
    await_that("a stream", async || {
        walsender = world.walsender().await;
        walsender.is_some()
    })
    .await;
    world.kafka_mut().pause().unwrap();
    let client = world.postgres.client().await.unwrap();
    let frozen_at: std::time::SystemTime = client.query_one("SELECT now()", &[]).await.unwrap().get(0);
    let replies_since = "SELECT reply_time > $1::timestamptz + interval '13 s' FROM pg_stat_replication";
    await_that("status updates for two timeouts, or their end", async || {
        let row = client.query_opt(replies_since, &[&frozen_at]).await.unwrap();
        row.is_none_or(|row| row.get(0))
    })
    .await;
    assert_eq!(world.walsender().await, walsender, "{}", walcast.log_end());
    world.kafka_mut().resume().unwrap();
    await_writes(&load, 300).await;
    assert_clean_end(&world, load, &Shop::TABLES, &mut walcast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_restarts_in_immediate_mode_is_streamed_from_the_checkpoint() {
    let mut world = World::sharing("restart", PostgresOptions::default()).await;
    let (load, mut walcast) = shop_and_connector(&world, world.config()).await;
    for _ in 0..2 {
        await_writes(&load, 400).await;
        world.postgres.restart(StopMode::Immediate).await.unwrap();
    }
    await_writes(&load, 400).await;
    assert_clean_end(&world, load, &Shop::TABLES, &mut walcast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_away_when_a_schema_is_needed_is_waited_for() {
    let mut world = World::alone("registry", TestbedOptions::default()).await;
    let bank = TpcB::create(&world.postgres, 2).await.unwrap();
    world.registry_mut().stop().await.unwrap();
    let (load, mut walcast) = shop_and_connector(&world, world.config()).await;
    walcast.await_state("retrying").await;
    world.registry_mut().start_again().await.unwrap();
    walcast.ready().await;
    await_writes(&load, 300).await;

    // Schemas that are known are not asked for again; the bank's are new.
    world.registry_mut().stop().await.unwrap();
    await_writes(&load, 300).await;
    let banking = bank.run(&world.postgres, &brisk());
    walcast.await_state("retrying").await;
    world.registry_mut().start_again().await.unwrap();
    await_writes(&load, 300).await;
    banking.stop().await.unwrap();
    let tables = [Shop::TABLES, TpcB::TABLES].concat();
    assert_clean_end(&world, load, &tables, &mut walcast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_ended_by_the_server_are_made_again() {
    let world = World::sharing("ended", PostgresOptions::default()).await;
    let (load, mut walcast) = shop_and_connector(&world, world.config()).await;
    for round in 0..4 {
        await_writes(&load, 200).await;
        walcast.ready().await;
        // A stream that was made again before the lead was lost ends once more.
        let mut pids = None;
        await_that("a stream and a leader", async || {
            pids = world.walsender().await.zip(world.leader().await);
            pids.is_some()
        })
        .await;
        let (walsender, leader) = pids.unwrap();
        for pid in match round {
            0 => vec![walsender],
            1 => vec![leader],
            2 => vec![walsender, leader],
            _ => vec![leader, walsender],
        } {
            world.terminate(pid).await;
        }
        await_that("a new stream", async || {
            world.walsender().await.is_some_and(|pid| pid != walsender)
        })
        .await;
    }
    assert_clean_end(&world, load, &Shop::TABLES, &mut walcast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_network_is_bridged_from_the_checkpoint() {
    let world = World::sharing("cut", PostgresOptions::default()).await;
    let proxy = Proxy::start(world.postgres.port()).await.unwrap();
    let direct = format!(":{}/", world.postgres.port());
    let url = world
        .postgres
        .url()
        .replace(&direct, &format!(":{}/", proxy.port()));
    let (load, mut walcast) = shop_and_connector(&world, world.config().set("postgres.url", url)).await;
    for _ in 0..3 {
        await_writes(&load, 200).await;
        proxy.cut();
    }
    await_writes(&load, 200).await;
    proxy.close();
    walcast.await_state("retrying").await;
    await_writes(&load, 200).await;
    proxy.open();
    walcast.ready().await;
    await_writes(&load, 200).await;
    assert_clean_end(&world, load, &Shop::TABLES, &mut walcast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_least_once_may_repeat_but_loses_nothing() {
    let mut world = World::alone("atleast", TestbedOptions::default()).await;
    let (load, mut walcast) = shop_and_connector(
        &world,
        world.config().set("kafka.delivery_guarantee", "at_least_once"),
    )
    .await;
    for _ in 0..6 {
        walcast.ready().await;
        await_writes(&load, 200).await;
        walcast.kill9();
        walcast.start_again();
    }
    walcast.ready().await;
    world.kafka_mut().kill().unwrap();
    await_writes(&load, 200).await;
    world.kafka_mut().start_again().await.unwrap();
    await_writes(&load, 200).await;
    load.stop().await.unwrap();

    let mut audit = world.audit(&Shop::TABLES);
    let caught_up = wait_until("delivery of every change", LIMIT, async || {
        walcast.assert_running();
        Ok(audit.verdict(&world.postgres).await?.lost.count == 0)
    });
    let caught_up = caught_up.await;
    let verdict = audit.verdict(&world.postgres).await.unwrap();
    eprintln!("at least once: {verdict}");
    assert!(caught_up.is_ok(), "{verdict}\n{}", walcast.log_end());
    let wrong = [&verdict.lost, &verdict.extra, &verdict.unidentified];
    assert!(
        wrong.iter().all(|findings| findings.count == 0),
        "{verdict}\n{}",
        walcast.log_end()
    );
    walcast.stop().await;
}
