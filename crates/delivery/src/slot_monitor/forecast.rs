//! Forecast: the distance to the limits at which a slot is invalidated or its server stops.

use std::time::Duration;

use crate::slot_monitor::sample::WalSample;
use crate::slot_monitor::trend::Trend;
use crate::source_state::WalStatus;

/// Limit on the WAL that a slot retains or on the time for which it is unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `max_slot_wal_keep_size`, at which the server invalidates the slot.
    KeepSize,
    /// Size of the disk of `pg_wal` (`[slot_monitor] wal_disk_size`), at which the server stops.
    Disk,
    /// `idle_replication_slot_timeout`, after which the server invalidates the slot.
    IdleTimeout,
}

impl Limit {
    /// All limits.
    pub const ALL: [Limit; 3] = [Limit::KeepSize, Limit::Disk, Limit::IdleTimeout];

    /// Name of the limit's setting.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Limit::KeepSize => "max_slot_wal_keep_size",
            Limit::Disk => "wal_disk_size",
            Limit::IdleTimeout => "idle_replication_slot_timeout",
        }
    }
}

/// Distance to one limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitForecast {
    /// Limit.
    pub limit: Limit,
    /// Amount that the limit allows.
    pub extent: Extent,
    /// Remaining share of that amount, from 0 to 1.
    pub share: f64,
    /// Time until the limit is reached at the rate of the last minutes; `None`: the limit comes no nearer, or the rate
    /// is not known yet.
    pub left: Option<Duration>,
    /// Time until the limit is reached if no further position is confirmed and WAL is written at the rate of the last
    /// minutes.
    pub outage: Option<Duration>,
}

/// Amount that a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Bytes of WAL.
    Bytes {
        /// Total number of bytes.
        limit: u64,
        /// Remaining number of bytes that can be written.
        room: u64,
    },
    /// Time for which the slot may be unused.
    Time(Duration),
}

impl Extent {
    /// Headroom in bytes, if the limit is on WAL.
    #[must_use]
    pub const fn room(self) -> Option<u64> {
        match self {
            Extent::Bytes { room, .. } => Some(room),
            Extent::Time(_) => None,
        }
    }
}

/// Longest time that is reported: a rate of minutes says nothing about longer ones.
const HORIZON: Duration = Duration::from_secs(30 * 24 * 3600);

/// Samples of the last minutes.
#[derive(Debug, Default)]
pub(super) struct LimitForecasts {
    written: Trend,
    keep_size: Narrowing,
    disk: Narrowing,
}

/// Remaining bytes of a limit at the last samples.
#[derive(Debug, Default)]
struct Narrowing {
    limit: u64,
    left: Trend,
}

impl LimitForecasts {
    /// Forgets all samples.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes of WAL that the server writes per second.
    pub(super) fn written_per_second(&self) -> Option<f64> {
        self.written.mean_per_second()
    }

    /// Limits that apply, after one more sample. `at`: time since a fixed moment.
    pub(super) fn after(
        &mut self,
        at: Duration,
        look: &WalSample,
        wal_disk_size: Option<u64>,
    ) -> Vec<LimitForecast> {
        self.written.add(at, look.end.as_u64());
        let written = self.written_per_second();
        let keep_size = look.keep_size.zip(look.safe_wal_size).map(|(limit, safe)| {
            let left = match look.status {
                // The next checkpoint of the server removes the WAL.
                Some(WalStatus::Unreserved | WalStatus::Lost) => 0,
                Some(WalStatus::Reserved | WalStatus::Extended) | None => u64::try_from(safe).unwrap_or(0),
            };
            self.keep_size.after(at, Limit::KeepSize, limit, left, written)
        });
        let disk = wal_disk_size.zip(look.directory_bytes()).map(|(limit, used)| {
            // Up to `max_wal_size` the directory grows independently of slots.
            let left = limit.saturating_sub(used.max(look.max_wal_size));
            self.disk.after(at, Limit::Disk, limit, left, written)
        });
        let idle = look.idle_timeout.map(|timeout| idle(timeout, look.inactive));
        [keep_size, disk, idle].into_iter().flatten().collect()
    }
}

impl Narrowing {
    fn after(
        &mut self,
        at: Duration,
        limit: Limit,
        size: u64,
        left: u64,
        written: Option<f64>,
    ) -> LimitForecast {
        if self.limit != size {
            self.limit = size;
            self.left.clear();
        }
        self.left.add(at, left);
        // The server keeps a whole segment even if the setting is smaller.
        let limit_bytes = size.max(left);
        let time_at = |rate: Option<f64>| match (left, rate) {
            (0, _) => Some(Duration::ZERO),
            (_, Some(rate)) => time(left, rate),
            (_, None) => None,
        };
        LimitForecast {
            limit,
            extent: Extent::Bytes {
                limit: limit_bytes,
                room: left,
            },
            share: share(left, limit_bytes),
            left: time_at(self.left.per_second().map(|growth| -growth)),
            outage: time_at(written),
        }
    }
}

fn idle(timeout: Duration, inactive: Option<Duration>) -> LimitForecast {
    let left = inactive.map(|inactive| timeout.saturating_sub(inactive));
    LimitForecast {
        limit: Limit::IdleTimeout,
        extent: Extent::Time(timeout),
        share: left.map_or(1.0, |left| left.as_secs_f64() / timeout.as_secs_f64()),
        left,
        outage: Some(left.unwrap_or(timeout)),
    }
}

/// Time until bytes are used up; `None`: never, or beyond [`HORIZON`].
fn time(bytes: u64, per_second: f64) -> Option<Duration> {
    #[expect(clippy::cast_precision_loss, reason = "a projection")]
    let seconds = bytes as f64 / per_second;
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    (per_second > 0.0 && time <= HORIZON).then_some(time)
}

fn share(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = part as f64 / whole as f64;
    if whole == 0 { 0.0 } else { share }
}

#[cfg(test)]
mod tests;
