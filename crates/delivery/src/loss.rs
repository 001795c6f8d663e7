//! Whether streaming from a checkpoint would lose, double or invent changes: decided over plain values at every
//! (re)connect.

use walcast_pgoutput::Lsn;

use crate::setup::forgets_new_tables;
use crate::{Checkpoint, CheckpointState, Halt, SlotState, Survey, WalStatus};

/// Decides where streaming goes on after `checkpoint`.
///
/// Returns the checkpoint's own position, except after a promotion that left the checkpoint's timeline before an idle
/// stretch of log the connector had already passed: nothing was delivered from there, so streaming goes on at the switch.
///
/// # Errors
/// Each way in which changes would be lost, doubled or invented, with its remedy.
pub fn resume_position(survey: &Survey, checkpoint: &Checkpoint, slot_name: &str) -> Result<Lsn, Halt> {
    let from = position_here(survey, checkpoint, slot_name)?;
    let Some(slot) = &survey.slot else {
        return Err(Halt::SlotMissing {
            slot: slot_name.to_owned(),
            stored: checkpoint.end_lsn,
        });
    };
    let confirmed = usable_slot(survey, slot, checkpoint.end_lsn)?;
    if checkpoint.state == CheckpointState::CreatingSlot {
        // Nothing was ever delivered, so whatever the slot holds is new.
        return Ok(confirmed);
    }
    not_advanced(slot, from, confirmed)?;
    Ok(from)
}

/// Where streaming goes on after `checkpoint` in this server's own log, whatever has become of the slot.
///
/// A checkpoint that does not belong to this server has no successor that does: so this holds of an old one too.
fn position_here(survey: &Survey, checkpoint: &Checkpoint, slot_name: &str) -> Result<Lsn, Halt> {
    same_cluster(survey, checkpoint)?;
    same_source(survey, checkpoint, slot_name)?;
    let from = same_history(survey, checkpoint)?;
    if from > survey.flush_lsn {
        return Err(Halt::AheadOfServer {
            flushed: survey.flush_lsn,
            stored: checkpoint.end_lsn,
        });
    }
    // A part of a transaction is in Kafka, so the server had flushed its commit record.
    if let Some(partial) = checkpoint.partial
        && partial.commit_lsn >= survey.flush_lsn
    {
        return Err(Halt::AheadOfServer {
            flushed: survey.flush_lsn,
            stored: partial.commit_lsn,
        });
    }
    if let Some(message) = checkpoint.last_message
        && message >= survey.flush_lsn
    {
        return Err(Halt::AheadOfServer {
            flushed: survey.flush_lsn,
            stored: message,
        });
    }
    Ok(from)
}

/// Checks what was delivered against a server's history, before anybody is disturbed for it. `checkpoint` may be an old one: what
/// is found is found of every later one too.
///
/// # Errors
/// It tells of another cluster, database or slot, or of changes that this server does not have.
pub(crate) fn is_of_this_server(
    survey: &Survey,
    checkpoint: &Checkpoint,
    slot_name: &str,
) -> Result<(), Halt> {
    match checkpoint.state {
        CheckpointState::Streaming => position_here(survey, checkpoint, slot_name).map(drop),
        // The first start may be going on just now.
        CheckpointState::CreatingSlot => Ok(()),
    }
}

/// Checks that a slot which is streamed from by now reaches back to where the stream was asked to go on: nobody else can
/// advance it any more. Returns what was confirmed to it.
pub(crate) fn still_reaches(survey: &Survey, from: Lsn, slot_name: &str) -> Result<Lsn, Halt> {
    let Some(slot) = &survey.slot else {
        return Err(Halt::SlotMissing {
            slot: slot_name.to_owned(),
            stored: from,
        });
    };
    let confirmed = usable_slot(survey, slot, from)?;
    not_advanced(slot, from, confirmed)?;
    Ok(confirmed)
}

/// Where the stream is begun that goes on behind `checkpoint`: at the commit delivered last, or where the slot lets go of the
/// log behind it, so that this is seen to be the log that was delivered from. At the checkpoint where that is not known, and
/// where the server must not be asked twice.
pub(crate) fn begins_at(survey: &Survey, checkpoint: &Checkpoint) -> Lsn {
    let from = checkpoint.end_lsn;
    let confirmed = survey.slot.as_ref().and_then(|slot| slot.confirmed_flush_lsn);
    match (checkpoint.last_commit, confirmed) {
        (Some(last), Some(confirmed))
            // A transaction that is read twice could hide from these what was published while it ran.
            if !last.is_known_by_end() && !forgets_new_tables(survey.server_version) =>
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

/// Checks that `slot` can be streamed from at all, and returns what was confirmed to it.
///
/// # Errors
/// It is not a logical pgoutput slot of this database, or the log it needs is gone.
pub fn usable_slot(survey: &Survey, slot: &SlotState, stored: Lsn) -> Result<Lsn, Halt> {
    let unusable = |why| Halt::SlotUnusable {
        slot: slot.name.clone(),
        why,
    };
    match slot.plugin.as_deref() {
        Some("pgoutput") => {}
        Some(_) => return Err(unusable("its output plugin is not pgoutput")),
        None => return Err(unusable("it is a physical slot")),
    }
    if slot.database.as_deref() != Some(survey.database.as_str()) {
        return Err(unusable("it belongs to another database"));
    }
    if slot.temporary {
        return Err(unusable("it is temporary and vanishes with its session"));
    }
    let lost = |reason: &str| Halt::SlotLost {
        slot: slot.name.clone(),
        reason: reason.to_owned(),
        stored,
    };
    if let Some(reason) = &slot.invalidation_reason {
        return Err(lost(reason));
    }
    if slot.wal_status == Some(WalStatus::Lost) {
        return Err(lost("wal_removed"));
    }
    match (slot.restart_lsn, slot.confirmed_flush_lsn) {
        // Before 13 an invalidated slot shows by nothing else.
        (None, _) => Err(lost("it has no restart_lsn")),
        (_, None) => Err(unusable(
            "it has no confirmed position, its creation was cut short",
        )),
        (Some(_), Some(confirmed)) => Ok(confirmed),
    }
}

fn same_cluster(survey: &Survey, checkpoint: &Checkpoint) -> Result<(), Halt> {
    if survey.system_identifier == checkpoint.system_identifier {
        return Ok(());
    }
    Err(Halt::OtherCluster {
        expected: checkpoint.system_identifier,
        found: survey.system_identifier,
        stored: checkpoint.end_lsn,
    })
}

fn same_source(survey: &Survey, checkpoint: &Checkpoint, slot_name: &str) -> Result<(), Halt> {
    let same = |what, expected: &str, found: &str| {
        if expected == found {
            return Ok(());
        }
        Err(Halt::OtherSource {
            what,
            expected: expected.to_owned(),
            found: found.to_owned(),
        })
    };
    same("database", &checkpoint.database, &survey.database)?;
    same("slot", &checkpoint.slot, slot_name)
}

/// A promotion begins a new timeline with the same cluster identifier, and uses positions after the switch again for
/// other data.
fn same_history(survey: &Survey, checkpoint: &Checkpoint) -> Result<Lsn, Halt> {
    let (expected, found, stored) = (checkpoint.timeline, survey.timeline, checkpoint.end_lsn);
    if expected == found {
        return Ok(stored);
    }
    let left = survey.history.iter().find(|switch| switch.timeline == expected);
    let Some(left) = left.filter(|_| expected < found) else {
        return Err(Halt::OtherTimeline {
            expected,
            found,
            stored,
        });
    };
    let switched_at = left.switched_at;
    let ahead = |stored| Halt::AheadOfPromoted {
        expected,
        found,
        switched_at,
        stored,
        goes_on_at: survey.slot.as_ref().map(|_| checkpoint.end_lsn.min(switched_at)),
    };
    // Its commit record lies beyond `stored`, and another transaction's may lie there now.
    if let Some(partial) = checkpoint.partial
        && partial.commit_lsn >= switched_at
    {
        return Err(ahead(partial.commit_lsn));
    }
    if let Some(message) = checkpoint.last_message
        && message >= switched_at
    {
        return Err(ahead(message));
    }
    if stored <= switched_at {
        return Ok(stored);
    }
    // Where it is not known what was delivered last, all of it may have been.
    let delivered_until = checkpoint.last_commit.map_or(stored, |commit| commit.end_lsn);
    if delivered_until <= switched_at {
        return Ok(switched_at);
    }
    Err(ahead(delivered_until))
}

#[cfg(test)]
mod tests;
