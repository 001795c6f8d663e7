//! Standbys that the server waits for before it sends anything, and that do not stream.

use tracing::{info, warn};

use super::Holder;

/// Standbys come and go within seconds; one that is missed for so many looks in a row is told.
const LOOKS: u32 = 3;

/// What was said about them.
#[derive(Debug, Default)]
pub(super) struct AwaitedStandbys {
    slots: Vec<String>,
    looks: u32,
}

impl AwaitedStandbys {
    /// Nobody looks any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Says once that these are waited for, and once that nobody is any more.
    pub(super) fn judge(&mut self, slot: &str, awaited: &[String]) {
        if self.slots != awaited {
            if awaited.is_empty() && self.is_told() {
                info!(slot, "the standbys that were waited for stream again");
            }
            self.slots = awaited.to_vec();
            self.looks = 0;
        }
        if awaited.is_empty() {
            return;
        }
        self.looks = self.looks.saturating_add(1);
        if self.looks == LOOKS {
            let slots = awaited.to_vec();
            let standbys = slots.join(", ");
            warn!(
                slot,
                standbys,
                next = Holder::Standbys { slots }.remedy(),
                "nothing is delivered until these slots of synchronized_standby_slots have a standby that streams"
            );
        }
    }

    /// Whether it is said that somebody is waited for.
    fn is_told(&self) -> bool {
        self.looks >= LOOKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_away_for_a_moment_is_not_told() {
        let mut awaited = AwaitedStandbys::default();
        let one = ["standby_1".to_owned()];
        let two = ["standby_1".to_owned(), "standby_2".to_owned()];
        let mut told = |slots: &[String]| {
            awaited.judge("walcast_shop", slots);
            awaited.is_told()
        };
        assert_eq!([told(&one), told(&one), told(&[])], [false; 3]);
        assert_eq!(
            [told(&one), told(&one), told(&one), told(&one)],
            [false, false, true, true]
        );
        // Another one is told too.
        assert_eq!(
            [told(&two), told(&two), told(&two), told(&[])],
            [false, false, true, false]
        );
    }
}
