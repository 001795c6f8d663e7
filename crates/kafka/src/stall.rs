//! Detection of a broker that acknowledges no records.

use std::time::{Duration, Instant};

/// How long no record may be acknowledged while some are in flight. The limit is that of a commit: both detect a broker
/// that does not respond.
pub(crate) const STALL_LIMIT: Duration = Duration::from_secs(30);

/// Time since the number of records in flight last changed.
#[derive(Debug)]
pub(crate) struct Stall {
    in_flight: i32,
    since: Instant,
}

impl Stall {
    pub(crate) fn new(in_flight: i32) -> Self {
        Self {
            in_flight,
            since: Instant::now(),
        }
    }

    /// Whether the number of records in flight has stayed the same for longer than the limit. Zero is no stall.
    pub(crate) fn lasts(&mut self, in_flight: i32, now: Instant) -> bool {
        if in_flight != self.in_flight || in_flight == 0 {
            self.in_flight = in_flight;
            self.since = now;
        }
        now.duration_since(self.since) >= STALL_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, STALL_LIMIT, Stall};

    #[test]
    fn stalls_only_while_records_in_flight_are_not_acknowledged() {
        let mut stall = Stall::new(3);
        let begun = stall.since;
        let after = |time: Duration| begun + time;
        let almost = STALL_LIMIT.saturating_sub(Duration::from_millis(1));
        assert!(!stall.lasts(3, after(almost)));
        assert!(stall.lasts(3, after(STALL_LIMIT)));
        assert!(!stall.lasts(2, after(STALL_LIMIT)), "one was acknowledged");
        assert!(!stall.lasts(2, after(STALL_LIMIT + almost)));
        assert!(stall.lasts(2, after(2 * STALL_LIMIT)));
        assert!(!stall.lasts(0, after(3 * STALL_LIMIT)));
        assert!(!stall.lasts(0, after(9 * STALL_LIMIT)));
    }
}
