//! Whether resuming from a checkpoint would lose, double or invent changes: decided over plain values at every (re)connect.

use walcast_pgoutput::Lsn;

use crate::halt::Halt;
use crate::position::checkpoint::{Checkpoint, CheckpointState};
use crate::position::lineage::{PositionProblem, compare, confirmed_position};
use crate::server_capabilities::misses_new_tables;
use crate::source_state::{SlotState, SourceState};

/// Decides the position from which streaming resumes after `checkpoint`.
///
/// Returns the checkpoint's own position, except after a promotion that left the checkpoint's timeline before an idle stretch of
/// WAL that the connector had already passed: nothing was delivered from it, so streaming resumes at the switch.
///
/// # Errors
/// Each way in which changes would be lost, doubled or invented.
pub fn resume_position(
    source_state: &SourceState,
    checkpoint: &Checkpoint,
    slot_name: &str,
) -> Result<Lsn, Halt> {
    let from = position_here(source_state, checkpoint, slot_name)?;
    let Some(slot) = &source_state.slot else {
        let (slot, stored) = (slot_name.to_owned(), checkpoint.end_lsn);
        return Err(match checkpoint.state {
            CheckpointState::ReplacingSlot => Halt::SlotNotReplaced { slot, stored },
            CheckpointState::CreatingSlot | CheckpointState::Streaming => Halt::SlotMissing { slot, stored },
        });
    };
    let confirmed = usable_slot(source_state, slot, checkpoint.end_lsn)?;
    if checkpoint.state == CheckpointState::CreatingSlot {
        // Nothing was ever delivered, so whatever the slot holds is new.
        return Ok(confirmed);
    }
    not_advanced(slot, from, confirmed)?;
    Ok(from)
}

/// Position from which streaming resumes after `checkpoint` in this server's WAL, whatever the state of the slot.
///
/// If a checkpoint does not belong to this server, no later one does: so an old checkpoint may be checked too.
fn position_here(source_state: &SourceState, checkpoint: &Checkpoint, slot_name: &str) -> Result<Lsn, Halt> {
    let stored = checkpoint.end_lsn;
    let lineage = compare(source_state, checkpoint, slot_name).map_err(|problem| match problem {
        PositionProblem::OtherCluster { expected, found } => Halt::OtherCluster {
            expected,
            found,
            stored,
            slot_at: position_of_slot(source_state),
        },
        problem => halt(problem, slot_name, stored),
    })?;
    let Some(switched_at) = lineage.switched_at else {
        return Ok(stored);
    };
    let ahead = |stored| Halt::AheadOfPromoted {
        expected: checkpoint.timeline,
        found: source_state.timeline,
        switched_at,
        stored,
        resumes_at: source_state
            .slot
            .as_ref()
            .map(|_| checkpoint.end_lsn.min(switched_at)),
    };
    // The commit record lies beyond `stored`, and that of another transaction may lie there now.
    if let Some(partial) = checkpoint.partial
        && partial.commit_lsn >= switched_at
    {
        return Err(ahead(partial.commit_lsn));
    }
    if let Some(message) = checkpoint.last_message
        && message > switched_at
    {
        return Err(ahead(message));
    }
    if stored <= switched_at {
        return Ok(stored);
    }
    // If the last delivered transaction is unknown, everything may have been delivered.
    let delivered_until = checkpoint.last_commit.map_or(stored, |commit| commit.end_lsn);
    if delivered_until <= switched_at {
        return Ok(switched_at);
    }
    Err(ahead(delivered_until))
}

/// Confirmed position of the server's slot, if the slot can be streamed from.
fn position_of_slot(source_state: &SourceState) -> Option<Lsn> {
    let slot = source_state.slot.as_ref()?;
    confirmed_position(source_state, slot).ok()
}

/// A halt with the slot's name and the checkpoint's position.
fn halt(problem: PositionProblem, slot: &str, stored: Lsn) -> Halt {
    match problem {
        PositionProblem::OtherCluster { expected, found } => Halt::OtherCluster {
            expected,
            found,
            stored,
            slot_at: None,
        },
        PositionProblem::OtherSource {
            what,
            expected,
            found,
        } => Halt::OtherSource {
            what,
            expected,
            found,
        },
        PositionProblem::OtherTimeline { expected, found } => Halt::OtherTimeline {
            expected,
            found,
            stored,
        },
        PositionProblem::AheadOfServer { flushed, delivered } => Halt::AheadOfServer {
            flushed,
            stored: delivered,
        },
        PositionProblem::SlotUnusable { why } => Halt::SlotUnusable {
            slot: slot.to_owned(),
            why,
        },
        PositionProblem::SlotTwoPhase => Halt::SlotTwoPhase {
            slot: slot.to_owned(),
        },
        PositionProblem::SlotLost { reason } => Halt::SlotLost {
            slot: slot.to_owned(),
            reason,
            stored,
        },
    }
}

/// Checks what was delivered against a server's history, before another instance is disturbed for it. `checkpoint` may be an old
/// one: a finding about it holds for every later one.
///
/// # Errors
/// The checkpoint is of another cluster, database or slot, or covers changes that this server does not have.
pub fn is_of_this_server(
    source_state: &SourceState,
    checkpoint: &Checkpoint,
    slot_name: &str,
) -> Result<(), Halt> {
    match checkpoint.state {
        CheckpointState::Streaming | CheckpointState::ReplacingSlot => {
            position_here(source_state, checkpoint, slot_name).map(drop)
        }
        // Another instance may be at its first start.
        CheckpointState::CreatingSlot => Ok(()),
    }
}

/// Checks that the slot of a running stream reaches back to the position from which the stream was requested: no other client can
/// advance the slot any more. Returns its `confirmed_flush_lsn`.
pub(crate) fn still_reaches(source_state: &SourceState, from: Lsn, slot_name: &str) -> Result<Lsn, Halt> {
    let Some(slot) = &source_state.slot else {
        return Err(Halt::SlotMissing {
            slot: slot_name.to_owned(),
            stored: from,
        });
    };
    let confirmed = usable_slot(source_state, slot, from)?;
    not_advanced(slot, from, confirmed)?;
    Ok(confirmed)
}

/// Position at which the stream begins that continues after `checkpoint`: the commit delivered last, or, if the slot does not
/// retain that commit, the slot's position, so that the history can be verified. The checkpoint itself, if the last commit is not
/// known or the server must not send a transaction twice.
pub(crate) fn begins_at(source_state: &SourceState, checkpoint: &Checkpoint) -> Lsn {
    let from = checkpoint.end_lsn;
    let confirmed = source_state
        .slot
        .as_ref()
        .and_then(|slot| slot.confirmed_flush_lsn);
    match (checkpoint.last_commit, confirmed) {
        (Some(last), Some(confirmed))
            // To such a server, a transaction that is sent twice could hide a table that was published while it ran.
            if !last.is_known_by_end() && !misses_new_tables(source_state.server_version) =>
        {
            last.commit_lsn.max(confirmed).min(from)
        }
        _ => from,
    }
}

fn not_advanced(slot: &SlotState, from: Lsn, confirmed: Lsn) -> Result<(), Halt> {
    if from < confirmed {
        return Err(Halt::SlotAdvanced {
            slot: slot.name.clone(),
            stored: from,
            confirmed,
        });
    }
    Ok(())
}

/// Checks that `slot` can be streamed from at all, and returns its `confirmed_flush_lsn`.
///
/// # Errors
/// The slot is not a logical pgoutput slot of this database, sends prepared transactions before they are committed, or has lost the
/// WAL it needs.
pub fn usable_slot(source_state: &SourceState, slot: &SlotState, stored: Lsn) -> Result<Lsn, Halt> {
    confirmed_position(source_state, slot).map_err(|problem| halt(problem, &slot.name, stored))
}

#[cfg(test)]
mod tests;
