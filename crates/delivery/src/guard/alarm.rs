//! When something is said about a limit: once when it comes near, again each time that half of what was left is gone, and
//! once when it is over.

use std::time::Duration;

use super::{Extent, Outlook};

/// With less than this share of a limit left it is near, whatever the rate: the next large transaction may need it.
const NEAR_SHARE: f64 = 0.2;

/// Over when it is clearly further away than what was warned of.
const CLEAR_SHARE: f64 = 0.25;
const CLEAR_TIMES: f64 = 1.5;

/// For so many looks in a row, so that a figure around the threshold is told once: a minute at the default distance.
const CLEAR_LOOKS: u32 = 6;

/// Halvings that are told: the last at 1/64 of the first.
const LEVEL_MAX: u8 = 7;

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Say {
    /// It is near, or nearer than was said before.
    Near,
    /// It is far again.
    Over,
}

/// What was said about one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Alarm {
    /// 0: nothing.
    level: u8,
    clear_looks: u32,
}

impl Alarm {
    /// Whether the limit is near and this was said.
    pub(super) fn is_raised(self) -> bool {
        self.level > 0
    }

    /// Judges a look. `warn_before`: how long before the limit it is said; zero: never.
    pub(super) fn judge(&mut self, outlook: &Outlook, warn_before: Duration) -> Option<Say> {
        let level = level(outlook, warn_before);
        let is_clear = level == 0 && is_clear(outlook, warn_before);
        self.clear_looks = if is_clear { self.clear_looks + 1 } else { 0 };
        if level > self.level {
            self.level = level;
            return Some(Say::Near);
        }
        if self.is_raised() && self.clear_looks >= CLEAR_LOOKS {
            *self = Self::default();
            return Some(Say::Over);
        }
        None
    }
}

/// 0: far; then one more for each time that what is left has halved.
fn level(outlook: &Outlook, warn_before: Duration) -> u8 {
    if warn_before.is_zero() {
        return 0;
    }
    let by_time = outlook.left.map_or(0, |left| {
        halvings(threshold(outlook, warn_before).as_secs_f64() / left.as_secs_f64())
    });
    by_time.max(halvings(NEAR_SHARE / outlook.share))
}

/// A timeout that is shorter than the notice would be warned of from its first moment on.
fn threshold(outlook: &Outlook, warn_before: Duration) -> Duration {
    match outlook.extent {
        Extent::Bytes { .. } => warn_before,
        Extent::Time(timeout) => warn_before.min(timeout / 2),
    }
}

fn halvings(ratio: f64) -> u8 {
    (0..LEVEL_MAX)
        .take_while(|doublings| ratio > f64::from(1u32 << doublings))
        .map(|doublings| doublings + 1)
        .last()
        .unwrap_or(0)
}

fn is_clear(outlook: &Outlook, warn_before: Duration) -> bool {
    let is_far = outlook
        .left
        .is_none_or(|left| left >= threshold(outlook, warn_before).mul_f64(CLEAR_TIMES));
    is_far && outlook.share >= CLEAR_SHARE
}

#[cfg(test)]
mod tests;
