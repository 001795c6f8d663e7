//! Reasons for which an offset is not imported.

use walcast_pgoutput::{Lsn, Xid};

/// Import that would lose, double or invent changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportRejected {
    /// A connector still streams from the slot.
    #[error(
        "slot {slot} is in use (process {pid} of the server streams from it): stop the connector that holds it, \
         and make sure that it stays stopped"
    )]
    Running {
        /// The slot.
        slot: String,
        /// The server's process.
        pid: i32,
    },
    /// This connector has delivered already.
    #[error("walcast already has a checkpoint at {at} for this name, so no offset is imported")]
    HasCheckpoint {
        /// The checkpoint's position.
        at: Lsn,
    },
    /// The slot does not exist.
    #[error("slot {slot} does not exist")]
    SlotMissing {
        /// The slot.
        slot: String,
        /// Position at which the other connector stopped.
        after: Lsn,
    },
    /// The slot was confirmed beyond the offset.
    #[error(
        "changes in ({noted}, {confirmed}] are not covered: the connector's stored position is {noted}, but slot {slot} was \
         confirmed up to {confirmed} and no longer has what lies before"
    )]
    Gap {
        /// The slot.
        slot: String,
        /// The stored position.
        noted: Lsn,
        /// The slot's position.
        confirmed: Lsn,
    },
    /// The offset lies beyond the end of WAL.
    #[error(
        "the connector's stored position {noted} lies beyond the end of the server's WAL {flushed}: \
         the offset is of another server, or the server was restored from a backup"
    )]
    AheadOfServer {
        /// The stored position.
        noted: Lsn,
        /// End of the server's WAL.
        flushed: Lsn,
    },
    /// The next transaction is a different one.
    #[error(
        "the connector stopped inside transaction {expected}, but the first transaction after {after} in slot {slot} \
         is {found}: the offset is not of this slot, or not of this publication"
    )]
    OtherTransaction {
        /// The slot.
        slot: String,
        /// Position from which the slot was read.
        after: Lsn,
        /// Transaction of the offset.
        expected: Xid,
        /// Transaction that the slot sent.
        found: Xid,
    },
    /// There is no next transaction.
    #[error(
        "the connector stopped inside transaction {xid}, but slot {slot} has no transaction after {after}: \
         the offset is not of this slot, or not of this publication"
    )]
    TransactionMissing {
        /// The slot.
        slot: String,
        /// Position from which the slot was read.
        after: Lsn,
        /// Transaction of the offset.
        xid: Xid,
    },
    /// The transaction has no such change.
    #[error(
        "the connector stopped at {lsn} in transaction {xid}, but slot and publication send no such change: \
         the offset is not of this slot, or the publication was altered since"
    )]
    ChangeMissing {
        /// Transaction of the offset.
        xid: Xid,
        /// Change of the offset.
        lsn: Lsn,
    },
    /// Several changes share the position.
    #[error(
        "{changes} changes of {table} in transaction {xid} share position {lsn} (rows of one COPY), and the offset does not \
         store how many of them were sent"
    )]
    SharedPosition {
        /// The transaction.
        xid: Xid,
        /// The position.
        lsn: Lsn,
        /// The table.
        table: String,
        /// Number of changes.
        changes: u64,
    },
    /// The change makes several records.
    #[error(
        "the last change sent, at {lsn} in transaction {xid}, makes {records} records ({what} of {table}), and the offset \
         does not store whether all of them were sent"
    )]
    SeveralRecords {
        /// The transaction.
        xid: Xid,
        /// The position.
        lsn: Lsn,
        /// The table.
        table: String,
        /// `a delete` and the like.
        what: &'static str,
        /// Number of its records.
        records: usize,
    },
    /// The count is impossible.
    #[error("the given count {counted} is more than the {changes} changes at {lsn} in transaction {xid}")]
    CountTooLarge {
        /// The transaction.
        xid: Xid,
        /// The position.
        lsn: Lsn,
        /// Given count.
        counted: u64,
        /// Number of changes.
        changes: u64,
    },
}
