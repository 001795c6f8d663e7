//! Bookmark monitor: keeps bookmarks within their budget, and makes rolling ones.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use tracing::{debug, info, warn};
use walcast_pgoutput::Lsn;

use crate::bookmarks::BookmarkConfig;
use crate::bookmarks::plan::{DropCause, plan};
use crate::bookmarks::sample::{Bookmark, BookmarkSample};
use crate::bookmarks::state::BookmarksInspected;
use crate::describe::Describe;
use crate::ports::bookmarks::BookmarkSlots;
use crate::state::ConnectorState;

/// Time after which a request counts as not answered by the server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Inspects the bookmarks at an interval, for as long as the connector leads: drops those that would exceed the budget, makes
/// rolling ones and drops those that they replace. It touches no slot but those of bookmarks.
#[derive(Debug)]
pub struct BookmarkMonitor<B> {
    slots: B,
    config: BookmarkConfig,
    state: ConnectorState,
    describe: Describe,
    /// End of WAL at the last inspection.
    last_end: Option<Lsn>,
    /// Whether the last sample had bookmarks.
    has_bookmarks: bool,
    /// Last problem that was logged, until an inspection has none.
    reported_problem: Option<String>,
    /// Invalidated bookmarks that were logged.
    reported_lost: BTreeSet<String>,
}

impl<B: BookmarkSlots> BookmarkMonitor<B> {
    /// Creates a monitor of the bookmarks in `slots`, for the connector with this state, whose errors are logged as `describe`
    /// describes them.
    pub fn new(slots: B, config: BookmarkConfig, state: ConnectorState, describe: Describe) -> Self {
        Self {
            slots,
            config,
            state,
            describe,
            last_end: None,
            has_bookmarks: false,
            reported_problem: None,
            reported_lost: BTreeSet::new(),
        }
    }

    /// Inspects until dropped.
    pub async fn run(mut self) -> Infallible {
        let mut ticks = tokio::time::interval(self.config.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.inspect().await;
        }
    }

    async fn inspect(&mut self) {
        let mut problem = None;
        let sample = self.look(&mut problem).await;
        let sample = match sample {
            Some(sample) => self.maintain(sample, &mut problem).await,
            None => {
                // What is written until the next look is not what one interval writes.
                self.last_end = None;
                None
            }
        };
        let view = sample
            .as_ref()
            .map(|sample| BookmarksInspected::of(sample, self.config.wal_budget));
        self.state.bookmarks.show(view);
        self.report(problem);
    }

    async fn look(&mut self, problem: &mut Option<String>) -> Option<BookmarkSample> {
        match tokio::time::timeout(ANSWER_TIMEOUT, self.slots.look()).await {
            Ok(Ok(sample)) => sample,
            Ok(Err(fault)) => {
                *problem = Some(self.describe.error(&fault));
                None
            }
            Err(_) => {
                *problem = Some("the server does not answer".to_owned());
                None
            }
        }
    }

    /// Carries out the plan for a sample; the sample after it.
    async fn maintain(
        &mut self,
        sample: BookmarkSample,
        problem: &mut Option<String>,
    ) -> Option<BookmarkSample> {
        self.report_lost(&sample);
        let plan = plan(&self.config, &sample, self.last_end);
        self.last_end = Some(sample.end);
        self.has_bookmarks = !sample.bookmarks.is_empty();
        let changes_nothing = plan.ended.is_empty() && plan.created.is_none() && plan.replaced.is_empty();
        for (bookmark, cause) in &plan.ended {
            self.end(&sample, bookmark, *cause, problem).await;
        }
        let mut may_replace = plan.created.is_none();
        if let Some((name, slot)) = &plan.created {
            match self.slots.copy(slot).await {
                Ok(()) => {
                    may_replace = true;
                    info!(bookmark = name.as_str(), slot, "a rolling bookmark was made");
                }
                Err(fault) => *problem = Some(self.describe.error(&fault)),
            }
        }
        if may_replace {
            for bookmark in &plan.replaced {
                self.end(&sample, bookmark, DropCause::Replaced, problem).await;
            }
        }
        if let Some(rejected) = &plan.prevented {
            *problem = Some(self.describe.error(rejected));
        }
        if changes_nothing {
            return Some(sample);
        }
        self.look(problem).await
    }

    async fn end(
        &mut self,
        sample: &BookmarkSample,
        bookmark: &Bookmark,
        cause: DropCause,
        problem: &mut Option<String>,
    ) {
        if let Err(fault) = self.slots.drop_slot(&bookmark.slot).await {
            *problem = Some(self.describe.error(&fault));
            return;
        }
        let (name, slot) = (&bookmark.name, &bookmark.slot);
        match cause {
            DropCause::Budget => {
                self.state.bookmarks.count_dropped();
                warn!(
                    bookmark = name,
                    slot,
                    retained_bytes = sample.retained(bookmark),
                    wal_budget_bytes = self.config.wal_budget,
                    "the bookmark was dropped, because the WAL that it retains reaches the budget; its position can no longer be replayed"
                );
            }
            DropCause::Lost => {
                self.state.bookmarks.count_dropped();
                warn!(
                    bookmark = name,
                    slot,
                    reason = bookmark.invalidation_reason,
                    "the rolling bookmark was dropped, because the server had invalidated it; its position can no longer be replayed"
                );
            }
            DropCause::Replaced => {
                info!(
                    bookmark = name,
                    slot, "the rolling bookmark was replaced by newer ones"
                );
            }
        }
    }

    /// Logs each problem once, until an inspection has none. Without bookmarks no problem matters, and the slot monitor reports a server
    /// that does not answer.
    fn report(&mut self, problem: Option<String>) {
        if let Some(error) = &problem
            && self.reported_problem.as_ref() != Some(error)
        {
            if self.config.every.is_some() || self.has_bookmarks {
                warn!(slot = self.config.slot, error, "bookmarks cannot be maintained");
            } else {
                debug!(slot = self.config.slot, error, "bookmarks cannot be inspected");
            }
        }
        self.reported_problem = problem;
    }

    fn report_lost(&mut self, sample: &BookmarkSample) {
        for bookmark in sample
            .bookmarks
            .iter()
            .filter(|one| one.is_lost() && !one.is_rolling())
        {
            if self.reported_lost.insert(bookmark.slot.clone()) {
                warn!(
                    bookmark = bookmark.name,
                    slot = bookmark.slot,
                    reason = bookmark.invalidation_reason,
                    "the server has invalidated the bookmark; its position can no longer be replayed, and it still takes a slot until it is dropped"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
