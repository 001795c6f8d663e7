//! Window of positions in a topic: the offsets between which it lies, and what of it was removed.

use walcast_kafka::PartitionRange;
use walcast_pgoutput::Lsn;

use crate::decoder::Decoder;
use crate::error::TopicsError;
use crate::reader::Topic;
use crate::search::Bound;

const MICROS_A_MILLI: i64 = 1_000;

/// Window of positions, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsnWindow {
    /// First position.
    pub from: Lsn,
    /// Last position; `None`: the end of what was delivered.
    pub to: Option<Lsn>,
}

impl LsnWindow {
    /// Whether a position is within the window.
    #[must_use]
    pub fn contains(&self, lsn: Lsn) -> bool {
        self.from <= lsn && self.to.is_none_or(|to| lsn <= to)
    }
}

/// Range of offsets of one partition in which a window lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowRange {
    /// Number of the partition.
    pub partition: i32,
    /// First offset.
    pub from: i64,
    /// Offset before which the window ends.
    pub to: i64,
    /// Records of the window that may have been removed; `None` if none was.
    pub removed: Option<RemovedRecords>,
}

/// Records at the beginning of a partition that retention has removed, and that may belong to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovedRecords {
    /// Offset of the first record that is left.
    pub first: i64,
    /// Nearest position from which the partition is complete; `None` if no record with a position is left.
    pub nearest: Option<Lsn>,
}

/// Ranges of offsets in which a window lies, of every partition of a topic that has any.
///
/// # Errors
/// The topic or the registry cannot be read.
pub async fn plan_window(
    topic: &Topic,
    decoder: &mut Decoder,
    window: LsnWindow,
) -> Result<Vec<WindowRange>, TopicsError> {
    let mut ranges = Vec::new();
    for range in topic.partitions() {
        let from = topic.offset_of(decoder, *range, Bound::Lsn(window.from)).await?;
        let to = match window.to {
            Some(last) => topic.end_of(decoder, *range, from, last).await?,
            None => range.end,
        };
        ranges.push(WindowRange {
            partition: range.partition,
            from,
            to,
            removed: removed(topic, decoder, *range, window.from).await?,
        });
    }
    Ok(ranges)
}

/// Nearest position from which a partition is complete, when retention has removed its beginning; `None` if no record with a position is
/// left.
///
/// # Errors
/// The topic or the registry cannot be read.
pub async fn first_left(
    topic: &Topic,
    decoder: &mut Decoder,
    range: PartitionRange,
) -> Result<Option<Lsn>, TopicsError> {
    Ok(topic.first_position(decoder, range).await?.map(next))
}

/// Position of the oldest record of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oldest {
    /// The topic has no record that a connector has sent, replays aside.
    None,
    /// The position.
    At(Lsn),
    /// The first records of a partition have no position, such as those of another program.
    Unknown,
}

/// Position of the oldest record of a topic.
///
/// # Errors
/// The topic or the registry cannot be read.
pub async fn oldest_position(topic: &Topic, decoder: &mut Decoder) -> Result<Oldest, TopicsError> {
    let mut oldest: Option<Lsn> = None;
    for range in topic.partitions() {
        let first = topic.first_position(decoder, *range).await?;
        let offsets = range.first..range.end;
        if first.is_none()
            && topic
                .original_in(decoder, range.partition, offsets)
                .await?
                .is_some()
        {
            return Ok(Oldest::Unknown);
        }
        oldest = oldest.into_iter().chain(first).min();
    }
    Ok(oldest.map_or(Oldest::None, Oldest::At))
}

/// Retention removes whole segments, which may end within a transaction: only a transaction behind the first one that is left is complete.
fn next(left: Lsn) -> Lsn {
    Lsn::new(left.as_u64().saturating_add(1))
}

async fn removed(
    topic: &Topic,
    decoder: &mut Decoder,
    range: PartitionRange,
    from: Lsn,
) -> Result<Option<RemovedRecords>, TopicsError> {
    if range.first == 0 {
        return Ok(None);
    }
    Ok(removed_before(
        range.first,
        topic.first_position(decoder, range).await?,
        from,
    ))
}

/// What is missing of a window that begins at `from`, in a partition whose first record is at `left`.
fn removed_before(first: i64, left: Option<Lsn>, from: Lsn) -> Option<RemovedRecords> {
    match left {
        Some(left) if left < from => None,
        left => Some(RemovedRecords {
            first,
            nearest: left.map(next),
        }),
    }
}

/// Position of the first transaction that committed at a time or later, in microseconds since the Unix epoch; `None` if there is none
/// in these topics.
///
/// # Errors
/// A topic or the registry cannot be read.
pub async fn position_of_time(
    topics: &[Topic],
    decoder: &mut Decoder,
    micros: i64,
) -> Result<Option<Lsn>, TopicsError> {
    let mut first: Option<Lsn> = None;
    for topic in topics {
        for range in topic.partitions() {
            let mut next = topic.offset_of(decoder, *range, Bound::Time(micros)).await?;
            while next < range.end {
                let offsets = next..range.end;
                let Some(record) = topic.original_in(decoder, range.partition, offsets).await? else {
                    break;
                };
                next = record.offset + 1;
                // A tombstone of the transaction before may be first.
                let produced = || record.timestamp?.checked_mul(MICROS_A_MILLI);
                let time = record
                    .change()
                    .and_then(|_| record.commit_micros().or_else(produced));
                if time.is_none_or(|time| time < micros) {
                    continue;
                }
                if let Some(lsn) = record.lsn() {
                    first = Some(first.map_or(lsn, |first| first.min(lsn)));
                    break;
                }
            }
        }
    }
    Ok(first)
}

/// Last position of a window whose transactions committed up to a time, in microseconds since the Unix epoch; `None` if none committed
/// later.
///
/// # Errors
/// A topic or the registry cannot be read.
pub async fn last_position(
    topics: &[Topic],
    decoder: &mut Decoder,
    micros: i64,
) -> Result<Option<Lsn>, TopicsError> {
    let after = position_of_time(topics, decoder, micros.saturating_add(1)).await?;
    Ok(after.map(|after| Lsn::new(after.as_u64().saturating_sub(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_a_window() {
        let window = |to| LsnWindow {
            from: Lsn::new(10),
            to,
        };
        for (lsn, bounded, unbounded) in [
            (9, false, false),
            (10, true, true),
            (20, true, true),
            (21, false, true),
        ] {
            assert_eq!(window(Some(Lsn::new(20))).contains(Lsn::new(lsn)), bounded);
            assert_eq!(window(None).contains(Lsn::new(lsn)), unbounded);
        }
    }

    #[test]
    fn a_partition_is_complete_behind_the_first_transaction_that_is_left() {
        let removed = |left: Option<u64>| removed_before(7, left.map(Lsn::new), Lsn::new(100));
        assert_eq!(removed(Some(99)), None);
        let at = |nearest: Option<u64>| {
            Some(RemovedRecords {
                first: 7,
                nearest: nearest.map(Lsn::new),
            })
        };
        assert_eq!(removed(Some(100)), at(Some(101)));
        assert_eq!(removed(Some(120)), at(Some(121)));
        assert_eq!(removed(None), at(None));
    }
}
