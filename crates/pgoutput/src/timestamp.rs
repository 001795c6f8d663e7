//! Timestamps of the server's clock.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Timestamp of the server's clock: microseconds since 2000-01-01 00:00:00 UTC, as on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PgTimestamp(i64);

/// Microseconds from the Unix epoch to the Postgres epoch.
const POSTGRES_EPOCH_UNIX_MICROS: i64 = 946_684_800_000_000;

impl PgTimestamp {
    /// Wraps microseconds since 2000-01-01 UTC.
    #[must_use]
    pub const fn from_postgres_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Converts microseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros.saturating_sub(POSTGRES_EPOCH_UNIX_MICROS))
    }

    /// Current time of the local clock. A clock before 1970 counts as 1970.
    #[must_use]
    pub fn now() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_unix_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
    }

    /// Microseconds since 2000-01-01 UTC.
    #[must_use]
    pub const fn postgres_micros(self) -> i64 {
        self.0
    }

    /// Microseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn unix_micros(self) -> i64 {
        self.0.saturating_add(POSTGRES_EPOCH_UNIX_MICROS)
    }
}

impl fmt::Display for PgTimestamp {
    /// Microseconds since the Unix epoch; callers with a calendar print it better.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} us since 1970", self.unix_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_the_machines_clock() {
        let read = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let before = read();
        let now = u128::try_from(PgTimestamp::now().unix_micros()).unwrap();
        assert!((before..=read()).contains(&now), "{now}");
    }
}
