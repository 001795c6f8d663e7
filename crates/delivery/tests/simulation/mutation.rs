//! Mistakes made on purpose, one for each rule of the protocol: the checker must find them.
//!
//! Each is made at an edge, by what stands between the connector and the models; the product knows nothing of them.

mod sink;
mod source;

pub(crate) use self::sink::MutantSink;
pub(crate) use self::source::MutantSource;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// What was received is confirmed, whether it is in Kafka or not.
    ConfirmsReceived,
    /// After a disconnect the stream goes on behind what was received.
    StartsAtReceived,
    /// The checkpoint is committed before the records.
    CheckpointBefore,
    /// The checkpoint is committed after the records.
    CheckpointAfter,
    /// The checkpoint names the beginning of the last commit record instead of its end.
    CommitLsnForEndLsn,
    /// The loss check does not see that the slot was advanced.
    HidesAdvancedSlot,
    /// The loss check does not see that the server was promoted.
    HidesPromotion,
    /// What was delivered last is never asked for again.
    NeverAsksAgain,
    /// The loss check sees an advanced slot where there is none.
    InventsAdvancedSlot,
    /// A producer that was fenced goes on.
    IgnoresFencing,
    /// A commit in doubt is taken for done.
    DoubtIsSuccess,
    /// A commit in doubt is taken for not done, and the checkpoint is not read again.
    DoubtIsFailure,
    /// What failed to be written is written again into the same Kafka transaction.
    WritesAgain,
    /// Records are written after those that came after them.
    SwapsWrites,
    /// Records are committed as they come.
    CommitsEachWrite,
    /// What was written is committed where it should be given up.
    CommitsOnAbort,
    /// Now and then records are not written.
    DropsRecords,
    /// A block of the stream is not handed on.
    DropsFrames,
    /// A snapshot shows rows as they were before its position.
    RowsOfEarlier,
    /// A snapshot shows rows as they are when they are read.
    RowsOfLater,
    /// A table is read from its beginning whatever was read.
    ReadsRowsAgain,
    /// The checkpoint says that all rows are read.
    ForgetsRows,
    /// The checkpoint forgets what was asked for.
    ForgetsRequests,
    /// A process that starts goes on at the end of the signal topic.
    ForgetsSignals,
    /// A process that starts hears all signals of the topic again.
    HearsSignalsAgain,
    /// An old server is taken for one that notices which tables are published.
    NeverRenews,
    /// A table that came later is known without being read.
    KnowsUnread,
    /// The stream never begins.
    NeverStarts,
    /// After a halt the checkpoint is written all the same.
    WritesAfterHalt,
    /// A transaction is streamed that the server has taken back.
    StreamsUndone,
    /// A transaction is streamed that was never committed.
    StreamsRolledBack,
    /// The slot is told nothing.
    NeverConfirms,
    /// A table is read on at a place that means nothing in the file it lies in now.
    IgnoresFile,
    /// Something panics.
    Panics,
}
