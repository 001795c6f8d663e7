//! Whether a checkpoint's positions exist on this server: the one comparison that resuming, rewinding and importing an offset share.

use walcast_pgoutput::Lsn;

use crate::position::checkpoint::Checkpoint;
use crate::source_state::{SlotState, SourceState, SystemIdentifier, Timeline, WalStatus};

/// Reason for which positions of a checkpoint do not exist on a server, or its slot cannot be streamed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PositionProblem {
    /// The checkpoint belongs to another cluster.
    OtherCluster {
        expected: SystemIdentifier,
        found: SystemIdentifier,
    },
    /// The checkpoint belongs to another database or slot of the cluster.
    OtherSource {
        /// `database` or `slot`.
        what: &'static str,
        expected: String,
        found: String,
    },
    /// The server does not descend from the checkpoint's timeline.
    OtherTimeline { expected: Timeline, found: Timeline },
    /// The server's WAL ends before what was delivered.
    AheadOfServer { flushed: Lsn, delivered: Lsn },
    /// The slot is not a logical pgoutput slot of this database.
    SlotUnusable { why: &'static str },
    /// The slot sends prepared transactions before they are committed.
    SlotTwoPhase,
    /// The slot was invalidated, or its WAL removed.
    SlotLost { reason: String },
}

/// How the checkpoint's timeline continues in the server's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lineage {
    /// Position at which the server left the checkpoint's timeline; `None` if the server is still on it.
    pub(crate) switched_at: Option<Lsn>,
}

/// Compares a checkpoint with a server: cluster, database, slot name, timeline and end of WAL.
pub(crate) fn compare(
    source_state: &SourceState,
    checkpoint: &Checkpoint,
    slot_name: &str,
) -> Result<Lineage, PositionProblem> {
    same_cluster(source_state, checkpoint)?;
    compare_names(source_state, checkpoint, slot_name)?;
    let switched_at = switched_at(source_state, checkpoint)?;
    flushed(source_state, checkpoint, switched_at)?;
    Ok(Lineage { switched_at })
}

/// Compares the names of database and slot alone.
pub(crate) fn compare_names(
    source_state: &SourceState,
    checkpoint: &Checkpoint,
    slot_name: &str,
) -> Result<(), PositionProblem> {
    same_source("database", &checkpoint.database, &source_state.database)?;
    same_source("slot", &checkpoint.slot, slot_name)
}

fn same_cluster(source_state: &SourceState, checkpoint: &Checkpoint) -> Result<(), PositionProblem> {
    let (expected, found) = (checkpoint.system_identifier, source_state.system_identifier);
    if expected == found {
        return Ok(());
    }
    Err(PositionProblem::OtherCluster { expected, found })
}

fn same_source(what: &'static str, expected: &str, found: &str) -> Result<(), PositionProblem> {
    if expected == found {
        return Ok(());
    }
    Err(PositionProblem::OtherSource {
        what,
        expected: expected.to_owned(),
        found: found.to_owned(),
    })
}

/// A promotion begins a new timeline with the same system identifier, and reuses positions after the switch for other WAL.
fn switched_at(source_state: &SourceState, checkpoint: &Checkpoint) -> Result<Option<Lsn>, PositionProblem> {
    let (expected, found) = (checkpoint.timeline, source_state.timeline);
    if expected == found {
        return Ok(None);
    }
    let left = source_state
        .history
        .iter()
        .find(|switch| switch.timeline == expected);
    let left = left.filter(|_| expected < found);
    left.map(|switch| Some(switch.switched_at))
        .ok_or(PositionProblem::OtherTimeline { expected, found })
}

/// The server that sent changes had flushed them: its WAL, or the WAL that it shares with a promoted server, reaches behind them. What
/// lies behind a switch is not looked for in the WAL of the promoted server.
fn flushed(
    source_state: &SourceState,
    checkpoint: &Checkpoint,
    switched_at: Option<Lsn>,
) -> Result<(), PositionProblem> {
    let flushed = source_state.flush_lsn;
    let shared_end = switched_at.map_or(checkpoint.end_lsn, |switch| switch.min(checkpoint.end_lsn));
    // A whole transaction ends at `end_lsn`, and a message at its position; a commit record begins at that of a part.
    let partial = checkpoint.partial.map(|partial| partial.commit_lsn);
    let partial = partial.filter(|lsn| switched_at.is_none_or(|switch| *lsn < switch) && *lsn >= flushed);
    let message = checkpoint.last_message;
    let message = message.filter(|lsn| switched_at.is_none_or(|switch| *lsn <= switch) && *lsn > flushed);
    let missing_record = partial.or(message);
    let delivered = (shared_end > flushed)
        .then_some(checkpoint.end_lsn)
        .or(missing_record);
    match delivered {
        Some(delivered) => Err(PositionProblem::AheadOfServer { flushed, delivered }),
        None => Ok(()),
    }
}

/// Checks that a slot can be streamed from at all; returns its `confirmed_flush_lsn`.
pub(crate) fn confirmed_position(
    source_state: &SourceState,
    slot: &SlotState,
) -> Result<Lsn, PositionProblem> {
    let unusable = |why| PositionProblem::SlotUnusable { why };
    match slot.plugin.as_deref() {
        Some("pgoutput") => {}
        Some(_) => return Err(unusable("its output plugin is not pgoutput")),
        None => return Err(unusable("it is a physical slot")),
    }
    if slot.database.as_deref() != Some(source_state.database.as_str()) {
        return Err(unusable("it belongs to another database"));
    }
    if slot.temporary {
        return Err(unusable("it is temporary and is dropped with its session"));
    }
    let lost = |reason: &str| PositionProblem::SlotLost {
        reason: reason.to_owned(),
    };
    if let Some(reason) = &slot.invalidation_reason {
        return Err(lost(reason));
    }
    if slot.wal_status == Some(WalStatus::Lost) {
        return Err(lost("wal_removed"));
    }
    match (slot.restart_lsn, slot.confirmed_flush_lsn) {
        // Before PostgreSQL 13 nothing else shows that a slot is invalidated.
        (None, _) => Err(lost("it has no restart_lsn")),
        (_, None) => Err(unusable(
            "it has no confirmed position, because its creation was interrupted",
        )),
        // Such a slot sends `BEGIN PREPARE` to clients of every protocol version.
        (Some(_), Some(_)) if slot.two_phase => Err(PositionProblem::SlotTwoPhase),
        (Some(_), Some(confirmed)) => Ok(confirmed),
    }
}
