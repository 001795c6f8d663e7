//! Search for a position within a partition: records are in commit order, so a few of them are read instead of all.

use std::sync::Arc;

use walcast_kafka::{PartitionRange, TopicIndex};
use walcast_pgoutput::Lsn;

use crate::decoder::Decoder;
use crate::error::TopicsError;
use crate::record::Record;

/// Position at which reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The first record that is left.
    Beginning,
    /// A record by its offset.
    Offset(i64),
    /// The first record of a transaction that committed at this time or later, in microseconds since the Unix epoch.
    Time(i64),
    /// The first record of a transaction whose commit record is at this position or after it.
    Lsn(Lsn),
}

const MICROS_A_MILLI: i64 = 1_000;

/// What a record says about its position; `None` for a record without one.
type Said<T> = dyn Fn(&Record) -> Option<T> + Sync;

/// Number of records without a position (of other programs, for example) that are read in search of one that has it.
const UNPLACED_MAX: usize = 100;

/// Offset at which reading of a partition begins: no record before it is at the bound or after it, except where changes were
/// delivered again from an earlier checkpoint: then all of them follow the offset again. The offset of the end if there is none.
///
/// Around records without a position the offset may be lower than necessary: readers compare each record with the bound.
///
/// # Errors
/// The topic or the registry cannot be read.
pub async fn first_offset(
    index: &TopicIndex,
    decoder: &mut Decoder,
    topic: &Arc<str>,
    range: PartitionRange,
    bound: Bound,
) -> Result<i64, TopicsError> {
    let is_before: &Said<bool> = match bound {
        Bound::Beginning => return Ok(range.first),
        Bound::Offset(offset) => return Ok(offset.clamp(range.first, range.end)),
        Bound::Lsn(lsn) => &move |record: &Record| record.lsn().map(|found| found < lsn),
        Bound::Time(micros) => {
            &move |record: &Record| committed_or_produced(record).map(|found| found < micros)
        }
    };
    let (mut low, mut high) = (range.first, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        match placed(index, decoder, topic, range.partition, middle..high, is_before).await? {
            Some((offset, true)) => low = offset + 1,
            Some((_, false)) | None => high = middle,
        }
    }
    Ok(low)
}

/// Commit time in microseconds, or the time at which the record was produced if its value is a row that does not contain the commit
/// time. The record before a tombstone has it.
fn committed_or_produced(record: &Record) -> Option<i64> {
    record.change()?;
    let produced = || record.timestamp?.checked_mul(MICROS_A_MILLI);
    record.commit_micros().or_else(produced)
}

/// Offset of the end of a window that begins at the offset `from`: all records up to `last` that follow `from` are before it, those aside
/// that were delivered again from an earlier checkpoint.
///
/// Around records without a position the offset may be higher than necessary: readers compare each record with the window.
///
/// # Errors
/// The topic or the registry cannot be read.
pub(crate) async fn end_offset(
    index: &TopicIndex,
    decoder: &mut Decoder,
    topic: &Arc<str>,
    range: PartitionRange,
    from: i64,
    last: Lsn,
) -> Result<i64, TopicsError> {
    let (mut low, mut high) = (from, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        let said: &Said<Lsn> = &|record: &Record| record.lsn();
        match placed(index, decoder, topic, range.partition, middle..high, said).await? {
            // Records without a position before it may belong to the window.
            Some((offset, lsn)) if lsn > last => high = offset,
            Some((offset, _)) => low = offset + 1,
            None => low = middle + 1,
        }
    }
    Ok(high)
}

/// First position in a range of offsets; `None` if its first records have none.
///
/// # Errors
/// The topic or the registry cannot be read.
pub(crate) async fn first_position(
    index: &TopicIndex,
    decoder: &mut Decoder,
    topic: &Arc<str>,
    range: PartitionRange,
) -> Result<Option<Lsn>, TopicsError> {
    let said: &Said<Lsn> = &|record: &Record| record.lsn();
    let offsets = range.first..range.end;
    let found = placed(index, decoder, topic, range.partition, offsets, said).await?;
    Ok(found.map(|(_, lsn)| lsn))
}

/// First record in a range of offsets that has a position: its offset, and what it says. Records of replays have none: they repeat those
/// of another place.
async fn placed<T>(
    index: &TopicIndex,
    decoder: &mut Decoder,
    topic: &Arc<str>,
    partition: i32,
    offsets: std::ops::Range<i64>,
    said: &Said<T>,
) -> Result<Option<(i64, T)>, TopicsError> {
    let mut next = offsets.start;
    for _ in 0..UNPLACED_MAX {
        if next >= offsets.end {
            return Ok(None);
        }
        let Some(raw) = index.original_in(partition, next..offsets.end).await? else {
            return Ok(None);
        };
        let offset = raw.offset;
        next = offset + 1;
        let record = decoder.decode(topic, raw).await?;
        if let Some(said) = said(&record) {
            return Ok(Some((offset, said)));
        }
    }
    Ok(None)
}
