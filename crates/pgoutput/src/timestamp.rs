//! The server's clock.

use std::fmt;

/// A moment on the server's clock: microseconds since 2000-01-01 00:00:00 UTC, as on the wire.
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
