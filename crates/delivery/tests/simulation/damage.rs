//! What of the promise cannot be kept any more, looked up in the models: the source lost what was not delivered, or
//! takes back what was.

use walcast_delivery::{Checkpoint, CheckpointState, Halt, Timeline, WalStatus};
use walcast_pgoutput::Lsn;

use crate::broker::Broker;
use crate::database::Database;
use crate::verdict::commit_of;

/// A damage; a halt names one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// There is no slot.
    SlotMissing,
    /// The slot's log is gone.
    SlotLost,
    /// The slot begins after what was delivered.
    SlotAdvanced { from: Lsn, confirmed: Lsn },
    /// What Kafka has, or what its checkpoint says that was passed, the server has taken back.
    Undone { commit_lsn: Lsn },
    /// The same on a server that was set back on its timeline and writes on: only its log, read again, can tell.
    Overwritten { commit_lsn: Lsn },
    /// The server was promoted before the checkpoint, and no record tells what was delivered last: all up to the
    /// checkpoint may have been. A halt is right then, and is not asked for.
    MayBeUndone { stored: Lsn },
    /// The server's log ends before the checkpoint, on the same timeline.
    LogEndsBefore { stored: Lsn },
    /// The server's timeline does not descend from the checkpoint's.
    OtherTimeline,
    /// The same before anything was delivered. It may be an old primary, so a halt is right, and is not asked for.
    OtherTimelineAtFirst,
}

impl Damage {
    /// Whether to stream on in spite of it would break the promise.
    pub(crate) fn must_halt(&self) -> bool {
        !matches!(self, Damage::MayBeUndone { .. } | Damage::OtherTimelineAtFirst)
    }

    /// Whether the stream has to be begun to see it.
    pub(crate) fn is_hidden(&self) -> bool {
        matches!(self, Damage::Overwritten { .. })
    }
}

/// Looks for damage; nothing can be damaged before there is a checkpoint that has streamed.
pub(crate) fn find(database: &Database, broker: &Broker) -> Vec<Damage> {
    let mut damage = Vec::new();
    let Some(checkpoint) = broker.checkpoint() else {
        return damage;
    };
    let left_at = left_at(database, checkpoint.timeline);
    let is_other_timeline = checkpoint.timeline != database.timeline && left_at.is_none();
    if checkpoint.state == CheckpointState::CreatingSlot {
        if is_other_timeline {
            damage.push(Damage::OtherTimelineAtFirst);
        }
        return damage;
    }
    let undone = |lsn: Lsn| database.undone.iter().any(|gone| gone.commit_lsn == lsn);
    let claims = [
        checkpoint.last_commit.map(|commit| commit.commit_lsn),
        checkpoint.last_message,
        checkpoint.partial.map(|partial| partial.commit_lsn),
    ];
    let records = broker.visible().filter_map(|record| commit_of(&record.id));
    damage.extend(
        claims
            .into_iter()
            .flatten()
            .chain(records)
            .find(|lsn| undone(*lsn))
            .map(|commit_lsn| match database.is_regrown {
                true => Damage::Overwritten { commit_lsn },
                false => Damage::Undone { commit_lsn },
            }),
    );
    if is_other_timeline {
        damage.push(Damage::OtherTimeline);
    }
    if checkpoint.last_commit.is_none() && left_at.is_some_and(|left_at| checkpoint.end_lsn > left_at) {
        let stored = checkpoint.end_lsn;
        damage.push(Damage::MayBeUndone { stored });
    }
    let from = position_here(database, checkpoint);
    if from > database.wal_end {
        damage.push(Damage::LogEndsBefore { stored: from });
    }
    match &database.slot {
        None => damage.push(Damage::SlotMissing),
        Some(slot) if slot.wal_status == Some(WalStatus::Lost) => damage.push(Damage::SlotLost),
        Some(slot) => {
            let confirmed = slot.confirmed_flush_lsn.unwrap_or(Lsn::INVALID);
            if confirmed > from {
                damage.push(Damage::SlotAdvanced { from, confirmed });
            }
        }
    }
    damage
}

/// Where a checkpoint stands in the server's own log: what lies beyond the switch is idle log of the timeline that was left.
pub(crate) fn position_here(database: &Database, checkpoint: &Checkpoint) -> Lsn {
    let left_at = left_at(database, checkpoint.timeline);
    checkpoint.end_lsn.min(left_at.unwrap_or(checkpoint.end_lsn))
}

/// Where the server's history left a timeline.
fn left_at(database: &Database, timeline: Timeline) -> Option<Lsn> {
    let left = database.history.iter().find(|switch| switch.timeline == timeline);
    left.map(|switch| switch.switched_at)
}

/// Whether a halt tells what is so.
pub(crate) fn justifies(damage: &[Damage], halt: &Halt) -> bool {
    damage.iter().any(|found| match found {
        Damage::SlotMissing => matches!(halt, Halt::SlotMissing { .. }),
        Damage::SlotLost => matches!(halt, Halt::SlotLost { .. }),
        Damage::SlotAdvanced { from, confirmed } => {
            matches!(halt, Halt::SlotAdvanced { stored, confirmed: told, .. } if stored == from && told == confirmed)
        }
        Damage::Undone { .. } => {
            matches!(halt, Halt::AheadOfPromoted { .. } | Halt::AheadOfServer { .. })
        }
        Damage::Overwritten { .. } => matches!(
            halt,
            Halt::AheadOfPromoted { .. } | Halt::AheadOfServer { .. } | Halt::OtherHistory { .. }
        ),
        Damage::MayBeUndone { stored } => {
            matches!(halt, Halt::AheadOfPromoted { stored: told, .. } if told == stored)
        }
        Damage::LogEndsBefore { stored } => {
            matches!(halt, Halt::AheadOfServer { stored: told, .. } if told == stored)
        }
        Damage::OtherTimeline | Damage::OtherTimelineAtFirst => matches!(halt, Halt::OtherTimeline { .. }),
    })
}

/// A halt's name, for marks.
pub(crate) fn name_of(halt: &Halt) -> &'static str {
    match halt {
        Halt::SlotMissing { .. } => "halt: slot missing",
        Halt::SlotLost { .. } => "halt: slot lost",
        Halt::SlotAdvanced { .. } => "halt: slot advanced",
        Halt::AheadOfPromoted { .. } => "halt: ahead of promoted",
        Halt::AheadOfServer { .. } => "halt: ahead of server",
        Halt::OtherTimeline { .. } => "halt: other timeline",
        Halt::OtherHistory { .. } => "halt: other history",
        _ => "halt: other",
    }
}
