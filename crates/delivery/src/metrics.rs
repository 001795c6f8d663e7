//! Metrics of the running connector. Counters and histograms are updated where the measured events occur; gauges are derived
//! from the state when `/metrics` is read.

pub(crate) mod exposition;
mod gauges;
mod value;

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Unit;

/// Labels of [`Metrics::changes`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ChangeLabels {
    /// Table as `schema.table`.
    pub table: String,
    /// Operation: `insert`, `update`, `delete` or `truncate`.
    pub operation: &'static str,
}

/// Labels of [`Metrics::dead_letters`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DeadLetterLabels {
    /// Table as `schema.table`.
    pub table: String,
    /// Reason: `mapping`, `size`, `schema` or `topic`.
    pub reason: &'static str,
}

/// Labels of [`Metrics::context_errors`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ContextErrorLabels {
    /// Reason: `too_large`, `not_json` or `not_an_object`.
    pub reason: &'static str,
}

/// Labels of [`Metrics::event_store_events`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EventLabels {
    /// Table as `schema.table`.
    pub table: String,
    /// Whether the event before it in its stream is known: `known` or `unknown`.
    pub predecessor: &'static str,
}

/// Labels of [`Metrics::event_store_violations`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ViolationLabels {
    /// Table as `schema.table`.
    pub table: String,
    /// Kind: `gap`, `doubled`, `update`, `delete` or `truncate`.
    pub kind: &'static str,
}

/// Labels of [`Metrics::errors`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ErrorLabels {
    /// Origin: `postgres`, `kafka`, `registry`, `mapping` or `delivery`.
    pub origin: &'static str,
}

/// Counters and histograms of one connector. Clones share the values.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Row changes passed to the producer.
    pub changes: Family<ChangeLabels, Counter>,
    /// Changes and rows passed to the producer as dead letters.
    pub dead_letters: Family<DeadLetterLabels, Counter>,
    /// Changes that were skipped because their table is quarantined.
    pub quarantined_changes: Family<ChangeLabels, Counter>,
    /// Contexts of transactions that could not be sent.
    pub context_errors: Family<ContextErrorLabels, Counter>,
    /// Events of event stores whose versions were compared with those before them.
    pub event_store_events: Family<EventLabels, Counter>,
    /// Violations of the order of streams, and of the immutability of events.
    pub event_store_violations: Family<ViolationLabels, Counter>,
    /// Delivered source transactions with changes of captured tables.
    pub transactions: Counter,
    /// Bytes read from the replication stream.
    pub received_bytes: Counter,
    /// Bytes of keys and values passed to the producer.
    pub produced_bytes: Counter,
    /// Duration of Kafka commits, in seconds.
    pub kafka_commit_seconds: Histogram,
    /// Time from the source commit to the Kafka commit of the oldest source transaction in each Kafka transaction, in
    /// seconds.
    pub delivery_seconds: Histogram,
    /// Restarts of the stream after a failure.
    pub reconnects: Counter,
    /// Existing rows passed to the producer.
    pub snapshot_rows: Counter,
    /// Tables whose existing rows were skipped because the server does not allow reading them.
    pub snapshot_failures: Counter,
    /// Errors by origin.
    pub errors: Family<ErrorLabels, Counter>,
}

/// Name, help, unit and value of a counter or a histogram.
type Row<'a> = (&'static str, &'static str, Option<Unit>, &'a dyn EncodeMetric);

/// Buckets from 0.5 ms to about 16 s.
const COMMIT_BUCKETS: (f64, f64, u16) = (0.0005, 2.0, 16);
/// Buckets from 1 ms to about 9 h: a connector that catches up delivers old transactions.
const DELIVERY_BUCKETS: (f64, f64, u16) = (0.001, 2.0, 25);

impl Default for Metrics {
    fn default() -> Self {
        let histogram = |(start, factor, length)| Histogram::new(exponential_buckets(start, factor, length));
        Self {
            changes: Family::default(),
            dead_letters: Family::default(),
            quarantined_changes: Family::default(),
            context_errors: Family::default(),
            event_store_events: Family::default(),
            event_store_violations: Family::default(),
            transactions: Counter::default(),
            received_bytes: Counter::default(),
            produced_bytes: Counter::default(),
            kafka_commit_seconds: histogram(COMMIT_BUCKETS),
            delivery_seconds: histogram(DELIVERY_BUCKETS),
            reconnects: Counter::default(),
            snapshot_rows: Counter::default(),
            snapshot_failures: Counter::default(),
            errors: Family::default(),
        }
    }
}

impl Metrics {
    /// Counters and histograms under their public names.
    fn rows(&self) -> [Row<'_>; 15] {
        let (bytes, seconds) = (Some(Unit::Bytes), Some(Unit::Seconds));
        [
            (
                "changes",
                "Row changes passed to the producer",
                None,
                &self.changes,
            ),
            (
                "dead_letters",
                "Changes and rows passed to the producer as dead letters",
                None,
                &self.dead_letters,
            ),
            (
                "quarantined_changes",
                "Row changes skipped because their table is quarantined",
                None,
                &self.quarantined_changes,
            ),
            (
                "context_errors",
                "Contexts of transactions that could not be sent",
                None,
                &self.context_errors,
            ),
            (
                "event_store_events",
                "Events of event stores compared with the event before them",
                None,
                &self.event_store_events,
            ),
            (
                "event_store_violations",
                "Violations of the order of streams and of the immutability of events",
                None,
                &self.event_store_violations,
            ),
            (
                "transactions",
                "Source transactions delivered",
                None,
                &self.transactions,
            ),
            (
                "received",
                "Read from the stream",
                bytes.clone(),
                &self.received_bytes,
            ),
            (
                "produced",
                "Keys and values produced",
                bytes,
                &self.produced_bytes,
            ),
            (
                "kafka_commit",
                "Duration of Kafka commits",
                seconds.clone(),
                &self.kafka_commit_seconds,
            ),
            (
                "delivery",
                "Source commit to Kafka commit",
                seconds,
                &self.delivery_seconds,
            ),
            (
                "reconnects",
                "Restarts of the stream after a failure",
                None,
                &self.reconnects,
            ),
            (
                "snapshot_rows",
                "Existing rows passed to the producer",
                None,
                &self.snapshot_rows,
            ),
            (
                "snapshot_failures",
                "Tables whose existing rows were skipped",
                None,
                &self.snapshot_failures,
            ),
            ("errors", "Errors by origin", None, &self.errors),
        ]
    }
}
