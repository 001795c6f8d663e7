//! Positions of a session, in a fixed order.

use walcast_pgoutput::Lsn;

/// Progress of a session. `confirmed ≤ checkpointed ≤ produced ≤ received` holds after every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    received: Lsn,
    produced: Lsn,
    checkpointed: Lsn,
    confirmed: Lsn,
}

impl Positions {
    /// Starts with everything up to `checkpointed` in Kafka and the slot confirmed up to `confirmed`.
    ///
    /// # Panics
    ///
    /// If `confirmed` is beyond `checkpointed`: a change would be lost.
    #[must_use]
    pub fn new(checkpointed: Lsn, confirmed: Lsn) -> Self {
        let positions = Self {
            received: checkpointed,
            produced: checkpointed,
            checkpointed,
            confirmed,
        };
        positions.check();
        positions
    }

    /// End of the last transaction, or idle section of WAL, that was read from the stream.
    #[must_use]
    pub fn received(&self) -> Lsn {
        self.received
    }

    /// End of the last transaction whose records were passed to the producer.
    #[must_use]
    pub fn produced(&self) -> Lsn {
        self.produced
    }

    /// End of the last transaction that a committed checkpoint covers.
    #[must_use]
    pub fn checkpointed(&self) -> Lsn {
        self.checkpointed
    }

    /// Position up to which the slot is confirmed.
    #[must_use]
    pub fn confirmed(&self) -> Lsn {
        self.confirmed
    }

    /// Advances the received position to `lsn`.
    pub fn receive(&mut self, lsn: Lsn) {
        self.received = self.received.max(lsn);
        self.check();
    }

    /// Advances the produced position to `lsn`.
    ///
    /// # Panics
    ///
    /// If `lsn` was not received.
    pub fn produce(&mut self, lsn: Lsn) {
        self.produced = self.produced.max(lsn);
        self.check();
    }

    /// Advances the checkpointed position to `lsn`.
    ///
    /// # Panics
    ///
    /// If records up to `lsn` were not produced, or `lsn` is before an earlier checkpoint.
    pub fn checkpoint(&mut self, lsn: Lsn) {
        assert!(
            lsn >= self.checkpointed,
            "checkpoint {lsn} behind checkpoint {}",
            self.checkpointed
        );
        self.checkpointed = lsn;
        self.check();
    }

    /// Advances the confirmed position to `lsn`.
    ///
    /// # Panics
    ///
    /// If no committed checkpoint covers `lsn`, or `lsn` is before the confirmed position.
    pub fn confirm(&mut self, lsn: Lsn) {
        assert!(
            lsn >= self.confirmed,
            "confirmation {lsn} behind confirmation {}",
            self.confirmed
        );
        self.confirmed = lsn;
        self.check();
    }

    /// Checks the order. A wrong order loses data, so release builds check it too; the cost is four comparisons per
    /// transaction.
    fn check(&self) {
        assert!(
            self.confirmed <= self.checkpointed
                && self.checkpointed <= self.produced
                && self.produced <= self.received,
            "positions out of order: {self:?}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lsn: u64) -> Lsn {
        Lsn::new(lsn)
    }

    #[test]
    fn a_transaction_advances_all_positions() {
        let mut positions = Positions::new(at(10), at(5));
        positions.receive(at(20));
        positions.produce(at(20));
        positions.checkpoint(at(20));
        positions.confirm(at(20));
        assert_eq!(positions.confirmed(), at(20));
    }

    #[test]
    #[should_panic(expected = "positions out of order")]
    fn a_position_without_checkpoint_cannot_be_confirmed() {
        let mut positions = Positions::new(at(10), at(10));
        positions.receive(at(20));
        positions.produce(at(20));
        positions.confirm(at(20));
    }

    #[test]
    #[should_panic(expected = "positions out of order")]
    fn a_position_that_was_not_produced_cannot_be_checkpointed() {
        let mut positions = Positions::new(at(10), at(10));
        positions.receive(at(20));
        positions.checkpoint(at(20));
    }

    #[test]
    #[should_panic(expected = "behind checkpoint")]
    fn a_checkpoint_never_moves_backward() {
        Positions::new(at(10), at(10)).checkpoint(at(9));
    }
}
