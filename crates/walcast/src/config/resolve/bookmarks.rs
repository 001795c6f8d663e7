//! Configuration of bookmarks, from `[bookmarks]`.

use std::num::NonZeroU32;

use walcast_delivery::{BookmarkConfig, DeliveryConfig};

use super::check::Check;
use crate::config::duration::ConfigDuration;
use crate::config::error::ConfigError;
use crate::config::raw::RawBookmarks;

/// Each rolling bookmark is a slot, and the time in its name has whole seconds.
const EVERY_MIN: ConfigDuration = ConfigDuration::from_secs(1);
/// A year; WAL is not kept for longer.
const EVERY_MAX: ConfigDuration = ConfigDuration::from_secs(366 * 24 * 3600);
/// Each bookmark is one of `max_replication_slots`, 10 by default.
const KEEP_MAX: u64 = 100;
/// The server keeps whole segments, of this size by default.
const WAL_BUDGET_MIN: u64 = 16 << 20;

impl Check<'_> {
    /// Settings of bookmarks, which share slot and interval with delivery.
    pub(super) fn bookmarks(
        &self,
        raw: &RawBookmarks,
        delivery: &DeliveryConfig,
    ) -> Result<BookmarkConfig, ConfigError> {
        let every = |every| self.duration("bookmarks.every", every, EVERY_MIN, EVERY_MAX);
        let keep = self.range("bookmarks.keep", raw.keep, 1, KEEP_MAX)?;
        let budget = raw.wal_budget.as_u64();
        Ok(BookmarkConfig {
            slot: delivery.slot.clone(),
            every: raw.every.map(every).transpose()?,
            keep: u32::try_from(keep)
                .ok()
                .and_then(NonZeroU32::new)
                .unwrap_or(NonZeroU32::MIN),
            wal_budget: self.range("bookmarks.wal_budget", budget, WAL_BUDGET_MIN, u64::MAX)?,
            interval: delivery.slot_check_interval,
        })
    }
}
