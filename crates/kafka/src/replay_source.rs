//! Source of a replay: the topics, or WAL.

use serde::{Deserialize, Serialize};

/// Source that a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestedSource {
    /// The topics if they have the window, else WAL if it is retained.
    #[default]
    Auto,
    /// WAL.
    Wal,
    /// The topics.
    Topics,
}

impl RequestedSource {
    /// Word for the source.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Wal => "wal",
            Self::Topics => "topics",
        }
    }

    /// Whether it is the default, which is not stored.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    pub(crate) fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// Part of WAL that a replay reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalOrigin {
    /// Slot that was copied at the first start; a later one can copy another.
    pub slot: String,
    /// Bookmark that the slot holds; `None` if it is the slot of the connector.
    pub bookmark: Option<String>,
    /// Position before which the window ends.
    pub end_lsn: String,
    /// End of the transaction before the first record of the window, as far as the topics have it.
    pub previous_commit_end: Option<String>,
}
