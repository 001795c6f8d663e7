//! Changes as lines of JSON, for people and shell tools, from the server's text form without catalog and registry.

use walcast_pgoutput::{Column, Oid, OldTuple, Relation, RelationColumn, Tuple};

use crate::built_in;
use crate::change::{ChangeContext, RowChange};
use crate::encode::{Moment, SECOND_DIGITS_MAX};
use crate::error::MapError;
use crate::source::put_decimal;
use crate::table_name::TableName;

/// Appends one change as one line of JSON, newline included.
///
/// The object holds `op` (`insert`, `update`, `delete`), `schema`, `table`, `lsn`, `commit_lsn`, `xid`, `ts` (the commit
/// time, RFC 3339 in UTC), `ordinal`, `before` and `after`. Booleans, whole numbers and floating point are JSON's own
/// (`NaN` and infinities are text); `json` and `jsonb` are embedded; `numeric` is text, so that no digit is lost;
/// every other value is the server's text form. Unchanged TOAST values are not in `after`, but their names are in
/// `unchanged_toast`.
///
/// # Errors
/// A tuple has another number of columns than the relation, or a value is not UTF-8 text. `out` is then as it was.
pub fn write_change(
    relation: &Relation,
    change: &RowChange<'_>,
    context: &ChangeContext<'_>,
    out: &mut Vec<u8>,
) -> Result<(), MapError> {
    let start = out.len();
    let written = Line { relation, out }.change(change, context);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Appends a truncate as one line of JSON, newline included: `op` is `truncate`, and there is no row.
pub fn write_truncate(relation: &Relation, context: &ChangeContext<'_>, out: &mut Vec<u8>) {
    let mut line = Line { relation, out };
    line.head("truncate", context);
    line.out.extend_from_slice(b"}\n");
}

struct Line<'l> {
    relation: &'l Relation,
    out: &'l mut Vec<u8>,
}

impl Line<'_> {
    fn change(&mut self, change: &RowChange<'_>, context: &ChangeContext<'_>) -> Result<(), MapError> {
        let (op, old, new) = match *change {
            RowChange::Insert { new } => ("insert", None, Some(new)),
            RowChange::Update { old, new } => ("update", old, Some(new)),
            RowChange::Delete { old } => ("delete", Some(old), None),
        };
        self.head(op, context);
        self.out.extend_from_slice(b",\"before\":");
        match old {
            None => self.out.extend_from_slice(b"null"),
            Some(OldTuple::Full(tuple)) => self.row(&tuple, |_| true)?,
            // In a tuple of key columns, a null elsewhere means that the value is not there.
            Some(OldTuple::Key(tuple)) => self.row(&tuple, |column| column.is_key)?,
        }
        self.out.extend_from_slice(b",\"after\":");
        match new {
            None => self.out.extend_from_slice(b"null"),
            Some(tuple) => {
                self.row(&tuple, |_| true)?;
                self.unchanged(&tuple);
            }
        }
        self.out.extend_from_slice(b"}\n");
        Ok(())
    }

    /// Appends the members before the rows; the object stays open.
    fn head(&mut self, op: &str, context: &ChangeContext<'_>) {
        self.out.extend_from_slice(b"{\"op\":\"");
        self.out.extend_from_slice(op.as_bytes());
        self.out.extend_from_slice(b"\",\"schema\":");
        put_string(&self.relation.namespace, self.out);
        self.out.extend_from_slice(b",\"table\":");
        put_string(&self.relation.name, self.out);
        self.out.extend_from_slice(b",\"lsn\":");
        put_string(&context.lsn.to_string(), self.out);
        self.out.extend_from_slice(b",\"commit_lsn\":");
        put_string(&context.commit_lsn.to_string(), self.out);
        self.out.extend_from_slice(b",\"xid\":");
        put_decimal(u64::from(context.xid.as_u32()), self.out);
        self.out.extend_from_slice(b",\"ts\":\"");
        self.out.extend_from_slice(
            Moment::of_unix_micros(context.commit_time.unix_micros(), SECOND_DIGITS_MAX).as_slice(),
        );
        self.out.extend_from_slice(b"\",\"ordinal\":");
        put_decimal(context.ordinal.as_u64(), self.out);
    }

    fn row(&mut self, tuple: &Tuple<'_>, shown: impl Fn(&RelationColumn) -> bool) -> Result<(), MapError> {
        let (found, wanted) = (tuple.column_count(), self.relation.columns.len());
        if found != wanted {
            return Err(MapError::ColumnCount {
                table: self.table(),
                found,
                wanted,
            });
        }
        let mut separator = b'{';
        for (column, value) in self.relation.columns.iter().zip(tuple.columns()) {
            if value == Column::UnchangedToast || !shown(column) {
                continue;
            }
            self.out.push(separator);
            separator = b',';
            put_string(&column.name, self.out);
            self.out.push(b':');
            self.value(column, value)?;
        }
        if separator == b'{' {
            self.out.push(separator);
        }
        self.out.push(b'}');
        Ok(())
    }

    fn value(&mut self, column: &RelationColumn, value: Column<'_>) -> Result<(), MapError> {
        let refused = |wanted| MapError::Value {
            table: self.table(),
            column: column.name.clone(),
            wanted,
        };
        let text = match value {
            Column::Text(text) => std::str::from_utf8(text).map_err(|_| refused("text: it is not UTF-8"))?,
            Column::Binary(_) => return Err(refused("text: it has no equivalent in UTF-8")),
            Column::Null | Column::UnchangedToast => "null",
        };
        match Shape::of(column.type_oid, text) {
            _ if value == Column::Null => self.out.extend_from_slice(b"null"),
            Shape::Boolean => self
                .out
                .extend_from_slice(if text == "t" { b"true" } else { b"false" }),
            Shape::Number => self.out.extend_from_slice(text.as_bytes()),
            Shape::Json => self.out.extend(
                text.bytes()
                    .map(|byte| if is_line_break(byte) { b' ' } else { byte }),
            ),
            Shape::Text => put_string(text, self.out),
        }
        Ok(())
    }

    fn unchanged(&mut self, tuple: &Tuple<'_>) {
        let unchanged = self.relation.columns.iter().zip(tuple.columns());
        let mut separator = &b",\"unchanged_toast\":["[..];
        for (column, _) in unchanged.filter(|(_, value)| *value == Column::UnchangedToast) {
            self.out.extend_from_slice(separator);
            separator = b",";
            put_string(&column.name, self.out);
        }
        if separator == b"," {
            self.out.push(b']');
        }
    }

    fn table(&self) -> TableName {
        TableName::from(self.relation)
    }
}

/// Representation of a value in JSON.
enum Shape {
    Boolean,
    Number,
    Json,
    Text,
}

impl Shape {
    fn of(type_oid: Oid, text: &str) -> Self {
        match built_in::scalar(type_oid).map(|known| known.name) {
            Some("bool") => Shape::Boolean,
            Some("int2" | "int4" | "int8" | "oid") => Shape::Number,
            // NaN and infinities are text.
            Some("float4" | "float8") if text.ends_with(|c: char| c.is_ascii_digit()) => Shape::Number,
            Some("json" | "jsonb") => Shape::Json,
            _ => Shape::Text,
        }
    }
}

/// Line breaks are white space between tokens; JSON strings cannot contain them unescaped.
fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn put_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("writing text to memory cannot fail");
}
