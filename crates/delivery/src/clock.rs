//! Clock of this process.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970; a clock before 1970 counts as 1970.
pub(crate) fn unix_nanos() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX)
}
