//! Outboxes that are polled: how rows are ordered, claimed and marked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Table layout whose columns are known. It replaces the defaults of the keys that an entry does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxPreset {
    /// Debezium's.
    Debezium,
    /// That of the extension of Quarkus for Debezium.
    Quarkus,
    /// `id, type, aggregate_id, payload, created_at, published_at`.
    PublishedAt,
    /// `id, type, aggregate_id, payload, created_at, published boolean`.
    PublishedFlag,
    /// `event_publication` of Spring Modulith.
    SpringModulith,
    /// Open Outbox.
    OpenOutbox,
}

/// Settings of an outbox that is polled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct PollSettings {
    /// Columns whose ascending order is the order of events.
    pub order_by: Vec<String>,
    /// How rows are marked whose events are in Kafka. The first entry selects the rows that are to be sent.
    pub published: Vec<PublishedMark>,
    /// Column with the time at which a row was inserted, from which the age of the oldest event is known.
    pub created: Option<String>,
    /// Number of workers. Each publishes the events of a part of the keys.
    pub workers: u32,
    /// Number of rows in one Kafka transaction.
    pub batch_rows: u32,
    /// Time between two queries of a worker that finds no rows.
    #[serde(with = "super::duration_text")]
    pub interval: Duration,
    /// Channel of `NOTIFY` that wakes the workers.
    pub notify: Option<String>,
}

/// Sessions of a small pool; further ones help only where Kafka's commits, and not Postgres, are the limit.
const WORKERS: u32 = 4;

/// A Kafka commit costs as much as some hundred rows.
const BATCH_ROWS: u32 = 500;

/// Delay of an event that no user notices, at the cost of four small queries a second.
const INTERVAL: Duration = Duration::from_millis(250);

impl Default for PollSettings {
    fn default() -> Self {
        Self {
            order_by: vec!["id".to_owned()],
            published: vec![PublishedMark::Column {
                column: "published_at".to_owned(),
                states: None,
            }],
            created: None,
            workers: WORKERS,
            batch_rows: BATCH_ROWS,
            interval: INTERVAL,
            notify: None,
        }
    }
}

/// Mark of a row whose event is in Kafka, written `delete`, `column`, or `column:unpublished:published`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PublishedMark {
    /// The row is deleted.
    Delete,
    /// The column is set: a time to the present, a boolean to true.
    Column {
        /// The column.
        column: String,
        /// Values of a row whose event is to be sent, and of one whose event was sent; `None`: by the type of the column.
        states: Option<(String, String)>,
    },
}

/// Text of [`PublishedMark::Delete`].
const DELETE: &str = "delete";

/// Text that is not a [`PublishedMark`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not \"delete\", a column, or column:unpublished:published")]
pub struct PublishedMarkError(String);

impl FromStr for PublishedMark {
    type Err = PublishedMarkError;

    fn from_str(text: &str) -> Result<Self, PublishedMarkError> {
        let parts: Vec<&str> = text.split(':').map(str::trim).collect();
        let (column, states) = match parts.as_slice() {
            [DELETE] => return Ok(Self::Delete),
            [column] => (*column, None),
            [column, unpublished, published] if unpublished != published => (
                *column,
                Some(((*unpublished).to_owned(), (*published).to_owned())),
            ),
            _ => return Err(PublishedMarkError(text.to_owned())),
        };
        if column.is_empty() {
            return Err(PublishedMarkError(text.to_owned()));
        }
        Ok(Self::Column {
            column: column.to_owned(),
            states,
        })
    }
}

impl TryFrom<String> for PublishedMark {
    type Error = PublishedMarkError;

    fn try_from(text: String) -> Result<Self, PublishedMarkError> {
        text.parse()
    }
}

impl From<PublishedMark> for String {
    fn from(mark: PublishedMark) -> Self {
        mark.to_string()
    }
}

impl fmt::Display for PublishedMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delete => f.write_str(DELETE),
            Self::Column { column, states: None } => f.write_str(column),
            Self::Column {
                column,
                states: Some((unpublished, published)),
            } => write!(f, "{column}:{unpublished}:{published}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PublishedMark;

    #[test]
    fn marks_are_written_as_they_were_read() {
        for text in [
            "delete",
            "published_at",
            "status:PENDING:DELIVERED",
            "status::DONE",
        ] {
            let mark: PublishedMark = text.parse().unwrap();
            assert_eq!(mark.to_string(), text);
        }
        let trimmed: PublishedMark = " status : NEW : SENT ".parse().unwrap();
        assert_eq!(trimmed.to_string(), "status:NEW:SENT");
        for text in ["", ":a:b", "status:NEW", "status:NEW:NEW", "a:b:c:d"] {
            assert!(text.parse::<PublishedMark>().is_err(), "{text:?}");
        }
    }
}
