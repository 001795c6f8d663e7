//! Expiry: which limit ends a bookmark, and when.

use std::time::Duration;

use crate::bookmarks::sample::{Bookmark, BookmarkSample, bytes_from};
use crate::source_state::WalStatus;

/// Age from which the WAL written since the creation of a bookmark is a rate.
const AGE_MIN: Duration = Duration::from_secs(60);

/// Longest time that is reported.
const HORIZON: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Limit at which a bookmark ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookmarkLimit {
    /// `[bookmarks] wal_budget`, at which the connector drops it.
    Budget,
    /// `max_slot_wal_keep_size`, at which the server invalidates it.
    KeepSize,
    /// `idle_replication_slot_timeout`, after which the server invalidates it.
    IdleTimeout,
}

impl BookmarkLimit {
    /// Name of the limit's setting.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            BookmarkLimit::Budget => "wal_budget",
            BookmarkLimit::KeepSize => "max_slot_wal_keep_size",
            BookmarkLimit::IdleTimeout => "idle_replication_slot_timeout",
        }
    }
}

/// Distance of a bookmark to one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookmarkExpiry {
    /// Limit.
    pub limit: BookmarkLimit,
    /// Bytes of WAL that can still be written; `None` for a limit of time.
    pub room: Option<u64>,
    /// Time until the limit is reached, at the rate since the creation of the bookmark; `None`: not known, because the bookmark is
    /// young or nothing is written.
    pub left: Option<Duration>,
}

impl BookmarkSample {
    /// Distances of a bookmark to its limits, the nearest first; none for a lost bookmark.
    #[must_use]
    pub fn expiries(&self, bookmark: &Bookmark, wal_budget: u64) -> Vec<BookmarkExpiry> {
        if bookmark.is_lost() {
            return Vec::new();
        }
        let rate = self.bytes_per_second(bookmark);
        let by_bytes = |limit, room| BookmarkExpiry {
            limit,
            room: Some(room),
            left: if room == 0 {
                Some(Duration::ZERO)
            } else {
                rate.and_then(|rate| time(room, rate))
            },
        };
        let budget = wal_budget.saturating_sub(self.retained(bookmark));
        let keep_size = self.keep_size.and(bookmark.safe_wal_size).map(|safe| {
            // The next checkpoint of the server removes the WAL of an unreserved slot.
            let is_unreserved = bookmark.status == Some(WalStatus::Unreserved);
            let room = if is_unreserved {
                0
            } else {
                u64::try_from(safe).unwrap_or(0)
            };
            by_bytes(BookmarkLimit::KeepSize, room)
        });
        let idle = self.idle_timeout.map(|timeout| BookmarkExpiry {
            limit: BookmarkLimit::IdleTimeout,
            room: None,
            left: Some(timeout.saturating_sub(bookmark.inactive.unwrap_or_default())),
        });
        let mut expiries: Vec<BookmarkExpiry> =
            [Some(by_bytes(BookmarkLimit::Budget, budget)), keep_size, idle]
                .into_iter()
                .flatten()
                .collect();
        // A known time before an unknown one; among unknown ones the smaller room.
        expiries.sort_by_key(|expiry| {
            (
                expiry.left.unwrap_or(Duration::MAX),
                expiry.room.unwrap_or(u64::MAX),
            )
        });
        expiries
    }

    /// Bytes of WAL written per second since a bookmark was created; `None` while that is too short a time.
    fn bytes_per_second(&self, bookmark: &Bookmark) -> Option<f64> {
        let age = self.age(bookmark);
        let written = bytes_from(bookmark.position?, self.end);
        #[expect(clippy::cast_precision_loss, reason = "a projection")]
        let rate = written as f64 / age.as_secs_f64();
        (age >= AGE_MIN).then_some(rate)
    }
}

/// Time until bytes are used up; `None`: never, or beyond [`HORIZON`].
fn time(bytes: u64, per_second: f64) -> Option<Duration> {
    #[expect(clippy::cast_precision_loss, reason = "a projection")]
    let seconds = bytes as f64 / per_second;
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    (time <= HORIZON).then_some(time)
}
