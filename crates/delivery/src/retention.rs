//! How far the slot may be confirmed so that what lies behind stays replayable.

use std::collections::BTreeMap;
use std::time::Duration;

use walcast_pgoutput::Lsn;

use crate::{CheckpointLog, ReplayConfig};

/// The positions that can be played again, and which of them the slot may forget.
#[derive(Debug)]
pub(crate) struct Retention {
    config: ReplayConfig,
    /// When each remembered position was written, microseconds since 1970.
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

    /// The furthest position the slot may be told: the newest remembered one that is old enough, or that lies further
    /// back than the limit in bytes allows. At most `checkpointed`; `None` while nothing may be confirmed yet.
    pub(crate) fn confirmable(&self, checkpointed: Lsn, now_unix_micros: i64) -> Option<Lsn> {
        if !self.is_on() {
            return Some(checkpointed);
        }
        let old_enough = now_unix_micros.saturating_sub(micros(self.config.keep));
        let reachable = || self.history.range(..=checkpointed);
        let by_age = reachable()
            .rev()
            .find(|(_, written_at)| **written_at <= old_enough)
            .map(|(lsn, _)| *lsn);
        let by_size = self.config.keep_bytes.and_then(|bytes| {
            let floor = checkpointed.back_by(bytes);
            let oldest_within = reachable().map(|(lsn, _)| *lsn).find(|lsn| *lsn >= floor);
            // With nothing remembered within the limit, the limit still holds.
            let holds_too_much = self
                .history
                .first_key_value()
                .is_some_and(|(lsn, _)| *lsn < floor);
            holds_too_much.then(|| oldest_within.unwrap_or(checkpointed))
        });
        by_age.max(by_size)
    }

    /// Remembered positions below what the slot was told: it can no longer stream from there.
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
        !self.config.keep.is_zero()
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn retention(keep_secs: u64, keep_bytes: Option<u64>) -> Retention {
        let config = ReplayConfig {
            keep: Duration::from_secs(keep_secs),
            keep_bytes,
            history_interval: Duration::from_secs(1),
        };
        Retention::new(config, &CheckpointLog::default())
    }

    fn at(lsn: u64) -> Lsn {
        Lsn::new(lsn)
    }

    #[test]
    fn without_replay_everything_checkpointed_is_confirmed() {
        let retention = retention(0, None);
        assert!(!retention.is_due(5 * SECOND));
        assert_eq!(retention.confirmable(at(100), 5 * SECOND), Some(at(100)));
    }

    #[test]
    fn a_position_is_confirmed_once_it_is_old_enough() {
        let mut retention = retention(10, None);
        for second in 0..20 {
            assert!(retention.is_due(second * SECOND));
            retention.remember(at(100 + u64::try_from(second).unwrap()), second * SECOND);
        }
        assert_eq!(retention.confirmable(at(119), 9 * SECOND), None);
        assert_eq!(retention.confirmable(at(119), 10 * SECOND), Some(at(100)));
        assert_eq!(retention.confirmable(at(119), 15 * SECOND), Some(at(105)));
        assert_eq!(retention.expired(at(105)), (100..105).map(at).collect::<Vec<_>>());
    }

    #[test]
    fn the_limit_in_bytes_confirms_earlier() {
        let mut retention = retention(1000, Some(10));
        for second in 0..20 {
            retention.remember(at(100 + u64::try_from(second).unwrap()), second * SECOND);
        }
        assert_eq!(retention.confirmable(at(119), 20 * SECOND), Some(at(109)));
        assert_eq!(retention.confirmable(at(500), 20 * SECOND), Some(at(500)));
    }

    #[test]
    fn after_going_back_nothing_beyond_the_checkpoint_is_confirmed() {
        let mut retention = retention(1, None);
        retention.remember(at(100), 0);
        retention.remember(at(200), SECOND);
        assert_eq!(retention.confirmable(at(150), 60 * SECOND), Some(at(100)));
    }
}
