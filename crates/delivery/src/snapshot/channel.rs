//! Channels through which external requests arrive, and the conditions that each may carry.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::condition::Dialect;

/// Channel of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestChannel {
    /// HTTP: `POST /snapshot` of the admin port.
    Http,
    /// Row of the signal table.
    SignalTable,
    /// Record of the signal topic.
    SignalTopic,
}

impl fmt::Display for RequestChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::SignalTable => "signal_table",
            Self::SignalTopic => "signal_topic",
        })
    }
}

/// Channels whose conditions may be any SQL; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlConditions(BTreeSet<RequestChannel>);

impl SqlConditions {
    /// Dialect of conditions that arrive through a channel.
    #[must_use]
    pub fn dialect(&self, channel: RequestChannel) -> Dialect {
        match self.0.contains(&channel) {
            true => Dialect::Sql,
            false => Dialect::Comparisons,
        }
    }

    /// Whether a stored condition in SQL may be executed: its channel may carry SQL or, where an earlier version has not
    /// stored the channel, any channel may.
    #[must_use]
    pub fn allow_stored(&self, channel: Option<RequestChannel>) -> bool {
        match channel {
            Some(channel) => self.0.contains(&channel),
            None => !self.0.is_empty(),
        }
    }
}

impl FromIterator<RequestChannel> for SqlConditions {
    fn from_iter<I: IntoIterator<Item = RequestChannel>>(channels: I) -> Self {
        Self(channels.into_iter().collect())
    }
}
