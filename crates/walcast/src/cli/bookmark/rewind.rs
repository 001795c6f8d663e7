//! `walcast bookmark rewind`: moves a stopped connector to the position of a bookmark.
//!
//! The server never moves a slot back, so the connector's slot is replaced by a copy of the bookmark's. The bookmark stays until
//! it is dropped: whatever fails in between, a repetition leads to the same state. The checkpoint says that the slot is being replaced, so
//! that an instance that starts in between halts.

use jiff::Timestamp;
use walcast_delivery::{
    Bookmark, Checkpoint, CheckpointState, CheckpointUpdate, DeliveryError, Rewind, RewindRejected, Sink,
    SlotState, Source, SourceState, droppable, rewind,
};
use walcast_postgres::PostgresBookmarks;

use crate::bookmarking::look;
use crate::cli::checkpoint::open_stopped;
use crate::config::Config;
use crate::wiring;

/// Output plugin of the connector's slots.
const PLUGIN: &str = "pgoutput";

/// Replaces the slot and writes the new checkpoint, with leadership and in a Kafka transaction.
pub(super) async fn rewind_to(config: &Config, name: &str) -> anyhow::Result<CheckpointUpdate> {
    let (mut source, mut sink) = (wiring::source(config)?, wiring::sink(config)?);
    let log = open_stopped(&config.name, &mut source, &mut sink).await?;
    let mut slots = PostgresBookmarks::of_leader(&source.wal_watch());
    let sample = look(&mut slots).await?;
    let bookmark = droppable(&sample, name)?;
    let position = bookmark.held_position()?;

    let timeline = log.current.as_ref().map(|current| current.timeline);
    let source_state = source.inspect(timeline).await.map_err(DeliveryError::Source)?;
    if let Some(slot) = &source_state.slot
        && !is_of_connector(slot, &source_state.database)
    {
        return Err(RewindRejected::SlotUnusable {
            slot: slot.name.clone(),
            why: "it belongs to another program or another database",
        }
        .into());
    }
    let request = Rewind {
        to: position,
        accept_gap: false,
        accept_cluster: false,
        now_unix_micros: Timestamp::now().as_microsecond(),
    };
    // Everything is decided before anything is changed.
    let update = rewind(&after_replacement(source_state, config, bookmark), &log, request)?;
    // The replaced slot is gone once it is dropped: a bookmark that the server has invalidated meanwhile could not replace it.
    let latest = look(&mut slots).await?;
    droppable(&latest, name)?.held_position()?;
    if let Some(current) = log
        .current
        .filter(|current| current.state != CheckpointState::CreatingSlot)
    {
        // Stored before the slot is dropped: an instance that finds no slot must not take it for lost, and read all rows again.
        let replacing = Checkpoint {
            state: CheckpointState::ReplacingSlot,
            ..current
        };
        let intention = CheckpointUpdate::of(replacing);
        sink.commit(&intention).await.map_err(DeliveryError::Sink)?;
    }
    Box::pin(slots.restore(&config.postgres, &bookmark.slot)).await?;
    sink.commit(&update).await.map_err(DeliveryError::Sink)?;
    Ok(update)
}

/// Whether the slot is one that the connector can have created; only such a slot is replaced.
fn is_of_connector(slot: &SlotState, database: &str) -> bool {
    slot.plugin.as_deref() == Some(PLUGIN) && slot.database.as_deref() == Some(database)
}

/// State of the source once its slot is a copy of the bookmark's.
fn after_replacement(source_state: SourceState, config: &Config, bookmark: &Bookmark) -> SourceState {
    let slot = SlotState {
        name: config.postgres.slot.clone(),
        plugin: Some(PLUGIN.to_owned()),
        database: Some(source_state.database.clone()),
        active_pid: None,
        holder: None,
        confirmed_flush_lsn: bookmark.position,
        restart_lsn: bookmark.restart_lsn,
        wal_status: bookmark.status,
        invalidation_reason: None,
        retained_bytes: 0,
        temporary: false,
        two_phase: false,
    };
    SourceState {
        slot: Some(slot),
        ..source_state
    }
}
