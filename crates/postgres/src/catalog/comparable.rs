//! Columns whose comparison with a constant could run a function of the owner of their type, with the privileges of the role that
//! compares.
//!
//! A comparison names operators of `pg_catalog` only, but the server may reach them through an implicit cast, and it converts the
//! constant to the type of the column: both can call functions that any role may create.

use tokio_postgres::types::Type;
use walcast_mapper::TableName;
use walcast_pgoutput::recode::is_unreadable;

use super::query::{Parameter, rows, value};
use crate::connect::{Client, ServerEncoding};
use crate::error::PostgresError;

/// Types of the columns `named (name, oid)`, of their base types, elements, subtypes and attributes. `is_part`: below another type than
/// a domain, whose input function converts parts of the constant. A constant is compared with the base type of a domain, so that the
/// checks of a domain run for parts only.
const TYPES: &str = "
, types (name, oid, is_part) AS (
    SELECT name, oid, false FROM named
    UNION
    SELECT types.name, part.oid, types.is_part OR NOT part.is_base
    FROM types JOIN pg_type t ON t.oid = types.oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype AS oid, true AS is_base WHERE t.typtype = 'd'
        UNION ALL SELECT t.typelem, false WHERE t.typelem <> 0 AND t.typlen = -1
        UNION ALL SELECT r.rngsubtype, false FROM pg_range r WHERE r.rngtypid = t.oid
        UNION ALL SELECT a.atttypid, false FROM pg_attribute a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        -- A multirange depends on its range.
        UNION ALL SELECT d.refobjid, false FROM pg_depend d
            WHERE t.typtype = 'm' AND d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.refclassid = 'pg_type'::regclass
    ) part
)
SELECT types.name, why.text, format_type(types.oid, NULL)
FROM types CROSS JOIN LATERAL (
    -- A condition that is a column alone, or a part of AND, OR and NOT, is cast to boolean as in an assignment.
    SELECT 'casts its type ' AS text FROM pg_cast c
    WHERE c.castsource = types.oid AND c.castfunc >= 16384
      AND (c.castcontext = 'i' OR c.castcontext = 'a' AND c.casttarget = 'bool'::regtype)
    UNION ALL
    SELECT 'normalizes values of type ' FROM pg_range r WHERE r.rngtypid = types.oid AND r.rngcanonical >= 16384
    UNION ALL
    -- Dependencies on the server's own functions and operators are not recorded.
    SELECT 'checks values of domain ' FROM pg_constraint c JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = c.oid
    WHERE types.is_part AND c.contypid = types.oid AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
) why
ORDER BY 1 LIMIT 1";

/// Columns of a table, by their names.
const BY_NAME: &str = "
WITH RECURSIVE named (name, oid) AS (
    SELECT a.attname::text, a.atttypid
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = ANY ($3) AND a.attnum > 0 AND NOT a.attisdropped
)";

/// Columns by their names and the OIDs of their types.
const BY_TYPE: &str = "WITH RECURSIVE named (name, oid) AS (SELECT name, oid FROM unnest($1::text[], $2::oid[]) AS n (name, oid))";

/// Reason for which one of the columns, given by names and types, cannot be compared; `None` when all can.
pub(super) async fn incomparable(
    client: &Client,
    doing: &'static str,
    columns: &[(&str, u32)],
) -> Result<Option<String>, PostgresError> {
    let (names, types): (Vec<&str>, Vec<u32>) = columns.iter().copied().unzip();
    let parameters = [(&names as _, Type::TEXT_ARRAY), (&types as _, Type::OID_ARRAY)];
    reason(client, doing, BY_TYPE, &parameters).await
}

/// Reason for which one of the columns of a table cannot be compared; `None` when all can, or do not exist.
pub(super) async fn incomparable_key(
    client: &Client,
    doing: &'static str,
    table: &TableName,
    columns: &[&str],
) -> Result<Option<String>, PostgresError> {
    let is_unnamed = |name: &&&str| *client.encoding() != ServerEncoding::Utf8 && is_unreadable(name);
    if let Some(column) = columns.iter().find(is_unnamed) {
        return Ok(Some(format!(
            "column {column:?} cannot be compared: its name has no equivalent in UTF-8, and no statement can contain it"
        )));
    }
    let parameters = [
        (&table.namespace as _, Type::TEXT),
        (&table.name as _, Type::TEXT),
        (&columns as _, Type::TEXT_ARRAY),
    ];
    reason(client, doing, BY_NAME, &parameters).await
}

async fn reason(
    client: &Client,
    doing: &'static str,
    named: &str,
    parameters: &[Parameter<'_>],
) -> Result<Option<String>, PostgresError> {
    let found = rows(client, doing, &format!("{named}{TYPES}"), parameters).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let column: String = value(doing, row, 0)?;
    let (does, type_name): (String, String) = (value(doing, row, 1)?, value(doing, row, 2)?);
    Ok(Some(format!(
        "column {column:?} cannot be compared: a function that is not the server's own {does}{type_name}"
    )))
}
