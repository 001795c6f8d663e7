//! Sources of the events of an outbox.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Source of the events of an outbox, written `wal`, `poll` or `message:<prefix>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OutboxSource {
    /// Rows of tables, from the WAL.
    #[default]
    Wal,
    /// Rows of tables, by queries. They are marked when their events are in Kafka.
    Poll,
    /// Messages of `pg_logical_emit_message`, from the WAL.
    Message {
        /// Prefix of the messages.
        prefix: String,
    },
}

const WAL: &str = "wal";
const POLL: &str = "poll";
const MESSAGE: &str = "message:";

/// Text that is not an [`OutboxSource`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not wal, poll or message:<prefix>, where the prefix is that of pg_logical_emit_message")]
pub struct OutboxSourceError(String);

impl FromStr for OutboxSource {
    type Err = OutboxSourceError;

    fn from_str(text: &str) -> Result<Self, OutboxSourceError> {
        match text.strip_prefix(MESSAGE).filter(|prefix| !prefix.is_empty()) {
            Some(prefix) => Ok(Self::Message {
                prefix: prefix.to_owned(),
            }),
            None if text == WAL => Ok(Self::Wal),
            None if text == POLL => Ok(Self::Poll),
            None => Err(OutboxSourceError(text.to_owned())),
        }
    }
}

impl fmt::Display for OutboxSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wal => f.write_str(WAL),
            Self::Poll => f.write_str(POLL),
            Self::Message { prefix } => write!(f, "{MESSAGE}{prefix}"),
        }
    }
}

impl TryFrom<String> for OutboxSource {
    type Error = OutboxSourceError;

    fn try_from(text: String) -> Result<Self, OutboxSourceError> {
        text.parse()
    }
}

impl From<OutboxSource> for String {
    fn from(source: OutboxSource) -> Self {
        source.to_string()
    }
}
