//! Sample of the bookmarks of a connector, as plain values.

use std::time::Duration;

use walcast_pgoutput::Lsn;

use crate::bookmarks::name;
use crate::bookmarks::rejection::BookmarkRejected;
use crate::source_state::WalStatus;

/// Bookmarks of a connector, and what the server reports about their limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookmarkSample {
    /// End of the server's WAL.
    pub end: Lsn,
    /// Time by the server's clock, seconds since 1970.
    pub now_unix_seconds: u64,
    /// Number of slots that can still be created.
    pub free_slots: u64,
    /// Oldest WAL that the connector's slot needs; `None`: the slot does not exist or was invalidated.
    pub source_restart_lsn: Option<Lsn>,
    /// `max_slot_wal_keep_size` in bytes; `None`: unlimited, as on every server before version 13.
    pub keep_size: Option<u64>,
    /// `idle_replication_slot_timeout` (version 18 and later); `None`: no timeout.
    pub idle_timeout: Option<Duration>,
    /// Bookmarks, the oldest first.
    pub bookmarks: Vec<Bookmark>,
}

/// Bookmark, as its slot shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// Name of the bookmark.
    pub name: String,
    /// Name of its slot.
    pub slot: String,
    /// Time of its creation by the server's clock, seconds since 1970.
    pub created_unix_seconds: u64,
    /// Position that it holds: the confirmed position of the connector's slot at its creation.
    pub position: Option<Lsn>,
    /// Oldest WAL that it needs; `None`: it was invalidated.
    pub restart_lsn: Option<Lsn>,
    /// Process of the server that streams from it.
    pub active_pid: Option<i32>,
    /// Availability of its WAL; `None` on servers before version 13.
    pub status: Option<WalStatus>,
    /// Bytes that can be written before the server invalidates it; `None`: no limit, or a server before version 13.
    pub safe_wal_size: Option<i64>,
    /// Time for which it has been unused (version 17 and later).
    pub inactive: Option<Duration>,
    /// Reason of its invalidation (version 17 and later).
    pub invalidation_reason: Option<String>,
}

/// Slot of a bookmark as the server reports it; its name is not parsed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookmarkSlot {
    /// Name of the slot.
    pub slot: String,
    /// Confirmed position.
    pub position: Option<Lsn>,
    /// Oldest WAL that it needs.
    pub restart_lsn: Option<Lsn>,
    /// Process of the server that streams from it.
    pub active_pid: Option<i32>,
    /// Availability of its WAL.
    pub status: Option<WalStatus>,
    /// Bytes that can be written before the server invalidates it.
    pub safe_wal_size: Option<i64>,
    /// Time for which it has been unused.
    pub inactive: Option<Duration>,
    /// Reason of its invalidation.
    pub invalidation_reason: Option<String>,
}

/// Bytes of WAL from a position to the end.
pub(super) fn bytes_from(position: Lsn, end: Lsn) -> u64 {
    end.as_u64().saturating_sub(position.as_u64())
}

impl BookmarkSlot {
    /// Bookmark of the connector with the slot `source`; `None` if this slot is none.
    #[must_use]
    pub fn into_bookmark(self, source: &str) -> Option<Bookmark> {
        let (created_unix_seconds, name) = name::parse(source, &self.slot)?;
        Some(Bookmark {
            name,
            slot: self.slot,
            created_unix_seconds,
            position: self.position,
            restart_lsn: self.restart_lsn,
            active_pid: self.active_pid,
            status: self.status,
            safe_wal_size: self.safe_wal_size,
            inactive: self.inactive,
            invalidation_reason: self.invalidation_reason,
        })
    }
}

impl Bookmark {
    /// Whether the connector made it by its interval.
    #[must_use]
    pub fn is_rolling(&self) -> bool {
        name::is_rolling(&self.name)
    }

    /// Whether the server no longer has its WAL.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.restart_lsn.is_none()
            || self.status == Some(WalStatus::Lost)
            || self.invalidation_reason.is_some()
    }

    /// Position to which the connector can be moved.
    ///
    /// # Errors
    /// The server no longer has the WAL from there on, or removes it at its next checkpoint.
    pub fn held_position(&self) -> Result<Lsn, BookmarkRejected> {
        let name = || self.name.clone();
        if self.status == Some(WalStatus::Unreserved) {
            return Err(BookmarkRejected::Unreserved { name: name() });
        }
        let position = self.position.filter(|_| !self.is_lost());
        position.ok_or_else(|| BookmarkRejected::Lost { name: name() })
    }
}

impl BookmarkSample {
    /// Bookmark of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Bookmark> {
        self.bookmarks.iter().find(|bookmark| bookmark.name == name)
    }

    /// Position of the oldest bookmark that has its WAL.
    #[must_use]
    pub fn oldest(&self) -> Option<Lsn> {
        let held = self.bookmarks.iter().filter(|bookmark| !bookmark.is_lost());
        held.filter_map(|bookmark| bookmark.position).min()
    }

    /// WAL that a bookmark retains, in bytes; 0 for one that is lost.
    #[must_use]
    pub fn retained(&self, bookmark: &Bookmark) -> u64 {
        let restart = bookmark.restart_lsn.filter(|_| !bookmark.is_lost());
        restart.map_or(0, |restart| bytes_from(restart, self.end))
    }

    /// WAL that the connector's slot retains, in bytes; `None`: the slot cannot be copied.
    pub(crate) fn source_retained(&self) -> Option<u64> {
        Some(bytes_from(self.source_restart_lsn?, self.end))
    }

    /// Age of a bookmark.
    pub(crate) fn age(&self, bookmark: &Bookmark) -> Duration {
        Duration::from_secs(
            self.now_unix_seconds
                .saturating_sub(bookmark.created_unix_seconds),
        )
    }
}
