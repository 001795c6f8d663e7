//! Everything together: one Postgres, one Kafka, one registry, and connectors that come and go.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use walcast_delivery::{
    Checkpoint, CheckpointState, CheckpointUpdate, Connector, DeadLetterConfig, DeliveryConfig,
    DeliveryError, Metrics, OnIncompatible, ReplayConfig, RoleBoard, SnapshotConfig, SnapshotControl,
    SnapshotMode, SnapshotRequests, Status, SystemIdentifier, Timeline,
};
use walcast_mapper::MapperConfig;
use walcast_pgoutput::Lsn;

use super::kafka::{Kafka, SinkClient, TopicsClient};
use super::log::{Logged, Transaction};
use super::postgres::{Postgres, PostgresClient, Server};
use super::registry::Registry;
use super::steps::Steps;
use super::verdict;

/// Where the log ends when a world begins.
pub(crate) const CONSISTENT_POINT: Lsn = Lsn::new(0x0100_0000);

/// The topic of dead letters.
pub(crate) const DEAD_LETTERS: &str = "shop.dead-letters";

/// Longer than any run here should take, on a clock that only moves when nothing else can.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A connector over the modelled edges.
pub(crate) type TestConnector = Connector<PostgresClient, SinkClient, TopicsClient, Registry>;

/// The systems, and how connectors over them are configured.
pub(crate) struct World {
    pub(crate) steps: Steps,
    pub(crate) postgres: Postgres,
    pub(crate) kafka: Kafka,
    pub(crate) registry: Registry,
    pub(crate) config: DeliveryConfig,
    pub(crate) mapper: MapperConfig,
    /// Which changes cannot be delivered, where they are to become dead letters.
    pub(crate) poison: fn(&Logged) -> bool,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) role: RoleBoard,
    delivers_from: Cell<Lsn>,
    control: RefCell<Option<SnapshotControl>>,
}

impl World {
    /// A server with tables and nothing set up, an empty broker and an empty registry.
    pub(crate) fn new() -> Self {
        let steps = Steps::new();
        Self {
            postgres: Postgres::new(steps.clone(), CONSISTENT_POINT),
            kafka: Kafka::new(steps.clone()),
            registry: Registry::new(steps.clone()),
            config: config(),
            mapper: MapperConfig::new("shop", "shop"),
            poison: |_| false,
            status: watch::Sender::new(Status::default()),
            role: RoleBoard::default(),
            steps,
            delivers_from: Cell::new(CONSISTENT_POINT),
            control: RefCell::new(None),
        }
    }

    /// The same with publication, slot and checkpoint at [`CONSISTENT_POINT`], as a first start leaves them.
    pub(crate) fn set_up() -> Self {
        let world = Self::new();
        world.postgres.set_up();
        world.put_checkpoint(checkpoint(CONSISTENT_POINT));
        world
    }

    /// Stores a checkpoint, as a stopped connector's commands do.
    pub(crate) fn put_checkpoint(&self, current: Checkpoint) {
        let update = CheckpointUpdate {
            current,
            enters_history: false,
            expired: Vec::new(),
            known_tables: Some(self.postgres.read(Server::known_tables)),
        };
        self.kafka.edit(|broker| broker.put_checkpoint(update));
    }

    /// The position from which on changes are to be in Kafka.
    pub(crate) fn delivers_from(&self) -> Lsn {
        self.delivers_from.get()
    }

    /// The slot was created here.
    pub(crate) fn deliver_from(&self, lsn: Lsn) {
        self.delivers_from.set(lsn);
    }

    /// Where the log ended when the world began.
    pub(crate) fn first_wal_end(&self) -> Lsn {
        CONSISTENT_POINT
    }

    /// A new instance.
    pub(crate) fn connector(&self) -> TestConnector {
        let requests = SnapshotRequests::new();
        self.control.replace(Some(requests.control()));
        Connector {
            source: PostgresClient {
                postgres: self.postgres.clone(),
                kafka: self.kafka.clone(),
            },
            sink: self.kafka.sink(),
            topics: self.kafka.topics(),
            registry: self.registry.clone(),
            mapper: self.mapper.clone(),
            config: self.config.clone(),
            metrics: Metrics {
                role: self.role.clone(),
                ..Metrics::default()
            },
            requests,
            status: self.status.clone(),
        }
    }

    /// The way into the instance that was made last.
    pub(crate) fn control(&self) -> SnapshotControl {
        self.control.borrow().clone().expect("there was an instance")
    }

    /// Runs a new instance until `stop` ends or it ends by itself.
    pub(crate) async fn run(&self, stop: impl Future<Output = ()>) -> Result<(), DeliveryError> {
        let mut connector = self.connector();
        let run = Box::pin(connector.run(stop));
        let outcome = tokio::time::timeout(PATIENCE, run).await;
        outcome.unwrap_or_else(|_| panic!("the connector does not end: {}", self.describe()))
    }

    /// Runs a new instance that is never asked to stop: the reason it ends by itself.
    pub(crate) async fn run_to_its_end(&self) -> DeliveryError {
        let outcome = self.run(std::future::pending()).await;
        outcome.expect_err("nobody asked it to stop")
    }

    /// Runs a new instance until everything committed is in Kafka and confirmed, and checks that all was well.
    pub(crate) async fn deliver(&self) {
        self.run(self.everything_delivered())
            .await
            .expect("the connector runs and stops");
        verdict::verify(self);
    }

    /// Runs a new instance until everything is delivered or it is cut off after `steps` further steps; true when it was.
    pub(crate) async fn crash_after(&self, steps: u64) -> bool {
        let ended = self
            .cut_off_after(steps, self.run(self.everything_delivered()))
            .await;
        ended.is_none_or(|outcome| {
            outcome.expect("the connector runs and stops");
            false
        })
    }

    /// Lets something run until it ends or is cut off after `steps` further steps: what it came to, `None` when it was cut off.
    pub(crate) async fn cut_off_after<O>(&self, steps: u64, run: impl Future<Output = O>) -> Option<O> {
        self.steps.crash_after(steps);
        let ended = {
            let run = Box::pin(run);
            tokio::select! {
                biased;
                () = self.steps.crashed() => None,
                ended = run => Some(ended),
            }
        };
        self.steps.crash_never();
        ended
    }

    /// Waits until the end of the log is confirmed, or, where it holds nothing for us, the end of the last transaction.
    pub(crate) async fn everything_delivered(&self) {
        self.steps
            .until(|| {
                let last = self
                    .postgres
                    .read(|server| server.log.last().map(Transaction::next_lsn));
                let is_streaming = self
                    .postgres
                    .read(|server| !server.starts.is_empty() && server.slot.is_some());
                is_streaming && self.postgres.confirmed() >= last.unwrap_or(Lsn::INVALID)
            })
            .await;
    }

    /// What the models saw, for messages of failed tests.
    pub(crate) fn describe(&self) -> String {
        let delivered = verdict::delivered_ids(self).len();
        let checkpoint = self.kafka.checkpoint();
        let starts = self.postgres.read(|server| server.starts.clone());
        let status = self.status.borrow().clone();
        format!("{delivered} records, {checkpoint:?}, streams begun at {starts:?}, {status:?}")
    }
}

/// A checkpoint of the connector the worlds are about.
pub(crate) fn checkpoint(end_lsn: Lsn) -> Checkpoint {
    Checkpoint {
        version: Checkpoint::VERSION,
        state: CheckpointState::Streaming,
        system_identifier: SystemIdentifier::new(7_000_000_000_000_000_001),
        timeline: Timeline::new(1),
        database: "shop".to_owned(),
        slot: "walcast_shop".to_owned(),
        end_lsn,
        last_commit: None,
        last_message: None,
        partial: None,
        snapshot: None,
        signals_read: None,
        written_at_unix_micros: 1_767_225_600_000_000,
    }
}

fn config() -> DeliveryConfig {
    DeliveryConfig {
        slot: "walcast_shop".to_owned(),
        publication: "walcast_shop".to_owned(),
        create_missing: true,
        commit_interval: Duration::from_millis(5),
        commit_bytes: 1 << 20,
        transaction_timeout: Duration::from_secs(60),
        split_over_bytes: None,
        on_incompatible: OnIncompatible::Halt,
        dead_letters: DeadLetterConfig::none("shop", DEAD_LETTERS),
        idle_interval: Duration::from_secs(10),
        watch_interval: Duration::from_secs(30),
        replay: ReplayConfig {
            keep: Duration::ZERO,
            keep_bytes: None,
            history_interval: Duration::from_secs(60),
        },
        retry_delay_min: Duration::from_millis(100),
        retry_delay_max: Duration::from_secs(10),
        snapshot: SnapshotConfig {
            mode: SnapshotMode::Never,
            tables: Vec::new(),
            first_window: Duration::from_secs(3600),
            window: Duration::from_secs(10),
            rows_per_second: None,
            bytes_per_second: None,
            signal_table: None,
        },
    }
}
