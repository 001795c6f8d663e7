//! Pace of the Kafka commits.

use tokio::time::{Duration, Instant};

/// Longest interval between commits. What is late by seconds needs no commit every few milliseconds, and a commit costs the broker
/// far more than a record does.
const INTERVAL_MAX: Duration = Duration::from_millis(200);

/// Share of the lag that an interval may last in a backlog, as a divisor.
const LAG_PER_INTERVAL: u32 = 10;

/// Decides when the committer asks for what has arrived, which it then commits at once.
///
/// An idle connector commits a transaction as soon as it arrives. In a steady flow, commits begin one interval after the last one, and
/// everything that arrived in between is one batch. In a backlog, and where the server sends late, the interval grows with the lag.
#[derive(Debug)]
pub(crate) struct CommitPace {
    interval: Duration,
    /// Time of the last commit, or of the begin.
    last_commit: Instant,
    has_committed: bool,
    /// Whether a batch was written since the last commit that was not asked for.
    is_backlog: bool,
}

impl CommitPace {
    /// Pace with an interval in a steady flow.
    pub(crate) fn new(interval: Duration, begun: Instant) -> Self {
        Self {
            interval,
            last_commit: begun,
            has_committed: false,
            is_backlog: false,
        }
    }

    /// Records that a batch was written that was not asked for: more arrives than fits into one batch.
    pub(crate) fn write_in_backlog(&mut self) {
        self.is_backlog = true;
    }

    /// Records the end of a commit.
    pub(crate) fn commit(&mut self, now: Instant) {
        self.last_commit = now;
        self.has_committed = true;
        self.is_backlog = false;
    }

    /// Time of the last commit, or of the begin before the first.
    pub(crate) fn last_commit(&self) -> Instant {
        self.last_commit
    }

    /// Time from which the next commit may begin. `lag` is the age of the oldest uncommitted source transaction; `None` for rows that
    /// belong to none. `sent_after` is the time from the commit of such a transaction to its sending by the server, and
    /// `holds_only_rows_read` whether nothing but rows of a snapshot is uncommitted.
    pub(crate) fn next_commit(
        &self,
        lag: impl FnOnce() -> Option<Duration>,
        sent_after: Duration,
        holds_only_rows_read: bool,
    ) -> Instant {
        if !self.has_committed {
            return self.last_commit;
        }
        // Clocks can differ between hosts, so that the age of a transaction alone is no backlog; what the server sends late is one.
        let late = match self.is_backlog || holds_only_rows_read {
            true => lag(),
            false => Some(sent_after),
        };
        let grown = late.map_or(INTERVAL_MAX, |late| late / LAG_PER_INTERVAL);
        self.last_commit + grown.min(INTERVAL_MAX).max(self.interval)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, Instant};

    use super::CommitPace;

    /// Checks the interval in milliseconds after a commit.
    fn check(interval: u64, is_backlog: bool, lag: Option<u64>, expected: u64) {
        check_sent(interval, is_backlog, lag, 0, expected);
    }

    /// The same, of transactions that the server sent so many milliseconds after their commits.
    fn check_sent(interval: u64, is_backlog: bool, lag: Option<u64>, sent_after: u64, expected: u64) {
        let now = Instant::now();
        let mut pace = CommitPace::new(Duration::from_millis(interval), now);
        pace.commit(now);
        if is_backlog {
            pace.write_in_backlog();
        }
        let next = pace.next_commit(
            || lag.map(Duration::from_millis),
            Duration::from_millis(sent_after),
            false,
        );
        assert_eq!(
            next - now,
            Duration::from_millis(expected),
            "{pace:?} with lag {lag:?}"
        );
    }

    #[test]
    fn interval_grows_with_the_lag_of_a_backlog() {
        check(5, true, Some(10), 5);
        check(5, true, Some(600), 60);
        check(5, true, Some(3_600_000), 200);
        check(5, true, None, 200);
        check(5, false, Some(3_600_000), 5);
        check(5, false, None, 5);
        check(1000, true, Some(600), 1000);
    }

    /// The source can be slower than a commit: then no batch is ever full, however late it is.
    #[test]
    fn interval_grows_with_what_the_server_sends_late() {
        check_sent(5, false, Some(3_600_000), 3, 5);
        check_sent(5, false, Some(3_600_000), 600, 60);
        check_sent(5, false, None, 3_600_000, 200);
        check_sent(1000, false, None, 3_600_000, 1000);
    }

    #[test]
    fn rows_of_a_snapshot_are_a_backlog() {
        let now = Instant::now();
        let mut pace = CommitPace::new(Duration::from_millis(5), now);
        pace.commit(now);
        let next = pace.next_commit(|| None, Duration::ZERO, true);
        assert_eq!(next - now, Duration::from_millis(200));
    }

    #[test]
    fn first_commit_is_not_delayed() {
        let begun = Instant::now();
        let pace = CommitPace::new(Duration::from_secs(60), begun);
        assert_eq!(pace.next_commit(|| None, Duration::ZERO, false), begun);
    }

    #[test]
    fn backlog_ends_with_a_commit() {
        let now = Instant::now();
        let mut pace = CommitPace::new(Duration::from_millis(5), now);
        pace.write_in_backlog();
        pace.commit(now);
        let next = pace.next_commit(|| None, Duration::ZERO, false);
        assert_eq!(next, now + Duration::from_millis(5));
    }
}
