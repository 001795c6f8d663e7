//! How far the limits are away at which a slot is given up or its server stops.

use std::time::Duration;

use super::trend::Trend;
use crate::{WalLook, WalStatus};

/// What ends when a slot holds back too much, or is not used for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `max_slot_wal_keep_size`: the server gives the slot up.
    KeepSize,
    /// The disk of `pg_wal`, as `[guard] wal_disk` says: the server stops.
    Disk,
    /// `idle_replication_slot_timeout`: the server gives the slot up.
    IdleTimeout,
}

impl Limit {
    /// All of them.
    pub const ALL: [Limit; 3] = [Limit::KeepSize, Limit::Disk, Limit::IdleTimeout];

    /// The name of the setting that it is.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Limit::KeepSize => "max_slot_wal_keep_size",
            Limit::Disk => "wal_disk",
            Limit::IdleTimeout => "idle_replication_slot_timeout",
        }
    }
}

/// How far one limit is away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// The limit.
    pub limit: Limit,
    /// How much it allows.
    pub extent: Extent,
    /// How much of it is left, of 1.
    pub share: f64,
    /// When it is reached if things go on as in the last minutes; `None`: it comes no nearer, or that is not known yet.
    pub left: Option<Duration>,
    /// When it is reached if nothing is confirmed from now on while as much is written as in the last minutes.
    pub outage: Option<Duration>,
}

/// How much a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So much log.
    Bytes {
        /// All of it.
        limit: u64,
        /// What can still be written.
        room: u64,
    },
    /// So much time.
    Time(Duration),
}

impl Extent {
    /// What can still be written, where it is log that is limited.
    #[must_use]
    pub const fn room(self) -> Option<u64> {
        match self {
            Extent::Bytes { room, .. } => Some(room),
            Extent::Time(_) => None,
        }
    }
}

/// Times beyond this are not told: a rate of minutes says nothing about them.
const HORIZON: Duration = Duration::from_secs(30 * 24 * 3600);

/// The looks of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Outlooks {
    written: Trend,
    keep_size: Narrowing,
    disk: Narrowing,
}

/// How much of a limit was left at the last looks.
#[derive(Debug, Default)]
struct Narrowing {
    limit: u64,
    left: Trend,
}

impl Outlooks {
    /// Nothing is known any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes of log that the server writes in a second.
    pub(super) fn written_per_second(&self) -> Option<f64> {
        self.written.mean_per_second()
    }

    /// The limits that there are, after one more look. `at` is a time since any fixed moment.
    pub(super) fn after(&mut self, at: Duration, look: &WalLook, wal_disk: Option<u64>) -> Vec<Outlook> {
        self.written.note(at, look.end.as_u64());
        let written = self.written_per_second();
        let keep_size = look.keep_size.zip(look.safe_wal_size).map(|(limit, safe)| {
            let left = match look.status {
                // The next checkpoint removes the log.
                Some(WalStatus::Unreserved | WalStatus::Lost) => 0,
                Some(WalStatus::Reserved | WalStatus::Extended) | None => u64::try_from(safe).unwrap_or(0),
            };
            self.keep_size.after(at, Limit::KeepSize, limit, left, written)
        });
        let disk = wal_disk.zip(look.directory_bytes()).map(|(limit, used)| {
            // Below max_wal_size the directory grows and stays as it is, whatever slots do.
            let left = limit.saturating_sub(used.max(look.max_wal_size));
            self.disk.after(at, Limit::Disk, limit, left, written)
        });
        let idle = look.idle_timeout.map(|timeout| idle(timeout, look.inactive));
        [keep_size, disk, idle].into_iter().flatten().collect()
    }
}

impl Narrowing {
    fn after(&mut self, at: Duration, limit: Limit, size: u64, left: u64, written: Option<f64>) -> Outlook {
        if self.limit != size {
            self.limit = size;
            self.left.clear();
        }
        self.left.note(at, left);
        // A whole segment is kept where the setting says less.
        let limit_bytes = size.max(left);
        let until = |rate: Option<f64>| match (left, rate) {
            (0, _) => Some(Duration::ZERO),
            (_, Some(rate)) => time(left, rate),
            (_, None) => None,
        };
        Outlook {
            limit,
            extent: Extent::Bytes {
                limit: limit_bytes,
                room: left,
            },
            share: share(left, limit_bytes),
            left: until(self.left.per_second().map(|growth| -growth)),
            outage: until(written),
        }
    }
}

fn idle(timeout: Duration, inactive: Option<Duration>) -> Outlook {
    let left = inactive.map(|inactive| timeout.saturating_sub(inactive));
    Outlook {
        limit: Limit::IdleTimeout,
        extent: Extent::Time(timeout),
        share: left.map_or(1.0, |left| left.as_secs_f64() / timeout.as_secs_f64()),
        left,
        outage: Some(left.unwrap_or(timeout)),
    }
}

/// How long bytes last; `None`: for ever, or longer than anybody can tell.
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
