//! Chance that can be repeated.

use std::time::{SystemTime, UNIX_EPOCH};

/// What a run's choices follow from: `WALCAST_SEED`, or the clock.
pub fn seed() -> u64 {
    let given = std::env::var("WALCAST_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos())
    })
}
