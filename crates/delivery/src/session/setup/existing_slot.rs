//! First start on a slot that the connector did not create: an administrator created it, or the stored checkpoint is gone.
//!
//! Nothing may be delivered from the slot twice. Kafka decides: if no topic of a captured table holds a record, nothing was
//! delivered, and the start is a first start. The stream begins at the confirmed position of the slot. Existing rows are read
//! from snapshots that are taken once the stream runs, as after an interruption: such a snapshot lies behind the confirmed
//! position, so that each row is in the snapshot, or its change in the stream.

use std::collections::{BTreeMap, BTreeSet};

use tracing::info;
use walcast_mapper::config::{EventStoreRule, OutboxRule};
use walcast_mapper::{MapperConfig, names};
use walcast_pgoutput::{Lsn, PgTimestamp};

use crate::coverage::{first_finding, publication_findings};
use crate::encode::owners::Owners;
use crate::error::DeliveryError;
use crate::halt::Halt;
use crate::partitions::PartitionComparison;
use crate::ports::sink::Sink;
use crate::ports::source::Source;
use crate::ports::topics::Topics;
use crate::position::checkpoint::{Checkpoint, CheckpointLog, CheckpointState};
use crate::position::resume::usable_slot;
use crate::restrictions::Restrictions;
use crate::server_capabilities::misses_new_tables;
use crate::session::ports::Ports;
use crate::session::setup::beginning::{Beginning, SnapshotOf};
use crate::session::setup::newly_captured::captured_oids;
use crate::session::setup::signal_table::publish_signal_table;
use crate::session::setup::write_checkpoint::write_checkpoint;
use crate::source_state::{SlotState, SourceState};

/// Halt of a first start on an existing slot that the state of the source shows, or the position at which the stream begins.
///
/// # Errors
/// The slot cannot be streamed from, another program uses it, or the publication does not exist.
pub fn first_position(source_state: &SourceState, slot: &SlotState, publication: &str) -> Result<Lsn, Halt> {
    let confirmed = usable_slot(source_state, slot, Lsn::INVALID)?;
    if let Some(holder) = slot.user().filter(|holder| !holder.is_connector) {
        return Err(Halt::SlotInUse {
            slot: slot.name.clone(),
            holder,
        });
    }
    if source_state.publication.is_none() {
        return Err(Halt::SlotBeforePublication {
            slot: slot.name.clone(),
            publication: publication.to_owned(),
        });
    }
    Ok(confirmed)
}

/// Begins the first start on `slot`: at its confirmed position, with all rows to be read that the configuration selects.
pub(super) async fn begin_on_slot<P: Source, C, K: Sink, T: Topics, R>(
    ports: &mut Ports<'_, P, C, K, T, R>,
    source_state: &SourceState,
    slot: &SlotState,
    log: CheckpointLog,
) -> Result<Beginning<SnapshotOf<P>>, DeliveryError> {
    let (config, mapper) = (ports.config, ports.mapper);
    let confirmed = first_position(source_state, slot, &config.publication)?;
    let topic = topic_with_records(ports.topics, mapper, source_state).await?;
    if let Some(topic) = topic {
        return Err(Halt::SlotWithoutCheckpoint {
            slot: slot.name.clone(),
            confirmed,
            topic,
        }
        .into());
    }
    // Tables that the publication lacks and that are not named in the configuration are published once the stream runs.
    let first = source_state.restricted(|table| table.is_named || source_state.publishes(&table.name));
    first_finding(publication_findings(&first, &config.publication))?;
    publish_signal_table(ports.source, config, &first).await?;
    let snapshot = config.snapshot.first(&first);
    info!(
        slot = slot.name,
        publication = config.publication,
        lsn = %confirmed,
        tables_to_read = snapshot.as_ref().map_or(0, |progress| progress.tables.len()),
        "no checkpoint exists and no topic of a captured table holds records: first start at the confirmed position of the slot"
    );
    let checkpoint = Checkpoint {
        version: Checkpoint::VERSION,
        state: CheckpointState::Streaming,
        system_identifier: first.system_identifier,
        timeline: first.timeline,
        database: first.database.clone(),
        slot: slot.name.clone(),
        end_lsn: confirmed,
        last_commit: None,
        last_message: None,
        partial: None,
        snapshot,
        signals_read: None,
        complete_outboxes: BTreeMap::new(),
        held_by: None,
        written_at_unix_micros: PgTimestamp::now().unix_micros(),
    };
    let known_tables = captured_oids(&first);
    let restrictions = Restrictions::of(&first);
    let partitions = PartitionComparison::of(&first, &log.partitions, &BTreeSet::new(), |_| false);
    let (known, restricted) = (Some(known_tables.clone()), Some(restrictions.clone()));
    write_checkpoint(
        ports.sink,
        checkpoint.clone(),
        known,
        restricted,
        partitions.records,
    )
    .await?;
    Ok(Beginning {
        from: confirmed,
        begins_at: confirmed,
        confirmed,
        checkpoint,
        log,
        snapshot: None,
        known_tables,
        restrictions,
        known_partitions: partitions.known,
        partition_changes: Vec::new(),
        flushed: first.flush_lsn,
        owners: Owners::of(&first, mapper, &config.dead_letters).0,
        needs_stream_restart: misses_new_tables(first.server_version),
    })
}

/// First topic of a captured table that records were ever written to.
///
/// # Errors
/// Kafka does not answer.
pub async fn topic_with_records<T: Topics>(
    topics: &mut T,
    mapper: &MapperConfig,
    source_state: &SourceState,
) -> Result<Option<String>, DeliveryError> {
    for topic in delivered_topics(mapper, source_state) {
        if topics.has_records(&topic).await.map_err(DeliveryError::Sink)? {
            return Ok(Some(topic));
        }
    }
    Ok(None)
}

/// Topics that hold records once a change of a captured table was delivered. The topics of an outbox are known only if there is one for
/// all of its rows.
fn delivered_topics(mapper: &MapperConfig, source_state: &SourceState) -> Vec<String> {
    let mut topics = Vec::new();
    for table in &source_state.captured {
        topics.push(names::topic(mapper, &table.name));
        let outbox = mapper.outbox_of(&table.name);
        topics.extend(outbox.and_then(OutboxRule::constant_topic));
        let event_store = mapper.event_store_of(&table.name);
        topics.extend(event_store.and_then(EventStoreRule::constant_topic));
    }
    topics.sort();
    topics.dedup();
    topics
}
