//! Two instances with one name, and the leader is killed, stands still, or loses the network: the other one continues within
//! seconds, and the one that was replaced writes nothing any more.
//!
//! Each test prints how long it took; docs/guarantees.md has the figures.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::{Duration, Instant};

use walcast_testbed::{
    Audit, Direction, Flow, KafkaOptions, Load, LoadOptions, PostgresOptions, Proxy, Shop, TestbedOptions,
    wait_until,
};
use walcast_tests::{Instance, World, await_that, await_writes};

/// The exit code of an instance that finds that another one has taken over.
const FENCED: i32 = 4;

/// Longer than any takeover, also one that waits for Kafka's limits.
const LIMIT: Duration = Duration::from_secs(300);

/// A leader under load, with a network of its own to the source, and a standby.
struct Pair {
    world: World,
    network: Proxy,
    leader: Instance,
    standby: Instance,
    load: Load,
}

impl Pair {
    async fn start(name: &str) -> Pair {
        let world = World::sharing(name, PostgresOptions::default()).await;
        let network = Proxy::start(world.postgres.port()).await.unwrap();
        let url = format!("postgres://postgres:postgres@127.0.0.1:{}/shop", network.port());
        let config = world.config().set("postgres.url", url);
        Pair::between(world, network, config).await
    }

    async fn between(world: World, network: Proxy, config: walcast_testbed::ConnectorConfig) -> Pair {
        let shop = Shop::create(&world.postgres).await.unwrap();
        let leader = Instance::start(&config).await;
        let options = LoadOptions {
            writes_per_second: Some(400),
            ..LoadOptions::default()
        };
        let load = shop.run(&world.postgres, &options);
        await_writes(&load, 200).await;
        let mut standby = Instance::spawn(&world.config());
        standby.await_state("standby").await;
        assert_eq!(standby.status().await["role"]["is"], "standby");
        assert_eq!(leader.status().await["role"]["is"], "leader");
        Pair {
            world,
            network,
            leader,
            standby,
            load,
        }
    }

    /// Waits until the standby streams, and prints how long that took.
    async fn await_takeover(&mut self, of: &str, began: Instant) {
        let streams = wait_until("the standby's takeover", LIMIT, async || {
            self.standby.assert_running();
            let status = self.standby.try_status().await;
            Ok(status.is_some_and(|status| status["state"] == "streaming"))
        });
        if let Err(error) = streams.await {
            panic!("{error}\n{}", self.standby.log_end());
        }
        eprintln!(
            "takeover from a leader that {of}: {:.1} s",
            began.elapsed().as_secs_f64()
        );
        let role = self.standby.status().await["role"].clone();
        assert_eq!(
            (role["is"].as_str(), role["takeovers"].as_u64()),
            (Some("leader"), Some(1))
        );
        assert_eq!(role["since"], role["last_takeover"]);
    }

    /// The leader that was replaced ends as fenced, or stands by.
    async fn await_replaced(&mut self) {
        let mut ended = None;
        await_that(
            "the end or standing by of the instance that was replaced",
            async || {
                ended = self.leader.process().ended().unwrap();
                let status = self.leader.try_status().await;
                ended.is_some() || status.is_some_and(|status| status["state"] == "standby")
            },
        )
        .await;
        if let Some(status) = ended {
            assert_eq!(status.code(), Some(FENCED), "{}", self.leader.log_end());
        }
    }

    /// All that was committed is in Kafka, once and in order, and no client disturbed the new leader.
    async fn assert_clean_end(mut self) {
        await_writes(&self.load, 300).await;
        self.load.stop().await.unwrap();
        let mut audit: Audit = self.world.audit(&Shop::TABLES);
        self.world.assert_delivered(&mut audit, &mut self.standby).await;
        let status = self.standby.status().await;
        assert_eq!(status["reconnects"], 0, "{}", self.standby.log_end());
        self.standby.stop().await;
        self.world.assert_still_clean(&mut audit, &self.standby).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_leader_that_is_killed() {
    let mut pair = Pair::start("to_killed").await;
    let began = Instant::now();
    pair.leader.kill9();
    pair.await_takeover("is killed", began).await;
    pair.assert_clean_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_leader_that_is_stopped() {
    let mut pair = Pair::start("to_stopped").await;
    let began = Instant::now();
    pair.leader.stop().await;
    pair.await_takeover("is stopped", began).await;
    pair.assert_clean_end().await;
}

/// Its kernel answers for it: neither keepalives nor TCP's own limits notice.
#[tokio::test(flavor = "multi_thread")]
async fn from_a_leader_that_stands_still() {
    let mut pair = Pair::start("to_frozen").await;
    let began = Instant::now();
    pair.leader.pause();
    pair.await_takeover("stands still", began).await;
    // More than what one commit holds waits for it when it wakes.
    await_writes(&pair.load, 300).await;
    pair.leader.resume();
    pair.await_replaced().await;
    pair.assert_clean_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_leader_that_is_cut_off_from_the_source() {
    let mut pair = Pair::start("to_stalled").await;
    let began = Instant::now();
    pair.network.stall();
    pair.await_takeover("is cut off in both directions", began).await;
    // It may have delivered before what it had received of the WAL; afterwards it finds another in its place.
    pair.network.flow();
    pair.await_replaced().await;
    pair.assert_clean_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_leader_that_the_source_does_not_hear() {
    let mut pair = Pair::start("to_mute").await;
    let began = Instant::now();
    pair.network.let_flow(Direction::ToTarget, Flow::Held);
    pair.await_takeover("is not heard", began).await;
    pair.network.flow();
    pair.await_replaced().await;
    pair.assert_clean_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_leader_that_does_not_hear_the_source() {
    let mut pair = Pair::start("to_deaf").await;
    let began = Instant::now();
    pair.network.let_flow(Direction::ToClient, Flow::Held);
    pair.await_takeover("hears nothing", began).await;
    pair.network.flow();
    pair.await_replaced().await;
    pair.assert_clean_end().await;
}

/// It still holds the lead, and can do nothing with it.
#[tokio::test(flavor = "multi_thread")]
async fn from_a_leader_that_is_cut_off_from_kafka() {
    let (kafka, network) = KafkaOptions::default().behind_proxy().await.unwrap();
    let options = TestbedOptions {
        kafka,
        ..TestbedOptions::default()
    };
    let world = World::alone("to_no_kafka", options).await;
    let brokers = format!("127.0.0.1:{}", network.port());
    let config = world.config().set("kafka.brokers", brokers);
    let mut pair = Pair::between(world, network, config).await;
    let began = Instant::now();
    pair.network.stall();
    pair.await_takeover("is cut off from kafka", began).await;
    await_writes(&pair.load, 300).await;
    pair.network.flow();
    pair.await_replaced().await;
    pair.assert_clean_end().await;
}
