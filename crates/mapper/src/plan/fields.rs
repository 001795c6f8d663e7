//! Check of the field names of a record.

use crate::column::ColumnPlan;
use crate::config::Encoding;
use crate::error::MapError;
use crate::names;
use crate::table_name::TableName;

/// Checks the field names of columns and of a further field.
pub(super) fn check_fields<'a>(
    columns: impl Iterator<Item = &'a ColumnPlan>,
    further: Option<&'a str>,
    encoding: Encoding,
    table: &TableName,
) -> Result<(), MapError> {
    let columns = columns.map(|column| (column.name(), column.field_name()));
    names::check_fields(
        columns.chain(further.map(|field| (field, field))),
        encoding,
        table,
    )
}
