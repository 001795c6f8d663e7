//! Moving a stopped connector to another position: what is allowed, and what the new checkpoint says.
//!
//! Every position from what the slot was told up to what was delivered last can be streamed from: the server still
//! has what follows it, and everything before it is in Kafka. Positions outside lose changes or never existed; they are
//! refused, except for the two gaps that the loss check halts at and that `accept_gap` accepts: a slot that somebody
//! else advanced, and a promoted server that never had the last of what was delivered.

use std::fmt;

use walcast_pgoutput::Lsn;

use crate::{
    Checkpoint, CheckpointLog, CheckpointState, CheckpointUpdate, SlotState, Survey, SystemIdentifier,
    Timeline, WalStatus,
};

/// A wish to go on from another position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewind {
    /// Streaming is to go on here: transactions that end after it come (again).
    pub to: Lsn,
    /// Whether changes between what was delivered and `to` may be missed, or stay delivered though the server no longer
    /// has them.
    pub accept_gap: bool,
    /// The time of the new checkpoint, microseconds since 1970.
    pub now_unix_micros: i64,
}

/// Positions that can be streamed from without losing a change, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewindWindow {
    /// What the slot was told: the server has nothing older any more.
    pub oldest: Lsn,
    /// The end of what was delivered.
    pub newest: Lsn,
}

impl fmt::Display for RewindWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.oldest, self.newest)
    }
}

/// A position that a connector cannot be moved to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewindRefused {
    /// An instance streams.
    #[error("the connector is running (process {pid} of the server streams from slot {slot}); stop it first")]
    Running {
        /// The slot.
        slot: String,
        /// The server's process.
        pid: i32,
    },
    /// There is nothing to stream from.
    #[error(
        "slot {slot} does not exist, so no position can be reached; start over with: walcast checkpoint reset"
    )]
    SlotMissing {
        /// The slot.
        slot: String,
    },
    /// The slot is of no use any more.
    #[error(
        "slot {slot} was invalidated, so no position can be reached; \
         drop it (SELECT pg_drop_replication_slot('{slot}')), then start over with: walcast checkpoint reset"
    )]
    SlotLost {
        /// The slot.
        slot: String,
    },
    /// The slot is not one of ours.
    #[error("slot {slot} cannot be used: it is not a pgoutput slot of database {database}")]
    SlotUnusable {
        /// The slot.
        slot: String,
        /// The configured database.
        database: String,
    },
    /// The checkpoint's positions mean nothing on this server.
    #[error(
        "the checkpoint belongs to cluster {expected}, but this server is cluster {found}, where its positions mean nothing; \
         start over with: walcast checkpoint reset"
    )]
    OtherCluster {
        /// The checkpoint's cluster.
        expected: SystemIdentifier,
        /// The server's.
        found: SystemIdentifier,
    },
    /// The checkpoint is of another database or slot.
    #[error(
        "the checkpoint belongs to {what} {expected:?}, but {found:?} is configured; configure {expected:?} again"
    )]
    OtherSource {
        /// `database` or `slot`.
        what: &'static str,
        /// The checkpoint's.
        expected: String,
        /// The configured one.
        found: String,
    },
    /// The server does not descend from what was streamed.
    #[error(
        "the server is on timeline {found}, which does not descend from timeline {expected} of the checkpoint; \
         start over with: walcast checkpoint reset"
    )]
    OtherTimeline {
        /// The checkpoint's timeline.
        expected: Timeline,
        /// The server's.
        found: Timeline,
    },
    /// The server's log ends before the checkpoint.
    #[error(
        "the server's log ends at {flushed}, before the checkpoint at {stored}: it was restored from a backup; \
         start over with: walcast checkpoint reset"
    )]
    AheadOfServer {
        /// The end of the server's log.
        flushed: Lsn,
        /// The checkpoint's position.
        stored: Lsn,
    },
    /// Nothing was delivered yet: only the slot's position is known to be right.
    #[error("there is no checkpoint yet, so only the slot's position {nearest} can be reached, not {to}")]
    NothingDelivered {
        /// What was wished.
        to: Lsn,
        /// What can be had.
        nearest: Lsn,
    },
    /// Outside the window.
    #[error("{to} cannot be reached: positions {window} can, the nearest is {nearest}")]
    OutsideWindow {
        /// What was wished.
        to: Lsn,
        /// What can be had.
        window: RewindWindow,
        /// The end of the window that is nearer.
        nearest: Lsn,
    },
    /// No position is without a gap.
    #[error(
        "changes in ({delivered}, {confirmed}] were never delivered and slot {slot} no longer has them; \
         re-read the tables concerned, then accept the gap with: walcast checkpoint set {confirmed} --accept-gap"
    )]
    Gap {
        /// The slot.
        slot: String,
        /// The end of what was delivered.
        delivered: Lsn,
        /// The slot's position.
        confirmed: Lsn,
    },
    /// What was delivered is not what the server has.
    #[error(
        "records in ({switched_at}, {delivered}] describe changes that the promoted server never had; correct the consumers, \
         then accept it with --accept-gap and a position in {window}"
    )]
    Phantom {
        /// Where the timelines part.
        switched_at: Lsn,
        /// The end of what was delivered.
        delivered: Lsn,
        /// What can be had.
        window: RewindWindow,
    },
}

/// The window of positions that `survey` and `log` leave, for `checkpoint list`; `None` when there is none without a gap.
#[must_use]
pub fn rewind_window(survey: &Survey, log: &CheckpointLog) -> Option<RewindWindow> {
    let slot = survey.slot.as_ref()?;
    let confirmed = usable_position(survey, slot).ok()?;
    match log.current.as_ref() {
        None => Some(RewindWindow {
            oldest: confirmed,
            newest: confirmed,
        }),
        Some(current) => {
            let reach = Reach::of(survey, log, current).ok()?;
            let newest = reach.newest();
            (confirmed <= newest).then_some(RewindWindow {
                oldest: confirmed,
                newest,
            })
        }
    }
}

/// Decides whether a stopped connector may go on from another position, and how the checkpoint then reads.
///
/// # Errors
/// It may not; the text says which position can be had.
pub fn rewind(survey: &Survey, log: &CheckpointLog, wish: Rewind) -> Result<CheckpointUpdate, RewindRefused> {
    let slot = survey
        .slot
        .as_ref()
        .ok_or_else(|| RewindRefused::SlotMissing { slot: slot_of(log) })?;
    if let Some(pid) = slot.active_pid {
        return Err(RewindRefused::Running {
            slot: slot.name.clone(),
            pid,
        });
    }
    let confirmed = usable_position(survey, slot)?;

    let streamed = log
        .current
        .as_ref()
        .filter(|current| current.state == CheckpointState::Streaming);
    let Some(current) = streamed else {
        if wish.to != confirmed {
            return Err(RewindRefused::NothingDelivered {
                to: wish.to,
                nearest: confirmed,
            });
        }
        return Ok(update(new_checkpoint(survey, slot, wish, log), Vec::new()));
    };

    same_source(survey, slot, current)?;
    let reach = Reach::of(survey, log, current)?;
    let newest = reach.newest();
    if newest < confirmed {
        if !(wish.accept_gap && wish.to == confirmed) {
            return Err(RewindRefused::Gap {
                slot: slot.name.clone(),
                delivered: newest,
                confirmed,
            });
        }
        return Ok(update(
            new_checkpoint(survey, slot, wish, log),
            unreachable_history(log, &reach, confirmed),
        ));
    }
    let window = RewindWindow {
        oldest: confirmed,
        newest,
    };
    if wish.to < window.oldest || wish.to > window.newest {
        let nearest = wish.to.clamp(window.oldest, window.newest);
        return Err(RewindRefused::OutsideWindow {
            to: wish.to,
            window,
            nearest,
        });
    }
    if let (Some(switched_at), false) = (reach.phantom_after(), wish.accept_gap) {
        return Err(RewindRefused::Phantom {
            switched_at,
            delivered: reach.delivered,
            window,
        });
    }

    let mut checkpoint = new_checkpoint(survey, slot, wish, log);
    let known = if wish.to == current.end_lsn {
        Some(current)
    } else {
        log.history.get(&wish.to)
    };
    checkpoint.last_commit = known.and_then(|known| known.last_commit);
    if wish.to == current.end_lsn && reach.phantom_after().is_none() {
        // Nothing is played again, so what is in Kafka of what comes after it still counts.
        checkpoint.partial = current.partial;
        checkpoint.last_message = current.last_message;
    }
    Ok(update(checkpoint, unreachable_history(log, &reach, confirmed)))
}

/// How far what was delivered agrees with the server.
#[derive(Clone, Copy, Debug)]
struct Reach {
    /// The end of what was delivered, part of a split transaction included.
    delivered: Lsn,
    /// The end of the last whole transaction delivered.
    whole: Lsn,
    /// Where the server left the checkpoint's timeline; `None` when it is still on it.
    switched_at: Option<Lsn>,
}

impl Reach {
    fn of(survey: &Survey, log: &CheckpointLog, current: &Checkpoint) -> Result<Self, RewindRefused> {
        if survey.system_identifier != current.system_identifier {
            return Err(RewindRefused::OtherCluster {
                expected: current.system_identifier,
                found: survey.system_identifier,
            });
        }
        let switched_at = if survey.timeline == current.timeline {
            None
        } else {
            let left = survey
                .history
                .iter()
                .find(|switch| switch.timeline == current.timeline);
            let left = left.ok_or(RewindRefused::OtherTimeline {
                expected: current.timeline,
                found: survey.timeline,
            })?;
            Some(left.switched_at)
        };
        // After an earlier rewind the history reaches beyond the checkpoint; what lies there was delivered all the same.
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
        if switched_at.is_none() && current.end_lsn > survey.flush_lsn {
            return Err(RewindRefused::AheadOfServer {
                flushed: survey.flush_lsn,
                stored: current.end_lsn,
            });
        }
        Ok(Self {
            delivered,
            whole,
            switched_at,
        })
    }

    /// The end of what is both delivered and known to the server.
    fn newest(&self) -> Lsn {
        self.switched_at
            .map_or(self.whole, |switched_at| self.whole.min(switched_at))
    }

    /// Where what was delivered stops being what the server has, if it does.
    fn phantom_after(&self) -> Option<Lsn> {
        self.switched_at
            .filter(|switched_at| self.delivered > *switched_at)
    }
}

/// The end of the last transaction delivered, or the place of a message after it: behind them a checkpoint may have passed
/// log that held nothing for us.
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

fn usable_position(survey: &Survey, slot: &SlotState) -> Result<Lsn, RewindRefused> {
    let is_ours =
        slot.plugin.as_deref() == Some("pgoutput") && slot.database.as_deref() == Some(&survey.database);
    if !is_ours {
        return Err(RewindRefused::SlotUnusable {
            slot: slot.name.clone(),
            database: survey.database.clone(),
        });
    }
    let lost = slot.wal_status == Some(WalStatus::Lost)
        || slot.invalidation_reason.is_some()
        || slot.restart_lsn.is_none();
    slot.confirmed_flush_lsn
        .filter(|_| !lost)
        .ok_or_else(|| RewindRefused::SlotLost {
            slot: slot.name.clone(),
        })
}

fn same_source(survey: &Survey, slot: &SlotState, current: &Checkpoint) -> Result<(), RewindRefused> {
    let pairs = [
        ("database", &current.database, &survey.database),
        ("slot", &current.slot, &slot.name),
    ];
    match pairs.into_iter().find(|(_, expected, found)| expected != found) {
        None => Ok(()),
        Some((what, expected, found)) => Err(RewindRefused::OtherSource {
            what,
            expected: expected.clone(),
            found: found.clone(),
        }),
    }
}

fn slot_of(log: &CheckpointLog) -> String {
    log.current
        .as_ref()
        .map_or_else(|| "as configured".to_owned(), |current| current.slot.clone())
}

/// What is still to be read of existing rows does not depend on where changes are played from.
fn new_checkpoint(survey: &Survey, slot: &SlotState, wish: Rewind, log: &CheckpointLog) -> Checkpoint {
    Checkpoint {
        version: Checkpoint::VERSION,
        state: CheckpointState::Streaming,
        system_identifier: survey.system_identifier,
        timeline: survey.timeline,
        database: survey.database.clone(),
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
    }
}

/// History that can never be gone back to: older than the slot, or of changes that the server does not have.
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
