//! Rewinding: moving a stopped connector to another position.
//!
//! The server can stream from every position between the slot's confirmed position and the end of the delivered changes: the server
//! retains what follows, and everything before is in Kafka. Positions outside lose changes or do not exist; they are rejected,
//! except for the two gaps at which a connector halts and that `accept_gap` accepts: a slot that another client
//! advanced, and a promoted server that lacks the last delivered changes.

use std::fmt;

use walcast_pgoutput::Lsn;

use crate::partitions::PartitionRecords;
use crate::position::checkpoint::{Checkpoint, CheckpointLog, CheckpointState, CheckpointUpdate};
use crate::position::lineage::{PositionProblem, compare, confirmed_position};
use crate::schema_history::SchemaChanges;
use crate::source_state::{SlotState, SourceState, SystemIdentifier, Timeline};

/// Request to move a connector to another position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewind {
    /// New position: transactions that end after it are delivered (again).
    pub to: Lsn,
    /// Whether changes between the delivered ones and `to` may be missed, or stay delivered although the server no longer has
    /// them.
    pub accept_gap: bool,
    /// Time of the new checkpoint, microseconds since 1970.
    pub now_unix_micros: i64,
}

/// Positions from which the server can stream without losing a change, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewindWindow {
    /// Confirmed position of the slot: the server retains nothing older.
    pub oldest: Lsn,
    /// End of the delivered changes.
    pub newest: Lsn,
}

impl fmt::Display for RewindWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.oldest, self.newest)
    }
}

/// Reason for which a connector cannot be moved to a position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewindRejected {
    /// An instance is running.
    #[error("the connector is running (process {pid} of the server streams from slot {slot}); stop it first")]
    Running {
        /// The slot.
        slot: String,
        /// The server's process.
        pid: i32,
    },
    /// The slot does not exist.
    #[error("slot {slot} does not exist, so no position can be reached")]
    SlotMissing {
        /// The slot.
        slot: String,
    },
    /// The slot was invalidated.
    #[error("slot {slot} was invalidated, so no position can be reached")]
    SlotLost {
        /// The slot.
        slot: String,
    },
    /// The slot cannot be streamed from.
    #[error("slot {slot} cannot be used: {why}")]
    SlotUnusable {
        /// Slot.
        slot: String,
        /// Reason.
        why: &'static str,
    },
    /// The server belongs to another cluster than the checkpoint.
    #[error(
        "the checkpoint belongs to cluster {expected}, but this server is cluster {found}, where its positions mean nothing"
    )]
    OtherCluster {
        /// The checkpoint's cluster.
        expected: SystemIdentifier,
        /// The server's.
        found: SystemIdentifier,
    },
    /// The checkpoint belongs to another database or slot.
    #[error("the checkpoint belongs to {what} {expected:?}, but {found:?} is configured")]
    OtherSource {
        /// `database` or `slot`.
        what: &'static str,
        /// The checkpoint's.
        expected: String,
        /// The configured one.
        found: String,
    },
    /// The server does not descend from the checkpoint's timeline.
    #[error(
        "the server is on timeline {found}, which does not descend from timeline {expected} of the checkpoint"
    )]
    OtherTimeline {
        /// The checkpoint's timeline.
        expected: Timeline,
        /// The server's.
        found: Timeline,
    },
    /// The server's WAL ends before the checkpoint.
    #[error(
        "the server's WAL ends at {flushed}, before the checkpoint at {stored}: it was restored from a backup"
    )]
    AheadOfServer {
        /// End of the server's WAL.
        flushed: Lsn,
        /// The checkpoint's position.
        stored: Lsn,
    },
    /// Nothing was delivered yet: the slot's position is the only safe one.
    #[error("there is no checkpoint yet, so only the slot's position {nearest} can be reached, not {to}")]
    NothingDelivered {
        /// Requested position.
        to: Lsn,
        /// Reachable positions.
        nearest: Lsn,
    },
    /// Outside the window.
    #[error("{to} cannot be reached: positions {window} can, the nearest is {nearest}")]
    OutsideWindow {
        /// Requested position.
        to: Lsn,
        /// Reachable positions.
        window: RewindWindow,
        /// The end of the window that is nearer.
        nearest: Lsn,
    },
    /// No position is without a gap.
    #[error("changes in ({delivered}, {confirmed}] were never delivered and slot {slot} no longer has them")]
    Gap {
        /// The slot.
        slot: String,
        /// End of the delivered changes.
        delivered: Lsn,
        /// The slot's position.
        confirmed: Lsn,
    },
    /// The server lacks delivered changes.
    #[error("records in ({switched_at}, {delivered}] describe changes that the promoted server never had")]
    Phantom {
        /// Position at which the timelines diverge.
        switched_at: Lsn,
        /// End of the delivered changes.
        delivered: Lsn,
        /// Reachable positions.
        window: RewindWindow,
    },
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
        .filter(|current| current.state == CheckpointState::Streaming);
    let Some(current) = streamed else {
        if wish.to != confirmed {
            return Err(RewindRejected::NothingDelivered {
                to: wish.to,
                nearest: confirmed,
            });
        }
        return Ok(update(new_checkpoint(source_state, slot, wish, log), Vec::new()));
    };

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
    Ok(update(checkpoint, unreachable_history(log, &reach, confirmed)))
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
        let lineage =
            compare(source_state, current, &slot.name).map_err(|problem| refused(problem, &slot.name))?;
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

/// End of the last delivered transaction, or position of a message after it: behind them a checkpoint may have passed WAL that
/// held nothing to deliver.
fn last_delivered(checkpoint: &Checkpoint) -> Lsn {
    let last_commit = checkpoint
        .last_commit
        .map_or(checkpoint.end_lsn, |last| last.end_lsn);
    // A record that begins at the switch is beyond it.
    let last_message = checkpoint
        .last_message
        .map(|message| Lsn::new(message.as_u64().saturating_add(1)));
    last_message.map_or(last_commit, |message| message.max(last_commit))
}

fn usable_position(source_state: &SourceState, slot: &SlotState) -> Result<Lsn, RewindRejected> {
    confirmed_position(source_state, slot).map_err(|problem| refused(problem, &slot.name))
}

fn refused(problem: PositionProblem, slot: &str) -> RewindRejected {
    match problem {
        PositionProblem::OtherCluster { expected, found } => RewindRejected::OtherCluster { expected, found },
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
        written_at_unix_micros: wish.now_unix_micros,
    }
}

fn update(current: Checkpoint, expired: Vec<Lsn>) -> CheckpointUpdate {
    CheckpointUpdate {
        current,
        enters_history: true,
        expired,
        known_tables: None,
        schemas: SchemaChanges::new(),
        partitions: PartitionRecords::new(),
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
