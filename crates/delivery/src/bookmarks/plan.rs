//! Plan of an inspection: which bookmarks are dropped, and whether a rolling one is made.

use walcast_pgoutput::Lsn;

use crate::bookmarks::BookmarkConfig;
use crate::bookmarks::name::{BookmarkName, bookmark_slot};
use crate::bookmarks::rejection::BookmarkRejected;
use crate::bookmarks::sample::{Bookmark, BookmarkSample, bytes_from};

/// Share of the budget that the WAL of the next interval may take at most, so that a burst does not drop every bookmark.
const GROWTH_SHARE: u64 = 4;

/// Slots that rolling bookmarks leave free: the connector reads the rows of a table with a temporary slot.
const LEFT_FREE: u64 = 1;

/// Reason for which the connector drops a bookmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DropCause {
    /// It would exceed the budget by the next inspection.
    Budget,
    /// The server invalidated it.
    Lost,
    /// Newer rolling bookmarks take its place.
    Replaced,
}

/// What an inspection leads to, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Bookmarks that are dropped before another is made, the oldest first.
    pub(super) ended: Vec<(Bookmark, DropCause)>,
    /// Slot of a rolling bookmark that is due.
    pub(super) created: Option<(BookmarkName, String)>,
    /// Rolling bookmarks that are dropped after that.
    pub(super) replaced: Vec<Bookmark>,
    /// Reason for which a rolling bookmark that is due is not made.
    pub(super) prevented: Option<BookmarkRejected>,
}

/// Plan for a sample. `last_end`: end of WAL at the inspection before.
pub(super) fn plan(config: &BookmarkConfig, sample: &BookmarkSample, last_end: Option<Lsn>) -> Plan {
    let growth = last_end.map_or(0, |last| bytes_from(last, sample.end));
    let growth = growth.min(config.wal_budget / GROWTH_SHARE);
    let exceeds = |retained: u64| retained.saturating_add(growth) > config.wal_budget;
    let cause = |bookmark: &Bookmark| {
        if bookmark.is_lost() {
            // One that a user made stays visible until the user drops it.
            return bookmark.is_rolling().then_some(DropCause::Lost);
        }
        exceeds(sample.retained(bookmark)).then_some(DropCause::Budget)
    };
    let ended: Vec<(Bookmark, DropCause)> = sample
        .bookmarks
        .iter()
        .filter_map(|bookmark| Some((bookmark.clone(), cause(bookmark)?)))
        .collect();
    let mut rolling: Vec<&Bookmark> = sample
        .bookmarks
        .iter()
        .filter(|bookmark| bookmark.is_rolling() && cause(bookmark).is_none())
        .collect();
    rolling.sort_by_key(|bookmark| bookmark.created_unix_seconds);

    let mut plan = Plan {
        ended,
        ..Plan::default()
    };
    let Some(every) = config.every else {
        return plan;
    };
    let is_due = rolling.last().is_none_or(|newest| sample.age(newest) >= every);
    if is_due {
        let free_slots = sample.free_slots + u64::try_from(plan.ended.len()).unwrap_or(0);
        match sample.source_retained() {
            // The slot is being created, or its loss halts the connector.
            None => {}
            Some(retained) if exceeds(retained) => {
                plan.prevented = Some(BookmarkRejected::OverBudget {
                    slot: config.slot.clone(),
                    retained,
                    budget: config.wal_budget,
                });
            }
            Some(_) if free_slots <= LEFT_FREE => plan.prevented = Some(BookmarkRejected::LastSlot),
            Some(_) => {
                let name = BookmarkName::rolling(sample.now_unix_seconds);
                let slot = bookmark_slot(&config.slot, sample.now_unix_seconds, &name);
                plan.created = Some((name, slot));
            }
        }
    }
    let keep = usize::try_from(config.keep.get()).unwrap_or(usize::MAX);
    let count = rolling.len() + usize::from(plan.created.is_some());
    let surplus = count.saturating_sub(keep);
    plan.replaced = rolling.into_iter().take(surplus).cloned().collect();
    plan
}
