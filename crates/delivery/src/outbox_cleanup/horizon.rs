//! Horizons: up to which transaction ID all rows of published tables are in Kafka, and since when.
//!
//! A sample is a transaction ID below which every transaction had ended, and the end of WAL that was read after it: each of these
//! transactions that committed did so before that end. Once a checkpoint covers it, all their rows are in Kafka.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use walcast_pgoutput::Lsn;

use crate::outbox_cleanup::removal::OutboxLook;
use crate::source_state::{SystemIdentifier, Timeline};

/// Samples that are kept at most.
const SAMPLES_MAX: usize = 64;

/// Samples in the age from which rows are removed.
const SAMPLES_PER_AGE: u32 = 16;

/// Samples of one server.
#[derive(Debug)]
pub(crate) struct Horizons {
    /// Age that a sample must have.
    age: Duration,
    server: Option<(SystemIdentifier, Timeline)>,
    session: u64,
    /// The oldest first.
    samples: VecDeque<Sample>,
}

#[derive(Debug)]
struct Sample {
    taken: Instant,
    horizon: u64,
    end: Lsn,
    /// Whether a checkpoint has covered the end of WAL.
    is_delivered: bool,
}

impl Horizons {
    /// Horizons that are to have this age.
    pub(crate) fn new(age: Duration) -> Self {
        Self {
            age,
            server: None,
            session: 0,
            samples: VecDeque::new(),
        }
    }

    /// Takes a sample. Transaction IDs and positions of another server, or of WAL that a crash may have undone, count no more.
    pub(crate) fn observe(&mut self, look: &OutboxLook, now: Instant) {
        let server = Some((look.system_identifier, look.timeline));
        // A restored copy of a data directory keeps its timeline, and gives transaction IDs and positions again.
        let mut delivered = self.samples.iter().filter(|sample| sample.is_delivered);
        let is_back = delivered.any(|sample| look.horizon < sample.horizon || look.end < sample.end);
        if self.server != server || is_back {
            self.samples.clear();
        } else if self.session != look.session {
            self.samples.retain(|sample| sample.is_delivered);
        }
        self.server = server;
        self.session = look.session;
        let spacing = self.age / SAMPLES_PER_AGE;
        let last = self.samples.back();
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last.taken) >= spacing);
        if is_due && self.samples.len() < SAMPLES_MAX {
            self.samples.push_back(Sample {
                taken: now,
                horizon: look.horizon,
                end: look.end,
                is_delivered: false,
            });
        }
    }

    /// Marks the samples that a checkpoint covers. The position must be one of the session of the last sample's server.
    pub(crate) fn deliver(&mut self, checkpointed: Lsn) {
        for sample in &mut self.samples {
            sample.is_delivered |= sample.end <= checkpointed;
        }
    }

    /// The newest transaction ID below which all rows are in Kafka and have the age; `None` while there is none.
    pub(crate) fn reached(&mut self, now: Instant) -> Option<u64> {
        let age = self.age;
        let has_age = |sample: &Sample| now.saturating_duration_since(sample.taken) >= age;
        let newest = self
            .samples
            .iter()
            .rposition(|sample| sample.is_delivered && has_age(sample))?;
        // Older ones are of no more use.
        self.samples.drain(..newest);
        self.samples.front().map(|sample| sample.horizon)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(session: u64, timeline: u32, at: u64) -> OutboxLook {
        OutboxLook {
            system_identifier: SystemIdentifier::new(7),
            timeline: Timeline::new(timeline),
            session,
            horizon: at,
            end: Lsn::new(at * 100),
            tables: Vec::new(),
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn rows_are_in_kafka_once_the_checkpoint_has_passed_the_end_of_wal() {
        let start = Instant::now();
        let mut horizons = Horizons::new(Duration::ZERO);
        horizons.observe(&look(1, 1, 10), start);
        assert_eq!(horizons.reached(start), None);
        horizons.deliver(Lsn::new(999));
        assert_eq!(horizons.reached(start), None);
        horizons.observe(&look(1, 1, 20), start + SECOND);
        horizons.deliver(Lsn::new(1000));
        assert_eq!(horizons.reached(start), Some(10));
        horizons.deliver(Lsn::new(2000));
        assert_eq!(horizons.reached(start + SECOND), Some(20));
    }

    #[tokio::test(start_paused = true)]
    async fn the_age_counts_from_the_sample() {
        let start = Instant::now();
        let mut horizons = Horizons::new(16 * SECOND);
        for second in 0..32_u32 {
            let at = start + second * SECOND;
            let number = u64::from(second) + 1;
            // More often than needed.
            horizons.observe(&look(1, 1, number), at);
            horizons.observe(&look(1, 1, number), at);
            horizons.deliver(Lsn::new(number * 100));
            let expected = second.checked_sub(16).map(|earlier| u64::from(earlier) + 1);
            assert_eq!(horizons.reached(at), expected);
        }
        assert!(horizons.samples.len() <= 17);
    }

    #[tokio::test(start_paused = true)]
    async fn another_session_keeps_what_was_delivered_and_another_server_nothing() {
        let start = Instant::now();
        let mut horizons = Horizons::new(Duration::ZERO);
        horizons.observe(&look(1, 1, 10), start);
        horizons.deliver(Lsn::new(1000));
        horizons.observe(&look(1, 1, 20), start);
        horizons.observe(&look(2, 1, 15), start);
        // The sample at 20 is gone: after a crash of the server its transaction IDs could be given again.
        horizons.deliver(Lsn::new(5000));
        assert_eq!(horizons.reached(start), Some(15));
        horizons.observe(&look(3, 1, 14), start);
        assert_eq!(horizons.reached(start), None, "transaction IDs are given again");
        horizons.deliver(Lsn::new(5000));
        assert_eq!(horizons.reached(start), Some(14));
        horizons.observe(&look(4, 2, 16), start);
        assert_eq!(horizons.reached(start), None);
    }

    #[tokio::test(start_paused = true)]
    async fn samples_that_wait_for_their_delivery_are_bounded() {
        let start = Instant::now();
        let mut horizons = Horizons::new(Duration::ZERO);
        for number in 1..1000 {
            horizons.observe(&look(1, 1, number), start);
        }
        assert_eq!(horizons.samples.len(), SAMPLES_MAX);
        horizons.deliver(Lsn::new(500_000));
        assert_eq!(horizons.reached(start), Some(64));
    }
}
