//! Offsets of a position or a time: where consumers of topics begin to read from there.

use crate::decoder::Decoder;
use crate::error::TopicsError;
use crate::key_history::PointInTime;
use crate::reader::Topic;
use crate::record::Record;
use crate::search::Bound;

/// Offset of one partition at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOffset {
    /// Name of the topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// Offset of the first record at the position or after it, or of the end.
    pub offset: i64,
    /// Offset of the first record that retention has left.
    pub first: i64,
    /// Offset of the end.
    pub end: i64,
    /// Record at the offset; `None` at the end.
    pub record: Option<Record>,
}

/// Offsets of every partition of a topic: a consumer that starts at them reads every transaction that committed at `point` or later,
/// and none before it.
///
/// # Errors
/// The topic or the registry cannot be read.
pub async fn offsets_at(
    topic: &Topic,
    decoder: &mut Decoder,
    point: PointInTime,
) -> Result<Vec<PartitionOffset>, TopicsError> {
    let mut offsets = Vec::new();
    for range in topic.partitions() {
        let offset = topic.offset_of(decoder, *range, Bound::from(point)).await?;
        let record = match offset < range.end {
            true => {
                let offsets = offset..range.end;
                topic.original_in(decoder, range.partition, offsets).await?
            }
            false => None,
        };
        offsets.push(PartitionOffset {
            topic: topic.name().to_string(),
            partition: range.partition,
            // Offsets before the record are markers of transactions, were compacted, or are those of replayed records.
            offset: record.as_ref().map_or(offset, |record| record.offset),
            first: range.first,
            end: range.end,
            record,
        });
    }
    Ok(offsets)
}
