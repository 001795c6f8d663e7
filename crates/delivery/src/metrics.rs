//! Figures about the running connector, kept where they arise; the binary serves them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::{AtomicI64, AtomicU64};

use crate::{DriftBoard, RoleBoard, SnapshotBoard, WalBoard, WalFigures};

/// A gauge of whole numbers that can hold a log position.
pub type PositionGauge = Gauge<u64, AtomicU64>;

/// Labels of [`Metrics::changes`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ChangeLabels {
    /// `schema.table`.
    pub table: String,
    /// `insert`, `update`, `delete` or `truncate`.
    pub operation: &'static str,
}

/// Labels of [`Metrics::dead_letters`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DeadLetterLabels {
    /// `schema.table`.
    pub table: String,
    /// `mapping`, `size` or `schema`.
    pub reason: &'static str,
}

/// Labels of [`Metrics::errors`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ErrorLabels {
    /// `postgres`, `kafka`, `registry`, `mapping` or `delivery`.
    pub origin: &'static str,
}

/// Figures of one connector. Clones share the figures.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// End of the last transaction read from the stream, as a byte position.
    pub received_lsn: PositionGauge,
    /// End of the last transaction handed to the producer.
    pub produced_lsn: PositionGauge,
    /// End of the last transaction a committed checkpoint covers.
    pub checkpointed_lsn: PositionGauge,
    /// What the slot was told.
    pub confirmed_lsn: PositionGauge,
    /// The end of the server's log, as last seen.
    pub server_lsn: PositionGauge,
    /// Bytes of log between the server's end and the checkpoint.
    pub lag_bytes: PositionGauge,
    /// Milliseconds from the source commit to the Kafka commit, of the last transaction delivered; grows while one waits.
    pub lag_ms: Gauge<i64, AtomicI64>,
    /// What the slot costs its server, and how long that goes well.
    pub wal: WalFigures,
    /// The same as it was seen last.
    pub wal_board: WalBoard,
    /// What keeps changes from arriving.
    pub drift: DriftBoard,
    /// Whether this instance leads.
    pub role: RoleBoard,
    /// 1 while streaming, 0 while connecting, standing by or halted.
    pub streaming: Gauge<i64, AtomicI64>,
    /// Row changes handed to the producer.
    pub changes: Family<ChangeLabels, Counter>,
    /// Changes and rows handed to the producer as dead letters.
    pub dead_letters: Family<DeadLetterLabels, Counter>,
    /// Source transactions with changes of captured tables delivered.
    pub transactions: Counter,
    /// Bytes read from the replication stream.
    pub received_bytes: Counter,
    /// Bytes of keys and values handed to the producer.
    pub produced_bytes: Counter,
    /// Duration of Kafka commits, in seconds.
    pub kafka_commit_seconds: Histogram,
    /// From the source commit to the Kafka commit, in seconds, of every Kafka transaction's oldest source transaction.
    pub delivery_seconds: Histogram,
    /// How often the stream was begun again after a fault.
    pub reconnects: Counter,
    /// Existing rows handed to the producer.
    pub snapshot_rows: Counter,
    /// Tables of which rows are still to be read.
    pub snapshot_tables: Gauge<i64, AtomicI64>,
    /// Bytes that are left to be read of the table that is being read, more or less.
    pub snapshot_bytes: PositionGauge,
    /// Tables whose existing rows were given up, because the server would not have them read.
    pub snapshot_failures: Counter,
    /// How far reading existing rows is, table by table.
    pub snapshot: SnapshotBoard,
    /// Faults, by where they arose.
    pub errors: Family<ErrorLabels, Counter>,
}

/// 0.5 ms to about 16 s.
const COMMIT_BUCKETS: (f64, f64, u16) = (0.0005, 2.0, 16);
/// 1 ms to about 9 h: a connector that catches up delivers old transactions.
const DELIVERY_BUCKETS: (f64, f64, u16) = (0.001, 2.0, 25);

impl Default for Metrics {
    fn default() -> Self {
        let histogram = |(start, factor, length)| Histogram::new(exponential_buckets(start, factor, length));
        Self {
            received_lsn: Gauge::default(),
            produced_lsn: Gauge::default(),
            checkpointed_lsn: Gauge::default(),
            confirmed_lsn: Gauge::default(),
            server_lsn: Gauge::default(),
            lag_bytes: Gauge::default(),
            lag_ms: Gauge::default(),
            wal: WalFigures::default(),
            wal_board: WalBoard::default(),
            drift: DriftBoard::default(),
            role: RoleBoard::default(),
            streaming: Gauge::default(),
            changes: Family::default(),
            dead_letters: Family::default(),
            transactions: Counter::default(),
            received_bytes: Counter::default(),
            produced_bytes: Counter::default(),
            kafka_commit_seconds: histogram(COMMIT_BUCKETS),
            delivery_seconds: histogram(DELIVERY_BUCKETS),
            reconnects: Counter::default(),
            snapshot_rows: Counter::default(),
            snapshot_tables: Gauge::default(),
            snapshot_bytes: Gauge::default(),
            snapshot_failures: Counter::default(),
            snapshot: SnapshotBoard::default(),
            errors: Family::default(),
        }
    }
}

impl Metrics {
    /// Registers every figure under its public name.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "received_lsn",
            "End of the last transaction read, as a byte position",
            self.received_lsn.clone(),
        );
        registry.register(
            "produced_lsn",
            "End of the last transaction handed to the producer",
            self.produced_lsn.clone(),
        );
        registry.register(
            "checkpointed_lsn",
            "End of the last transaction in Kafka",
            self.checkpointed_lsn.clone(),
        );
        registry.register(
            "confirmed_lsn",
            "What the slot was told",
            self.confirmed_lsn.clone(),
        );
        registry.register(
            "server_lsn",
            "End of the server's log as last seen",
            self.server_lsn.clone(),
        );
        registry.register_with_unit(
            "lag",
            "Log between the server's end and the checkpoint",
            Unit::Bytes,
            self.lag_bytes.clone(),
        );
        registry.register(
            "lag_milliseconds",
            "Source commit to Kafka commit, last transaction",
            self.lag_ms.clone(),
        );
        self.wal.register(registry);
        self.drift.register(registry);
        self.role.register(registry);
        registry.register("streaming", "1 while streaming", self.streaming.clone());
        registry.register(
            "changes",
            "Row changes handed to the producer",
            self.changes.clone(),
        );
        registry.register(
            "dead_letters",
            "Changes and rows handed to the producer as dead letters",
            self.dead_letters.clone(),
        );
        registry.register(
            "transactions",
            "Source transactions delivered",
            self.transactions.clone(),
        );
        registry.register_with_unit(
            "received",
            "Read from the stream",
            Unit::Bytes,
            self.received_bytes.clone(),
        );
        registry.register_with_unit(
            "produced",
            "Keys and values produced",
            Unit::Bytes,
            self.produced_bytes.clone(),
        );
        let commits = self.kafka_commit_seconds.clone();
        registry.register_with_unit(
            "kafka_commit",
            "Duration of Kafka commits",
            Unit::Seconds,
            commits,
        );
        let delivery = self.delivery_seconds.clone();
        registry.register_with_unit(
            "delivery",
            "Source commit to Kafka commit",
            Unit::Seconds,
            delivery,
        );
        registry.register(
            "reconnects",
            "Streams begun again after a fault",
            self.reconnects.clone(),
        );
        registry.register(
            "snapshot_rows",
            "Existing rows handed to the producer",
            self.snapshot_rows.clone(),
        );
        registry.register(
            "snapshot_tables_left",
            "Tables with rows still to be read",
            self.snapshot_tables.clone(),
        );
        registry.register_with_unit(
            "snapshot_table_left",
            "What is left of the table that is being read",
            Unit::Bytes,
            self.snapshot_bytes.clone(),
        );
        registry.register(
            "snapshot_failures",
            "Tables whose existing rows were given up",
            self.snapshot_failures.clone(),
        );
        registry.register("errors", "Faults by origin", self.errors.clone());
    }
}
