//! Bookmarks: logical slots of their own that keep the WAL from a position, for a later replay from it.
//!
//! ```text
//! BookmarkSlots::look ──BookmarkSample──▶ BookmarkMonitor (budget, rolling bookmarks) ──▶ BookmarkSlots::copy, drop_slot
//!                                                └──▶ ConnectorState::bookmarks
//! ```
//!
//! A bookmark is a copy of the connector's slot. Nothing streams from it, so that the server keeps the WAL from its position until
//! it is dropped. Everything about a bookmark is in the name of its slot ([`name`]); no other state exists.

pub(crate) mod expiry;
pub(crate) mod monitor;
pub(crate) mod name;
pub(crate) mod plan;
pub(crate) mod rejection;
pub(crate) mod sample;
pub(crate) mod state;

use std::num::NonZeroU32;
use std::time::Duration;

use self::name::{BookmarkName, bookmark_slot};
use self::rejection::BookmarkRejected;
use self::sample::{Bookmark, BookmarkSample};

/// Settings of bookmarks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookmarkConfig {
    /// Name of the connector's slot, of which bookmarks are copies.
    pub slot: String,
    /// Interval of rolling bookmarks; `None`: none are made.
    pub every: Option<Duration>,
    /// Number of rolling bookmarks that are kept.
    pub keep: NonZeroU32,
    /// WAL that a bookmark may retain, in bytes.
    pub wal_budget: u64,
    /// Interval between inspections.
    pub interval: Duration,
}

/// Name of the slot of a new bookmark, if the bookmark can be made.
///
/// # Errors
/// The name is in use, no slot is free, the connector's slot cannot be copied, or the bookmark would exceed the budget from the
/// first moment.
pub fn creatable(
    config: &BookmarkConfig,
    sample: &BookmarkSample,
    name: &BookmarkName,
) -> Result<String, BookmarkRejected> {
    if sample.find(name.as_str()).is_some() {
        return Err(BookmarkRejected::NameInUse {
            name: name.to_string(),
        });
    }
    let Some(retained) = sample.source_retained() else {
        return Err(BookmarkRejected::NoSlot {
            slot: config.slot.clone(),
        });
    };
    if retained > config.wal_budget {
        return Err(BookmarkRejected::OverBudget {
            slot: config.slot.clone(),
            retained,
            budget: config.wal_budget,
        });
    }
    if sample.free_slots == 0 {
        return Err(BookmarkRejected::NoFreeSlot);
    }
    Ok(bookmark_slot(&config.slot, sample.now_unix_seconds, name))
}

/// Bookmark of this name, if it can be dropped.
///
/// # Errors
/// There is none, or a client streams from it.
pub fn droppable<'s>(sample: &'s BookmarkSample, name: &str) -> Result<&'s Bookmark, BookmarkRejected> {
    let Some(bookmark) = sample.find(name) else {
        return Err(BookmarkRejected::Unknown {
            name: name.to_owned(),
            known: sample.bookmarks.iter().map(|one| one.name.clone()).collect(),
        });
    };
    match bookmark.active_pid {
        Some(pid) => Err(BookmarkRejected::InUse {
            name: name.to_owned(),
            pid,
        }),
        None => Ok(bookmark),
    }
}

#[cfg(test)]
mod tests;
