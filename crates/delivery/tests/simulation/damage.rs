//! Damage of the source, determined from the models: it has lost changes that were not delivered, or transactions that were.

use walcast_delivery::{Checkpoint, CheckpointState, Halt, Timeline, WalStatus};
use walcast_pgoutput::Lsn;

use crate::broker::Broker;
use crate::database::Database;
use crate::verdict::commit_of;

/// Damage of the source; a halt is justified by one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// The slot is missing.
    SlotMissing,
    /// The slot's WAL was removed.
    SlotLost,
    /// The slot starts after the checkpoint.
    SlotAdvanced { from: Lsn, confirmed: Lsn },
    /// The server has lost a transaction that Kafka has, or that the checkpoint names.
    Undone { commit_lsn: Lsn },
    /// Like `Undone`, on a server that was rewound on its timeline and has written since: only reading WAL again shows it.
    Overwritten { commit_lsn: Lsn },
    /// The server was promoted before the checkpoint, and the last delivered transaction is not known: any up to the
    /// checkpoint may have been delivered. A halt is justified and not required.
    MayBeUndone { stored: Lsn },
    /// WAL ends before the checkpoint, on the same timeline.
    WalEndsBefore { stored: Lsn },
    /// The server's timeline does not descend from the checkpoint's.
    OtherTimeline,
    /// Like `OtherTimeline`, before the first delivery. The server may be a former primary: a halt is justified and not required.
    OtherTimelineAtFirst,
}

impl Damage {
    /// Whether streaming in spite of the damage would violate the guarantees.
    pub(crate) fn must_halt(&self) -> bool {
        !matches!(self, Damage::MayBeUndone { .. } | Damage::OtherTimelineAtFirst)
    }

    /// Whether the damage is only detectable in a stream.
    pub(crate) fn is_hidden(&self) -> bool {
        matches!(self, Damage::Overwritten { .. })
    }
}

/// Finds damage; without a checkpoint in state `Streaming` only the timeline can differ.
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
            .map(|commit_lsn| match database.has_diverged {
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
        damage.push(Damage::WalEndsBefore { stored: from });
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

/// Position of a checkpoint in the server's WAL: behind the switch it covers only idle WAL of the previous timeline.
pub(crate) fn position_here(database: &Database, checkpoint: &Checkpoint) -> Lsn {
    let left_at = left_at(database, checkpoint.timeline);
    checkpoint.end_lsn.min(left_at.unwrap_or(checkpoint.end_lsn))
}

/// Position at which the server's history left a timeline.
fn left_at(database: &Database, timeline: Timeline) -> Option<Lsn> {
    let left = database.history.iter().find(|switch| switch.timeline == timeline);
    left.map(|switch| switch.switched_at)
}

/// Whether a halt reports damage that exists.
pub(crate) fn justifies(damage: &[Damage], halt: &Halt) -> bool {
    damage.iter().any(|one| match one {
        Damage::SlotMissing => matches!(halt, Halt::SlotMissing { .. }),
        Damage::SlotLost => matches!(halt, Halt::SlotLost { .. }),
        Damage::SlotAdvanced { from, confirmed } => {
            matches!(halt, Halt::SlotAdvanced { stored, confirmed: found, .. } if stored == from && found == confirmed)
        }
        Damage::Undone { .. } => {
            matches!(halt, Halt::AheadOfPromoted { .. } | Halt::AheadOfServer { .. })
        }
        Damage::Overwritten { .. } => matches!(
            halt,
            Halt::AheadOfPromoted { .. } | Halt::AheadOfServer { .. } | Halt::DivergedHistory { .. }
        ),
        Damage::MayBeUndone { stored } => {
            matches!(halt, Halt::AheadOfPromoted { stored: found, .. } if found == stored)
        }
        Damage::WalEndsBefore { stored } => {
            matches!(halt, Halt::AheadOfServer { stored: found, .. } if found == stored)
        }
        Damage::OtherTimeline | Damage::OtherTimelineAtFirst => matches!(halt, Halt::OtherTimeline { .. }),
    })
}

/// Name of a halt, for the coverage.
pub(crate) fn name_of(halt: &Halt) -> &'static str {
    match halt {
        Halt::SlotMissing { .. } => "halt: slot missing",
        Halt::SlotLost { .. } => "halt: slot lost",
        Halt::SlotAdvanced { .. } => "halt: slot advanced",
        Halt::AheadOfPromoted { .. } => "halt: ahead of promoted",
        Halt::AheadOfServer { .. } => "halt: ahead of server",
        Halt::OtherTimeline { .. } => "halt: other timeline",
        Halt::DivergedHistory { .. } => "halt: diverged history",
        _ => "halt: other",
    }
}
