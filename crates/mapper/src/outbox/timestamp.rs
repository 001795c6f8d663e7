//! Timestamps of the events of an outbox table.

use walcast_pgoutput::RelationColumn;

use super::part::{Part, wrong};
use crate::column::ColumnContext;
use crate::encode::Scratch;
use crate::error::MapError;
use crate::format::Raw;
use crate::row::{Row, RowError};

/// Column with the timestamp of the record.
#[derive(Debug)]
pub(super) struct Timestamp {
    part: Part,
    /// Number of the column's units in a millisecond.
    divisor: i64,
}

/// Semantic types of timestamps, and their units in a millisecond.
const TIMESTAMPS: [(&str, i64); 3] = [
    ("io.debezium.time.Timestamp", 1),
    ("io.debezium.time.MicroTimestamp", 1_000),
    ("io.debezium.time.NanoTimestamp", 1_000_000),
];

impl Timestamp {
    /// Compiles the column of a table, or the member of a message, which is a number of milliseconds.
    pub(super) fn compile(
        columns: &[RelationColumn],
        name: &str,
        is_of_message: bool,
        around: &ColumnContext<'_>,
    ) -> Result<Self, MapError> {
        let part = Part::compile_raw(columns, name, around)?;
        if is_of_message {
            return Ok(Self { part, divisor: 1 });
        }
        let semantic = part.field().slot.schema.name;
        let mut known = TIMESTAMPS.iter();
        let known = known.find(|(known, _)| semantic.as_deref() == Some(*known));
        match known {
            Some((_, divisor)) => Ok(Self {
                part,
                divisor: *divisor,
            }),
            None => Err(wrong(
                around,
                name,
                "is the timestamp, and not a timestamp without time zone as a number of [types] time",
            )),
        }
    }

    /// Milliseconds since 1970; `None` if the value is null.
    pub(super) fn of(&self, row: &Row<'_>, scratch: &mut Scratch) -> Result<Option<i64>, RowError> {
        if self.part.is_null(row) {
            return Ok(None);
        }
        let mut digits = Vec::new();
        self.part.put::<Raw>(row, scratch, &mut digits)?;
        let number = std::str::from_utf8(&digits)
            .ok()
            .and_then(|digits| digits.parse().ok());
        let millis = number.map(|number: i64| number / self.divisor);
        // Kafka has no times before 1970, and librdkafka takes zero for the current time.
        let millis = millis.filter(|millis| *millis > 0);
        millis.map(Some).ok_or(RowError::OutboxValue {
            place: self.part.place,
            wanted: "the timestamp of a record, which is after 1970",
        })
    }
}
