//! Whether a topic holds all of a window, and may take the records again.

use tracing::warn;
use walcast_pgoutput::Lsn;
use walcast_topics::{Note, WindowRange, policy_note};

use super::gap::{Gap, GapReason};
use crate::config::Config;
use crate::exit::Rejection;

/// What a topic lacks of the window.
pub(super) async fn gaps(
    config: &Config,
    topic: &str,
    ranges: &[WindowRange],
    same_topics: bool,
) -> anyhow::Result<Vec<Gap>> {
    let mut gaps: Vec<Gap> = expired(topic, ranges).into_iter().collect();
    match policy_note(&config.kafka, topic).await? {
        Some(note) if same_topics => return Err(Rejection::Request(not_appended(&note, topic)).into()),
        Some(Note::Compacted { topic }) => gaps.push(Gap {
            topic: Some(topic),
            reason: GapReason::Compacted,
            nearest: None,
        }),
        Some(note) => warn!("{note}"),
        None => {}
    }
    Ok(gaps)
}

/// Compaction would keep the old record of a key, behind its newer ones.
fn not_appended(note: &Note, topic: &str) -> String {
    let reason = match note {
        Note::Compacted { .. } => "it is compacted".to_owned(),
        other => other.to_string(),
    };
    format!(
        "records cannot be appended to {topic}: {reason}, and compaction would keep an old record of a key in place of newer ones; \
         replay into side topics, with --into NAME"
    )
}

fn expired(topic: &str, ranges: &[WindowRange]) -> Option<Gap> {
    let removed: Vec<_> = ranges.iter().filter_map(|range| range.removed).collect();
    if removed.is_empty() {
        return None;
    }
    // The nearest position of a topic is that of its last partition; none if a partition has none.
    let nearest: Option<Vec<Lsn>> = removed.iter().map(|removed| removed.nearest).collect();
    let nearest = nearest.and_then(|nearest| nearest.into_iter().max());
    Some(Gap {
        topic: Some(topic.to_owned()),
        reason: GapReason::Expired,
        nearest: nearest.map(|lsn| lsn.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use walcast_topics::RemovedRecords;

    use super::*;

    fn range(partition: i32, removed: Option<Option<u64>>) -> WindowRange {
        WindowRange {
            partition,
            from: 7,
            to: 9,
            removed: removed.map(|nearest| RemovedRecords {
                first: 7,
                nearest: nearest.map(Lsn::new),
            }),
        }
    }

    #[test]
    fn the_nearest_position_of_a_topic_is_complete_in_all_of_its_partitions() {
        let nearest = |ranges: &[WindowRange]| expired("t", ranges).map(|gap| gap.nearest);
        assert_eq!(nearest(&[range(0, None)]), None);
        let ranges = [
            range(0, Some(Some(0x10))),
            range(1, None),
            range(2, Some(Some(0x20))),
        ];
        assert_eq!(nearest(&ranges), Some(Some("0/20".to_owned())));
        let ranges = [range(0, Some(Some(0x10))), range(1, Some(None))];
        assert_eq!(nearest(&ranges), Some(None));
    }

    #[test]
    fn rejects_appending_to_a_compacted_topic() {
        let topic = "shop.public.orders".to_owned();
        let text = not_appended(&Note::Compacted { topic: topic.clone() }, &topic);
        assert_eq!(
            text,
            "records cannot be appended to shop.public.orders: it is compacted, and compaction would keep an old record of a key in \
             place of newer ones; replay into side topics, with --into NAME"
        );
    }
}
