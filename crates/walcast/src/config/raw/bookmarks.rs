//! Table `[bookmarks]` as it is written.

use serde::{Deserialize, Serialize};

use crate::config::bytes::ByteSize;
use crate::config::duration::ConfigDuration;

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawBookmarks {
    pub(crate) every: Option<ConfigDuration>,
    pub(crate) keep: u64,
    pub(crate) wal_budget: ByteSize,
}

/// A day, if one is made every six hours.
const KEEP: u64 = 4;
/// Hours of a busy server, and a small part of most disks.
const WAL_BUDGET: ByteSize = ByteSize::new(10 << 30);

impl Default for RawBookmarks {
    fn default() -> Self {
        Self {
            every: None,
            keep: KEEP,
            wal_budget: WAL_BUDGET,
        }
    }
}
