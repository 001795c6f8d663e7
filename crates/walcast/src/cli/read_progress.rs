//! Progress of reading topics: a line on stderr, once it takes longer than a moment.

use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time after which the line appears.
const QUIET: Duration = Duration::from_secs(2);

/// Number of records after which the clock is read.
const RECORDS_A_LOOK: u64 = 1_000;

/// Number of records that were read. Dropping it removes the line.
pub(super) struct ReadProgress {
    bar: ProgressBar,
    doing: String,
    started: Instant,
    is_shown: bool,
    records: u64,
}

impl ReadProgress {
    /// Nothing is read yet.
    pub(super) fn new(doing: String) -> anyhow::Result<Self> {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Ok(Self {
            bar: bar.with_style(ProgressStyle::with_template("{msg}")?),
            doing,
            started: Instant::now(),
            is_shown: false,
            records: 0,
        })
    }

    /// Counts a record.
    pub(super) fn count(&mut self) {
        self.records += 1;
        if !self.records.is_multiple_of(RECORDS_A_LOOK) || self.started.elapsed() < QUIET {
            return;
        }
        if !self.is_shown {
            self.is_shown = true;
            // The bar draws nothing if stderr is not a terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_message(format!(
            "{}: {} records read",
            self.doing,
            HumanCount(self.records)
        ));
        self.bar.tick();
    }
}

impl Drop for ReadProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
