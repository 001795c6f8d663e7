//! Remedies for halts.

use walcast_delivery::{Halt, shell, sql};
use walcast_pgoutput::Lsn;

use crate::remedy::mapper;

/// Last step where changes are missing from the topics.
pub(super) const REREAD: &str =
    "start again, and re-read the tables concerned with: walcast snapshot start --tables";

/// What follows once no checkpoint and no slot exist.
pub(super) const CREATE: &str =
    "the next start creates the slot and reads existing rows as [snapshot] mode says";

/// Remedy for a halt.
pub(super) fn remedy(halt: &Halt) -> Option<String> {
    let remedy = match halt {
        Halt::OtherCluster { slot_at, .. } => return Some(in_other_cluster(*slot_at)),
        Halt::OtherSource { expected, .. } => {
            return Some(format!(
                "configure {expected:?} again, or start over under another name"
            ));
        }
        Halt::SlotAdvanced { confirmed, .. } => {
            return Some(format!(
                "accept the gap with: walcast checkpoint set {confirmed} --accept-gap; then {REREAD}"
            ));
        }
        Halt::SlotMissing { .. } => {
            return Some(format!("start over with: walcast checkpoint reset; {CREATE}"));
        }
        Halt::SlotNotReplaced { .. } => {
            return Some(format!(
                "repeat the command: walcast bookmark rewind; if the bookmark does not exist any more, start over with: walcast checkpoint \
                 reset; {CREATE}"
            ));
        }
        Halt::SlotLost { slot, .. } => {
            return Some(format!(
                "drop it (SELECT pg_drop_replication_slot('{slot}')), raise max_slot_wal_keep_size, \
                 then start over with: walcast checkpoint reset; {CREATE}"
            ));
        }
        Halt::SlotWithoutCheckpoint { confirmed, .. } => {
            return Some(format!(
                "if Debezium delivered from the slot, stop it and import its position with: walcast migrate debezium-offset; if the \
                 checkpoint was lost, continue with: walcast checkpoint set {confirmed}; this delivers every change after {confirmed}, some \
                 of them again, and reads no existing rows: if rows were still being read when the checkpoint was lost, read them again \
                 with: walcast snapshot start --tables"
            ));
        }
        Halt::SlotInUse { .. } => {
            "stop that program; if it is Debezium, import its position then with: walcast migrate debezium-offset; if it has to keep \
             the slot, set [postgres] slot to another name"
        }
        Halt::SlotBeforePublication { slot, .. } => {
            return Some(format!(
                "if nothing was delivered from the slot, drop it with: SELECT pg_drop_replication_slot('{slot}'), and start again, which \
                 creates both in the right order; an administrator can create them with the statements of: walcast check --sql"
            ));
        }
        Halt::SlotUnusable { .. } => "drop it or configure another [postgres] slot",
        Halt::SlotTwoPhase { slot } => return Some(replace_two_phase(slot)),
        Halt::AheadOfPromoted {
            switched_at,
            resumes_at,
            ..
        } => return Some(after_promotion(*resumes_at, *switched_at)),
        Halt::OtherTimeline { .. } => {
            "point [postgres] url at the current primary, or start over with: walcast checkpoint reset"
        }
        Halt::AheadOfServer { .. } => "correct the consumers, then start over with: walcast checkpoint reset",
        Halt::DivergedHistory { .. } => {
            return Some(format!(
                "point [postgres] url at the server whose changes were delivered, or correct the consumers and drop the slot, then start \
                 over with: walcast checkpoint reset; {CREATE}"
            ));
        }
        Halt::PublicationMissing { sql, .. } => return Some(format!("create it with: {sql}")),
        Halt::NotPublished { sql, .. } => return Some(format!("add it with: {sql}")),
        Halt::OperationsUnpublished { sql, .. } => return Some(format!("publish all with: {sql}")),
        Halt::Restricted { sql, .. } => {
            let first = match sql {
                Some(sql) => format!("remove it with: {sql}"),
                None => "restore the row filter and the column list that the table had".to_owned(),
            };
            return Some(format!(
                "{first}; if it is to stay, stop the connector and accept it: walcast checkpoint set --accept-gap with the position of \
                 walcast checkpoint show"
            ));
        }
        Halt::Unlogged { table } => {
            return Some(format!(
                "ALTER TABLE {} SET LOGGED, or exclude it",
                sql::table(table)
            ));
        }
        Halt::NotCovered { finding, .. } => {
            let reread = format!("then {REREAD}");
            return Some(match remedy(finding) {
                Some(first) => format!("{first}; {reread}"),
                None => reread,
            });
        }
        Halt::NoReplicaIdentity { table } => {
            return Some(format!(
                "add a primary key, or run: ALTER TABLE {} REPLICA IDENTITY FULL; or exclude it",
                sql::table(table)
            ));
        }
        Halt::NoPartitionIdentity { partition, .. } => {
            return Some(format!(
                "add a primary key, or run: ALTER TABLE {} REPLICA IDENTITY FULL",
                sql::table(partition)
            ));
        }
        Halt::UnloggedPartition { partition, .. } => {
            return Some(format!("ALTER TABLE {} SET LOGGED", sql::table(partition)));
        }
        Halt::RowsDenied { sql, .. } => return Some(format!("run: {sql}")),
        Halt::ExcludedPartition { .. } => {
            "set [postgres] partitions to \"leaf\", and an existing publication to it (ALTER PUBLICATION … SET \
             (publish_via_partition_root = false)), or remove the pattern from [postgres] exclude"
        }
        Halt::GeneratedIdentity { table } => {
            return Some(format!(
                "publish generated columns (WITH (publish_generated_columns = stored)), or run: ALTER TABLE {} REPLICA IDENTITY USING INDEX \
                 with the name of another unique index; or exclude it",
                sql::table(table)
            ));
        }
        Halt::KeyNotSent { table, .. } => return Some(mapper::send_key(table)),
        Halt::MessagesNotSent { .. } => "write the events into an outbox table, or update the server",
        Halt::EventHeld { .. } => {
            "see docs/event-stores.md; to send the event, run: walcast checkpoint accept-violation, or set on_violation = \"warn\" in \
             [[event_store]]; then start again"
        }
        Halt::PolledBefore => {
            "run: walcast outbox move --config FILE --to FILE, with the configuration that polls and this one; to stream without it, \
             run: walcast checkpoint reset"
        }
        Halt::StreamedBefore { .. } => {
            "set source = \"wal\" in [[outbox]]; to poll instead, mark the rows whose events are in Kafka, and then delete the checkpoint \
             (walcast checkpoint reset, with the configuration that streams)"
        }
        Halt::TopicOfOutbox { .. } => mapper::APART_FROM_OUTBOX,
        Halt::SharedTopic { .. } => "rename one of them, or leave one out with [postgres] exclude",
        Halt::NoTable { .. } => "correct the pattern in [postgres] tables, or create the table first",
        Halt::WalLevel { .. } => "run: ALTER SYSTEM SET wal_level = logical, and restart the server",
        Halt::NotCreated { .. } => {
            "have an administrator run the statements that this command prints: walcast check --sql; then start again"
        }
        Halt::RowsMissing { tables } => {
            let tables = tables.iter().map(|table| shell::quoted(&table.to_string()));
            let tables: Vec<String> = tables.collect();
            return Some(format!(
                "the causes are shown by: walcast check; once they are fixed, run: walcast table resume {}; the next start reads the rows",
                tables.join(" ")
            ));
        }
        Halt::TransactionTooSlow { .. } => {
            "raise transaction.timeout.ms ([kafka] transaction_timeout) and the broker's transaction.max.timeout.ms, or allow the \
             transaction to be split with [kafka] split_over_bytes"
        }
        _ => return None,
    };
    Some(remedy.to_owned())
}

/// Remedy for a slot with `two_phase`.
pub(super) fn replace_two_phase(slot: &str) -> String {
    format!(
        "replace it by a slot at the same positions, while no client streams from it: {}",
        sql::remove_two_phase(slot)
    )
}

/// Remedy when the server belongs to another cluster than the checkpoint.
fn in_other_cluster(slot_at: Option<Lsn>) -> String {
    let upgraded = slot_at.map(|lsn| {
        format!(
            "if this cluster was made from the old one by pg_upgrade, which takes a slot along only when everything was confirmed, continue \
             with: walcast checkpoint set {lsn} --accept-cluster; otherwise "
        )
    });
    let otherwise = "point [postgres] url at the old cluster, or start over under another name";
    format!("{}{otherwise}", upgraded.unwrap_or_default())
}

/// Remedy when a promoted server lacks delivered changes.
fn after_promotion(resumes_at: Option<Lsn>, switched_at: Lsn) -> String {
    match resumes_at {
        Some(lsn) => {
            format!("correct the consumers, then resume with: walcast checkpoint set {lsn} --accept-gap")
        }
        None => format!(
            "correct the consumers; this server does not have the slot either, and what was changed here after {switched_at} cannot be \
             streamed: start over with: walcast checkpoint reset; {CREATE}"
        ),
    }
}

#[cfg(test)]
mod tests;
