//! Standbys that the server waits for before it sends changes, and that do not stream.

use tracing::{info, warn};

use crate::slot_monitor::retention_cause::{RetentionCause, RetentionText};

/// Number of consecutive samples after which a missing standby is reported: standbys disconnect and reconnect within
/// seconds.
const SAMPLES_BEFORE_REPORT: u32 = 3;

/// Standbys that the server waits for, and whether they were reported.
#[derive(Debug, Default)]
pub(super) struct AwaitedStandbys {
    slots: Vec<String>,
    samples: u32,
}

impl AwaitedStandbys {
    /// Forgets the standbys, because the slot is no longer sampled.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Logs once that the server waits for these standbys, and once that it no longer waits.
    pub(super) fn judge(
        &mut self,
        slot: &str,
        awaited: &[String],
        retention_text: fn(&RetentionCause) -> RetentionText,
    ) {
        if self.slots != awaited {
            if awaited.is_empty() && self.is_reported() {
                info!(slot, "the standbys that the server waited for stream again");
            }
            self.slots = awaited.to_vec();
            self.samples = 0;
        }
        if awaited.is_empty() {
            return;
        }
        self.samples = self.samples.saturating_add(1);
        if self.samples == SAMPLES_BEFORE_REPORT {
            let slots = awaited.to_vec();
            let standbys = slots.join(", ");
            warn!(
                slot,
                standbys,
                remedy = retention_text(&RetentionCause::Standbys { slots }).remedy,
                "no changes are delivered until a standby streams from each of these slots of synchronized_standby_slots"
            );
        }
    }

    /// Whether the current standbys were reported.
    fn is_reported(&self) -> bool {
        self.samples >= SAMPLES_BEFORE_REPORT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_briefly_disconnected_standby_is_not_reported() {
        let mut awaited = AwaitedStandbys::default();
        let one = ["standby_1".to_owned()];
        let two = ["standby_1".to_owned(), "standby_2".to_owned()];
        let mut reported = |slots: &[String]| {
            awaited.judge("walcast_shop", slots, |_| RetentionText {
                cause: String::new(),
                remedy: "",
            });
            awaited.is_reported()
        };
        assert_eq!([reported(&one), reported(&one), reported(&[])], [false; 3]);
        assert_eq!(
            [reported(&one), reported(&one), reported(&one), reported(&one)],
            [false, false, true, true]
        );
        // Another missing standby is reported too.
        assert_eq!(
            [reported(&two), reported(&two), reported(&two), reported(&[])],
            [false, false, true, false]
        );
    }
}
