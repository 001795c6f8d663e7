//! Who holds the log back, and what helps.

use std::time::Duration;

use walcast_pgoutput::Lsn;

use super::{Limit, Outlook};
use crate::WalLook;

/// Less than a segment is nothing: the server removes whole ones.
const SEGMENT_BYTES: u64 = 16 << 20;

/// Where the connector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Why it does not stream; `None`: it does.
    pub(super) not_streaming: Option<String>,
    /// For how long the snapshot is held that is being read.
    pub(super) snapshot: Option<Duration>,
    /// End of the last transaction that was read.
    pub(super) received: Lsn,
    /// End of the last transaction in Kafka.
    pub(super) checkpointed: Lsn,
}

/// Why the slot holds the log back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nothing is streamed.
    NotStreaming {
        /// What the connector says about it.
        why: String,
    },
    /// Changes wait while existing rows are read.
    Snapshot {
        /// For how long.
        held: Duration,
    },
    /// Changes are read and not in Kafka.
    Kafka,
    /// The server has not sent what was committed.
    Decoding,
    /// It waits for standbys.
    Standbys {
        /// Their physical slots.
        slots: Vec<String>,
    },
    /// `[replay] keep`.
    Replay,
    /// A transaction of the source that has not ended: what it wrote is still to be decoded.
    OpenTransaction,
    /// Not this slot.
    Others,
    /// Not slots at all.
    MaxWalSize,
}

impl Holder {
    /// Why the slot holds back what it does; `None`: it is less than a segment. The largest part counts: what was not
    /// delivered, what was and is not confirmed, or what is confirmed and still needed.
    pub(super) fn of_slot(look: &WalLook, progress: &Progress) -> Option<Self> {
        if look.retained_bytes() < SEGMENT_BYTES {
            return None;
        }
        let between =
            |from: Option<Lsn>, to: Lsn| from.map_or(0, |from| to.as_u64().saturating_sub(from.as_u64()));
        let confirmed = look.confirmed_flush_lsn;
        // Before the first session nothing is known of a checkpoint, and what is not confirmed is not delivered.
        let checkpointed = confirmed.unwrap_or(Lsn::INVALID).max(progress.checkpointed);
        let undelivered = between(Some(checkpointed), look.end);
        let unconfirmed = between(confirmed, checkpointed);
        let needed = between(look.restart_lsn, confirmed.unwrap_or(look.end));
        Some(if undelivered >= unconfirmed.max(needed) {
            match (&progress.not_streaming, progress.snapshot) {
                (Some(why), _) => Self::NotStreaming { why: why.clone() },
                (None, Some(held)) => Self::Snapshot { held },
                (None, None) if progress.received > progress.checkpointed => Self::Kafka,
                (None, None) if !look.awaited_standbys.is_empty() => Self::Standbys {
                    slots: look.awaited_standbys.clone(),
                },
                (None, None) => Self::Decoding,
            }
        } else if unconfirmed >= needed {
            Self::Replay
        } else {
            Self::OpenTransaction
        })
    }

    /// Who brings a limit near.
    pub(super) fn of_limit(look: &WalLook, progress: &Progress, outlook: &Outlook) -> Option<Self> {
        let slot = Self::of_slot(look, progress);
        match outlook.limit {
            Limit::KeepSize => slot,
            // A slot that nobody uses is one of a connector that does not stream, however little it holds back.
            Limit::IdleTimeout => slot.or_else(|| {
                let why = progress.not_streaming.clone()?;
                Some(Self::NotStreaming { why })
            }),
            Limit::Disk => {
                let beyond = look
                    .directory_bytes()
                    .map_or(0, |bytes| bytes.saturating_sub(look.max_wal_size));
                if beyond == 0 {
                    Some(Self::MaxWalSize)
                } else if look.retained_bytes() < beyond / 2 {
                    Some(Self::Others)
                } else {
                    slot
                }
            }
        }
    }

    /// What it is, to be read behind "held by".
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::NotStreaming { why } => format!("a connector that does not stream: {why}"),
            Self::Snapshot { held } => {
                format!("existing rows, which are being read since {} s", held.as_secs())
            }
            Self::Kafka => "Kafka: changes are read and not committed there yet".to_owned(),
            Self::Decoding => "the server: it has not sent yet what was committed".to_owned(),
            Self::Standbys { slots } => format!(
                "the server: it sends nothing before a standby has it, and none streams from {}",
                slots.join(", ")
            ),
            Self::Replay => "[replay] keep".to_owned(),
            Self::OpenTransaction => "a transaction of the source that has not ended".to_owned(),
            Self::Others => "something else than this slot".to_owned(),
            Self::MaxWalSize => "max_wal_size, which the server fills whatever slots do".to_owned(),
        }
    }

    /// What helps: a statement, a command or a setting.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotStreaming { .. } => "bring back what it waits for",
            Self::Snapshot { .. } => {
                "let changes pass with: walcast snapshot pause; a shorter [snapshot] first_window or window does so by itself"
            }
            Self::Kafka => "look at the brokers and at walcast_kafka_commit_seconds",
            Self::Decoding => {
                "a large transaction takes its time; a larger [postgres] logical_decoding_work_mem makes it less, \
                 and SELECT * FROM pg_stat_replication shows how far it is"
            }
            Self::Standbys { .. } => {
                "start the standby, make the physical slot that it streams from, or take it out with: \
                 ALTER SYSTEM SET synchronized_standby_slots = '…'; SELECT pg_reload_conf()"
            }
            Self::Replay => "lower [replay] keep or set keep_bytes",
            Self::OpenTransaction => {
                "find it with: SELECT pid, xact_start, state FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start; \
                 or SELECT gid, prepared FROM pg_prepared_xacts"
            }
            Self::Others => {
                "find it with: SELECT slot_name, active, restart_lsn FROM pg_replication_slots; or SELECT failed_count, last_failed_wal FROM pg_stat_archiver"
            }
            Self::MaxWalSize => "lower max_wal_size, or correct [guard] wal_disk",
        }
    }
}

#[cfg(test)]
mod tests;
