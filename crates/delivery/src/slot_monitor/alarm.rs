//! Alarm of a limit: a warning once when the limit is near, again each time that the remaining time or headroom has
//! halved, and one message when the limit is no longer near.

use std::time::Duration;

use crate::slot_monitor::forecast::{Extent, LimitForecast};

/// Share of a limit below which the limit is near, whatever the rate: the next large transaction may need the rest.
const NEAR_SHARE: f64 = 0.2;

/// Share of a limit from which the limit is no longer near, clearly above the warning threshold.
const CLEAR_SHARE: f64 = 0.25;
const CLEAR_TIMES: f64 = 1.5;

/// Number of consecutive samples beyond that share, so that a value around the threshold is logged once: a minute at
/// the default interval.
const CLEAR_SAMPLES: u32 = 6;

/// Number of halvings that are logged: the last one at 1/64 of the first.
const LEVEL_MAX: u8 = 7;

/// Change of an alarm, to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AlarmChange {
    /// The limit is near, or nearer than at the last warning.
    Near,
    /// The limit is no longer near.
    Cleared,
}

/// Alarm of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Alarm {
    /// Level of the last warning; 0: none.
    level: u8,
    clear_samples: u32,
}

impl Alarm {
    /// Whether a warning was logged and the limit is still near.
    pub(super) fn is_raised(self) -> bool {
        self.level > 0
    }

    /// Evaluates a sample. `warn_within`: time to the limit at which a warning is logged; zero: never.
    pub(super) fn judge(&mut self, outlook: &LimitForecast, warn_within: Duration) -> Option<AlarmChange> {
        let level = level(outlook, warn_within);
        let is_clear = level == 0 && is_clear(outlook, warn_within);
        self.clear_samples = if is_clear { self.clear_samples + 1 } else { 0 };
        if level > self.level {
            self.level = level;
            return Some(AlarmChange::Near);
        }
        if self.is_raised() && self.clear_samples >= CLEAR_SAMPLES {
            *self = Self::default();
            return Some(AlarmChange::Cleared);
        }
        None
    }
}

/// Level of an alarm: 0 while the limit is far, then one more for each halving of the rest.
fn level(outlook: &LimitForecast, warn_within: Duration) -> u8 {
    if warn_within.is_zero() {
        return 0;
    }
    let by_time = outlook.left.map_or(0, |left| {
        halvings(threshold(outlook, warn_within).as_secs_f64() / left.as_secs_f64())
    });
    by_time.max(halvings(NEAR_SHARE / outlook.share))
}

/// Time to the limit at which a warning is logged. A timeout shorter than the configured time would otherwise be warned
/// of from its first moment.
fn threshold(outlook: &LimitForecast, warn_within: Duration) -> Duration {
    match outlook.extent {
        Extent::Bytes { .. } => warn_within,
        Extent::Time(timeout) => warn_within.min(timeout / 2),
    }
}

fn halvings(ratio: f64) -> u8 {
    (0..LEVEL_MAX)
        .take_while(|doublings| ratio > f64::from(1u32 << doublings))
        .map(|doublings| doublings + 1)
        .last()
        .unwrap_or(0)
}

fn is_clear(outlook: &LimitForecast, warn_within: Duration) -> bool {
    let is_far = outlook
        .left
        .is_none_or(|left| left >= threshold(outlook, warn_within).mul_f64(CLEAR_TIMES));
    is_far && outlook.share >= CLEAR_SHARE
}

#[cfg(test)]
mod tests;
