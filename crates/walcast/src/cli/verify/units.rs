//! The topics that are compared, with their tables.

use std::collections::BTreeMap;

use walcast_delivery::{CheckpointLog, SnapshotMode, SourceState};
use walcast_mapper::{TableName, names};

use super::args::Choice;
use super::compared::Unit;
use super::recheck::Again;
use crate::config::Config;
use crate::exit::UsageError;

/// Tables that are compared.
pub(super) fn chosen(
    config: &Config,
    state: &SourceState,
    choice: &Choice,
    again: Option<&Again>,
) -> Result<Vec<TableName>, UsageError> {
    let captured: Vec<TableName> = state
        .captured
        .iter()
        .map(|table| table.name.clone())
        .filter(|table| config.postgres.signal_table.as_ref() != Some(table))
        .collect();
    let is_outbox = |table: &TableName| config.mapper.sends_events(table);
    let (outboxes, captured): (Vec<_>, Vec<_>) = captured.into_iter().partition(is_outbox);
    for pattern in &choice.tables {
        if captured.iter().any(|table| pattern.matches(table)) {
            continue;
        }
        return Err(UsageError(
            match outboxes.iter().find(|table| pattern.matches(table)) {
                Some(outbox) => format!(
                    "--tables {pattern} matches {outbox} only, an outbox or event store, whose rows are events in the topics that they name"
                ),
                None => format!("--tables {pattern} matches no captured table"),
            },
        ));
    }
    let topic = |table: &TableName| names::topic(&config.mapper, table);
    let is_chosen = |table: &TableName| match again {
        Some(again) => again.contains_key(&topic(table)),
        None => choice.tables.is_empty() || choice.tables.iter().any(|pattern| pattern.matches(table)),
    };
    let topics: Vec<String> = captured
        .iter()
        .filter(|table| is_chosen(table))
        .map(topic)
        .collect();
    // Records of a topic that belong to no chosen table would be extra.
    let sharing = captured.iter().filter(|table| topics.contains(&topic(table)));
    let chosen: Vec<TableName> = sharing.cloned().collect();
    match chosen.is_empty() {
        true => Err(UsageError("no captured table is to be compared".to_owned())),
        false => Ok(chosen),
    }
}

/// Topics with their tables; tables whose changes are skipped are left out, with the reason.
pub(super) fn units(
    config: &Config,
    state: &SourceState,
    log: &CheckpointLog,
    chosen: Vec<TableName>,
    not_compared: &mut BTreeMap<String, String>,
) -> Vec<Unit> {
    let settings = &config.delivery.snapshot;
    let skipped = |table: &TableName| {
        let mut quarantines = log.quarantines.values();
        // Also one that was resumed: until its rows are read, its topic has those from before.
        quarantines.any(|one| one.table == *table)
    };
    let names_topics = |table: &TableName| {
        let mut rules = config.mapper.destinations.iter();
        rules.any(|rule| rule.tables.matches(table))
    };
    let is_read = |table: &TableName| {
        let progress = log.current.as_ref().and_then(|current| current.snapshot.as_ref());
        let mut waiting = progress.iter().flat_map(|progress| &progress.tables);
        let is_selected =
            settings.tables.is_empty() || settings.tables.iter().any(|pattern| pattern.matches(table));
        let mut filters = config.postgres.snapshot_filters.iter();
        let is_known = log.known_tables.as_ref().is_none_or(|known| {
            let mut captured = state.captured.iter();
            captured.any(|one| one.name == *table && known.contains(&one.oid))
        });
        settings.mode != SnapshotMode::Never
            && is_known
            && is_selected
            && !filters.any(|(pattern, _)| pattern.matches(table))
            && !waiting.any(|progress| progress.table() == *table)
    };
    let mut topics: BTreeMap<String, Vec<TableName>> = BTreeMap::new();
    for table in chosen {
        topics
            .entry(names::topic(&config.mapper, &table))
            .or_default()
            .push(table);
    }
    let mut units = Vec::new();
    for (topic, tables) in topics {
        let reason = match &tables {
            tables if tables.iter().any(skipped) => {
                Some("it, or a table with the same topic, is quarantined, or is read after a quarantine")
            }
            tables if tables.iter().any(names_topics) => {
                Some("its rows, or those of a table with the same topic, name the topics of their records")
            }
            _ => None,
        };
        if let Some(reason) = reason {
            for table in tables {
                not_compared.insert(table.to_string(), reason.to_owned());
            }
            continue;
        }
        units.push(Unit {
            omits_existing_rows: !tables.iter().all(is_read),
            topic,
            tables,
        });
    }
    units
}
