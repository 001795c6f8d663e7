//! Four positions in one order, for as long as a session lasts.

use walcast_pgoutput::Lsn;

/// How far a session has come. `confirmed ≤ checkpointed ≤ produced ≤ received` holds after every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    received: Lsn,
    produced: Lsn,
    checkpointed: Lsn,
    confirmed: Lsn,
}

impl Positions {
    /// Everything up to `checkpointed` is in Kafka; the slot was told `confirmed`.
    ///
    /// # Panics
    /// When `confirmed` is beyond `checkpointed`: a change would be lost.
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

    /// The end of the last transaction (or idle stretch of log) that was read from the stream.
    #[must_use]
    pub fn received(&self) -> Lsn {
        self.received
    }

    /// The end of the last one whose records were handed to the producer.
    #[must_use]
    pub fn produced(&self) -> Lsn {
        self.produced
    }

    /// The end of the last one that a committed checkpoint covers.
    #[must_use]
    pub fn checkpointed(&self) -> Lsn {
        self.checkpointed
    }

    /// What the slot was told.
    #[must_use]
    pub fn confirmed(&self) -> Lsn {
        self.confirmed
    }

    /// The stream has been read up to `lsn`.
    pub fn receive(&mut self, lsn: Lsn) {
        self.received = self.received.max(lsn);
        self.check();
    }

    /// Records up to `lsn` are with the producer.
    ///
    /// # Panics
    /// When `lsn` was not received.
    pub fn produce(&mut self, lsn: Lsn) {
        self.produced = self.produced.max(lsn);
        self.check();
    }

    /// A checkpoint at `lsn` is committed.
    ///
    /// # Panics
    /// When records up to `lsn` were not produced, or `lsn` lies behind an earlier checkpoint.
    pub fn checkpoint(&mut self, lsn: Lsn) {
        assert!(
            lsn >= self.checkpointed,
            "checkpoint {lsn} behind checkpoint {}",
            self.checkpointed
        );
        self.checkpointed = lsn;
        self.check();
    }

    /// The slot is told `lsn`.
    ///
    /// # Panics
    /// When no committed checkpoint covers `lsn`, or `lsn` lies behind what was confirmed.
    pub fn confirm(&mut self, lsn: Lsn) {
        assert!(
            lsn >= self.confirmed,
            "confirmation {lsn} behind confirmation {}",
            self.confirmed
        );
        self.confirmed = lsn;
        self.check();
    }

    /// Being wrong here loses data, so this is checked in release builds too; it is four comparisons a transaction.
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
    fn a_transaction_passes_all_four() {
        let mut positions = Positions::new(at(10), at(5));
        positions.receive(at(20));
        positions.produce(at(20));
        positions.checkpoint(at(20));
        positions.confirm(at(20));
        assert_eq!(positions.confirmed(), at(20));
    }

    #[test]
    #[should_panic(expected = "positions out of order")]
    fn what_is_not_checkpointed_cannot_be_confirmed() {
        let mut positions = Positions::new(at(10), at(10));
        positions.receive(at(20));
        positions.produce(at(20));
        positions.confirm(at(20));
    }

    #[test]
    #[should_panic(expected = "positions out of order")]
    fn what_was_not_produced_cannot_be_checkpointed() {
        let mut positions = Positions::new(at(10), at(10));
        positions.receive(at(20));
        positions.checkpoint(at(20));
    }

    #[test]
    #[should_panic(expected = "behind checkpoint")]
    fn a_checkpoint_never_goes_back() {
        Positions::new(at(10), at(10)).checkpoint(at(9));
    }
}
