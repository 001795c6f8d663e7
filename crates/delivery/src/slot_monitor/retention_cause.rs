//! Retention cause: why the slot retains WAL.

use std::time::Duration;

use walcast_pgoutput::Lsn;

use crate::slot_monitor::forecast::{Limit, LimitForecast};
use crate::slot_monitor::sample::WalSample;

/// Size of a WAL segment. Less is no retention: the server removes whole segments.
const SEGMENT_BYTES: u64 = 16 << 20;

/// Progress of the connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Reason why the connector does not stream; `None` while it streams.
    pub(super) not_streaming: Option<String>,
    /// Time for which the snapshot that is being read has been held.
    pub(super) snapshot: Option<Duration>,
    /// End of the last transaction that was read.
    pub(super) received: Lsn,
    /// End of the last transaction in Kafka.
    pub(super) checkpointed: Lsn,
}

/// Cause for which WAL is retained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetentionCause {
    /// The connector does not stream.
    NotStreaming {
        /// Reason that the connector reports.
        why: String,
    },
    /// Changes wait while existing rows are read.
    Snapshot {
        /// Time for which the snapshot has been held.
        held: Duration,
    },
    /// Changes are read but not committed in Kafka.
    Kafka,
    /// The server has not sent the committed changes.
    Decoding,
    /// The server waits for standbys.
    Standbys {
        /// Physical slots of these standbys.
        slots: Vec<String>,
    },
    /// Replay retention.
    Replay,
    /// An open transaction of the source, whose changes are still to be decoded.
    OpenTransaction,
    /// Cause other than this slot.
    Others,
    /// `max_wal_size`, independent of slots.
    MaxWalSize,
}

/// Text of a retention cause and its remedy, from the program that knows commands and settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionText {
    /// Description of the cause, to be read after "retained by".
    pub cause: String,
    /// Remedy: a statement, a command or a setting.
    pub remedy: &'static str,
}

impl RetentionCause {
    /// Retention cause of the slot; `None` if the slot retains less than a segment. The largest part decides:
    /// undelivered WAL, delivered but unconfirmed WAL, or confirmed WAL that is still needed.
    pub(super) fn of_slot(look: &WalSample, progress: &Progress) -> Option<Self> {
        if look.retained_bytes() < SEGMENT_BYTES {
            return None;
        }
        let between =
            |from: Option<Lsn>, to: Lsn| from.map_or(0, |from| to.as_u64().saturating_sub(from.as_u64()));
        let confirmed = look.confirmed_flush_lsn;
        // Before the first session the checkpoint is unknown, and unconfirmed WAL counts as undelivered.
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

    /// Cause that brings a limit near.
    pub(super) fn of_limit(look: &WalSample, progress: &Progress, outlook: &LimitForecast) -> Option<Self> {
        let slot = Self::of_slot(look, progress);
        match outlook.limit {
            Limit::KeepSize => slot,
            // An unused slot belongs to a connector that does not stream, however little WAL it retains.
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
}

#[cfg(test)]
mod tests;
