//! Remedies for halts.

use walcast_delivery::{Halt, sql};
use walcast_pgoutput::Lsn;

/// Remedy for a halt.
pub(super) fn remedy(halt: &Halt) -> Option<String> {
    let remedy = match halt {
        Halt::OtherCluster { .. } => {
            "point [postgres] url at the old cluster, or start over under another name"
        }
        Halt::OtherSource { expected, .. } => {
            return Some(format!(
                "configure {expected:?} again, or start over under another name"
            ));
        }
        Halt::SlotAdvanced { confirmed, .. } => {
            return Some(format!(
                "re-read the tables concerned, then accept the gap with: walcast checkpoint set {confirmed} --accept-gap"
            ));
        }
        Halt::SlotMissing { .. } => {
            "re-read the tables concerned, then start over with: walcast checkpoint reset"
        }
        Halt::SlotLost { slot, .. } => {
            return Some(format!(
                "drop it (SELECT pg_drop_replication_slot('{slot}')), raise max_slot_wal_keep_size, \
                 re-read the tables concerned, then start over with: walcast checkpoint reset"
            ));
        }
        Halt::SlotWithoutCheckpoint { confirmed, .. } => {
            return Some(format!(
                "to start with the changes after {confirmed}, run: walcast checkpoint set {confirmed}"
            ));
        }
        Halt::SlotUnusable { .. } => "drop it or configure another [postgres] slot",
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
            "point [postgres] url at the server whose changes were delivered, or correct the consumers, re-read the tables, and \
             start over with: walcast checkpoint reset"
        }
        Halt::PublicationMissing { sql, .. } => return Some(format!("create it with: {sql}")),
        Halt::NotPublished { sql, .. } => return Some(format!("add it with: {sql}")),
        Halt::OperationsUnpublished { sql, .. } => return Some(format!("publish all with: {sql}")),
        Halt::Unlogged { table } => {
            return Some(format!(
                "ALTER TABLE {} SET LOGGED, or exclude it",
                sql::table(table)
            ));
        }
        Halt::NotCovered { finding, .. } => {
            let reread = "re-read the tables concerned";
            return Some(remedy(finding).map_or(reread.to_owned(), |first| format!("{first}; {reread}")));
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
        Halt::SharedTopic { .. } => "rename one of them, or leave one out with [postgres] exclude",
        Halt::NoTable { .. } => "correct the pattern in [postgres] tables, or create the table first",
        Halt::WalLevel { .. } => "run: ALTER SYSTEM SET wal_level = logical, and restart the server",
        Halt::SlotNotCreated { sql, .. } => {
            return Some(format!(
                "create it with: {sql}, then run: walcast checkpoint set with the LSN it returns"
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

/// Remedy when a promoted server lacks delivered changes.
fn after_promotion(resumes_at: Option<Lsn>, switched_at: Lsn) -> String {
    match resumes_at {
        Some(lsn) => {
            format!("correct the consumers, then resume with: walcast checkpoint set {lsn} --accept-gap")
        }
        None => format!(
            "correct the consumers, and re-read the tables concerned: this server does not have the slot either, and what was changed here \
             after {switched_at} cannot be streamed; then start over with: walcast checkpoint reset"
        ),
    }
}

#[cfg(test)]
mod tests;
