//! Pace: keeps reading within the configured rates.

use std::time::Duration;

use tokio::time::Instant;

use crate::snapshot::config::SnapshotConfig;

/// Rows and bytes that were read, and the start time.
pub(super) struct Pace {
    rows_per_second: Option<u64>,
    bytes_per_second: Option<u64>,
    started_at: Instant,
    rows: u64,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(config: &SnapshotConfig) -> Self {
        Self {
            rows_per_second: config.rows_per_second.map(u64::from),
            bytes_per_second: config.bytes_per_second,
            started_at: Instant::now(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Counts rows and bytes that were read.
    pub(super) fn count(&mut self, rows: u64, bytes: usize) {
        self.rows += rows;
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Whether no rows were counted yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.rows == 0 && self.bytes == 0
    }

    /// Time at which more rows may be read.
    pub(super) fn due(&self) -> Instant {
        let rows = time_for(self.rows, self.rows_per_second);
        let bytes = time_for(self.bytes, self.bytes_per_second);
        self.started_at + rows.max(bytes)
    }
}

fn time_for(amount: u64, per_second: Option<u64>) -> Duration {
    per_second.map_or(Duration::ZERO, |rate| {
        Duration::from_micros(amount.saturating_mul(1_000_000) / rate.max(1))
    })
}
