//! Changes of rows, as Debezium's envelope, a flat row or a CloudEvent describes them.

use serde::Serialize;
use walcast_pgoutput::Lsn;

use crate::value::{Row, Value};

/// Change of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Operation.
    pub operation: Operation,
    /// Row before the change, as far as the replica identity contains it; `None` if it contains none.
    pub before: Option<Row>,
    /// Row after the change; `None` for a delete and a truncate.
    pub after: Option<Row>,
    /// Origin of the change.
    pub source: Source,
    /// Place of the change in its transaction, with transaction metadata.
    pub transaction: Option<TransactionBlock>,
    /// When the connector processed the change, in microseconds since the Unix epoch.
    pub processed_micros: Option<i64>,
    /// Shape of the value.
    pub shape: ValueShape,
}

/// Operation of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Insert, or the second half of an update that changed the key.
    Create,
    /// Update.
    Update,
    /// Delete, or the first half of an update that changed the key.
    Delete,
    /// Row that was read by a snapshot.
    Read,
    /// Truncate, without rows.
    Truncate,
    /// Insert, update or read row: a flat row does not say which, unless it has the field `__op`.
    Write,
}

impl Operation {
    pub(crate) fn of_letter(letter: &str) -> Option<Self> {
        match letter {
            "c" => Some(Self::Create),
            "u" => Some(Self::Update),
            "d" => Some(Self::Delete),
            "r" => Some(Self::Read),
            "t" => Some(Self::Truncate),
            _ => None,
        }
    }

    /// Word for the operation: `create`, `update`, …
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Truncate => "truncate",
            Self::Write => "write",
        }
    }
}

/// Shape of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueShape {
    /// Debezium's envelope.
    Envelope,
    /// The row alone.
    Flat,
    /// A CloudEvent.
    CloudEvent,
}

/// Origin of a change: the source block, as far as the value contains it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Schema of the table.
    pub schema: Option<String>,
    /// Name of the table.
    pub table: Option<String>,
    /// Position of the change itself.
    pub lsn: Option<Lsn>,
    /// Transaction id.
    pub xid: Option<u32>,
    /// Commit time in microseconds since the Unix epoch.
    pub commit_micros: Option<i64>,
    /// End of the transaction before (first half of `sequence`).
    pub previous_commit_end: Option<Lsn>,
    /// Snapshot marker; `None` for a change that was streamed.
    pub snapshot: Option<String>,
    /// The whole block.
    pub block: Row,
}

/// Place of a change in its transaction (block `transaction`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransactionBlock {
    /// Id of the transaction.
    pub id: String,
    /// Number of the event among all of its transaction, from 1.
    pub total_order: i64,
    /// Number of the event among those of its table in the transaction, from 1.
    pub data_collection_order: i64,
}

const MICROS_A_MILLI: i64 = 1_000;

/// Marker of a change that was streamed.
const NO_SNAPSHOT: &str = "false";

impl Source {
    /// Takes the fields from a source block.
    pub(crate) fn of(block: Row) -> Self {
        let text = |name: &str| block.get(name).and_then(as_text);
        let number = |name: &str| block.get(name).and_then(as_number);
        let commit_micros = number("ts_us").or_else(|| {
            let millis = number("ts_ms")?;
            millis.checked_mul(MICROS_A_MILLI)
        });
        Self {
            schema: text("schema"),
            table: text("table"),
            lsn: number("lsn").and_then(lsn),
            xid: number("txId").and_then(|xid| u32::try_from(xid).ok()),
            commit_micros,
            previous_commit_end: text("sequence").as_deref().and_then(previous_commit_end),
            snapshot: text("snapshot").filter(|marker| marker != NO_SNAPSHOT),
            block,
        }
    }
}

impl TransactionBlock {
    pub(crate) fn of(block: &Row) -> Option<Self> {
        Some(Self {
            id: block.get("id").and_then(as_text)?,
            total_order: block.get("total_order").and_then(as_number)?,
            data_collection_order: block.get("data_collection_order").and_then(as_number)?,
        })
    }
}

/// Text of a field.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    value.as_text().map(ToOwned::to_owned)
}

/// Number of a field; CloudEvents have numbers as text.
pub(crate) fn as_number(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn lsn(number: i64) -> Option<Lsn> {
    let lsn = Lsn::new(number.cast_unsigned());
    lsn.is_valid().then_some(lsn)
}

/// First half of a sequence: `["24023119","24023128"]`.
fn previous_commit_end(sequence: &str) -> Option<Lsn> {
    let halves: Vec<Option<String>> = serde_json::from_str(sequence).ok()?;
    let first = halves.into_iter().next()??;
    lsn(first.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_transaction_before_is_in_the_sequence() {
        assert_eq!(
            previous_commit_end(r#"["24023119","24023128"]"#),
            Some(Lsn::new(24_023_119))
        );
        assert_eq!(previous_commit_end(r#"[null,"24023128"]"#), None);
        assert_eq!(previous_commit_end("{}"), None);
    }
}
