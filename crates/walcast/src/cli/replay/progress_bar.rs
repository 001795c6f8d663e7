//! Progress of a replay on stderr.

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use walcast_delivery::ReplayProgress;
use walcast_kafka::Replay;

use crate::replay_extent::extent;

/// Progress bar over the offsets or the WAL of a replay. It draws nothing if stderr is not a terminal. Dropping it removes it.
pub(super) struct ReplayBar {
    bar: ProgressBar,
    name: String,
}

impl ReplayBar {
    pub(super) fn new(replay: &Replay, progress: &ReplayProgress) -> anyhow::Result<Self> {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {eta} left")?;
        let bar = Self {
            bar: ProgressBar::new(0).with_style(style),
            name: replay.name.clone(),
        };
        bar.show(replay, progress);
        Ok(bar)
    }

    pub(super) fn show(&self, replay: &Replay, progress: &ReplayProgress) {
        let (all, read) = extent(replay, progress);
        self.bar.set_length(all.max(1));
        self.bar.set_position(read);
        self.bar.set_message(format!(
            "{}: {} records sent",
            self.name,
            HumanCount(progress.sent())
        ));
    }
}

impl Drop for ReplayBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
