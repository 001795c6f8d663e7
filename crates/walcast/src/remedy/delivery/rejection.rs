//! Remedies for rejected requests: moving a checkpoint, importing an offset, reading rows.

use walcast_delivery::condition::ConditionError;
use walcast_delivery::{BookmarkRejected, ImportRejected, RewindRejected, SnapshotRejected, shell};

use super::halt::{CREATE, REREAD, replace_two_phase};

/// Remedy for a rejected move of the checkpoint.
pub(super) fn rewind(rejected: &RewindRejected) -> Option<String> {
    let remedy = match rejected {
        RewindRejected::SlotMissing { .. } => format!("start over with: walcast checkpoint reset; {CREATE}"),
        RewindRejected::OtherTimeline { .. } => {
            "point [postgres] url at the current primary, or start over with: walcast checkpoint reset"
                .to_owned()
        }
        RewindRejected::AheadOfServer { .. } => {
            "correct the consumers, then start over with: walcast checkpoint reset".to_owned()
        }
        RewindRejected::SlotUnusable { .. } => "drop it or configure another [postgres] slot".to_owned(),
        RewindRejected::NothingDelivered { nearest, .. } | RewindRejected::OutsideWindow { nearest, .. } => {
            format!("run: walcast checkpoint set {nearest}")
        }
        RewindRejected::SlotLost { slot } => format!(
            "drop it (SELECT pg_drop_replication_slot('{slot}')), then start over with: walcast checkpoint reset; {CREATE}"
        ),
        RewindRejected::SlotTwoPhase { slot } => replace_two_phase(slot),
        RewindRejected::OtherCluster { slot_at, .. } => format!(
            "if this cluster was made from the old one by pg_upgrade, which takes a slot along only when everything was confirmed, run: \
             walcast checkpoint set {slot_at} --accept-cluster; otherwise start over with: walcast checkpoint reset"
        ),
        RewindRejected::NotSlotOfCluster { slot_at, .. } => {
            format!("run: walcast checkpoint set {slot_at} --accept-cluster")
        }
        RewindRejected::OtherSource { expected, .. } => format!("configure {expected:?} again"),
        RewindRejected::Gap { confirmed, .. } => {
            format!("accept the gap with: walcast checkpoint set {confirmed} --accept-gap; then {REREAD}")
        }
        RewindRejected::Phantom { window, .. } => {
            format!("correct the consumers, then accept it with --accept-gap and a position in {window}")
        }
        _ => return None,
    };
    Some(remedy)
}

/// Remedy for a rejected request about a bookmark.
pub(super) fn bookmark(rejected: &BookmarkRejected) -> Option<String> {
    let remedy = match rejected {
        BookmarkRejected::InvalidName { .. } | BookmarkRejected::ReservedName { .. } => {
            "choose another name, such as: before_migration".to_owned()
        }
        BookmarkRejected::NameInUse { name } => {
            format!("choose another name, or drop it with: walcast bookmark drop {name}")
        }
        BookmarkRejected::Unknown { .. } => "see: walcast bookmark list".to_owned(),
        BookmarkRejected::NoSlot { .. } => "start the connector, which creates the slot".to_owned(),
        BookmarkRejected::NoFreeSlot | BookmarkRejected::LastSlot => {
            "drop a bookmark (walcast bookmark list) or slots that no client needs, or raise max_replication_slots, which needs a \
             restart of the server"
                .to_owned()
        }
        BookmarkRejected::OverBudget { .. } => {
            "wait until the connector has delivered more, or raise [bookmarks] wal_budget".to_owned()
        }
        BookmarkRejected::Lost { .. } => {
            "choose a newer bookmark (walcast bookmark list), or consumer offsets: walcast checkpoint at TIME --offsets csv".to_owned()
        }
        BookmarkRejected::Unreserved { .. } => {
            "raise max_slot_wal_keep_size, for which a reload is enough, or choose a newer bookmark (walcast bookmark list)".to_owned()
        }
        BookmarkRejected::InUse { .. } => "end the replay that uses it first".to_owned(),
        _ => return None,
    };
    Some(remedy)
}

/// Remedy for a rejected import of an offset.
pub(super) fn import(rejected: &ImportRejected) -> Option<String> {
    let remedy = match rejected {
        ImportRejected::HasCheckpoint { .. } => {
            "to start over from the other connector's position, first run: walcast checkpoint reset".to_owned()
        }
        ImportRejected::SlotMissing { after, .. } => format!(
            "set [postgres] slot to the other connector's (Debezium's slot.name, \"debezium\" by default); if that slot was dropped, \
             the changes since {after} cannot be streamed any more"
        ),
        ImportRejected::Gap { .. } => {
            format!("use a newer offset if there is one, or accept the gap with --accept-gap; then {REREAD}")
        }
        ImportRejected::SharedPosition { lsn, .. } => format!(
            "count the records in its topic with source.lsn = {}, then run again with --sent-at-lsn COUNT",
            lsn.as_u64()
        ),
        ImportRejected::SeveralRecords { lsn, .. } => format!(
            "look for the last of them in the topic, after the one with source.lsn = {}; if it is there, run again with \
             --sent-at-lsn 1, if not, send the change again with --sent-at-lsn 0; or start and stop the connector once more, \
             until something else is last",
            lsn.as_u64()
        ),
        ImportRejected::AheadOfServer { .. } => {
            "point [postgres] url at the server from which the connector streamed, or give an offset of this server".to_owned()
        }
        ImportRejected::OtherTransaction { .. }
        | ImportRejected::TransactionMissing { .. }
        | ImportRejected::ChangeMissing { .. } => {
            "set [postgres] slot and publication to the connector's (Debezium's slot.name and publication.name), and give its last \
             offset; or start and stop the connector once more"
                .to_owned()
        }
        ImportRejected::CountTooLarge { .. } => "correct --sent-at-lsn".to_owned(),
        _ => return None,
    };
    Some(remedy)
}

/// Remedy for a rejected request to read rows.
pub(super) fn snapshot(rejected: &SnapshotRejected) -> Option<String> {
    let remedy = match rejected {
        SnapshotRejected::NotCaptured { .. } => "see [postgres] tables".to_owned(),
        SnapshotRejected::LettersOfSeveral { .. } => "name one table for each selection".to_owned(),
        SnapshotRejected::Unreadable { .. } => {
            "correct the condition, or grant SELECT on the table to the role of [postgres] url, or of [snapshot] user".to_owned()
        }
        SnapshotRejected::NothingIsRead | SnapshotRejected::NotBeingRead { .. } => {
            "tables that are being read are listed by: walcast snapshot status".to_owned()
        }
        SnapshotRejected::NotPublished { sql, .. } => format!("run: {sql}"),
        SnapshotRejected::Quarantined { table } => {
            format!("run: walcast table resume {}", shell::quoted(&table.to_string()))
        }
        SnapshotRejected::NotQuarantined { .. } => "see: walcast table list".to_owned(),
        // SQL permits every text except one that leaves its parentheses.
        SnapshotRejected::Condition {
            channel,
            source: ConditionError::Syntax { .. },
            ..
        } => format!(
            "[snapshot] sql_conditions = [\"{channel}\"] allows any SQL from this channel, executed with the privileges of the role \
             that reads rows"
        ),
        SnapshotRejected::Condition { .. } => {
            "write one such as: placed > '2024-01-01'".to_owned()
        }
        _ => return None,
    };
    Some(remedy)
}

#[cfg(test)]
mod tests;
