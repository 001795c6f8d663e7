//! Texts of retention causes, with their remedies.

use walcast_delivery::{RetentionCause, RetentionText};

/// Describes a retention cause, and the command or the setting that resolves it.
pub(crate) fn retention_text(cause: &RetentionCause) -> RetentionText {
    RetentionText {
        cause: description(cause),
        remedy: remedy(cause),
    }
}

fn description(cause: &RetentionCause) -> String {
    match cause {
        RetentionCause::NotStreaming { why } => format!("a connector that does not stream: {why}"),
        RetentionCause::Snapshot { held } => {
            format!("a snapshot that has been held for {} s", held.as_secs())
        }
        RetentionCause::Kafka => "Kafka: changes are read but not committed there yet".to_owned(),
        RetentionCause::Decoding => "the server: committed changes have not been sent yet".to_owned(),
        RetentionCause::Standbys { slots } => format!(
            "the server: it sends no changes until standbys have received them, and none streams from {}",
            slots.join(", ")
        ),
        RetentionCause::Replay => "[replay] retention".to_owned(),
        RetentionCause::OpenTransaction => "an open transaction of the source".to_owned(),
        RetentionCause::Others => "a cause other than this slot".to_owned(),
        RetentionCause::MaxWalSize => {
            "max_wal_size, up to which the server keeps WAL independently of slots".to_owned()
        }
    }
}

fn remedy(cause: &RetentionCause) -> &'static str {
    match cause {
        RetentionCause::NotStreaming { .. } => "resolve the reported error",
        RetentionCause::Snapshot { .. } => {
            "let changes pass with: walcast snapshot pause; or set a shorter [snapshot] initial_hold_max or hold_max"
        }
        RetentionCause::Kafka => "check the brokers and walcast_kafka_commit_seconds",
        RetentionCause::Decoding => {
            "a large transaction takes time to decode; a larger [postgres] logical_decoding_work_mem shortens it, \
             and SELECT * FROM pg_stat_replication shows the progress"
        }
        RetentionCause::Standbys { .. } => {
            "start the standby, create the physical slot from which it streams, or remove the slot from the list with: \
             ALTER SYSTEM SET synchronized_standby_slots = '…'; SELECT pg_reload_conf()"
        }
        RetentionCause::Replay => "lower [replay] retention or set retention_bytes",
        RetentionCause::OpenTransaction => {
            "find it with: SELECT pid, xact_start, state FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start; \
             or SELECT gid, prepared FROM pg_prepared_xacts"
        }
        RetentionCause::Others => {
            "find it with: SELECT slot_name, active, restart_lsn FROM pg_replication_slots; or SELECT failed_count, last_failed_wal FROM pg_stat_archiver"
        }
        RetentionCause::MaxWalSize => "lower max_wal_size, or correct [slot_monitor] wal_disk_size",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use walcast_delivery::{RetentionCause, RetentionText};

    use super::retention_text;

    #[test]
    fn cause_is_described_and_its_remedy_names_command_and_settings() {
        let standbys = RetentionCause::Standbys {
            slots: vec!["standby_1".to_owned(), "standby_2".to_owned()],
        };
        let text = retention_text(&standbys);
        assert!(
            text.cause.ends_with("none streams from standby_1, standby_2"),
            "{text:?}"
        );
        let held = Duration::from_secs(5);
        assert_eq!(
            retention_text(&RetentionCause::Snapshot { held }),
            RetentionText {
                cause: "a snapshot that has been held for 5 s".to_owned(),
                remedy: "let changes pass with: walcast snapshot pause; or set a shorter [snapshot] initial_hold_max or hold_max",
            }
        );
    }
}
