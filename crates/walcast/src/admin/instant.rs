//! Times in the JSON of the admin port.

use jiff::Timestamp;
use walcast_pgoutput::PgTimestamp;

/// Time in UTC, in whole seconds.
pub(super) fn instant(time: PgTimestamp) -> Option<String> {
    let instant = Timestamp::from_second(time.unix_micros() / 1_000_000).ok()?;
    Some(instant.to_string())
}
