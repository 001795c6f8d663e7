//! Pauses while acknowledgements are awaited.
//!
//! librdkafka reports failed records only, so that the last acknowledgement is noticed by looking. A look costs a change of
//! threads, and most acknowledgements take about as long as the ones before. So the first pause of a wait lasts for most of the
//! time that recent waits took, and the looks after it follow closely.

use std::time::Duration;

/// Pause between two looks. A produce request takes 1 to 3 ms.
const PAUSE: Duration = Duration::from_micros(100);

/// Longest first pause. A failure is noticed that much later.
const FIRST_PAUSE_MAX: Duration = Duration::from_millis(5);

/// Share of the expected wait that the first pause lasts.
const FIRST_PAUSE_SHARE: f64 = 0.7;

/// Weight of the last wait in the expected one when it was longer. A shorter wait is the expected one at once, because a pause that
/// is too long delays a commit and one that is too short only costs looks.
const LONGER_WAIT_WEIGHT: f64 = 0.1;

/// Duration of recent waits for acknowledgements.
#[derive(Debug, Default)]
pub(crate) struct AcknowledgementWait {
    expected: Duration,
}

impl AcknowledgementWait {
    /// Pause after the look with this number, counted from zero.
    pub(crate) fn pause(&self, look: u32) -> Duration {
        if look > 0 {
            return PAUSE;
        }
        self.expected
            .mul_f64(FIRST_PAUSE_SHARE)
            .clamp(PAUSE, FIRST_PAUSE_MAX)
    }

    /// Records the end of a wait.
    pub(crate) fn end(&mut self, waited: Duration) {
        self.expected = match waited.checked_sub(self.expected) {
            Some(longer) => self.expected + longer.mul_f64(LONGER_WAIT_WEIGHT),
            None => waited,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AcknowledgementWait, FIRST_PAUSE_MAX, PAUSE};

    const ACKNOWLEDGED_AFTER: Duration = Duration::from_millis(2);

    /// Waits for an acknowledgement after this time; returns the number of looks and the delay of the last one.
    fn wait(waits: &mut AcknowledgementWait, acknowledged_after: Duration) -> (u32, Duration) {
        let (mut looks, mut waited) = (0, Duration::ZERO);
        while waited < acknowledged_after {
            waited += waits.pause(looks);
            looks += 1;
        }
        waits.end(waited);
        (looks, waited - acknowledged_after)
    }

    #[test]
    fn looks_become_few_and_the_delay_stays_short() {
        let mut waits = AcknowledgementWait::default();
        let (first, _) = wait(&mut waits, ACKNOWLEDGED_AFTER);
        let (mut looks, mut delay) = (0, Duration::ZERO);
        for _ in 0..50 {
            (looks, delay) = wait(&mut waits, ACKNOWLEDGED_AFTER);
        }
        assert_eq!(first, 20);
        assert!(looks <= 8, "{looks} looks");
        assert!(delay <= PAUSE, "{delay:?}");
    }

    #[test]
    fn faster_broker_is_noticed_with_the_next_wait() {
        let mut waits = AcknowledgementWait::default();
        for _ in 0..200 {
            wait(&mut waits, Duration::from_secs(1));
        }
        assert_eq!(waits.pause(0), FIRST_PAUSE_MAX);
        for _ in 0..3 {
            wait(&mut waits, ACKNOWLEDGED_AFTER);
        }
        assert!(waits.pause(0) <= ACKNOWLEDGED_AFTER + PAUSE, "{waits:?}");
    }
}
