//! A world: one Postgres, one Kafka, one registry, and the connectors that are started over them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use walcast_delivery::{
    Checkpoint, CheckpointState, CheckpointUpdate, Connector, ConnectorState, CreateMissing,
    DeadLetterConfig, DeliveryConfig, DeliveryError, Describe, Metrics, OnIncompatible, ReplayConfig,
    Restrictions, RetryJitter, SnapshotConfig, SnapshotControl, SnapshotMode, SnapshotRequests,
    SqlConditions, SystemIdentifier, Timeline,
};
use walcast_mapper::MapperConfig;
use walcast_pgoutput::Lsn;

use super::kafka::{CheckpointClient, Kafka, SinkClient, TopicsClient};
use super::postgres::{Postgres, PostgresClient, Server};
use super::registry::Registry;
use super::steps::Steps;
use super::verdict;
use super::wal::{LoggedChange, Transaction, insert};

/// The end of WAL when a world is created.
pub(crate) const CONSISTENT_POINT: Lsn = Lsn::new(0x0100_0000);

/// The topic of dead letters.
pub(crate) const DEAD_LETTERS: &str = "shop.dead-letters";

/// Limit of a run, on a paused clock that advances only when all tasks are idle.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A connector over the modelled ports.
pub(crate) type TestConnector =
    Connector<PostgresClient, CheckpointClient, SinkClient, TopicsClient, Registry>;

/// Changes of a table at or after a position in WAL, of transactions whose commit record is before another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Skipped {
    pub(crate) table: &'static str,
    pub(crate) from: Lsn,
    pub(crate) until: Lsn,
}

/// The systems, and how connectors over them are configured.
pub(crate) struct World {
    pub(crate) steps: Steps,
    pub(crate) postgres: Postgres,
    pub(crate) kafka: Kafka,
    pub(crate) registry: Registry,
    pub(crate) config: DeliveryConfig,
    pub(crate) mapper: MapperConfig,
    /// Selects the changes that cannot be delivered and become dead letters.
    pub(crate) undeliverable: fn(&LoggedChange) -> bool,
    /// Changes that are not delivered because their table is quarantined.
    pub(crate) skipped: Cell<Option<Skipped>>,
    /// State of the instances, which share it.
    pub(crate) state: ConnectorState,
    pub(crate) describe: Describe,
    delivery_start: Cell<Lsn>,
    control: RefCell<Option<SnapshotControl>>,
}

impl World {
    /// A server with tables and without slot and publication, an empty broker and an empty registry.
    pub(crate) fn new() -> Self {
        let steps = Steps::new();
        Self {
            postgres: Postgres::new(steps.clone(), CONSISTENT_POINT),
            kafka: Kafka::new(steps.clone()),
            registry: Registry::new(steps.clone()),
            config: config(),
            mapper: MapperConfig::new("shop", "shop"),
            undeliverable: |_| false,
            skipped: Cell::new(None),
            state: ConnectorState::default(),
            describe: Describe::default(),
            steps,
            delivery_start: Cell::new(CONSISTENT_POINT),
            control: RefCell::new(None),
        }
    }

    /// A world with publication, slot and checkpoint at [`CONSISTENT_POINT`], as after a first start.
    pub(crate) fn set_up() -> Self {
        let world = Self::new();
        world.postgres.set_up();
        world.put_checkpoint(checkpoint(CONSISTENT_POINT));
        world
    }

    /// Stores a checkpoint, as a stopped connector's commands do.
    pub(crate) fn put_checkpoint(&self, current: Checkpoint) {
        let update = CheckpointUpdate {
            known_tables: Some(self.postgres.read(Server::known_tables)),
            restrictions: Some(Restrictions::default()),
            ..CheckpointUpdate::of(current)
        };
        self.kafka.edit(|broker| broker.put_checkpoint(update));
    }

    /// Position from which all changes must be in Kafka.
    pub(crate) fn delivery_start(&self) -> Lsn {
        self.delivery_start.get()
    }

    /// Sets the position at which the slot was created.
    pub(crate) fn set_delivery_start(&self, lsn: Lsn) {
        self.delivery_start.set(lsn);
    }

    /// The end of WAL when the world was created.
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
            checkpoints: self.kafka.checkpoints(),
            sink: self.kafka.sink(),
            topics: self.kafka.topics(),
            registry: self.registry.clone(),
            mapper: self.mapper.clone(),
            config: self.config.clone(),
            metrics: Metrics::default(),
            state: self.state.clone(),
            requests,
            describe: self.describe,
            retry_jitter: RetryJitter::seeded(0),
        }
    }

    /// Control of the instance that was created last.
    pub(crate) fn control(&self) -> SnapshotControl {
        self.control.borrow().clone().expect("an instance was created")
    }

    /// Runs a new instance until `stop` completes or the instance ends by itself.
    pub(crate) async fn run(&self, stop: impl Future<Output = ()>) -> Result<(), DeliveryError> {
        let mut connector = self.connector();
        let run = Box::pin(connector.run(stop));
        let outcome = tokio::time::timeout(PATIENCE, run).await;
        outcome.unwrap_or_else(|_| panic!("the connector does not end: {}", self.describe()))
    }

    /// Runs a new instance that is never stopped, and returns the error with which it ends.
    pub(crate) async fn run_to_end(&self) -> DeliveryError {
        let outcome = self.run(std::future::pending()).await;
        outcome.expect_err("the instance was not stopped")
    }

    /// Runs a new instance until all committed changes are in Kafka and confirmed, and verifies the result.
    pub(crate) async fn deliver(&self) {
        self.run(self.all_delivered())
            .await
            .expect("the connector runs and stops");
        verdict::verify(self);
    }

    /// Runs a new instance until all changes are delivered or it crashes after `steps` further steps; returns whether it crashed.
    pub(crate) async fn crash_after(&self, steps: u64) -> bool {
        let ended = self.interrupt_after(steps, self.run(self.all_delivered())).await;
        ended.is_none_or(|outcome| {
            outcome.expect("the connector runs and stops");
            false
        })
    }

    /// Runs a future until it completes or is interrupted after `steps` further steps; `None` if it was interrupted.
    pub(crate) async fn interrupt_after<O>(&self, steps: u64, run: impl Future<Output = O>) -> Option<O> {
        self.steps.crash_after(steps);
        let ended = {
            let run = Box::pin(run);
            tokio::select! {
                biased;
                () = self.steps.crashed() => None,
                ended = run => Some(ended),
            }
        };
        self.steps.cancel_crash();
        ended
    }

    /// Commits a row, and waits until the running instance has delivered it.
    pub(crate) async fn insert_delivered(&self, id: i32) {
        self.postgres.commit([("accounts", insert(id))]);
        self.all_delivered().await;
    }

    /// Waits until the end of the last transaction is confirmed.
    pub(crate) async fn all_delivered(&self) {
        self.steps
            .until(|| {
                let last = self
                    .postgres
                    .read(|server| server.wal.last().map(Transaction::next_lsn));
                let is_streaming = self
                    .postgres
                    .read(|server| !server.starts.is_empty() && server.slot.is_some());
                is_streaming && self.postgres.confirmed() >= last.unwrap_or(Lsn::INVALID)
            })
            .await;
    }

    /// State of the models, for messages of failed tests.
    pub(crate) fn describe(&self) -> String {
        let delivered = verdict::delivered_ids(self).len();
        let checkpoint = self.kafka.checkpoint();
        let starts = self.postgres.read(|server| server.starts.clone());
        let status = self.state.status.read();
        format!("{delivered} records, {checkpoint:?}, streams started at {starts:?}, {status:?}")
    }
}

/// A checkpoint of the connector under test.
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
        complete_outboxes: BTreeMap::new(),
        held_by: None,
        written_at_unix_micros: 1_767_225_600_000_000,
    }
}

fn config() -> DeliveryConfig {
    DeliveryConfig {
        slot: "walcast_shop".to_owned(),
        publication: "walcast_shop".to_owned(),
        create_missing: CreateMissing::Both,
        commit_interval: Duration::from_millis(5),
        commit_bytes: 1 << 20,
        transaction_timeout: Duration::from_secs(60),
        split_over_bytes: None,
        on_incompatible: OnIncompatible::Halt,
        dead_letters: DeadLetterConfig::none("shop", DEAD_LETTERS),
        idle_interval: Duration::from_secs(10),
        slot_check_interval: Duration::from_secs(30),
        replay: ReplayConfig {
            retention: Duration::ZERO,
            retention_bytes: None,
            history_interval: Duration::from_secs(60),
        },
        retry_backoff_min: Duration::from_millis(100),
        retry_backoff_max: Duration::from_secs(10),
        snapshot: SnapshotConfig {
            mode: SnapshotMode::Never,
            tables: Vec::new(),
            initial_hold_max: Duration::from_secs(3600),
            hold_max: Duration::from_secs(10),
            rows_per_second: None,
            bytes_per_second: None,
            signal_table: None,
            sql_conditions: SqlConditions::default(),
        },
    }
}
