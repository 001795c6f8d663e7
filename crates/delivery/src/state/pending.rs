//! Transactions that wait for their delivery, and the lag that follows from them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use walcast_pgoutput::PgTimestamp;

/// Time for which the delay of the last delivered transaction is shown although nothing waits: a scrape during a steady load
/// then shows the delay instead of zero.
const DELAY_SHOWN: Duration = Duration::from_secs(1);

/// Oldest transaction that waits, and the delay of the last one that was delivered. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct PendingState(Arc<Mutex<Pending>>);

#[derive(Debug, Default)]
struct Pending {
    /// Commit time of the oldest transaction that the committer has and that is not delivered.
    since: Option<PgTimestamp>,
    /// Commit time of the oldest transaction of each batch that the committer does not have yet: it may wait for Kafka.
    read: VecDeque<PgTimestamp>,
    /// Delay of the transaction that was delivered last, and when it was delivered.
    last: Option<(Duration, Instant)>,
    /// Whether the server had nothing more to send after that transaction.
    is_caught_up: bool,
}

impl PendingState {
    /// Age of the oldest transaction that waits. If none is known to wait: the delay of the last delivered one, or zero once
    /// the server has nothing more to send.
    #[must_use]
    pub fn lag(&self, now: PgTimestamp) -> Duration {
        let pending = self.lock();
        if let Some(since) = pending.oldest() {
            return age(since, now);
        }
        match pending.last {
            Some((delay, at)) if !pending.is_caught_up || at.elapsed() < DELAY_SHOWN => delay,
            _ => Duration::ZERO,
        }
    }

    /// Time since the last delivery of a transaction by this instance; `None` before the first.
    #[must_use]
    pub fn since_last_delivery(&self) -> Option<Duration> {
        self.lock().last.map(|(_, at)| at.elapsed())
    }

    /// Begins a session, which reads again what was not delivered. Until then, what was read before waits.
    pub(crate) fn start(&self) {
        let mut pending = self.lock();
        pending.since = pending.oldest();
        pending.read.clear();
    }

    /// Records that a batch holds a first transaction, with this commit time.
    pub(crate) fn read(&self, commit_time: PgTimestamp) {
        let mut pending = self.lock();
        pending.read.push_back(commit_time);
        pending.is_caught_up = false;
    }

    /// Records that the committer has the next batch that holds a transaction.
    pub(crate) fn hand_over(&self) {
        self.lock().read.pop_front();
    }

    /// Sets the commit time of the oldest transaction that the committer has and that is not delivered; `None` if there is none.
    pub(crate) fn wait_since(&self, commit_time: Option<PgTimestamp>) {
        let mut pending = self.lock();
        pending.since = commit_time;
        pending.is_caught_up &= commit_time.is_none();
    }

    /// Records that a transaction was delivered with this delay.
    pub(crate) fn deliver(&self, delay: Duration) {
        let mut pending = self.lock();
        pending.last = Some((delay, Instant::now()));
        pending.is_caught_up = false;
    }

    /// Records that the server has nothing more to send, unless a transaction waits.
    pub(crate) fn catch_up(&self) {
        let mut pending = self.lock();
        pending.is_caught_up = pending.oldest().is_none();
    }

    /// Forgets everything: another instance delivers.
    pub(crate) fn clear(&self) {
        *self.lock() = Pending::default();
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth
    /// stopping the connector.
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Commit time of the oldest transaction that was read and is not delivered.
    fn oldest(&self) -> Option<PgTimestamp> {
        self.since.or(self.read.front().copied())
    }
}

/// Time from a commit to `now`; zero if the clock of the server is ahead.
pub(crate) fn age(commit_time: PgTimestamp, now: PgTimestamp) -> Duration {
    let micros = now.unix_micros().saturating_sub(commit_time.unix_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use walcast_pgoutput::PgTimestamp;

    use super::{DELAY_SHOWN, PendingState};

    fn at(seconds: i64) -> PgTimestamp {
        PgTimestamp::from_unix_micros(seconds * 1_000_000)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn lag_grows_while_a_transaction_waits_and_ends_when_nothing_does() {
        let state = PendingState::default();
        assert_eq!(state.lag(at(100)), Duration::ZERO);
        state.wait_since(Some(at(40)));
        state.catch_up();
        assert_eq!(state.lag(at(100)), seconds(60));
        assert_eq!(state.lag(at(130)), seconds(90));

        // Further transactions may come: the delay of the last one is the best that is known.
        state.wait_since(None);
        state.deliver(seconds(90));
        tokio::time::advance(DELAY_SHOWN * 10).await;
        assert_eq!(state.lag(at(140)), seconds(90));
        state.clone().catch_up();
        assert_eq!(state.lag(at(140)), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_transaction_waits_although_the_committer_does_not_have_it_yet() {
        let state = PendingState::default();
        state.read(at(40));
        state.read(at(50));
        state.catch_up();
        assert_eq!(state.lag(at(100)), seconds(60));
        state.wait_since(Some(at(40)));
        state.hand_over();
        assert_eq!(state.lag(at(100)), seconds(60));
        state.wait_since(None);
        state.deliver(seconds(60));
        assert_eq!(state.lag(at(100)), seconds(50));

        // The session ends and another one begins, which reads it again.
        state.start();
        assert_eq!(state.lag(at(101)), seconds(51));
        state.read(at(50));
        state.wait_since(Some(at(50)));
        state.hand_over();
        state.wait_since(None);
        state.deliver(seconds(51));
        state.catch_up();
        tokio::time::advance(DELAY_SHOWN).await;
        assert_eq!(state.lag(at(102)), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_of_the_last_transaction_is_shown_for_a_moment() {
        let state = PendingState::default();
        assert_eq!(state.since_last_delivery(), None);
        state.deliver(seconds(2));
        state.catch_up();
        assert_eq!(state.lag(at(100)), seconds(2));
        tokio::time::advance(DELAY_SHOWN).await;
        assert_eq!(state.since_last_delivery(), Some(DELAY_SHOWN));
        assert_eq!(state.lag(at(100)), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_standby_has_no_lag() {
        let state = PendingState::default();
        state.deliver(seconds(2));
        state.wait_since(Some(at(40)));
        state.clear();
        assert_eq!(state.lag(at(100)), Duration::ZERO);
    }
}
