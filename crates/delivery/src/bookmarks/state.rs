//! Bookmarks for observers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bookmarks::expiry::BookmarkExpiry;
use crate::bookmarks::sample::{Bookmark, BookmarkSample};

/// Bookmarks of a connector, as last inspected. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct BookmarkState(Arc<Mutex<BookmarksView>>);

/// Bookmarks of a connector with their evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookmarksView {
    /// Last sample and the bookmarks in it; `None` while they are not inspected, because the connector does not lead or the server
    /// does not answer.
    pub current: Option<BookmarksInspected>,
    /// Bookmarks that were dropped before their time: over the budget, or invalidated by the server.
    pub dropped: u64,
}

/// Inspected bookmarks, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookmarksInspected {
    /// Time of the inspection by the server's clock, seconds since 1970.
    pub at_unix_seconds: u64,
    /// Bookmarks.
    pub bookmarks: Vec<BookmarkView>,
}

/// Bookmark with its evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookmarkView {
    /// Bookmark.
    pub bookmark: Bookmark,
    /// WAL that it retains, in bytes.
    pub retained_bytes: u64,
    /// Distances to its limits, the nearest first.
    pub expiries: Vec<BookmarkExpiry>,
}

impl BookmarksInspected {
    /// Bookmarks of a sample with their evaluation.
    #[must_use]
    pub fn of(sample: &BookmarkSample, wal_budget: u64) -> Self {
        let view = |bookmark: &Bookmark| BookmarkView {
            bookmark: bookmark.clone(),
            retained_bytes: sample.retained(bookmark),
            expiries: sample.expiries(bookmark, wal_budget),
        };
        Self {
            at_unix_seconds: sample.now_unix_seconds,
            bookmarks: sample.bookmarks.iter().map(view).collect(),
        }
    }
}

impl BookmarkState {
    /// Bookmarks as last inspected.
    #[must_use]
    pub fn read(&self) -> BookmarksView {
        self.lock().clone()
    }

    /// Publishes an inspection; `None`: the bookmarks are not inspected now.
    pub(crate) fn show(&self, current: Option<BookmarksInspected>) {
        self.lock().current = current;
    }

    /// Counts a bookmark that was dropped before its time.
    pub(crate) fn count_dropped(&self) {
        self.lock().dropped += 1;
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth stopping the
    /// connector.
    fn lock(&self) -> MutexGuard<'_, BookmarksView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
