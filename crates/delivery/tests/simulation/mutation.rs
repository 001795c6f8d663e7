//! Deliberate mistakes, at least one for each rule of the protocol, which the checker must detect.
//!
//! Each is made at a port, by a wrapper between the connector and a model; the product code does not know of it.

mod sink;
mod source;

pub(crate) use self::sink::MutantSink;
pub(crate) use self::source::MutantSource;

/// A deliberate mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// Received positions are confirmed, whether the changes are in Kafka or not.
    ConfirmsReceived,
    /// After a disconnect the stream continues behind the received position.
    StartsAtReceived,
    /// The checkpoint is committed before the records.
    CheckpointBefore,
    /// The checkpoint is committed after the records.
    CheckpointAfter,
    /// The checkpoint has the start of the last commit record instead of its end.
    CommitLsnForEndLsn,
    /// The loss check ignores an advanced slot.
    HidesAdvancedSlot,
    /// The loss check ignores a promotion.
    HidesPromotion,
    /// The transaction delivered last is never read again.
    NeverRereadsLastCommit,
    /// The loss check reports an advanced slot where there is none.
    InventsAdvancedSlot,
    /// A fenced producer continues.
    IgnoresFencing,
    /// A commit in doubt is assumed to have succeeded.
    DoubtIsSuccess,
    /// A commit in doubt is assumed to have failed, and the checkpoint is not read again.
    DoubtIsFailure,
    /// A failed write is repeated in the same Kafka transaction.
    RepeatsFailedWrite,
    /// Records are written behind later ones.
    SwapsWrites,
    /// Each write is committed.
    CommitsEachWrite,
    /// A transaction is committed instead of aborted.
    CommitsOnAbort,
    /// Some records are omitted.
    DropsRecords,
    /// Some blocks of the stream are omitted.
    DropsFrames,
    /// The rows of a snapshot are older than its position.
    SnapshotTooOld,
    /// The rows of a snapshot are newer than its position.
    SnapshotTooNew,
    /// A table is read again from its beginning.
    RereadsRows,
    /// The checkpoint loses the remaining rows.
    ForgetsRows,
    /// The checkpoint loses requests.
    ForgetsRequests,
    /// After a start the signal topic is continued from its end.
    ForgetsSignals,
    /// After a start all signals of the topic are read again.
    RereadsSignals,
    /// The stream of an old server is not restarted after a table is published.
    NeverRestartsStream,
    /// A table created later is marked as known without being read.
    MarksUnreadAsKnown,
    /// Partitions that were attached look like those that are known, or were created.
    HidesAttachedPartitions,
    /// The stream never starts.
    NeverStarts,
    /// A checkpoint is written after a halt.
    WritesAfterHalt,
    /// A transaction that the server has lost is streamed.
    StreamsUndone,
    /// A transaction that was never committed is streamed.
    StreamsRolledBack,
    /// No position is confirmed to the slot.
    NeverConfirms,
    /// A ctid is applied to another relfilenode than its own.
    IgnoresFile,
    /// The progress of a replay is committed before its copies.
    ProgressBeforeCopies,
    /// The progress of a replay is committed after its copies.
    ProgressAfterCopies,
    /// A replay that was fenced continues.
    FencedReplayContinues,
    /// A repair writes the rows that it has compared, instead of having the connector read them.
    WritesComparedRows,
    /// Rows that differ are not requested.
    RepairsNothing,
    /// The connector panics.
    Panics,
}
