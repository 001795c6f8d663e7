//! The ways in which taking over would lose, double or invent changes, each with what to do.

use walcast_pgoutput::{Lsn, Xid};

/// A take-over that would lose, double or invent changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TakeOverRefused {
    /// The other connector, or ours, still streams.
    #[error(
        "slot {slot} is in use (process {pid} of the server streams from it): stop the connector that holds it, \
         and see that it stays stopped"
    )]
    Running {
        /// The slot.
        slot: String,
        /// The server's process.
        pid: i32,
    },
    /// Ours has delivered already.
    #[error(
        "walcast already has a checkpoint at {at} for this name, so there is nothing to take over; \
         to begin anew from the other connector's position: walcast checkpoint reset"
    )]
    HasCheckpoint {
        /// The checkpoint's position.
        at: Lsn,
    },
    /// There is no slot.
    #[error(
        "slot {slot} does not exist: set [postgres] slot to the other connector's (Debezium's slot.name, \"debezium\" by \
         default); if that slot was dropped, the changes since {after} cannot be had any more"
    )]
    SlotMissing {
        /// The slot.
        slot: String,
        /// Where the other connector stopped.
        after: Lsn,
    },
    /// The slot is beyond the notes.
    #[error(
        "changes in ({noted}, {confirmed}] are not covered: the connector's stored position is {noted}, but slot {slot} was \
         confirmed up to {confirmed} and no longer has what lies before; use a newer offset if there is one, or \
         re-read the tables concerned and go on with --accept-gap"
    )]
    Gap {
        /// The slot.
        slot: String,
        /// The stored position.
        noted: Lsn,
        /// The slot's position.
        confirmed: Lsn,
    },
    /// The notes are beyond the server.
    #[error(
        "the connector's stored position {noted} lies beyond the end of the server's log {flushed}: \
         the offset is of another server, or the server was restored from a backup"
    )]
    AheadOfServer {
        /// The stored position.
        noted: Lsn,
        /// The end of the server's log.
        flushed: Lsn,
    },
    /// Another transaction is next.
    #[error(
        "the connector stopped inside of transaction {expected}, but the first transaction after {after} in slot {slot} \
         is {found}: the offset is not of this slot, or not of this publication"
    )]
    OtherTransaction {
        /// The slot.
        slot: String,
        /// Where the search began.
        after: Lsn,
        /// The transaction in the notes.
        expected: Xid,
        /// The one that came.
        found: Xid,
    },
    /// No transaction is next.
    #[error(
        "the connector stopped inside of transaction {xid}, but slot {slot} has no transaction after {after}: \
         the offset is not of this slot, or not of this publication"
    )]
    TransactionMissing {
        /// The slot.
        slot: String,
        /// Where the search began.
        after: Lsn,
        /// The transaction in the notes.
        xid: Xid,
    },
    /// The change is not there.
    #[error(
        "the connector stopped at {lsn} in transaction {xid}, but slot and publication send no such change: \
         the offset is not of this slot, or the publication was altered since"
    )]
    ChangeMissing {
        /// The transaction in the notes.
        xid: Xid,
        /// The change in the notes.
        lsn: Lsn,
    },
    /// Several changes share the position.
    #[error(
        "{changes} changes of {table} in transaction {xid} share position {lsn} (rows of one COPY), and the offset does not \
         tell how many of them were sent: count the records in its topic with source.lsn = {number}, \
         then say so with --sent-at-lsn COUNT", number = lsn.as_u64()
    )]
    SharedPosition {
        /// The transaction.
        xid: Xid,
        /// The position.
        lsn: Lsn,
        /// The table.
        table: String,
        /// How many there are.
        changes: u64,
    },
    /// The change makes several records.
    #[error(
        "the last change sent, at {lsn} in transaction {xid}, makes {records} records ({what} of {table}), and the offset \
         does not tell whether all of them were sent: look for the last of them in the topic, after the one with source.lsn = \
         {number}; if it is there, go on with --sent-at-lsn 1, if not, send the change again with --sent-at-lsn 0; \
         or start and stop the connector once more, until something else is last", number = lsn.as_u64()
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
        /// How many records it makes.
        records: usize,
    },
    /// The count cannot be.
    #[error("--sent-at-lsn {counted} is more than the {changes} changes at {lsn} in transaction {xid}")]
    CountTooLarge {
        /// The transaction.
        xid: Xid,
        /// The position.
        lsn: Lsn,
        /// What was said.
        counted: u64,
        /// What there is.
        changes: u64,
    },
}
