//! Columns of an outbox table, each as a part of a record.

use walcast_pgoutput::{Column, RelationColumn};

use crate::column::{ColumnContext, ColumnPlan, Image};
use crate::config::{AdditionalField, Encoding, MissingAdditional, OutboxRule, Placement};
use crate::connect::{DATE, Field, Kind, TIME, TIMESTAMP};
use crate::encode::Scratch;
use crate::error::MapError;
use crate::format::{Format, HeaderText, Raw};
use crate::record_buffer::{HeaderName, RecordBuffer};
use crate::row::{Row, RowError};
use crate::serialization::Body;

/// Column whose value is a key, a value, or a field of a value.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) place: usize,
    column: ColumnPlan,
    /// Whether a null is written as another value.
    replaces_null: bool,
}

/// Finds the column `name`, which has to be sent.
fn find<'c>(
    columns: &'c [RelationColumn],
    name: &str,
    around: &ColumnContext<'_>,
) -> Result<(usize, &'c RelationColumn), MapError> {
    let mut places = columns.iter().enumerate();
    places
        .find(|(_, column)| column.name == name)
        .ok_or_else(|| wrong(around, name, "does not exist"))
}

/// Further columns with one placement that the table has, or is required to have.
pub(super) fn present<'r>(
    columns: &'r [RelationColumn],
    rule: &'r OutboxRule,
    placement: Placement,
) -> impl Iterator<Item = &'r AdditionalField> {
    let ignores = rule.missing_additional == MissingAdditional::Ignore;
    rule.additional(placement)
        .filter(move |field| !ignores || columns.iter().any(|column| column.name == field.column))
}

/// Error in a column that the configuration names.
pub(super) fn wrong(around: &ColumnContext<'_>, column: &str, problem: &'static str) -> MapError {
    let (table, column) = (around.table.clone(), column.to_owned());
    match around.config.event_store_of(&table) {
        Some(_) => MapError::EventStoreColumn {
            table,
            column,
            problem,
        },
        None => MapError::OutboxColumn {
            table,
            column,
            problem,
        },
    }
}

/// Checks that a column is sent.
fn check_sent(plan: &ColumnPlan, around: &ColumnContext<'_>) -> Result<(), MapError> {
    match plan.is_sent() {
        true => Ok(()),
        false => Err(wrong(around, plan.name(), "is needed, but is not sent")),
    }
}

impl Part {
    /// Compiles the part that is written in `encoding`.
    pub(super) fn compile(
        columns: &[RelationColumn],
        name: &str,
        encoding: Encoding,
        around: &ColumnContext<'_>,
    ) -> Result<Self, MapError> {
        let (place, column) = find(columns, name, around)?;
        Self::new(place, ColumnPlan::of_row(column, encoding, around)?, around)
    }

    /// Compiles the part that is written as text without framing.
    pub(super) fn compile_raw(
        columns: &[RelationColumn],
        name: &str,
        around: &ColumnContext<'_>,
    ) -> Result<Self, MapError> {
        let (place, column) = find(columns, name, around)?;
        Self::new(place, ColumnPlan::of_row_as::<Raw>(column, around)?, around)
    }

    fn new(place: usize, column: ColumnPlan, around: &ColumnContext<'_>) -> Result<Self, MapError> {
        check_sent(&column, around)?;
        Ok(Self {
            place,
            replaces_null: column.replaces_null(around.config),
            column,
        })
    }

    /// Field of the column in the schema of its table's rows.
    pub(super) fn field(&self) -> Field {
        self.column.field()
    }

    /// Whether the value of the row is null, and is written as null.
    pub(super) fn is_null(&self, row: &Row<'_>) -> bool {
        !self.replaces_null && matches!(row.at(self.place), Some(Column::Null))
    }

    /// Appends the value of the row.
    pub(super) fn put<F: Format>(
        &self,
        row: &Row<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        let place = self.place;
        let Some(value) = row.at(place) else {
            let found = row.tuple().column_count();
            return Err(RowError::ColumnCount { found });
        };
        let written = self.column.put::<F>(value, Image::Whole, scratch, out);
        written.map_err(|fault| RowError::Column { place, fault })
    }
}

/// Value of one column, to be written in the format of its topic.
pub(super) struct Single<'r, 'a> {
    pub(super) part: &'r Part,
    pub(super) row: &'r Row<'a>,
}

impl Body for Single<'_, '_> {
    #[inline]
    fn put<F: Format>(&self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        self.part.put::<F>(self.row, scratch, out)
    }
}

/// Column whose value is a header, as Connect's `SimpleHeaderConverter` prints it.
#[derive(Debug)]
pub(super) struct HeaderPart {
    part: Part,
    /// Whether the value is text, which is printed as it is.
    is_text: bool,
}

impl HeaderPart {
    pub(super) fn compile(
        columns: &[RelationColumn],
        name: &str,
        around: &ColumnContext<'_>,
    ) -> Result<Self, MapError> {
        let part = Part::compile_raw(columns, name, around)?;
        let schema = part.field().slot.schema;
        if matches!(schema.name.as_deref(), Some(DATE | TIME | TIMESTAMP)) {
            return Err(wrong(
                around,
                name,
                "is a date or time in [types] time = \"connect\", which a header cannot hold",
            ));
        }
        if schema.kind == Kind::String {
            return Ok(Self { part, is_text: true });
        }
        let (place, column) = find(columns, name, around)?;
        let part = Part::new(
            place,
            ColumnPlan::of_row_as::<HeaderText>(column, around)?,
            around,
        )?;
        Ok(Self { part, is_text: false })
    }

    pub(super) fn place(&self) -> usize {
        self.part.place
    }

    pub(super) fn is_null(&self, row: &Row<'_>) -> bool {
        self.part.is_null(row)
    }

    /// Adds the header to the next record.
    pub(super) fn push(
        &self,
        name: impl Into<HeaderName>,
        row: &Row<'_>,
        scratch: &mut Scratch,
        buffer: &mut RecordBuffer,
    ) -> Result<(), RowError> {
        if self.is_null(row) {
            buffer.push_null_header(name);
            return Ok(());
        }
        let text = buffer.part(|out| match self.is_text {
            true => self.part.put::<Raw>(row, scratch, out),
            false => {
                let start = out.len();
                self.part.put::<HeaderText>(row, scratch, out)?;
                unquote(out, start);
                Ok(())
            }
        })?;
        buffer.push_written_header(name, text);
        Ok(())
    }
}

/// Removes the quotes around bytes in base64.
fn unquote(out: &mut Vec<u8>, start: usize) {
    let is_quoted = out.get(start..).is_some_and(|text| {
        let has_quotes = text.starts_with(b"\"") && text.ends_with(b"\"");
        has_quotes && text.len() > 1
    });
    if is_quoted {
        out.pop();
        out.remove(start);
    }
}
