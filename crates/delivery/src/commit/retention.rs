//! Replay retention: how far the slot may be confirmed so that the retained positions stay replayable.

use std::collections::BTreeMap;
use std::time::Duration;

use walcast_pgoutput::Lsn;

use crate::config::ReplayConfig;
use crate::position::checkpoint::CheckpointLog;

/// Positions that can be replayed, and the limits within which the slot retains them.
#[derive(Debug)]
pub(crate) struct Retention {
    config: ReplayConfig,
    /// Write time of each remembered position, in microseconds since 1970.
    history: BTreeMap<Lsn, i64>,
    newest_at: Option<i64>,
}

impl Retention {
    pub(crate) fn new(config: ReplayConfig, log: &CheckpointLog) -> Self {
        let history: BTreeMap<Lsn, i64> = log
            .history
            .iter()
            .map(|(lsn, checkpoint)| (*lsn, checkpoint.written_at_unix_micros))
            .collect();
        let newest_at = history.values().copied().max();
        Self {
            config,
            history,
            newest_at,
        }
    }

    /// Whether a checkpoint written now is remembered.
    pub(crate) fn is_due(&self, now_unix_micros: i64) -> bool {
        let interval = micros(self.config.history_interval);
        self.is_on()
            && self
                .newest_at
                .is_none_or(|newest| now_unix_micros.saturating_sub(newest) >= interval)
    }

    /// Remembers a committed checkpoint.
    pub(crate) fn remember(&mut self, lsn: Lsn, now_unix_micros: i64) {
        self.history.insert(lsn, now_unix_micros);
        self.newest_at = Some(now_unix_micros);
    }

    /// Furthest position up to which the slot may be confirmed: the newest remembered one that is old enough or, if
    /// more bytes than the limit would stay between `confirmed` and `checkpointed`, the oldest one within the limit.
    /// Never beyond `checkpointed`; `None` while no position may be confirmed.
    pub(crate) fn confirmable(&self, confirmed: Lsn, checkpointed: Lsn, now_unix_micros: i64) -> Option<Lsn> {
        if !self.is_on() {
            return Some(checkpointed);
        }
        let old_enough = now_unix_micros.saturating_sub(micros(self.config.retention));
        let reachable = || self.history.range(..=checkpointed);
        let by_age = reachable()
            .rev()
            .find(|(_, written_at)| **written_at <= old_enough)
            .map(|(lsn, _)| *lsn);
        let by_size = self.config.retention_bytes.and_then(|bytes| {
            let floor = checkpointed.back_by(bytes);
            let oldest_within = reachable().map(|(lsn, _)| *lsn).find(|lsn| *lsn >= floor);
            // The distance is measured from the confirmed position, not from the oldest remembered one: the slot may
            // have been confirmed up to a position that was never remembered. The limit holds even if no position
            // within it is remembered.
            (confirmed < floor).then(|| oldest_within.unwrap_or(checkpointed))
        });
        by_age.max(by_size)
    }

    /// Remembered positions before `confirmed`, from which the slot can no longer stream.
    pub(crate) fn expired(&self, confirmed: Lsn) -> Vec<Lsn> {
        let unreachable_below = if self.is_on() {
            confirmed
        } else {
            Lsn::new(u64::MAX)
        };
        self.history
            .range(..unreachable_below)
            .map(|(lsn, _)| *lsn)
            .collect()
    }

    /// Forgets positions whose records were deleted.
    pub(crate) fn forget(&mut self, expired: &[Lsn]) {
        for lsn in expired {
            self.history.remove(lsn);
        }
    }

    fn is_on(&self) -> bool {
        !self.config.retention.is_zero()
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn retention(keep_secs: u64, retention_bytes: Option<u64>) -> Retention {
        let config = ReplayConfig {
            retention: Duration::from_secs(keep_secs),
            retention_bytes,
            history_interval: Duration::from_secs(1),
        };
        Retention::new(config, &CheckpointLog::default())
    }

    fn at(lsn: u64) -> Lsn {
        Lsn::new(lsn)
    }

    #[test]
    fn without_replay_confirms_up_to_the_checkpoint() {
        let retention = retention(0, None);
        assert!(!retention.is_due(5 * SECOND));
        assert_eq!(retention.confirmable(at(0), at(100), 5 * SECOND), Some(at(100)));
    }

    #[test]
    fn confirms_a_position_once_it_is_old_enough() {
        let mut retention = retention(10, None);
        for second in 0..20 {
            assert!(retention.is_due(second * SECOND));
            retention.remember(at(100 + u64::try_from(second).unwrap()), second * SECOND);
        }
        assert_eq!(retention.confirmable(at(99), at(119), 9 * SECOND), None);
        assert_eq!(retention.confirmable(at(99), at(119), 10 * SECOND), Some(at(100)));
        assert_eq!(retention.confirmable(at(99), at(119), 15 * SECOND), Some(at(105)));
        assert_eq!(retention.expired(at(105)), (100..105).map(at).collect::<Vec<_>>());
    }

    #[test]
    fn the_byte_limit_confirms_earlier() {
        let mut retention = retention(1000, Some(10));
        for second in 0..20 {
            retention.remember(at(100 + u64::try_from(second).unwrap()), second * SECOND);
        }
        assert_eq!(retention.confirmable(at(99), at(119), 20 * SECOND), Some(at(109)));
        assert_eq!(
            retention.confirmable(at(109), at(500), 20 * SECOND),
            Some(at(500))
        );
    }

    #[test]
    fn the_byte_limit_counts_from_a_confirmed_position_that_was_never_remembered() {
        let mut retention = retention(1000, Some(10));
        retention.remember(at(130), SECOND);
        assert_eq!(retention.confirmable(at(119), at(130), SECOND), Some(at(130)));
        assert_eq!(retention.confirmable(at(120), at(130), SECOND), None);
    }

    #[test]
    fn after_a_rewind_confirms_at_most_the_checkpoint() {
        let mut retention = retention(1, None);
        retention.remember(at(100), 0);
        retention.remember(at(200), SECOND);
        assert_eq!(retention.confirmable(at(99), at(150), 60 * SECOND), Some(at(100)));
    }
}
