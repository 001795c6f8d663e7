//! Topics that were deleted and created again: the beginning is missing, and the offsets do not show it.
//!
//! The schema history has the change from which on each schema of a table is in use. The record of such a change is in the topic, unless
//! retention has removed it, which the first offset shows, or the topic was created again. The history also has positions of snapshots,
//! in which the table may have had no row: these are no evidence. Nor is a change that may have made no record, because operations are left
//! out ([events] operations).

use tracing::warn;
use walcast_delivery::{ChangePosition, CheckpointLog};
use walcast_mapper::config::Operation;
use walcast_mapper::{MapperConfig, Ordinal, TableName, names};
use walcast_pgoutput::Lsn;
use walcast_topics::{Decoder, Oldest, Topic, oldest_position};

use super::gap::{Gap, GapReason};

/// What a topic that was created again lacks of a window that begins at `from`.
pub(super) async fn gap(
    mapper: &MapperConfig,
    log: &CheckpointLog,
    topic: &Topic,
    decoder: &mut Decoder,
    from: Lsn,
) -> anyhow::Result<Option<Gap>> {
    if topic.partitions().iter().any(|range| range.first > 0) {
        return Ok(None);
    }
    let oldest = match oldest_position(topic, decoder).await? {
        Oldest::None => None,
        Oldest::At(oldest) => Some(oldest),
        // Records without a position may be of any time.
        Oldest::Unknown => return Ok(None),
    };
    let name = topic.name();
    let found = match evidence(&known(mapper, log, name), oldest, from) {
        Evidence::Certain(since) if !sends_rows(mapper) => Evidence::Possible(since),
        found => found,
    };
    match found {
        Evidence::None => Ok(None),
        Evidence::Possible(since) => {
            warn!(
                topic = %name,
                %since,
                "the window begins before the first record of the topic: its tables were known by then, and either had no change that \
                 is sent, or the topic was created again"
            );
            Ok(None)
        }
        Evidence::Certain(_) => Ok(Some(Gap {
            topic: Some(name.to_string()),
            reason: GapReason::CreatedAgain,
            // The first transaction that is left may lack its first records.
            nearest: oldest.map(|oldest| Lsn::new(oldest.as_u64().saturating_add(1)).to_string()),
        })),
    }
}

/// Whether each change of a row makes a record.
fn sends_rows(mapper: &MapperConfig) -> bool {
    let sent = &mapper.events.operations;
    [Operation::Create, Operation::Update, Operation::Delete]
        .iter()
        .all(|operation| sent.contains(operation))
}

/// Positions from which on the schemas of a topic's tables are in use.
fn known(mapper: &MapperConfig, log: &CheckpointLog, topic: &str) -> Vec<ChangePosition> {
    let schemas = log.schemas.values().flat_map(|history| &history.schemas);
    schemas
        .filter(|schema| {
            let table = TableName::from(&schema.relation);
            // Rows of outboxes and event stores are events in other topics, whatever the topic of their table would be.
            !mapper.sends_events(&table) && names::topic(mapper, &table) == topic
        })
        .map(|schema| schema.since)
        .collect()
}

/// Whether a topic lacks records that were delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    None,
    /// It lacks them, or a snapshot at this position found no row.
    Possible(Lsn),
    /// It lacks them from this position on.
    Certain(Lsn),
}

/// `oldest`: position of the oldest record that the topic has.
fn evidence(known: &[ChangePosition], oldest: Option<Lsn>, from: Lsn) -> Evidence {
    // Transactions behind the first one that is left are complete.
    if oldest.is_some_and(|oldest| oldest < from) {
        return Evidence::None;
    }
    let is_missing = |since: &&ChangePosition| oldest.is_none_or(|oldest| since.commit_lsn < oldest);
    let missing: Vec<&ChangePosition> = known.iter().filter(is_missing).collect();
    // The position of a snapshot has the first ordinal, as that of the first change of a transaction has.
    let certain = missing.iter().filter(|since| since.ordinal > Ordinal::default());
    if let Some(since) = certain.map(|since| since.commit_lsn).min() {
        return Evidence::Certain(since);
    }
    let first = missing.iter().map(|since| since.commit_lsn).min();
    first.map_or(Evidence::None, Evidence::Possible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_before_the_first_record_shows_that_the_topic_was_created_again() {
        let at = |lsn, ordinal| ChangePosition {
            commit_lsn: Lsn::new(lsn),
            ordinal: Ordinal::new(ordinal),
        };
        let found = |known: &[ChangePosition], oldest: Option<u64>, from| {
            evidence(known, oldest.map(Lsn::new), Lsn::new(from))
        };
        let changes = [at(10, 1), at(30, 2)];
        assert_eq!(found(&changes, Some(10), 5), Evidence::None);
        assert_eq!(found(&changes, Some(20), 5), Evidence::Certain(Lsn::new(10)));
        assert_eq!(found(&changes, None, 5), Evidence::Certain(Lsn::new(10)));
        // The window lies behind the beginning of the topic.
        assert_eq!(found(&changes, Some(20), 21), Evidence::None);
        assert_eq!(found(&changes, Some(20), 20), Evidence::Certain(Lsn::new(10)));
        let snapshot = [at(10, 0)];
        assert_eq!(found(&snapshot, Some(20), 5), Evidence::Possible(Lsn::new(10)));
        assert_eq!(found(&snapshot, Some(10), 5), Evidence::None);
        assert_eq!(found(&[], None, 5), Evidence::None);
    }
}
