//! Bookmarks as `/status`, `walcast bookmark list` and `walcast check` show them.

use jiff::Timestamp;
use serde::Serialize;
use walcast_delivery::{BookmarkExpiry, BookmarkView, BookmarksInspected};

/// Bookmark, with what it retains and the limits that end it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BookmarkReport {
    pub(crate) name: String,
    /// `manual` or `rolling`.
    pub(crate) kind: &'static str,
    pub(crate) slot: String,
    /// Time in UTC by the server's clock.
    pub(crate) created: Option<String>,
    /// Position that it holds.
    pub(crate) lsn: Option<String>,
    restart_lsn: Option<String>,
    pub(crate) retained_bytes: u64,
    /// Whether the server no longer has its WAL.
    pub(crate) lost: bool,
    /// Reason of its invalidation (17 and later).
    invalidation_reason: Option<String>,
    /// Process of the server that streams from it.
    active_pid: Option<i32>,
    /// Time at which the first limit ends it, in UTC; null while it is not known.
    pub(crate) expires: Option<String>,
    /// Limits that apply, the nearest first.
    pub(crate) limits: Vec<BookmarkLimitReport>,
}

/// Limit of a bookmark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BookmarkLimitReport {
    pub(crate) limit: &'static str,
    /// Bytes of WAL that can still be written.
    headroom_bytes: Option<u64>,
    /// Time until the limit is reached, at the rate since the bookmark was made.
    pub(crate) time_to_limit_seconds: Option<u64>,
}

impl BookmarkReport {
    /// Reports of all bookmarks, the oldest first.
    pub(crate) fn all(inspected: &BookmarksInspected) -> Vec<Self> {
        let reports = inspected.bookmarks.iter();
        reports
            .map(|view| Self::of(view, inspected.at_unix_seconds))
            .collect()
    }

    fn of(view: &BookmarkView, at_unix_seconds: u64) -> Self {
        let bookmark = &view.bookmark;
        let left = view.expiries.first().and_then(|expiry| expiry.left);
        Self {
            name: bookmark.name.clone(),
            kind: if bookmark.is_rolling() {
                "rolling"
            } else {
                "manual"
            },
            slot: bookmark.slot.clone(),
            created: instant(bookmark.created_unix_seconds),
            lsn: bookmark.position.map(|lsn| lsn.to_string()),
            restart_lsn: bookmark.restart_lsn.map(|lsn| lsn.to_string()),
            retained_bytes: view.retained_bytes,
            lost: bookmark.is_lost(),
            invalidation_reason: bookmark.invalidation_reason.clone(),
            active_pid: bookmark.active_pid,
            expires: left.and_then(|left| instant(at_unix_seconds.saturating_add(left.as_secs()))),
            limits: view.expiries.iter().map(BookmarkLimitReport::of).collect(),
        }
    }

    /// When and by which limit the bookmark ends, as a phrase.
    pub(crate) fn end(&self) -> String {
        if self.lost {
            let reason = self.invalidation_reason.as_deref().unwrap_or("wal_removed");
            return format!("lost ({reason})");
        }
        let Some(nearest) = self.limits.first() else {
            return "no limit".to_owned();
        };
        match (&self.expires, nearest.headroom_bytes) {
            (Some(expires), _) => format!("expires {expires} by {}", nearest.limit),
            (None, Some(bytes)) => format!("expires after {bytes} more bytes of WAL by {}", nearest.limit),
            (None, None) => format!("expires by {}", nearest.limit),
        }
    }
}

impl BookmarkLimitReport {
    fn of(expiry: &BookmarkExpiry) -> Self {
        Self {
            limit: expiry.limit.setting(),
            headroom_bytes: expiry.room,
            time_to_limit_seconds: expiry.left.map(|left| left.as_secs()),
        }
    }
}

/// Time in UTC, in whole seconds.
fn instant(unix_seconds: u64) -> Option<String> {
    let seconds = i64::try_from(unix_seconds).ok()?;
    Some(Timestamp::from_second(seconds).ok()?.to_string())
}
