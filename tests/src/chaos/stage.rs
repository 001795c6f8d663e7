//! The servers, the lines to them, and what is done to both.

use std::time::Duration;

use walcast_testbed::{
    Audit, ConnectorConfig, Direction, Flow, KafkaCluster, KafkaOptions, Postgres, PostgresOptions, Proxy,
    Registry, StopMode,
};

use super::fault::{End, Fault, Server, Weather};
use super::pair::Pair;
use super::report::Report;

/// Name of the connectors.
const NAME: &str = "chaos";

/// How many brokers there are.
pub(super) const BROKERS: usize = 3;

/// How much later everything comes over a delayed network.
const DELAY: Duration = Duration::from_millis(80);

/// The pause after each byte of a dripping network.
const DRIP: Duration = Duration::from_millis(1);

/// Short, so that a fault can outlast it.
const TRANSACTION_TIMEOUT_MS: i64 = 10_000;
const WAL_SENDER_TIMEOUT: &str = "6s";

pub(super) struct Stage {
    postgres: Postgres,
    kafka: KafkaCluster,
    registry: Registry,
    to_postgres: Proxy,
    to_registry: Proxy,
    /// How often tables were altered.
    alterations: u32,
}

impl Stage {
    pub(super) async fn set() -> Stage {
        let postgres = PostgresOptions::default().with_setting("wal_sender_timeout", WAL_SENDER_TIMEOUT);
        let (postgres, kafka, registry) = tokio::join!(
            Box::pin(Postgres::start(postgres)),
            Box::pin(KafkaCluster::start(BROKERS, KafkaOptions::default())),
            Box::pin(Registry::start()),
        );
        let (postgres, kafka, registry) = (postgres.unwrap(), kafka.unwrap(), registry.unwrap());
        Stage {
            to_postgres: Proxy::start(postgres.port()).await.unwrap(),
            to_registry: Proxy::start(registry.port()).await.unwrap(),
            postgres,
            kafka,
            registry,
            alterations: 0,
        }
    }

    /// The connectors reach every server through a line.
    pub(super) fn config(&self) -> ConnectorConfig {
        let through = |url: String, port: u16, line: &Proxy| {
            url.replace(&format!(":{port}/"), &format!(":{}/", line.port()))
        };
        let postgres = through(self.postgres.url(), self.postgres.port(), &self.to_postgres);
        let registry = through(self.registry.url(), self.registry.port(), &self.to_registry);
        ConnectorConfig::of(&self.kafka.brokers(), NAME)
            .unwrap()
            .set("postgres.url", postgres)
            .set("registry.url", registry)
            .set("kafka.transaction_timeout_ms", TRANSACTION_TIMEOUT_MS)
    }

    pub(super) fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    pub(super) fn audit(&self, tables: &[&str]) -> Audit {
        Audit::between(&self.kafka.brokers(), &self.registry, NAME, tables).unwrap()
    }

    pub(super) async fn end_of_log(&self) -> u64 {
        let client = self.postgres.client().await.unwrap();
        let row = client.query_one("SELECT pg_current_wal_lsn()::text", &[]).await;
        crate::lsn(row.unwrap().get(0))
    }

    pub(super) async fn inflict(&mut self, fault: Fault, pair: &mut Pair, report: &mut Report) {
        match fault {
            Fault::Network(end, weather) => self.lines(end).into_iter().for_each(|line| blow(line, weather)),
            Fault::Killed(Server::Postgres) => self.postgres.kill().unwrap(),
            Fault::Killed(Server::Broker(number)) => self.kafka.broker_mut(number).kill().unwrap(),
            Fault::Frozen(Server::Postgres) => self.postgres.pause().unwrap(),
            Fault::Frozen(Server::Broker(number)) => self.kafka.broker_mut(number).pause().unwrap(),
            Fault::Restarted(Server::Postgres) => self.postgres.restart(StopMode::Fast).await.unwrap(),
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
    pub(super) async fn mend(&mut self, fault: Fault, pair: &mut Pair) {
        match fault {
            Fault::Network(end, _) => self.lines(end).into_iter().for_each(clear),
            Fault::Killed(Server::Postgres) => self.postgres.start_again().await.unwrap(),
            Fault::Killed(Server::Broker(number)) => {
                self.kafka.broker_mut(number).start_again().await.unwrap();
            }
            Fault::Frozen(Server::Postgres) => self.postgres.resume().unwrap(),
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

    fn lines(&self, end: End) -> Vec<&Proxy> {
        match end {
            End::Postgres => vec![&self.to_postgres],
            End::Broker(number) => vec![self.kafka.line(number)],
            End::AllBrokers => self.kafka.lines().iter().collect(),
        }
    }

    /// Ends the server processes that a query names.
    async fn terminate(&self, pids: &str) {
        let sql = format!("SELECT pg_terminate_backend(pid) FROM ({pids}) AS them (pid)");
        self.postgres.execute(&sql).await.unwrap();
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
        while let Err(error) = self.postgres.execute(&statements).await {
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
