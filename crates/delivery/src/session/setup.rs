//! Setup before the stream: the loss check for a connector with a checkpoint, publication and slot for a new one.

pub(crate) mod beginning;
pub(crate) mod existing_slot;
pub(crate) mod newly_captured;
mod signal_table;
mod slot_creation;
pub(crate) mod source_identity;
pub(crate) mod stream_start;
mod write_checkpoint;

use std::collections::{BTreeMap, BTreeSet};

use tracing::{info, warn};
use walcast_mapper::config::OnViolation;
use walcast_mapper::{MapperConfig, TableName};
use walcast_pgoutput::{Lsn, PgTimestamp, Xid};

use crate::config::DeliveryConfig;
use crate::coverage::{
    Promised, first_finding, halting_table_findings, publication_findings, table_finding, take_unpublishable,
};
use crate::describe::Describe;
use crate::encode::owners::{Owners, topic_findings};
use crate::error::DeliveryError;
use crate::halt::Halt;
use crate::partitions::{PartitionComparison, PartitionRecords};
use crate::ports::sink::Sink;
use crate::ports::source::{CreatedSlot, Source};
use crate::ports::topics::Topics;
use crate::position::checkpoint::{Checkpoint, CheckpointLog, CheckpointState, HeldBy};
use crate::position::resume::{begins_at, resume_position};
use crate::restrictions::Restrictions;
use crate::server_capabilities::{MESSAGES_SINCE, misses_new_tables};
use crate::session::ports::Ports;
use crate::snapshot::config::SnapshotMode;
use crate::source_state::SourceState;

use self::beginning::{Beginning, SnapshotOf};
use self::existing_slot::begin_on_slot;
use self::newly_captured::{Adopted, adopt, captured_oids};
use self::signal_table::publish_signal_table;
use self::slot_creation::inspect_complete;
use self::stream_start::verify_history_before_changes;
use self::write_checkpoint::write_checkpoint;

/// Checks that no change would be lost, duplicated or missed, and creates missing objects if allowed. `is_start`:
/// whether this is the first session after the process started, and not one after an error.
pub(crate) async fn begin<P: Source, C, K: Sink, T: Topics, R>(
    ports: &mut Ports<'_, P, C, K, T, R>,
    log: CheckpointLog,
    is_start: bool,
) -> Result<Beginning<SnapshotOf<P>>, DeliveryError> {
    let (config, mapper, describe) = (ports.config, ports.mapper, ports.describe);
    let known = log.current.as_ref().map(|checkpoint| checkpoint.timeline);
    let mut source_state = inspect_complete(ports.source, known).await?;
    let publishes = config.create_missing.publication();
    ports
        .state
        .tables
        .inspect(&source_state, &config.publication, publishes);
    ports.state.outboxes.inspect(&source_state, mapper);
    let version = source_state.server_version;
    if version < MESSAGES_SINCE && mapper.outboxes.iter().any(|rule| rule.message_prefix().is_some()) {
        return Err(Halt::MessagesNotSent { version }.into());
    }
    let promised = Promised::of(&log, &source_state);
    let not_covered = |finding| not_covered(finding, log.current.as_ref(), &source_state);
    first_finding(halting_table_findings(&source_state, promised)).map_err(not_covered)?;
    let left_out = take_unpublishable(&mut source_state, promised);
    for finding in left_out.iter().filter_map(table_finding) {
        let error = describe.error(&finding);
        warn!(error, "table is left out");
    }
    let outbox_topics = &ports.state.outbox_topics;
    for finding in outbox_topics.leave_out(&mut source_state, log.known_tables.as_ref(), mapper) {
        let error = describe.error(&finding);
        warn!(error, "table is left out");
    }
    first_finding(topic_findings(&source_state, mapper, &config.dead_letters))?;
    if let Some(held_by) = log.current.as_ref().and_then(|current| current.held_by.as_ref()) {
        still_held(held_by, mapper)?;
    }
    if log.current.is_none() && !log.polled_by.is_empty() {
        return Err(Halt::PolledBefore.into());
    }
    if let (None, Some(slot)) = (&log.current, source_state.slot.clone()) {
        return begin_on_slot(ports, &source_state, &slot, log).await;
    }
    let (source, sink) = (&mut *ports.source, &mut *ports.sink);
    let Some(checkpoint) = log
        .current
        .clone()
        .filter(|one| !one.is_unfinished(&source_state))
    else {
        return create(source, sink, config, mapper, describe, &source_state, log).await;
    };
    let mut left = checkpoint.snapshot.as_ref();
    let everything;
    let mut has_gap = false;
    let from = match resume_position(&source_state, &checkpoint, &config.slot) {
        Ok(from) => from,
        Err(halt) if config.snapshot.mode == SnapshotMode::WhenNeeded => match halt {
            Halt::SlotMissing { .. } => {
                log_new_snapshot(&halt);
                return create(source, sink, config, mapper, describe, &source_state, log).await;
            }
            Halt::SlotLost { .. } => {
                log_new_snapshot(&halt);
                source.drop_slot().await.map_err(DeliveryError::Source)?;
                let source_state = source.inspect(known).await.map_err(DeliveryError::Source)?;
                return create(source, sink, config, mapper, describe, &source_state, log).await;
            }
            Halt::SlotAdvanced { confirmed, .. } => {
                log_new_snapshot(&halt);
                everything = config.snapshot.all(&source_state);
                left = Some(&everything);
                has_gap = true;
                confirmed
            }
            halt => return Err(halt.into()),
        },
        Err(halt) => return Err(halt.into()),
    };
    let checkpoint = Checkpoint {
        end_lsn: from,
        timeline: source_state.timeline,
        snapshot: config.snapshot.again(left, &source_state, is_start),
        // Not every table is read again.
        complete_outboxes: match has_gap {
            true => BTreeMap::new(),
            false => checkpoint.complete_outboxes,
        },
        // An accepted change stays accepted until it is delivered.
        held_by: checkpoint.held_by.filter(|held_by| held_by.is_accepted),
        ..checkpoint
    };
    verify_history_before_changes(source, config, &source_state, &checkpoint, &log).await?;
    let Adopted {
        checkpoint,
        source_state,
        known_tables,
        restrictions,
        known_partitions,
        partition_changes,
    } = adopt(source, sink, config, checkpoint, source_state, &log, describe).await?;
    let promised = source_state.restricted(|table| known_tables.contains(&table.oid));
    first_finding(publication_findings(&promised, &config.publication))
        .map_err(|finding| self::not_covered(finding, log.current.as_ref(), &source_state))?;
    publish_signal_table(source, config, &source_state).await?;
    let confirmed = source_state
        .slot
        .as_ref()
        .and_then(|slot| slot.confirmed_flush_lsn)
        .unwrap_or(Lsn::INVALID);
    Ok(Beginning {
        from,
        begins_at: begins_at(&source_state, &checkpoint),
        confirmed: confirmed.min(from),
        checkpoint,
        log,
        snapshot: None,
        known_tables,
        restrictions,
        known_partitions,
        partition_changes,
        flushed: source_state.flush_lsn,
        owners: Owners::of(&source_state, mapper, &config.dead_letters).0,
        needs_stream_restart: misses_new_tables(source_state.server_version),
    })
}

/// Whether the connector must not continue behind the change before which it halted: a start does not know the event before it, and would
/// send it as one with an unknown predecessor.
fn still_held(held_by: &HeldBy, mapper: &MapperConfig) -> Result<(), Halt> {
    let table = TableName {
        namespace: held_by.namespace.clone(),
        name: held_by.table.clone(),
    };
    let rule = mapper.event_store_of(&table);
    match !held_by.is_accepted && rule.is_some_and(|rule| rule.on_violation == OnViolation::Halt) {
        true => Err(Halt::EventHeld {
            table,
            xid: Xid::new(held_by.xid),
            commit_lsn: held_by.commit_lsn,
            error: held_by.error.clone(),
        }),
        false => Ok(()),
    }
}

/// Logs that all rows are read again: the slot can no longer provide all changes, and the configuration allows a new
/// snapshot. The finding needs no remedy.
fn log_new_snapshot(halt: &Halt) {
    warn!(error = %halt, "all rows are read again, because the snapshot mode is \"when_needed\"; rows that were deleted in the meantime stay in the topics");
}

/// Adds the range of missed changes to a finding that implies missed changes.
fn not_covered(finding: Halt, checkpoint: Option<&Checkpoint>, source_state: &SourceState) -> Halt {
    match checkpoint {
        Some(checkpoint) if finding.hides_changes() => Halt::NotCovered {
            finding: Box::new(finding),
            after: checkpoint.end_lsn,
            until: source_state.flush_lsn,
        },
        _ => finding,
    }
}

/// First start: the publication is created before the slot, so that the slot never decodes WAL without it.
async fn create<P: Source, K: Sink>(
    source: &mut P,
    sink: &mut K,
    config: &DeliveryConfig,
    mapper: &MapperConfig,
    describe: Describe,
    source_state: &SourceState,
    log: CheckpointLog,
) -> Result<Beginning<SnapshotOf<P>>, DeliveryError> {
    let tables: Vec<TableName> = source_state
        .captured
        .iter()
        .map(|table| table.name.clone())
        .collect();
    let creates_publication = source_state.publication.is_none();
    // Tables that a publication lacks and that are not named in the configuration are published once the stream runs.
    let first = source_state
        .restricted(|table| creates_publication || table.is_named || source_state.publishes(&table.name));
    let source_state = &first;
    may_create(config, creates_publication)?;
    if creates_publication {
        source
            .create_publication(&tables)
            .await
            .map_err(DeliveryError::Source)?;
        info!(
            publication = config.publication,
            tables = tables.len(),
            "publication created"
        );
    } else {
        first_finding(publication_findings(source_state, &config.publication))?;
    }
    let created = match publish_signal_table_of_new(source, config, creates_publication, source_state).await {
        Ok(()) => create_slot(source, sink, config, source_state, &log).await,
        Err(error) => Err(error),
    };
    let (checkpoint, snapshot) = match created {
        Ok(created) => created,
        Err(error) => {
            if creates_publication {
                drop_new_publication(source, config, describe).await;
            }
            return Err(error);
        }
    };
    let known_tables = captured_oids(source_state);
    let restrictions = Restrictions::of(source_state);
    let partitions = PartitionComparison::of(source_state, &log.partitions, &BTreeSet::new(), |_| false);
    let (known, restricted) = (Some(known_tables.clone()), Some(restrictions.clone()));
    write_checkpoint(sink, checkpoint.clone(), known, restricted, partitions.records).await?;
    let from = checkpoint.end_lsn;
    Ok(Beginning {
        from,
        begins_at: from,
        confirmed: from,
        checkpoint,
        log,
        snapshot,
        known_tables,
        restrictions,
        known_partitions: partitions.known,
        partition_changes: Vec::new(),
        flushed: source_state.flush_lsn,
        owners: Owners::of(source_state, mapper, &config.dead_letters).0,
        needs_stream_restart: misses_new_tables(source_state.server_version),
    })
}

/// Adds the signal table to a publication that was just created, which contains the captured tables only.
async fn publish_signal_table_of_new<P: Source>(
    source: &mut P,
    config: &DeliveryConfig,
    creates_publication: bool,
    source_state: &SourceState,
) -> Result<(), DeliveryError> {
    if creates_publication && config.snapshot.signal_table.is_some() {
        let source_state = source.inspect(None).await.map_err(DeliveryError::Source)?;
        return publish_signal_table(source, config, &source_state).await;
    }
    publish_signal_table(source, config, source_state).await
}

/// Drops the publication, so that no partial setup is left behind. A slot that was created although its creation was
/// reported as failed needs the publication, without which it could never be decoded. An error here must not hide the
/// error of the slot.
async fn drop_new_publication<P: Source>(source: &mut P, config: &DeliveryConfig, describe: Describe) {
    let publication = &config.publication;
    let dropped = match source.inspect(None).await {
        Ok(source_state) if source_state.slot.is_some() => return,
        Ok(_) => source.drop_publication().await,
        Err(fault) => Err(fault),
    };
    match dropped {
        Ok(()) => info!(
            publication,
            "publication dropped because the slot could not be created"
        ),
        Err(error) => {
            let error = describe.error(&error);
            warn!(
                publication,
                error,
                "publication could not be dropped; the next start uses it, or it can be dropped manually"
            )
        }
    }
}

/// Checks that the connector may create what is missing: the slot, and the publication if there is none.
pub(crate) fn may_create(config: &DeliveryConfig, lacks_publication: bool) -> Result<(), Halt> {
    let creates = config.create_missing;
    let publication = lacks_publication && !creates.publication();
    let publication = publication.then(|| format!("publication {}", config.publication));
    let slot = (!creates.slot()).then(|| format!("slot {}", config.slot));
    let missing: Vec<String> = publication.into_iter().chain(slot).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Halt::NotCreated { missing })
}

/// Creates the slot. The intent is stored first: a slot that is found without a stored intent was created by another
/// client, and its delivered position is unknown; a slot that is found with one has delivered no changes. Returns the
/// first checkpoint, and the slot's snapshot if rows are to be read.
async fn create_slot<P: Source, K: Sink>(
    source: &mut P,
    sink: &mut K,
    config: &DeliveryConfig,
    source_state: &SourceState,
    log: &CheckpointLog,
) -> Result<(Checkpoint, Option<SnapshotOf<P>>), DeliveryError> {
    let intention = Checkpoint {
        version: Checkpoint::VERSION,
        state: CheckpointState::CreatingSlot,
        system_identifier: source_state.system_identifier,
        timeline: source_state.timeline,
        database: source_state.database.clone(),
        slot: config.slot.clone(),
        end_lsn: source_state.flush_lsn,
        last_commit: None,
        last_message: None,
        partial: None,
        snapshot: config.snapshot.first(source_state),
        signals_read: log.current.as_ref().and_then(|before| before.signals_read),
        complete_outboxes: BTreeMap::new(),
        held_by: None,
        written_at_unix_micros: PgTimestamp::now().unix_micros(),
    };
    write_checkpoint(sink, intention.clone(), None, None, PartitionRecords::new()).await?;
    let created = source.create_slot(intention.snapshot.is_some()).await;
    let CreatedSlot {
        consistent_point,
        snapshot,
    } = created.map_err(DeliveryError::Source)?;
    info!(slot = config.slot, lsn = %consistent_point, "slot created");
    let checkpoint = Checkpoint {
        state: CheckpointState::Streaming,
        end_lsn: consistent_point,
        written_at_unix_micros: PgTimestamp::now().unix_micros(),
        ..intention
    };
    Ok((checkpoint, snapshot))
}
