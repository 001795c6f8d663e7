//! Rewinding: moving a stopped connector to another position.
//!
//! The server can stream from every position between the slot's confirmed position and the end of the delivered changes: the server
//! retains what follows, and everything before is in Kafka. Positions outside lose changes or do not exist; they are rejected,
//! except for the two gaps at which a connector halts and that `accept_gap` accepts: a slot that another client
//! advanced, and a promoted server that lacks the last delivered changes.

use std::collections::BTreeSet;

use walcast_pgoutput::Lsn;

use crate::partitions::PartitionComparison;
use crate::position::checkpoint::{Checkpoint, CheckpointLog, CheckpointState, CheckpointUpdate};
use crate::position::lineage::{PositionProblem, compare, compare_names, confirmed_position};
use crate::position::rewind_rejected::{RewindRejected, RewindWindow};
use crate::quarantine::{Quarantine, QuarantineRecords, Quarantines};
use crate::restrictions::Restrictions;
use crate::source_state::{CapturedTable, SlotState, SourceState};

/// Request to move a connector to another position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewind {
    /// New position: transactions that end after it are delivered (again).
    pub to: Lsn,
    /// Whether changes between the delivered ones and `to` may be missed, or stay delivered although the server no longer has
    /// them.
    pub accept_gap: bool,
    /// Whether the server's cluster may be another one than the checkpoint's, whose changes it has all: a cluster that `pg_upgrade`
    /// made, which takes a slot along only when everything was confirmed.
    pub accept_cluster: bool,
    /// Time of the new checkpoint, microseconds since 1970.
    pub now_unix_micros: i64,
}

/// Reachable positions, for `checkpoint list`; `None` if no position can be reached without a gap.
#[must_use]
pub fn rewind_window(source_state: &SourceState, log: &CheckpointLog) -> Option<RewindWindow> {
    let slot = source_state.slot.as_ref()?;
    let confirmed = usable_position(source_state, slot).ok()?;
    match log.current.as_ref() {
        None => Some(RewindWindow {
            oldest: confirmed,
            newest: confirmed,
        }),
        Some(current) => {
            let reach = Reach::of(source_state, slot, log, current).ok()?;
            let newest = reach.newest();
            (confirmed <= newest).then_some(RewindWindow {
                oldest: confirmed,
                newest,
            })
        }
    }
}

/// Decides whether a stopped connector may be moved to another position, and returns its new checkpoint.
///
/// # Errors
/// It may not; the text states which position can be reached.
pub fn rewind(
    source_state: &SourceState,
    log: &CheckpointLog,
    wish: Rewind,
) -> Result<CheckpointUpdate, RewindRejected> {
    let slot = source_state
        .slot
        .as_ref()
        .ok_or_else(|| RewindRejected::SlotMissing { slot: slot_of(log) })?;
    if let Some(pid) = slot.active_pid {
        return Err(RewindRejected::Running {
            slot: slot.name.clone(),
            pid,
        });
    }
    let confirmed = usable_position(source_state, slot)?;

    let streamed = log
        .current
        .as_ref()
        .filter(|current| current.state != CheckpointState::CreatingSlot);
    let Some(current) = streamed else {
        if wish.to != confirmed {
            return Err(RewindRejected::NothingDelivered {
                to: wish.to,
                nearest: confirmed,
            });
        }
        return Ok(update(
            source_state,
            wish,
            new_checkpoint(source_state, slot, wish, log),
            Vec::new(),
        ));
    };

    if wish.accept_cluster && current.system_identifier != source_state.system_identifier {
        compare_names(source_state, current, &slot.name).map_err(|problem| refused(problem, &slot.name))?;
        return in_other_cluster(source_state, slot, log, wish, confirmed);
    }
    let reach = Reach::of(source_state, slot, log, current)?;
    let newest = reach.newest();
    if newest < confirmed {
        if !(wish.accept_gap && wish.to == confirmed) {
            return Err(RewindRejected::Gap {
                slot: slot.name.clone(),
                delivered: newest,
                confirmed,
            });
        }
        return Ok(update(
            source_state,
            wish,
            new_checkpoint(source_state, slot, wish, log),
            unreachable_history(log, &reach, confirmed),
        ));
    }
    let window = RewindWindow {
        oldest: confirmed,
        newest,
    };
    if wish.to < window.oldest || wish.to > window.newest {
        let nearest = wish.to.clamp(window.oldest, window.newest);
        return Err(RewindRejected::OutsideWindow {
            to: wish.to,
            window,
            nearest,
        });
    }
    if let (Some(switched_at), false) = (reach.phantom_after(), wish.accept_gap) {
        return Err(RewindRejected::Phantom {
            switched_at,
            delivered: reach.delivered,
            window,
        });
    }

    let mut checkpoint = new_checkpoint(source_state, slot, wish, log);
    let known = if wish.to == current.end_lsn {
        Some(current)
    } else {
        log.history.get(&wish.to)
    };
    checkpoint.last_commit = known.and_then(|known| known.last_commit);
    if wish.to == current.end_lsn && reach.phantom_after().is_none() {
        // Nothing is replayed, so the delivered part of the next transaction still counts.
        checkpoint.partial = current.partial;
        checkpoint.last_message = current.last_message;
    }
    Ok(update(
        source_state,
        wish,
        checkpoint,
        unreachable_history(log, &reach, confirmed),
    ))
}

/// Checkpoint in a cluster that has everything that was delivered from the cluster of the checkpoint. No earlier position exists
/// there, and neither do the files of tables whose rows are being read: such a table is found by its name, and read again from its
/// first row.
fn in_other_cluster(
    source_state: &SourceState,
    slot: &SlotState,
    log: &CheckpointLog,
    wish: Rewind,
    confirmed: Lsn,
) -> Result<CheckpointUpdate, RewindRejected> {
    if wish.to != confirmed {
        return Err(RewindRejected::NotSlotOfCluster {
            to: wish.to,
            slot_at: confirmed,
        });
    }
    let mut checkpoint = new_checkpoint(source_state, slot, wish, log);
    for table in checkpoint
        .snapshot
        .iter_mut()
        .flat_map(|progress| &mut progress.tables)
    {
        table.oid = None;
        table.next = None;
        table.rows = 0;
    }
    let is_published = |table: &&CapturedTable| source_state.publishes(&table.name);
    let captured = source_state.captured.iter().filter(is_published);
    // The new cluster has attached each partition in another transaction; their rows were delivered.
    let partitions = PartitionComparison::of(source_state, &log.partitions, &BTreeSet::new(), |_| false);
    Ok(CheckpointUpdate {
        known_tables: Some(captured.map(|table| table.oid).collect()),
        schemas: log.schemas.keys().map(|table| (*table, None)).collect(),
        partitions: partitions.records,
        quarantines: at_any_position(&log.quarantines),
        ..update(
            source_state,
            wish,
            checkpoint,
            log.history
                .keys()
                .copied()
                .filter(|lsn| *lsn != wish.to)
                .collect(),
        )
    })
}

/// Quarantines that hold at any position: those of another cluster say nothing here.
fn at_any_position(quarantines: &Quarantines) -> QuarantineRecords {
    let anywhere = |quarantine: &Quarantine| Quarantine {
        of_rows: true,
        ..quarantine.clone()
    };
    let quarantines = quarantines.iter();
    quarantines
        .map(|(table, quarantine)| (*table, Some(anywhere(quarantine))))
        .collect()
}

/// How far the delivered changes agree with the server.
#[derive(Clone, Copy, Debug)]
struct Reach {
    /// End of the delivered changes, including part of a split transaction.
    delivered: Lsn,
    /// End of the last transaction that was delivered whole.
    whole: Lsn,
    /// Position at which the server left the checkpoint's timeline; `None` if the server is still on it.
    switched_at: Option<Lsn>,
}

impl Reach {
    fn of(
        source_state: &SourceState,
        slot: &SlotState,
        log: &CheckpointLog,
        current: &Checkpoint,
    ) -> Result<Self, RewindRejected> {
        let lineage = compare(source_state, current, &slot.name).map_err(|problem| match problem {
            PositionProblem::OtherCluster { expected, found } => RewindRejected::OtherCluster {
                expected,
                found,
                slot_at: slot.confirmed_flush_lsn.unwrap_or(Lsn::INVALID),
            },
            problem => refused(problem, &slot.name),
        })?;
        // After an earlier rewind the history reaches beyond the checkpoint; everything there was delivered.
        let past = log.history.values().filter(|past| {
            past.system_identifier == current.system_identifier && past.timeline <= current.timeline
        });
        let (mut whole, mut delivered) = (current.end_lsn, last_delivered(current));
        for past in past {
            whole = whole.max(past.end_lsn);
            delivered = delivered.max(last_delivered(past));
        }
        if let Some(partial) = current.partial {
            delivered = delivered.max(partial.commit_lsn);
        }
        Ok(Self {
            delivered,
            whole,
            switched_at: lineage.switched_at,
        })
    }

    /// End of the changes that are delivered and that the server has.
    fn newest(&self) -> Lsn {
        self.switched_at
            .map_or(self.whole, |switched_at| self.whole.min(switched_at))
    }

    /// Position behind which the server lacks delivered changes, if it does.
    fn phantom_after(&self) -> Option<Lsn> {
        self.switched_at
            .filter(|switched_at| self.delivered > *switched_at)
    }
}

/// End of the last delivered transaction, or of a message after it: behind them a checkpoint may have passed WAL that
/// held nothing to deliver.
fn last_delivered(checkpoint: &Checkpoint) -> Lsn {
    let last_commit = checkpoint
        .last_commit
        .map_or(checkpoint.end_lsn, |last| last.end_lsn);
    checkpoint
        .last_message
        .map_or(last_commit, |message| message.max(last_commit))
}

fn usable_position(source_state: &SourceState, slot: &SlotState) -> Result<Lsn, RewindRejected> {
    confirmed_position(source_state, slot).map_err(|problem| refused(problem, &slot.name))
}

fn refused(problem: PositionProblem, slot: &str) -> RewindRejected {
    match problem {
        PositionProblem::OtherCluster { expected, found } => RewindRejected::OtherCluster {
            expected,
            found,
            slot_at: Lsn::INVALID,
        },
        PositionProblem::OtherSource {
            what,
            expected,
            found,
        } => RewindRejected::OtherSource {
            what,
            expected,
            found,
        },
        PositionProblem::OtherTimeline { expected, found } => {
            RewindRejected::OtherTimeline { expected, found }
        }
        PositionProblem::AheadOfServer { flushed, delivered } => RewindRejected::AheadOfServer {
            flushed,
            stored: delivered,
        },
        PositionProblem::SlotUnusable { why } => RewindRejected::SlotUnusable {
            slot: slot.to_owned(),
            why,
        },
        PositionProblem::SlotTwoPhase => RewindRejected::SlotTwoPhase {
            slot: slot.to_owned(),
        },
        PositionProblem::SlotLost { .. } => RewindRejected::SlotLost {
            slot: slot.to_owned(),
        },
    }
}

fn slot_of(log: &CheckpointLog) -> String {
    log.current
        .as_ref()
        .map_or_else(|| "as configured".to_owned(), |current| current.slot.clone())
}

/// The existing rows that are left to be read do not depend on the position from which changes are replayed.
fn new_checkpoint(
    source_state: &SourceState,
    slot: &SlotState,
    wish: Rewind,
    log: &CheckpointLog,
) -> Checkpoint {
    Checkpoint {
        version: Checkpoint::VERSION,
        state: CheckpointState::Streaming,
        system_identifier: source_state.system_identifier,
        timeline: source_state.timeline,
        database: source_state.database.clone(),
        slot: slot.name.clone(),
        end_lsn: wish.to,
        last_commit: None,
        last_message: None,
        partial: None,
        snapshot: log.current.as_ref().and_then(|current| current.snapshot.clone()),
        signals_read: log.current.as_ref().and_then(|current| current.signals_read),
        // What an accepted gap hides is not in Kafka.
        complete_outboxes: log
            .current
            .as_ref()
            .filter(|_| !wish.accept_gap && !wish.accept_cluster)
            .map(|current| current.complete_outboxes.clone())
            .unwrap_or_default(),
        held_by: None,
        written_at_unix_micros: wish.now_unix_micros,
    }
}

/// With an accepted gap, the publication's restrictions are accepted as they are.
fn update(
    source_state: &SourceState,
    wish: Rewind,
    current: Checkpoint,
    expired: Vec<Lsn>,
) -> CheckpointUpdate {
    CheckpointUpdate {
        enters_history: true,
        expired,
        restrictions: wish.accept_gap.then(|| Restrictions::of(source_state)),
        ..CheckpointUpdate::of(current)
    }
}

/// Remembered positions that can never be reached again: older than the slot, or of changes that the server lacks.
fn unreachable_history(log: &CheckpointLog, reach: &Reach, confirmed: Lsn) -> Vec<Lsn> {
    let newest = reach.newest();
    log.history
        .keys()
        .copied()
        .filter(|lsn| *lsn < confirmed || *lsn > newest)
        .collect()
}

#[cfg(test)]
mod tests;
