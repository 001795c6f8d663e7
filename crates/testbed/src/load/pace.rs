//! Spreads writes evenly over time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How far behind its rate a load may be and still catch up. After a longer stall it continues at its rate, without a burst.
const CATCH_UP_MAX: Duration = Duration::from_secs(1);

/// A rate shared by the workers of a load.
#[derive(Debug)]
pub(super) struct Pace {
    per_write: Option<Duration>,
    /// When the next write is due.
    due: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(writes_per_second: Option<u32>) -> Pace {
        let per_write = writes_per_second.map(|rate| Duration::from_secs(1) / rate.max(1));
        Pace {
            per_write,
            due: Mutex::new(Instant::now()),
        }
    }

    /// Accounts for writes that were made; returns how long the caller should wait before its next.
    pub(super) fn spend(&self, writes: u64) -> Duration {
        let Some(per_write) = self.per_write else {
            return Duration::ZERO;
        };
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, wait) = next_due(*due, Instant::now(), per_write, writes);
        *due = next;
        wait
    }
}

fn next_due(due: Instant, now: Instant, per_write: Duration, writes: u64) -> (Instant, Duration) {
    let earliest = now.checked_sub(CATCH_UP_MAX).unwrap_or(now);
    let next = due.max(earliest) + per_write.saturating_mul(u32::try_from(writes).unwrap_or(u32::MAX));
    (next, next.saturating_duration_since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_with_the_writes_and_a_stall_is_not_made_up_for() {
        let now = Instant::now() + Duration::from_secs(100);
        let tenth = Duration::from_millis(100);
        let (due, wait) = next_due(now, now, tenth, 3);
        assert_eq!(wait, tenth * 3);
        assert_eq!(next_due(due, now, tenth, 2).1, tenth * 5);

        let long_ago = now.checked_sub(Duration::from_secs(60)).unwrap();
        let (due, wait) = next_due(long_ago, now, tenth, 1);
        assert_eq!(wait, Duration::ZERO);
        assert_eq!(now - due, CATCH_UP_MAX - tenth);
    }
}
