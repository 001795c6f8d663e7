//! Gauges as functions of the state: one row for each public name.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_client::registry::Unit;
use walcast_mapper::TableName;

use crate::bookmarks::state::{BookmarkView, BookmarksView};
use crate::metrics::value::{Number, Value, count, duration, flag, real, unix_seconds, whole};
use crate::polling::backlog::Backlog;
use crate::slot_monitor::forecast::LimitForecast;
use crate::slot_monitor::state::WalView;
use crate::snapshot::status::SnapshotView;
use crate::state::outboxes::OutboxView;
use crate::state::positions::KnownPositions;
use crate::state::role::{Role, RoleView};
use crate::state::stream_snapshots::StreamSnapshotView;
use crate::state::tables::TableState;
use crate::state::{ConnectorState, Lag};

/// Gauge under its public name, or a counter that is part of the state.
pub(super) struct Gauge {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<Unit>,
    pub(super) value: fn(&Reading) -> Value,
}

/// State at the time of a scrape.
pub(super) struct Reading {
    is_streaming: bool,
    role: RoleView,
    positions: KnownPositions,
    lag: Lag,
    /// Current WAL sample; the series of limits exist only with it.
    wal: Option<WalView>,
    /// Last WAL sample, whose figures stay visible when sampling stops.
    last_wal: Option<WalView>,
    bookmarks: BookmarksView,
    outboxes: Vec<(TableName, OutboxView, Duration)>,
    drift: usize,
    partition_changes: u64,
    snapshot: SnapshotView,
    /// Numbers of captured tables by the name of their state.
    tables: BTreeMap<&'static str, u64>,
    /// Backlogs of polled outboxes.
    backlog: BTreeMap<TableName, Backlog>,
    /// Snapshots of streams by topic of events.
    stream_snapshots: BTreeMap<String, StreamSnapshotView>,
}

impl Reading {
    pub(super) fn of(state: &ConnectorState) -> Self {
        Self {
            is_streaming: state.status.is_streaming(),
            role: state.role.read(),
            positions: state.positions.read(),
            lag: state.lag(),
            wal: state.wal.read(),
            last_wal: state.wal.last(),
            bookmarks: state.bookmarks.read(),
            outboxes: state.outbox_views(),
            drift: state.drift.count(),
            partition_changes: state.partitions.count(),
            snapshot: state.snapshot.read(),
            tables: counts(&state.table_states()),
            backlog: state.backlog.read(),
            stream_snapshots: state.stream_snapshots.read(),
        }
    }

    fn last_wal(&self, figure: impl FnOnce(&WalView) -> Option<u64>) -> Value {
        whole(self.last_wal.as_ref().and_then(figure).unwrap_or(0))
    }

    fn by_limit(&self, figure: impl Fn(&LimitForecast, bool) -> Option<Number>) -> Value {
        let limits = self.wal.iter().flat_map(|view| &view.limits);
        let series =
            limits.filter_map(|(forecast, is_near)| Some((forecast.limit, figure(forecast, *is_near)?)));
        Value::ByLimit(series.collect())
    }

    fn by_outbox(&self, figure: impl Fn(&OutboxView, Duration) -> Option<Number>) -> Value {
        let outboxes = self.outboxes.iter();
        let series = outboxes.filter_map(|(table, view, age)| Some((table.to_string(), figure(view, *age)?)));
        Value::ByTable(series.collect())
    }

    fn total_by_outbox(&self, figure: impl Fn(&OutboxView) -> Option<u64>) -> Value {
        let outboxes = self.outboxes.iter();
        let series = outboxes.filter_map(|(table, view, _)| Some((table.to_string(), figure(view)?)));
        Value::TotalByTable(series.collect())
    }

    fn by_bookmark(&self, figure: impl Fn(&BookmarkView) -> Option<Number>) -> Value {
        let bookmarks = self
            .bookmarks
            .current
            .iter()
            .flat_map(|current| &current.bookmarks);
        let series = bookmarks.filter_map(|view| Some((view.bookmark.name.clone(), figure(view)?)));
        Value::ByBookmark(series.collect())
    }
}

impl Reading {
    fn by_polled_outbox(&self, figure: impl Fn(&Backlog) -> Option<Number>) -> Value {
        let outboxes = self.backlog.iter();
        let series = outboxes.filter_map(|(table, backlog)| Some((table.to_string(), figure(backlog)?)));
        Value::ByTable(series.collect())
    }
}

impl Reading {
    fn by_topic(&self, figure: impl Fn(&StreamSnapshotView) -> Option<Number>) -> Value {
        let topics = self.stream_snapshots.iter();
        let series = topics.filter_map(|(topic, view)| Some((topic.clone(), figure(view)?)));
        Value::ByTopic(series.collect())
    }
}

/// Numbers of tables by the name of their state; 0 for a state without tables.
fn counts(tables: &BTreeMap<TableName, TableState>) -> BTreeMap<&'static str, u64> {
    let mut counts: BTreeMap<&'static str, u64> = TableState::WORDS.map(|word| (word, 0)).into();
    for table in tables.values() {
        *counts.entry(table.word()).or_default() += 1;
    }
    counts
}

/// Gauges of a connector, in the order of `/metrics`.
pub(super) static GAUGES: [Gauge; 46] = [
    gauge(
        "received_lsn",
        "End of the last transaction read, as a byte position",
        |now| whole(now.positions.received.as_u64()),
    ),
    gauge(
        "produced_lsn",
        "End of the last transaction passed to the producer",
        |now| whole(now.positions.produced.as_u64()),
    ),
    gauge(
        "checkpointed_lsn",
        "End of the last transaction in Kafka",
        |now| whole(now.positions.checkpointed.as_u64()),
    ),
    gauge(
        "confirmed_lsn",
        "Position up to which the slot is confirmed",
        |now| whole(now.positions.confirmed.as_u64()),
    ),
    gauge(
        "server_lsn",
        "End of the server's WAL at the last inspection",
        |now| whole(now.positions.server_end.as_u64()),
    ),
    bytes(
        "lag",
        "WAL between the checkpoint and the end of the server's WAL",
        |now| whole(now.lag.bytes),
    ),
    seconds(
        "lag",
        "Time from the source commit to the Kafka commit of the last transaction",
        |now| real(now.lag.time.as_secs_f64()),
    ),
    bytes("slot_retained", "WAL retained by the slot", |now| {
        now.last_wal(|view| Some(view.look.retained_bytes()))
    }),
    gauge(
        "slot_catalog_xmin_age",
        "Age in transactions of the oldest catalog rows that the slot keeps from VACUUM",
        |now| now.last_wal(|view| view.look.catalog_xmin_age),
    ),
    gauge(
        "wal_written_bytes_per_second",
        "WAL written by the server, mean of the last minutes",
        |now| {
            real(
                now.last_wal
                    .as_ref()
                    .and_then(|view| view.written_per_second)
                    .unwrap_or(0.0),
            )
        },
    ),
    bytes("wal_directory", "Size of pg_wal, 0 if not known", |now| {
        now.last_wal(|view| view.look.directory_bytes())
    }),
    gauge(
        "slot_awaited_standbys",
        "Slots of synchronized_standby_slots from which no standby streams; the server sends no changes meanwhile",
        |now| {
            count(
                now.wal
                    .as_ref()
                    .map_or(0, |view| view.look.awaited_standbys.len()),
            )
        },
    ),
    bytes(
        "slot_headroom",
        "WAL that can be written before a limit is reached",
        |now| now.by_limit(|forecast, _| forecast.extent.room().map(Number::Whole)),
    ),
    seconds(
        "slot_time_to_limit",
        "Time until a limit is reached at the rate of the last minutes",
        |now| now.by_limit(|forecast, _| forecast.left.map(duration)),
    ),
    seconds(
        "slot_outage_budget",
        "Time until a limit is reached if no further position is confirmed",
        |now| now.by_limit(|forecast, _| forecast.outage.map(duration)),
    ),
    gauge("slot_at_risk", "1 while a limit is near", |now| {
        now.by_limit(|_, is_near| Some(Number::Whole(u64::from(is_near))))
    }),
    gauge("bookmarks", "Bookmarks at the last inspection", |now| {
        let current = now.bookmarks.current.as_ref();
        count(current.map_or(0, |current| current.bookmarks.len()))
    }),
    bytes("bookmark_retained", "WAL retained by a bookmark", |now| {
        now.by_bookmark(|view| Some(Number::Whole(view.retained_bytes)))
    }),
    seconds(
        "bookmark_time_to_expiry",
        "Time until the first limit ends a bookmark, at the rate since its creation",
        |now| now.by_bookmark(|view| view.expiries.first()?.left.map(duration)),
    ),
    gauge(
        "bookmarks_dropped",
        "Bookmarks dropped because of the WAL budget or because the server invalidated them",
        |now| Value::Total(now.bookmarks.dropped),
    ),
    gauge(
        "outbox_pending",
        "Events of an outbox that were read and are not in Kafka yet",
        |now| now.by_outbox(|view, _| Some(Number::Whole(view.pending))),
    ),
    seconds(
        "outbox_oldest_age",
        "Age of the oldest event of an outbox that is not in Kafka, at most",
        |now| now.by_outbox(|_, age| Some(duration(age))),
    ),
    gauge("outbox_published", "Events of an outbox in Kafka", |now| {
        now.total_by_outbox(|view| Some(view.published))
    }),
    gauge(
        "outbox_removed_rows",
        "Rows of an outbox that clean-up removed, marked or moved",
        |now| now.total_by_outbox(|view| Some(view.cleanup.as_ref()?.rows)),
    ),
    gauge(
        "outbox_cleanup_errors",
        "Runs of the clean-up of an outbox that failed",
        |now| now.total_by_outbox(|view| Some(view.cleanup.as_ref()?.errors)),
    ),
    gauge(
        "outbox_last_cleanup_timestamp_seconds",
        "Time of the last run of the clean-up of an outbox that did not fail",
        |now| {
            now.by_outbox(|view, _| {
                let seconds = view.cleanup.as_ref()?.last_run?.unix_micros() / 1_000_000;
                Some(Number::Whole(u64::try_from(seconds).ok()?))
            })
        },
    ),
    gauge(
        "publication_drift",
        "Findings that keep changes of captured tables from arriving",
        |now| count(now.drift),
    ),
    gauge(
        "partition_changes",
        "Times that partitions of captured tables brought or removed rows without events",
        |now| Value::Total(now.partition_changes),
    ),
    gauge("tables", "Captured tables by state", |now| {
        let counts = now.tables.iter();
        Value::ByState(
            counts
                .map(|(state, count)| (*state, Number::Whole(*count)))
                .collect(),
        )
    }),
    gauge("leading", "1 while this instance leads", |now| {
        flag(now.role.role == Role::Leader)
    }),
    gauge(
        "standing_by",
        "1 while another instance leads and this one waits",
        |now| flag(now.role.role == Role::Standby),
    ),
    gauge(
        "leadership_blocked",
        "1 while a session that is not an instance of the connector holds the leadership lock",
        |now| flag(now.role.foreign_holder.is_some()),
    ),
    gauge(
        "role_since_timestamp_seconds",
        "Time of the last role change",
        |now| unix_seconds(now.role.since),
    ),
    gauge(
        "takeovers",
        "Takeovers: times this instance became the leader after being a standby",
        |now| Value::Total(now.role.takeovers),
    ),
    gauge(
        "last_takeover_timestamp_seconds",
        "Time of the last takeover",
        |now| unix_seconds(now.role.last_takeover),
    ),
    gauge(
        "takeover_duration_seconds",
        "Time from leadership to the stream at the last takeover",
        |now| real(now.role.takeover_duration.unwrap_or_default().as_secs_f64()),
    ),
    gauge("streaming", "1 while streaming", |now| flag(now.is_streaming)),
    gauge(
        "snapshot_tables_remaining",
        "Tables with rows that are still to be read",
        |now| count(now.snapshot.tables.len()),
    ),
    bytes(
        "snapshot_table_remaining",
        "Approximate size of the unread part of the table that is being read",
        |now| whole(now.snapshot.table_bytes_left),
    ),
    gauge(
        "outbox_poll_pending",
        "Rows of a polled outbox whose events are to be sent, counted up to 100000",
        |now| now.by_polled_outbox(|backlog| Some(Number::Whole(backlog.pending))),
    ),
    seconds(
        "outbox_poll_oldest_age",
        "Age of the oldest row of a polled outbox whose event is to be sent",
        |now| now.by_polled_outbox(|backlog| Some(duration(backlog.oldest.unwrap_or_default()))),
    ),
    seconds(
        "outbox_poll_gate_age",
        "Age of the oldest transaction that writes to a polled outbox, for which later rows wait",
        |now| {
            now.by_polled_outbox(|backlog| {
                let age = backlog.gate.as_ref().and_then(|holder| holder.age);
                Some(duration(age.unwrap_or_default()))
            })
        },
    ),
    gauge(
        "stream_snapshots_streams",
        "Streams of a topic of events that have a snapshot",
        |now| now.by_topic(|view| Some(Number::Whole(view.streams))),
    ),
    gauge(
        "stream_snapshots_pending_events",
        "Events of a topic that are not part of a snapshot, at most",
        |now| now.by_topic(|view| Some(Number::Whole(view.pending))),
    ),
    seconds(
        "stream_snapshots_replay",
        "Time that reading and folding all events of a topic would take, at the measured rate",
        |now| now.by_topic(|view| view.replay.map(duration)),
    ),
    gauge(
        "stream_snapshots_errors",
        "Failures of the snapshots of streams",
        |now| {
            let topics = now.stream_snapshots.iter();
            Value::TotalByTopic(topics.map(|(topic, view)| (topic.clone(), view.errors)).collect())
        },
    ),
];

const fn gauge(name: &'static str, help: &'static str, value: fn(&Reading) -> Value) -> Gauge {
    Gauge {
        name,
        help,
        unit: None,
        value,
    }
}

const fn bytes(name: &'static str, help: &'static str, value: fn(&Reading) -> Value) -> Gauge {
    Gauge {
        name,
        help,
        unit: Some(Unit::Bytes),
        value,
    }
}

const fn seconds(name: &'static str, help: &'static str, value: fn(&Reading) -> Value) -> Gauge {
    Gauge {
        name,
        help,
        unit: Some(Unit::Seconds),
        value,
    }
}
