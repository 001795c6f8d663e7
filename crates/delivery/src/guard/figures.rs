//! The figures of the guardian: one series for each limit that there is, none for those that there are not.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{Limit, WalView};
use crate::PositionGauge;

/// Labels of figures that are of one limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabels {
    /// The name of the setting.
    pub limit: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

/// What the slot costs and how long that goes well. Clones share the figures.
#[derive(Clone, Debug, Default)]
pub struct WalFigures {
    /// Bytes of log the slot holds back.
    pub retained_bytes: PositionGauge,
    /// Transactions since the oldest whose catalog rows the slot keeps from `VACUUM`.
    pub catalog_xmin_age: PositionGauge,
    /// Bytes of log that the server writes in a second.
    pub written_per_second: Seconds,
    /// The size of `pg_wal`; 0 where it is not known.
    pub directory_bytes: PositionGauge,
    /// How many standbys are waited for that do not stream.
    pub awaited_standbys: PositionGauge,
    /// What can still be written before a limit is reached.
    pub room_bytes: Family<LimitLabels, PositionGauge>,
    /// When a limit is reached if things go on.
    pub left_seconds: Family<LimitLabels, Seconds>,
    /// When a limit is reached if nothing is confirmed from now on.
    pub outage_seconds: Family<LimitLabels, Seconds>,
    /// 1 while a limit is near.
    pub endangered: Family<LimitLabels, Gauge<i64, AtomicI64>>,
}

impl WalFigures {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "slot_retained",
            "Log held back by the slot",
            Unit::Bytes,
            self.retained_bytes.clone(),
        );
        registry.register(
            "slot_catalog_xmin_age",
            "Transactions since the oldest whose catalog rows the slot keeps",
            self.catalog_xmin_age.clone(),
        );
        registry.register(
            "wal_written_bytes_per_second",
            "Log written by the server, mean of the last minutes",
            self.written_per_second.clone(),
        );
        registry.register_with_unit(
            "wal_directory",
            "Size of pg_wal, 0 where it is not known",
            Unit::Bytes,
            self.directory_bytes.clone(),
        );
        registry.register(
            "slot_awaited_standbys",
            "Slots of synchronized_standby_slots from which no standby streams; nothing is sent meanwhile",
            self.awaited_standbys.clone(),
        );
        registry.register_with_unit(
            "slot_room",
            "Log that can be written before a limit is reached",
            Unit::Bytes,
            self.room_bytes.clone(),
        );
        registry.register_with_unit(
            "slot_left",
            "When a limit is reached if things go on as in the last minutes",
            Unit::Seconds,
            self.left_seconds.clone(),
        );
        registry.register_with_unit(
            "slot_outage",
            "When a limit is reached if nothing is confirmed from now on",
            Unit::Seconds,
            self.outage_seconds.clone(),
        );
        registry.register(
            "slot_endangered",
            "1 while a limit is near",
            self.endangered.clone(),
        );
    }

    /// Shows what was seen; `None`: nobody looks any more, and a figure that nobody keeps up would be believed.
    pub(super) fn show(&self, view: Option<&WalView>) {
        if let Some(view) = view {
            self.retained_bytes.set(view.look.retained_bytes());
            self.catalog_xmin_age.set(view.look.catalog_xmin_age.unwrap_or(0));
            self.written_per_second
                .set(view.written_per_second.unwrap_or(0.0));
            self.directory_bytes.set(view.look.directory_bytes().unwrap_or(0));
        }
        let awaited = view.map_or(0, |view| view.look.awaited_standbys.len());
        self.awaited_standbys
            .set(u64::try_from(awaited).unwrap_or(u64::MAX));
        for limit in Limit::ALL {
            let labels = LimitLabels {
                limit: limit.setting(),
            };
            let mut limits = view.iter().flat_map(|view| &view.limits);
            let found = limits.find(|(outlook, _)| outlook.limit == limit);
            let room = found.and_then(|(outlook, _)| outlook.extent.room());
            let seconds = |time: Option<std::time::Duration>| time.map(|time| time.as_secs_f64());
            set(&self.room_bytes, &labels, room);
            set(
                &self.left_seconds,
                &labels,
                found.and_then(|(outlook, _)| seconds(outlook.left)),
            );
            set(
                &self.outage_seconds,
                &labels,
                found.and_then(|(outlook, _)| seconds(outlook.outage)),
            );
            set(
                &self.endangered,
                &labels,
                found.map(|(_, is_near)| i64::from(*is_near)),
            );
        }
    }
}

/// A series is there while it has a value.
fn set<V, A>(family: &Family<LimitLabels, Gauge<V, A>>, labels: &LimitLabels, value: Option<V>)
where
    A: prometheus_client::metrics::gauge::Atomic<V>,
    Gauge<V, A>: Default,
{
    match value {
        Some(value) => {
            family.get_or_create(labels).set(value);
        }
        None => {
            family.remove(labels);
        }
    }
}
