//! Delay before a retry: grows with each failure in a row, and is random in its second half.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Number of doublings from which the delay no longer grows.
const DOUBLINGS_MAX: u32 = 16;

/// Random part of the delays before retries: instances that failed together do not retry together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryJitter(u64);

impl RetryJitter {
    /// Jitter that differs between processes.
    #[must_use]
    pub fn random() -> Self {
        Self(RandomState::new().hash_one(0))
    }

    /// Jitter that a seed determines.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Next random number, by SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// Delay after a number of failures in a row, with equal jitter: `min` doubles with each failure up to `max`; half of the
/// result is fixed, and up to half is random.
pub(crate) fn retry_delay(failures: u32, min: Duration, max: Duration, jitter: &mut RetryJitter) -> Duration {
    let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
    let delay = min.saturating_mul(1 << doublings).min(max);
    let fixed = delay / 2;
    let random_max = u64::try_from((delay - fixed).as_nanos()).unwrap_or(u64::MAX - 1);
    fixed + Duration::from_nanos(jitter.next() % random_max.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::{RetryJitter, retry_delay};
    use std::time::Duration;

    const MIN: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(10);

    #[test]
    fn half_of_the_delay_is_fixed_and_half_is_random() {
        let mut jitter = RetryJitter::seeded(1);
        for (failures, full) in [
            (0, 100),
            (1, 100),
            (2, 200),
            (3, 400),
            (7, 6_400),
            (8, 10_000),
            (u32::MAX, 10_000),
        ] {
            let full = Duration::from_millis(full);
            let delays: Vec<Duration> = (0..200)
                .map(|_| retry_delay(failures, MIN, MAX, &mut jitter))
                .collect();
            let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
            assert!(
                *least >= full / 2 && *most <= full,
                "{failures}: {least:?} to {most:?}"
            );
            assert!(*most - *least > full * 2 / 5, "{failures}: {least:?} to {most:?}");
        }
    }

    #[test]
    fn same_seed_gives_the_same_delays() {
        let delays = |seed| {
            let mut jitter = RetryJitter::seeded(seed);
            [1, 2, 3].map(|failures| retry_delay(failures, MIN, MAX, &mut jitter))
        };
        assert_eq!(delays(7), delays(7));
        assert_ne!(delays(7), delays(8));
    }

    #[test]
    fn delay_without_length_has_no_jitter() {
        let mut jitter = RetryJitter::seeded(1);
        assert_eq!(retry_delay(3, Duration::ZERO, MAX, &mut jitter), Duration::ZERO);
        assert!(retry_delay(3, Duration::MAX, Duration::MAX, &mut jitter) >= Duration::MAX / 2);
    }
}
