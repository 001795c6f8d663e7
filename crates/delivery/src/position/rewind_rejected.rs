//! Reasons for which a connector cannot be moved to a position.

use std::fmt;

use walcast_pgoutput::Lsn;

use crate::source_state::{SystemIdentifier, Timeline};

/// Positions from which the server can stream without losing a change, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewindWindow {
    /// Confirmed position of the slot: the server retains nothing older.
    pub oldest: Lsn,
    /// End of the delivered changes.
    pub newest: Lsn,
}

impl fmt::Display for RewindWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.oldest, self.newest)
    }
}

/// Reason for which a connector cannot be moved to a position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewindRejected {
    /// An instance is running.
    #[error("the connector is running (process {pid} of the server streams from slot {slot}); stop it first")]
    Running {
        /// The slot.
        slot: String,
        /// The server's process.
        pid: i32,
    },
    /// The slot does not exist.
    #[error("slot {slot} does not exist, so no position can be reached")]
    SlotMissing {
        /// The slot.
        slot: String,
    },
    /// The slot was invalidated.
    #[error("slot {slot} was invalidated, so no position can be reached")]
    SlotLost {
        /// The slot.
        slot: String,
    },
    /// The slot cannot be streamed from.
    #[error("slot {slot} cannot be used: {why}")]
    SlotUnusable {
        /// Slot.
        slot: String,
        /// Reason.
        why: &'static str,
    },
    /// The slot was created with `two_phase`.
    #[error(
        "slot {slot} was created with two_phase, so that the server sends prepared transactions before they are committed"
    )]
    SlotTwoPhase {
        /// Slot.
        slot: String,
    },
    /// The server belongs to another cluster than the checkpoint.
    #[error(
        "the checkpoint belongs to cluster {expected}, but this server is cluster {found}, where its positions mean nothing"
    )]
    OtherCluster {
        /// The checkpoint's cluster.
        expected: SystemIdentifier,
        /// The server's.
        found: SystemIdentifier,
        /// Position of the server's slot.
        slot_at: Lsn,
    },
    /// In another cluster only the slot's position can be reached.
    #[error(
        "in another cluster than the checkpoint's only the slot's position {slot_at} can be reached, not {to}"
    )]
    NotSlotOfCluster {
        /// Requested position.
        to: Lsn,
        /// Position of the server's slot.
        slot_at: Lsn,
    },
    /// The checkpoint belongs to another database or slot.
    #[error("the checkpoint belongs to {what} {expected:?}, but {found:?} is configured")]
    OtherSource {
        /// `database` or `slot`.
        what: &'static str,
        /// The checkpoint's.
        expected: String,
        /// The configured one.
        found: String,
    },
    /// The server does not descend from the checkpoint's timeline.
    #[error(
        "the server is on timeline {found}, which does not descend from timeline {expected} of the checkpoint"
    )]
    OtherTimeline {
        /// The checkpoint's timeline.
        expected: Timeline,
        /// The server's.
        found: Timeline,
    },
    /// The server's WAL ends before the checkpoint.
    #[error(
        "the server's WAL ends at {flushed}, before the checkpoint at {stored}: it was restored from a backup"
    )]
    AheadOfServer {
        /// End of the server's WAL.
        flushed: Lsn,
        /// The checkpoint's position.
        stored: Lsn,
    },
    /// Nothing was delivered yet: the slot's position is the only safe one.
    #[error("there is no checkpoint yet, so only the slot's position {nearest} can be reached, not {to}")]
    NothingDelivered {
        /// Requested position.
        to: Lsn,
        /// Reachable positions.
        nearest: Lsn,
    },
    /// Outside the window.
    #[error("{to} cannot be reached: positions {window} can, the nearest is {nearest}")]
    OutsideWindow {
        /// Requested position.
        to: Lsn,
        /// Reachable positions.
        window: RewindWindow,
        /// The end of the window that is nearer.
        nearest: Lsn,
    },
    /// No position is without a gap.
    #[error("changes in ({delivered}, {confirmed}] were never delivered and slot {slot} no longer has them")]
    Gap {
        /// The slot.
        slot: String,
        /// End of the delivered changes.
        delivered: Lsn,
        /// The slot's position.
        confirmed: Lsn,
    },
    /// The server lacks delivered changes.
    #[error("records in ({switched_at}, {delivered}] describe changes that the promoted server never had")]
    Phantom {
        /// Position at which the timelines diverge.
        switched_at: Lsn,
        /// End of the delivered changes.
        delivered: Lsn,
        /// Reachable positions.
        window: RewindWindow,
    },
}
