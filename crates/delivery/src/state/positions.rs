//! Positions of a connector, for observers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use walcast_pgoutput::Lsn;

use crate::position::positions::Positions;

/// Positions that a session publishes. Clones share the positions.
///
/// Writers store from the most advanced position to the least, and readers load in the opposite order: a reader that runs
/// beside a session sees `confirmed ≤ checkpointed ≤ produced ≤ received` too.
#[derive(Clone, Debug, Default)]
pub struct PositionState(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    received: LsnCell,
    produced: LsnCell,
    checkpointed: LsnCell,
    confirmed: LsnCell,
    server_end: LsnCell,
}

/// Positions at one moment; [`Lsn::INVALID`] where a position is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownPositions {
    /// End of the last transaction, or idle section of WAL, that was read from the stream.
    pub received: Lsn,
    /// End of the last transaction whose records were passed to the producer.
    pub produced: Lsn,
    /// End of the last transaction that a committed checkpoint covers.
    pub checkpointed: Lsn,
    /// Position up to which the slot is confirmed.
    pub confirmed: Lsn,
    /// End of the server's WAL, as last reported.
    pub server_end: Lsn,
}

impl KnownPositions {
    /// Bytes of WAL between the checkpoint and the end of the server's WAL; 0 while one of them is not known.
    #[must_use]
    pub fn lag_bytes(&self) -> u64 {
        if self.checkpointed.is_valid() {
            self.server_end.bytes_since(self.checkpointed)
        } else {
            0
        }
    }
}

impl PositionState {
    /// Current positions.
    #[must_use]
    pub fn read(&self) -> KnownPositions {
        let cells = &self.0;
        let confirmed = cells.confirmed.get();
        let checkpointed = cells.checkpointed.get();
        let produced = cells.produced.get();
        let received = cells.received.get();
        KnownPositions {
            received,
            produced,
            checkpointed,
            confirmed,
            server_end: cells.server_end.get(),
        }
    }

    /// Publishes the positions of a session.
    pub fn publish(&self, positions: &Positions) {
        let cells = &self.0;
        cells.received.set(positions.received());
        cells.produced.set(positions.produced());
        cells.checkpointed.set(positions.checkpointed());
        cells.confirmed.set(positions.confirmed());
    }

    /// Sets the end of the server's WAL at the start of a stream. A server that was restored or promoted can have less WAL
    /// than the server of an earlier session.
    pub fn set_server_end(&self, lsn: Lsn) {
        self.0.server_end.set(lsn);
    }

    /// Advances the end of the server's WAL to `lsn`, which the server has reported.
    pub(crate) fn advance_server_end(&self, lsn: Lsn) {
        self.0.server_end.advance(lsn);
    }

    /// Whether everything up to the known end of the server's WAL was read.
    pub(crate) fn is_at_server_end(&self) -> bool {
        self.0.received.get() >= self.0.server_end.get()
    }
}

/// Shared LSN, which is written without a lock.
#[derive(Debug, Default)]
struct LsnCell(AtomicU64);

impl LsnCell {
    fn get(&self) -> Lsn {
        Lsn::new(self.0.load(Ordering::Acquire))
    }

    fn set(&self, lsn: Lsn) {
        self.0.store(lsn.as_u64(), Ordering::Release);
    }

    fn advance(&self, lsn: Lsn) {
        self.0.fetch_max(lsn.as_u64(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use walcast_pgoutput::Lsn;

    use super::PositionState;
    use crate::position::positions::Positions;

    #[test]
    fn lag_is_counted_from_the_checkpoint_to_the_end_of_wal() {
        let state = PositionState::default();
        state.advance_server_end(Lsn::new(500));
        // Before the first session, the checkpoint is not known.
        assert_eq!(state.read().lag_bytes(), 0);

        let mut positions = Positions::new(Lsn::new(100), Lsn::new(90));
        state.publish(&positions);
        assert_eq!(state.read().lag_bytes(), 400);
        positions.receive(Lsn::new(300));
        state.publish(&positions);
        assert_eq!((state.read().lag_bytes(), state.is_at_server_end()), (400, false));

        positions.receive(Lsn::new(500));
        positions.produce(Lsn::new(500));
        positions.checkpoint(Lsn::new(500));
        state.clone().publish(&positions);
        assert_eq!((state.read().lag_bytes(), state.is_at_server_end()), (0, true));
    }

    #[test]
    fn the_end_of_wal_moves_backward_at_the_start_of_a_stream_only() {
        let state = PositionState::default();
        state.set_server_end(Lsn::new(500));
        state.advance_server_end(Lsn::new(400));
        assert_eq!(state.read().server_end, Lsn::new(500));
        state.set_server_end(Lsn::new(400));
        assert_eq!(state.read().server_end, Lsn::new(400));
    }
}
