//! Port of a replay: the topics that it reads, and the producer of its copies.

use std::future::Future;

use crate::replay::progress::{LeftOffsets, MissingRecords, ReplayProgress, ReplayRange, ReplayTopic};

/// Topics that a replay reads, and its producer, whose transactional id no connector and no other replay has.
pub trait ReplayPort {
    /// Copy of a record.
    type Copy;
    /// Error of a call. Afterwards only a new port may continue, with the progress that is stored then.
    type Error;

    /// Offsets that are left of the partition of a range.
    fn offsets(
        &mut self,
        topic: &ReplayTopic,
        range: ReplayRange,
    ) -> impl Future<Output = Result<LeftOffsets, Self::Error>>;

    /// Decides whether the replay continues although records of a range are missing: an error ends it.
    fn accept(
        &mut self,
        topic: &ReplayTopic,
        range: ReplayRange,
        missing: MissingRecords,
    ) -> impl Future<Output = Result<(), Self::Error>>;

    /// Begins to read the committed records of a range.
    fn read(
        &mut self,
        topic: &ReplayTopic,
        range: ReplayRange,
    ) -> impl Future<Output = Result<(), Self::Error>>;

    /// The next record of the range; `None` at its end. After a dropped future nothing more is read.
    fn next(&mut self) -> impl Future<Output = Result<Option<ReadRecord<Self::Copy>>, Self::Error>>;

    /// Makes copies, in their order, and the progress that covers them durable, all or nothing. Not cancel-safe.
    fn commit(
        &mut self,
        copies: Vec<Self::Copy>,
        progress: &ReplayProgress,
    ) -> impl Future<Output = Result<(), Self::Error>>;
}

/// Record that a replay has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRecord<C> {
    /// Offset of the record.
    pub offset: i64,
    /// Copy, with its size in bytes; `None` if the record does not belong to the window.
    pub copy: Option<(C, usize)>,
}
