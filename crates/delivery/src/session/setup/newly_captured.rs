//! Newly captured tables: tables that match a wider configuration, or were created since the last inspection.
//!
//! Their existing rows are read, because the stream only contains changes from now on. The order makes a crash
//! harmless: the intent to read a table is stored before the table is published, and the table is stored as known only
//! after both.

use std::collections::BTreeSet;

use tracing::{info, warn};
use walcast_mapper::TableName;
use walcast_pgoutput::Oid;

use crate::config::DeliveryConfig;
use crate::describe::Describe;
use crate::error::DeliveryError;
use crate::partitions::change::PartitionChange;
use crate::partitions::notices::log_changes;
use crate::partitions::{KnownPartitions, PartitionComparison, PartitionRecords};
use crate::ports::sink::Sink;
use crate::ports::source::{Published, Refused, Source};
use crate::position::checkpoint::{Checkpoint, CheckpointLog};
use crate::restrictions::Restrictions;
use crate::server_capabilities::misses_new_tables;
use crate::session::setup::write_checkpoint::write_checkpoint;
use crate::snapshot::progress::{PublishedSince, SnapshotProgress, TableProgress};
use crate::source_state::SourceState;

/// Newly captured tables.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NewlyCaptured {
    /// Tables that are not published.
    pub(crate) unpublished: Vec<TableName>,
    /// Tables that are published.
    pub(crate) published: Vec<TableName>,
    /// Tables that were about to be published and cannot be any more. Each is newly captured again once it can.
    pub(crate) withdrawn: Vec<TableName>,
}

impl NewlyCaptured {
    /// Compares the captured tables with the known ones.
    pub(crate) fn find(
        source_state: &SourceState,
        known: &BTreeSet<Oid>,
        progress: Option<&SnapshotProgress>,
    ) -> Self {
        let is_pending = |table: &TableName| {
            let known = progress.and_then(|progress| progress.find(table));
            known.is_some_and(|table| table.publishing == PublishedSince::Pending)
        };
        let mut new = Self::default();
        if source_state.publication.is_none() {
            return new;
        }
        for table in &source_state.captured {
            if known.contains(&table.oid) && !is_pending(&table.name) {
                continue;
            }
            if source_state.publishes(&table.name) {
                // No record can be made of the rows of any other table.
                if table.unsent_key_columns.is_empty() {
                    new.published.push(table.name.clone());
                }
            } else if table.is_publishable() {
                // Any other table is not published: the server would then reject the application's updates and deletes.
                new.unpublished.push(table.name.clone());
            }
        }
        let remaining = progress.map_or(&[][..], |progress| &progress.tables);
        new.withdrawn = remaining
            .iter()
            .filter(|one| one.publishing == PublishedSince::Pending)
            .map(TableProgress::table)
            .filter(|table| !new.unpublished.contains(table) && !new.published.contains(table))
            .collect();
        new
    }
}

/// OIDs of the captured tables.
pub(crate) fn captured_oids(source_state: &SourceState) -> BTreeSet<Oid> {
    source_state.captured.iter().map(|table| table.oid).collect()
}

/// OIDs of the captured tables that are known, or published and `read`, and so are not newly captured.
///
/// A table that another client published since the inspection that found the newly captured ones is not among those whose rows
/// are read: it is newly captured at the next inspection.
pub(crate) fn known_now(
    source_state: &SourceState,
    known: &BTreeSet<Oid>,
    read: &[TableName],
) -> BTreeSet<Oid> {
    source_state
        .captured
        .iter()
        .filter(|table| {
            let is_read = read.contains(&table.name) && source_state.publishes(&table.name);
            is_read || known.contains(&table.oid)
        })
        .map(|table| table.oid)
        .collect()
}

/// Whether nothing has to be published and nothing has to be stored.
pub(super) fn is_as_known(
    config: &DeliveryConfig,
    source_state: &SourceState,
    checkpoint: &Checkpoint,
    log: &CheckpointLog,
) -> bool {
    let Some(known) = &log.known_tables else {
        return false;
    };
    let restrictions = Restrictions::adopt(log.restrictions.as_ref(), source_state, Some(known));
    let fills = |table: &TableName| config.snapshot.fills(table);
    let partitions = PartitionComparison::of(source_state, &log.partitions, known, fills);
    let new = NewlyCaptured::find(source_state, known, checkpoint.snapshot.as_ref());
    let signals = config.snapshot.signal_table.as_ref();
    partitions.is_as_known()
        && new.published.is_empty()
        && (new.unpublished.is_empty() || !config.create_missing.publication())
        && new.withdrawn.is_empty()
        && known_now(source_state, known, &new.published) == *known
        && log.restrictions == Some(restrictions)
        && signals.is_none_or(|table| source_state.publishes(table))
}

/// Restricts a second inspection to the tables of the first: a table that was created in between is left for the next
/// inspection.
pub(crate) fn without_newer(mut source_state: SourceState, captured: &BTreeSet<Oid>) -> SourceState {
    source_state
        .captured
        .retain(|table| captured.contains(&table.oid));
    source_state
}

/// Table names for log messages.
pub(crate) fn names(tables: &[TableName]) -> String {
    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// Result of adopting newly captured tables.
pub(super) struct Adopted {
    pub(super) checkpoint: Checkpoint,
    pub(super) source_state: SourceState,
    pub(super) known_tables: BTreeSet<Oid>,
    pub(super) restrictions: Restrictions,
    pub(super) known_partitions: KnownPartitions,
    /// Changes of partitions since the last inspection.
    pub(super) partition_changes: Vec<PartitionChange>,
}

/// Publishes the newly captured tables that may be published, and schedules their rows and those of attached partitions to be
/// read. Returns the checkpoint and the current state of the source.
pub(super) async fn adopt<P: Source, K: Sink>(
    source: &mut P,
    sink: &mut K,
    config: &DeliveryConfig,
    mut checkpoint: Checkpoint,
    mut source_state: SourceState,
    log: &CheckpointLog,
    describe: Describe,
) -> Result<Adopted, DeliveryError> {
    let known = log.known_tables.as_ref();
    let known_before = known.cloned().unwrap_or_else(|| captured_oids(&source_state));
    let mut progress = checkpoint.snapshot.take().unwrap_or_default();
    progress.follow_names(&source_state.captured_names());
    let new = NewlyCaptured::find(&source_state, &known_before, Some(&progress));
    new.withdrawn.iter().for_each(|table| progress.forget(table));
    let mut unpublished = new.unpublished;
    if !config.create_missing.publication() {
        unpublished.clear();
    }
    let needs_stream_restart = misses_new_tables(source_state.server_version);
    if !unpublished.is_empty() {
        for table in &unpublished {
            progress.await_publishing(
                table,
                PublishedSince::Pending,
                config.snapshot.fills(table),
                needs_stream_restart,
                false,
            );
        }
        progress.follow_names(&source_state.captured_names());
        checkpoint.snapshot = progress.clone().into_stored();
        write_checkpoint(sink, checkpoint.clone(), None, None, PartitionRecords::new()).await?;
        let published = source.publish(&unpublished).await;
        let Published { refused, .. } = published.map_err(DeliveryError::Source)?;
        for Refused { table, error } in &refused {
            let error = describe.error(error);
            warn!(%table, error, "table cannot be added to the publication; the other tables are delivered");
            progress.reach(table, None);
            unpublished.retain(|one| one != table);
        }
        if !unpublished.is_empty() {
            info!(
                tables = names(&unpublished),
                publication = config.publication,
                "tables added to the publication"
            );
        }
        let captured = captured_oids(&source_state);
        let now = source.inspect(None).await.map_err(DeliveryError::Source)?;
        source_state = without_newer(now, &captured);
    }
    // Snapshots from now on show the rows of these tables that are not streamed; a stream that began earlier may have
    // to be restarted.
    let since = PublishedSince::Since(source_state.flush_lsn);
    let read = [unpublished, new.published].concat();
    for table in &read {
        progress.await_publishing(
            table,
            since,
            config.snapshot.fills(table),
            needs_stream_restart,
            false,
        );
    }
    let fills = |table: &TableName| config.snapshot.fills(table);
    let partitions = PartitionComparison::of(&source_state, &log.partitions, &known_before, fills);
    log_changes(&partitions.changes, source_state.flush_lsn, describe);
    if !partitions.attached.is_empty() {
        // The end of WAL was read before the partitions.
        let since = source
            .inspect(None)
            .await
            .map_err(DeliveryError::Source)?
            .flush_lsn;
        for (table, oids) in &partitions.attached {
            // A table of which no row is read yet is read with them, because no snapshot is taken yet.
            if !progress.find(table).is_some_and(TableProgress::is_untouched) {
                progress.await_attached(table, oids, since);
            }
        }
    }
    progress.follow_names(&source_state.captured_names());
    checkpoint.snapshot = progress.into_stored();
    // A table that is still not published is newly captured at the next inspection too, until any client publishes it.
    let known_tables = known_now(&source_state, &known_before, &read);
    let restrictions = Restrictions::adopt(log.restrictions.as_ref(), &source_state, Some(&known_before));
    let is_stored = known == Some(&known_tables) && log.restrictions.as_ref() == Some(&restrictions);
    if !is_stored || !partitions.is_as_known() {
        let (tables, restricted) = (Some(known_tables.clone()), Some(restrictions.clone()));
        write_checkpoint(sink, checkpoint.clone(), tables, restricted, partitions.records).await?;
    }
    Ok(Adopted {
        checkpoint,
        source_state,
        known_tables,
        restrictions,
        known_partitions: partitions.known,
        partition_changes: partitions.changes,
    })
}

#[cfg(test)]
mod tests;
