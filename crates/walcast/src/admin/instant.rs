//! Times in the JSON of the admin port.

use jiff::Timestamp;
use walcast_pgoutput::PgTimestamp;

/// Time in UTC, in whole seconds.
pub(super) fn instant(time: PgTimestamp) -> Option<String> {
    instant_of(time.unix_micros())
}

/// Time in UTC, in whole seconds, from microseconds since 1970.
pub(super) fn instant_of(unix_micros: i64) -> Option<String> {
    let instant = Timestamp::from_second(unix_micros.div_euclid(1_000_000)).ok()?;
    Some(instant.to_string())
}
