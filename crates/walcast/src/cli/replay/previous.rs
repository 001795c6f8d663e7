//! End of the transaction before a window, which the records of its first transaction contain (`source.sequence`). WAL before the position
//! of a slot cannot be read, so the records of the topics are asked for it.

use walcast_kafka::PartitionRange;
use walcast_pgoutput::Lsn;
use walcast_topics::{Bound, Decoder, LsnWindow, WindowRange};

use super::plan::{Plan, PlannedTopic};

/// First record of a window, as far as it is of interest here.
struct First {
    lsn: Lsn,
    previous_commit_end: Option<Lsn>,
}

/// End of the transaction before that of the first record of the window that the topics have; `None` if they have none, or its value does not
/// contain it.
pub(super) async fn previous_commit_end(plan: &Plan, decoder: &mut Decoder) -> anyhow::Result<Option<Lsn>> {
    let Some(window) = plan.window else {
        return Ok(None);
    };
    let mut earliest: Option<First> = None;
    for planned in &plan.topics {
        for range in planned.ranges.iter().filter(|range| range.from < range.to) {
            let first = first_of(planned, range, window, decoder).await?;
            let is_earlier = |first: &First| earliest.as_ref().is_none_or(|known| first.lsn < known.lsn);
            if let Some(first) = first.filter(is_earlier) {
                earliest = Some(first);
            }
        }
    }
    Ok(earliest.and_then(|first| first.previous_commit_end))
}

/// First streamed change of a window in one partition.
async fn first_of(
    planned: &PlannedTopic,
    range: &WindowRange,
    window: LsnWindow,
    decoder: &mut Decoder,
) -> anyhow::Result<Option<First>> {
    let offsets = PartitionRange {
        partition: range.partition,
        first: range.from,
        end: range.to,
    };
    let topic = &planned.topic;
    let mut reader = topic.read_partition(decoder, offsets, Bound::Beginning).await?;
    while let Some(record) = reader.next(decoder).await? {
        let source = record.change().map(|change| &change.source);
        if let (Some(lsn), Some(source)) = (record.lsn(), source)
            && window.contains(lsn)
            && !record.is_replayed()
        {
            return Ok(Some(First {
                lsn,
                previous_commit_end: source.previous_commit_end,
            }));
        }
    }
    Ok(None)
}
