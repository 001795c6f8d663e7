//! Names of columns and types, and enum labels, that have no equivalent in UTF-8. They concern their table only: its changes are
//! delivered, with U+FFFD in place of the bytes, because a column is found by its number. What needs a statement with the name is not
//! possible: reading the rows of partitions, or the rows of some columns or by a condition.

use std::collections::HashSet;

use tokio_postgres::types::Type;
use walcast_delivery::condition::Condition;
use walcast_delivery::{CapturedTable, Fix, sql};
use walcast_mapper::TableName;
use walcast_pgoutput::recode::is_unreadable;

use super::query::{rows, unexpected, value};
use super::table_description::TableDescription;
use crate::connect::{Client, ServerEncoding};
use crate::encoding::convert_names;
use crate::error::PostgresError;

const DOING: &str = "finding names that have no equivalent in UTF-8";

/// Columns of the tables `$1`, their types with element and base types, and the labels of these types: the table, the kind, the object
/// with the name, its number within the object, and the name as it is stored. An array type is named after its elements, and a row type
/// after its table, which is its number.
const NAMES: &str = r"
WITH RECURSIVE types (relid, oid) AS (
    SELECT a.attrelid, a.atttypid FROM pg_attribute a
    WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT types.relid, below.oid
    FROM types JOIN pg_type t ON t.oid = types.oid
    CROSS JOIN LATERAL (VALUES (t.typelem), (t.typbasetype)) AS below (oid)
    WHERE below.oid <> 0
)
SELECT a.attrelid, 'column', a.attrelid, a.attnum::int8, convert_to(a.attname::text, getdatabaseencoding())
FROM pg_attribute a WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT types.relid, 'type', t.oid, coalesce(c.oid::int8, 0), convert_to(t.typname::text, getdatabaseencoding())
FROM types JOIN pg_type t ON t.oid = types.oid LEFT JOIN pg_class c ON c.oid = t.typrelid AND c.relkind <> 'c'
WHERE NOT (t.typelem <> 0 AND t.typlen = -1)
UNION ALL
SELECT types.relid, 'label', e.enumtypid, e.oid::int8, convert_to(e.enumlabel::text, getdatabaseencoding())
FROM types JOIN pg_enum e ON e.enumtypid = types.oid
ORDER BY 1, 2, 3, 4";

/// Kind of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// Column of a table.
    Column,
    /// Type of a column, or a type below it.
    Type,
    /// Label of an enum type.
    Label,
}

/// Name that has no equivalent in UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnreadableName {
    /// OID of the table.
    pub(crate) table: u32,
    pub(crate) kind: NameKind,
    /// Name as it is stored, with escapes in place of bytes that are not printable ASCII.
    pub(crate) stored: String,
    /// Statement that renames it. The new name is to be chosen.
    pub(crate) rename: String,
}

impl UnreadableName {
    /// What has the name.
    pub(crate) fn named(&self) -> String {
        match self.kind {
            NameKind::Column => format!("column {}", self.stored),
            NameKind::Type => format!("type {}", self.stored),
            NameKind::Label => format!("enum label {}", self.stored),
        }
    }

    /// What follows from the name.
    pub(crate) fn effect(&self) -> &'static str {
        match self.kind {
            NameKind::Column => {
                "its field has _ in place of the bytes, and rows of partitions, of some columns, or by a condition cannot be read"
            }
            NameKind::Type => "the type is named with U+FFFD in place of the bytes",
            NameKind::Label => {
                "a value with this label has no form, and is handled as the settings for such values say"
            }
        }
    }
}

/// Names of captured tables that have no equivalent in UTF-8.
pub(crate) async fn captured_names(
    client: &Client,
    captured: &[CapturedTable],
) -> Result<Vec<(TableName, UnreadableName)>, PostgresError> {
    let numbers: Vec<u32> = captured.iter().map(|table| table.oid.as_u32()).collect();
    let names = unreadable_names(client, &numbers).await?.into_iter();
    let of_table = |name: UnreadableName| {
        let mut tables = captured.iter();
        let table = tables.find(|table| table.oid.as_u32() == name.table)?;
        Some((table.name.clone(), name))
    };
    Ok(names.filter_map(of_table).collect())
}

/// Names of the tables with these OIDs that have no equivalent in UTF-8.
pub(super) async fn unreadable_names(
    client: &Client,
    tables: &[u32],
) -> Result<Vec<UnreadableName>, PostgresError> {
    if *client.encoding() == ServerEncoding::Utf8 || tables.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for row in rows(client, DOING, NAMES, &[(&tables, Type::OID_ARRAY)]).await? {
        let stored: Vec<u8> = value(DOING, &row, 4)?;
        if stored.is_ascii() {
            continue;
        }
        let (object, number): (u32, i64) = (value(DOING, &row, 2)?, value(DOING, &row, 3)?);
        let kind: String = value(DOING, &row, 1)?;
        let (kind, rename) = match kind.as_str() {
            "column" => (NameKind::Column, rename_column(object, number)),
            "type" => match u32::try_from(number) {
                Ok(0) | Err(_) => (NameKind::Type, rename_type(object)),
                Ok(table) => (NameKind::Type, rename_table(table)),
            },
            "label" => (NameKind::Label, rename_label(object, number)),
            other => return Err(unexpected(DOING, other)),
        };
        let name = UnreadableName {
            table: value(DOING, &row, 0)?,
            kind,
            stored: stored.escape_ascii().to_string(),
            rename,
        };
        found.push((stored, name));
    }
    let lost = without_equivalent(client, found.iter().map(|(stored, _)| stored)).await?;
    found.retain(|(stored, _)| lost.contains(stored));
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

/// The names among `stored` that have no equivalent in UTF-8.
async fn without_equivalent(
    client: &Client,
    stored: impl Iterator<Item = &Vec<u8>>,
) -> Result<HashSet<Vec<u8>>, PostgresError> {
    let names: HashSet<Vec<u8>> = stored.cloned().collect();
    let ServerEncoding::Converted(encoding) = client.encoding() else {
        let not_utf8 = names.into_iter().filter(|name| str::from_utf8(name).is_err());
        return Ok(not_utf8.collect());
    };
    if names.is_empty() {
        return Ok(names);
    }
    let converted = convert_names(client, encoding, names).await?.into_iter();
    let lost = converted.filter(|(_, converted)| converted.is_none());
    Ok(lost.map(|(name, _)| name).collect())
}

/// Checks that the statements that read a table need no name without equivalent in UTF-8.
///
/// # Errors
/// [`PostgresError::UnreadableName`], which names the object and the statement that renames it.
pub(crate) async fn check_names(
    client: &Client,
    table: &TableDescription,
    condition: Option<&Condition>,
) -> Result<(), PostgresError> {
    if *client.encoding() == ServerEncoding::Utf8 {
        return Ok(());
    }
    let relation = &table.relation;
    let name = TableName {
        namespace: relation.namespace.clone(),
        name: relation.name.clone(),
    };
    if let Some(part) = table.parts.iter().find(|part| part.name.is_unreadable()) {
        return Err(PostgresError::UnreadableName {
            table: sql::table(&name),
            name: format!("the name of partition {}", part.name),
            sql: rename(part.oid.as_u32(), &part.name),
        });
    }
    let filter = table.filter.as_deref();
    let is_filter_unreadable = filter.is_some_and(is_unreadable);
    if !is_filter_unreadable && !table.needs_unreadable_column(condition) {
        return Ok(());
    }
    let names = unreadable_names(client, &[relation.oid.as_u32()]).await?;
    let column = names.into_iter().find(|name| name.kind == NameKind::Column);
    Err(match column {
        Some(column) => PostgresError::UnreadableName {
            table: sql::table(&name),
            name: format!("the name of {}", column.named()),
            sql: column.rename,
        },
        None => PostgresError::RowsUnreadable {
            why: format!(
                "of {name} cannot be read: the row filter of the publication contains a text without equivalent in UTF-8"
            ),
            fix: Fix::from("change the row filter with ALTER PUBLICATION"),
        },
    })
}

/// Statement that renames the table with this name, or its schema. No client has to send the name.
pub(super) fn rename(table: u32, name: &TableName) -> String {
    match is_unreadable(&name.namespace) {
        true => rename_schema(table),
        false => rename_table(table),
    }
}

fn rename_table(table: u32) -> String {
    format!("DO $$ BEGIN EXECUTE format('ALTER TABLE %s RENAME TO new_name', {table}::regclass); END $$")
}

fn rename_schema(table: u32) -> String {
    format!(
        "DO $$ BEGIN EXECUTE format('ALTER SCHEMA %I RENAME TO new_name', (SELECT n.nspname FROM pg_namespace n \
         JOIN pg_class c ON c.relnamespace = n.oid WHERE c.oid = {table})); END $$"
    )
}

fn rename_column(table: u32, number: i64) -> String {
    format!(
        "DO $$ BEGIN EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO new_name', {table}::regclass, \
         (SELECT attname FROM pg_attribute WHERE attrelid = {table} AND attnum = {number})); END $$"
    )
}

fn rename_type(number: u32) -> String {
    format!("DO $$ BEGIN EXECUTE format('ALTER TYPE %s RENAME TO new_name', {number}::regtype); END $$")
}

fn rename_label(of: u32, label: i64) -> String {
    format!(
        "DO $$ BEGIN EXECUTE format('ALTER TYPE %s RENAME VALUE %L TO %L', {of}::regtype, \
         (SELECT enumlabel FROM pg_enum WHERE oid = {label}), 'new_label'); END $$"
    )
}
