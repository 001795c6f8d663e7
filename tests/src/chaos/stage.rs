//! The servers, the lines to them, and what is done to both.

use std::time::Duration;

use walcast_testbed::{
    Audit, ConnectorConfig, Direction, Flow, KafkaCluster, KafkaOptions, Load, LoadOptions, Postgres, Proxy,
    Registry, Shop, StopMode,
};

use super::fault::{End, Fault, Server, Weather};
use super::pair::Pair;
use super::report::Report;
use super::source::Source;
use crate::await_that;

/// Name of the connectors.
const NAME: &str = "chaos";
const SLOT: &str = "walcast_chaos";

/// How many brokers there are.
pub(super) const BROKERS: usize = 3;

/// How much later everything comes over a delayed network.
const DELAY: Duration = Duration::from_millis(80);

/// The pause after each byte of a dripping network.
const DRIP: Duration = Duration::from_millis(1);

/// Short, so that a fault can outlast it.
const TRANSACTION_TIMEOUT: &str = "10s";

pub(super) struct Stage {
    source: Source,
    kafka: KafkaCluster,
    registry: Registry,
    to_registry: Proxy,
    /// How often tables were altered.
    alterations: u32,
}

impl Stage {
    pub(super) async fn set() -> Stage {
        let (source, kafka, registry) = tokio::join!(
            Box::pin(Source::start()),
            Box::pin(KafkaCluster::start(BROKERS, KafkaOptions::default())),
            Box::pin(Registry::start()),
        );
        let (kafka, registry) = (kafka.unwrap(), registry.unwrap());
        Stage {
            to_registry: Proxy::start(registry.port()).await.unwrap(),
            source,
            kafka,
            registry,
            alterations: 0,
        }
    }

    /// The connectors reach every server through a line.
    pub(super) fn config(&self) -> ConnectorConfig {
        let (port, line) = (self.registry.port(), self.to_registry.port());
        let registry = self
            .registry
            .url()
            .replace(&format!(":{port}/"), &format!(":{line}/"));
        ConnectorConfig::of(&self.kafka.brokers(), NAME)
            .unwrap()
            .set("postgres.url", self.source.url())
            .set("postgres.slot", SLOT)
            .set("postgres.failover", true)
            .set("registry.url", registry)
            .set("kafka.transaction_timeout", TRANSACTION_TIMEOUT)
    }

    /// The primary.
    pub(super) fn postgres(&self) -> &Postgres {
        self.source.primary()
    }

    /// Starts the shop's business, which continues wherever the primary is.
    pub(super) fn load(&self, shop: Shop, options: &LoadOptions) -> Load {
        shop.run_at(&self.source.config(), options)
    }

    pub(super) fn audit(&self, tables: &[&str]) -> Audit {
        Audit::between(&self.kafka.brokers(), &self.registry, NAME, tables).unwrap()
    }

    pub(super) async fn end_of_log(&self) -> u64 {
        let client = self.postgres().client().await.unwrap();
        let row = client.query_one("SELECT pg_current_wal_lsn()::text", &[]).await;
        crate::lsn(row.unwrap().get(0))
    }

    pub(super) async fn inflict(&mut self, fault: Fault, pair: &mut Pair, report: &mut Report) {
        match fault {
            Fault::Network(end, weather) => self.lines(end).into_iter().for_each(|line| blow(line, weather)),
            Fault::Killed(Server::Postgres) => self.source.primary_mut().kill().unwrap(),
            Fault::Killed(Server::Broker(number)) => self.kafka.broker_mut(number).kill().unwrap(),
            Fault::Frozen(Server::Postgres) => self.source.primary_mut().pause().unwrap(),
            Fault::Frozen(Server::Broker(number)) => self.kafka.broker_mut(number).pause().unwrap(),
            Fault::Restarted(Server::Postgres) => {
                let primary = self.source.primary_mut();
                primary.restart(StopMode::Fast).await.unwrap();
            }
            Fault::FailedOver => self.source.fail_over().await,
            Fault::SwitchedOver => self.source.switch_over().await,
            Fault::Restarted(Server::Broker(number)) => {
                self.kafka.broker_mut(number).restart().await.unwrap();
            }
            Fault::RolledThrough => {
                for number in 0..self.kafka.size() {
                    self.kafka.broker_mut(number).restart().await.unwrap();
                }
            }
            Fault::DiskFull(number) => self.kafka.broker_mut(number).fill_disk().unwrap(),
            Fault::WalsenderEnded => {
                self.terminate("SELECT active_pid FROM pg_replication_slots WHERE active")
                    .await;
            }
            Fault::LeadEnded => {
                self.terminate("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
                    .await;
            }
            Fault::Altered => self.alter().await,
            Fault::AlteredUnregistered(weather) => {
                blow(&self.to_registry, weather);
                self.alter().await;
            }
            Fault::AlteredRegistryKilled => {
                self.registry.kill().unwrap();
                self.alter().await;
            }
            Fault::LeaderKilled => pair.kill_leader(report).await,
            Fault::StandbyKilled => pair.kill_standby(report).await,
            Fault::LeaderFrozen => pair.freeze_leader(report).await,
        }
    }

    /// Ends what a fault began.
    pub(super) async fn repair(&mut self, fault: Fault, pair: &mut Pair) {
        match fault {
            Fault::Network(end, _) => self.lines(end).into_iter().for_each(clear),
            Fault::Killed(Server::Postgres) => self.source.primary_mut().start_again().await.unwrap(),
            Fault::FailedOver => self.source.rejoin_rewound().await,
            Fault::SwitchedOver => self.source.rejoin().await,
            Fault::Killed(Server::Broker(number)) => {
                self.kafka.broker_mut(number).start_again().await.unwrap();
            }
            Fault::Frozen(Server::Postgres) => self.source.primary_mut().resume().unwrap(),
            Fault::Frozen(Server::Broker(number)) => self.kafka.broker_mut(number).resume().unwrap(),
            Fault::DiskFull(number) => {
                // Whether or not it has noticed.
                let broker = self.kafka.broker_mut(number);
                broker.kill().unwrap();
                broker.start_again().await.unwrap();
            }
            Fault::AlteredUnregistered(_) => clear(&self.to_registry),
            Fault::AlteredRegistryKilled => self.registry.start_again().await.unwrap(),
            Fault::LeaderFrozen => pair.thaw(),
            Fault::Restarted(_)
            | Fault::RolledThrough
            | Fault::WalsenderEnded
            | Fault::LeadEnded
            | Fault::Altered
            | Fault::LeaderKilled
            | Fault::StandbyKilled => {}
        }
    }

    /// Whether the repaired part is as it was before: a standby that was created again has its copy of the slot.
    pub(super) async fn is_whole(&mut self, fault: Fault) -> bool {
        !fault.leaves_traces() || self.source.is_whole(SLOT).await
    }

    /// Waits until the standby could take over for the first time.
    pub(super) async fn await_standby(&mut self) {
        await_that("the copy of the slot", async || self.source.is_whole(SLOT).await).await;
    }

    fn lines(&self, end: End) -> Vec<&Proxy> {
        match end {
            End::Postgres => self.source.lines(),
            End::Broker(number) => vec![self.kafka.line(number)],
            End::AllBrokers => self.kafka.lines().iter().collect(),
        }
    }

    /// Ends the server processes that a query names.
    async fn terminate(&self, pids: &str) {
        let sql = format!("SELECT pg_terminate_backend(pid) FROM ({pids}) AS them (pid)");
        self.postgres().execute(&sql).await.unwrap();
    }

    /// A column more on two tables, and the one of the last time away; later writes fill it.
    async fn alter(&mut self) {
        let (now, before) = (self.alterations + 1, self.alterations);
        self.alterations = now;
        let statements = format!(
            "ALTER TABLE orders ADD COLUMN extra_{now} text DEFAULT 'since {now}', DROP COLUMN IF EXISTS extra_{before};
             ALTER TABLE payments ADD COLUMN extra_{now} int, DROP COLUMN IF EXISTS extra_{before}"
        );
        // A load locks rows in another order; and the server may be away, when another fault lasts.
        while let Err(error) = self.postgres().execute(&statements).await {
            eprintln!("altering the tables is tried again: {error}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn blow(line: &Proxy, weather: Weather) {
    match weather {
        Weather::Cut => line.cut(),
        Weather::Closed => line.close(),
        Weather::Stalled => line.stall(),
        Weather::Deaf => line.let_flow(Direction::ToClient, Flow::Held),
        Weather::Mute => line.let_flow(Direction::ToTarget, Flow::Held),
        Weather::Delayed => line.delay(DELAY),
        Weather::Dripping => {
            line.let_flow(Direction::ToClient, Flow::Dripping(DRIP));
            line.let_flow(Direction::ToTarget, Flow::Dripping(DRIP));
        }
    }
}

fn clear(line: &Proxy) {
    line.open();
    line.flow();
}
