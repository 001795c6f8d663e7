//! Keeps reading to a rate.

use std::time::Duration;

use tokio::time::Instant;

use crate::SnapshotConfig;

/// Rows and bytes that were read, and since when.
pub(super) struct Pace {
    rows_per_second: Option<u64>,
    bytes_per_second: Option<u64>,
    begun: Instant,
    rows: u64,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(config: &SnapshotConfig) -> Self {
        Self {
            rows_per_second: config.rows_per_second.map(u64::from),
            bytes_per_second: config.bytes_per_second,
            begun: Instant::now(),
            rows: 0,
            bytes: 0,
        }
    }

    /// So much was read.
    pub(super) fn count(&mut self, rows: u64, bytes: usize) {
        self.rows += rows;
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Whether nothing was read yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.rows == 0 && self.bytes == 0
    }

    /// When more may be read.
    pub(super) fn due(&self) -> Instant {
        let rows = time_for(self.rows, self.rows_per_second);
        let bytes = time_for(self.bytes, self.bytes_per_second);
        self.begun + rows.max(bytes)
    }
}

fn time_for(amount: u64, per_second: Option<u64>) -> Duration {
    per_second.map_or(Duration::ZERO, |rate| {
        Duration::from_micros(amount.saturating_mul(1_000_000) / rate.max(1))
    })
}
