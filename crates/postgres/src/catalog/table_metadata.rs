//! Metadata of a table in the catalog: nullability, defaults, key and types.

use std::collections::BTreeSet;

use tokio_postgres::types::Type;
use walcast_mapper::{ColumnMetadata, TableMetadata};
use walcast_pgoutput::{Relation, Xid};

use super::query::{Parameter, oid, rows, value};
use super::types::{self, Types};
use super::unsent_key::unsent_key_columns;
use super::visible::await_visible;
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "reading a table's columns";

/// Whether no row has a null in column `a`. From version 18 on `attnotnull` is also true while the constraint is `NOT VALID`, which rows
/// that existed before it may violate; earlier versions have no constraints of this type.
const NOT_NULL: &str = "(a.attnotnull AND NOT EXISTS (
    SELECT FROM pg_constraint n WHERE n.conrelid = a.attrelid AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum]
    AND NOT n.convalidated))";

/// Columns. A default refers to no column, and is printed without its table, which `pg_get_expr` would lock from version 17 on.
fn columns_query() -> String {
    format!(
        "SELECT a.attname::text, a.atttypid, a.atttypmod, {NOT_NULL}, a.attgenerated <> '', \
                CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, 0) END, a.attnum \
         FROM pg_attribute a \
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped \
         ORDER BY a.attnum"
    )
}

/// Primary key, or else the first unique index by name over columns that are `NOT NULL` and that the server sends: `$2` are the
/// numbers of the relation's columns. A deferrable index does not identify a row at the moment the row changes.
fn key_query() -> String {
    format!(
        "WITH candidate AS ( \
             SELECT i.indrelid, i.indkey, i.indnkeyatts \
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
             WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL \
               AND (i.indisprimary OR i.indimmediate AND NOT EXISTS ( \
                   SELECT FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place) \
                   LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
                   WHERE k.place <= i.indnkeyatts AND (k.attnum = 0 OR NOT {NOT_NULL} \
                         OR a.attgenerated <> '' AND a.attnum <> ALL ($2)))) \
             ORDER BY i.indisprimary DESC, c.relname \
             LIMIT 1 \
         ) \
         SELECT a.attname::text \
         FROM candidate, unnest(candidate.indkey) WITH ORDINALITY AS k (attnum, place) \
         JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = k.attnum \
         WHERE k.place <= candidate.indnkeyatts \
         ORDER BY k.place"
    )
}

/// Metadata of a table by its OID, once the transaction `after` is visible; no columns when the table no longer exists.
///
/// The types are those of the table's columns and of the relation's: a row in the WAL can be older than a change of its table,
/// and `pg_type` still has the type of a column that was dropped.
pub(crate) async fn table_metadata(
    client: &Client,
    relation: &Relation,
    after: Option<Xid>,
) -> Result<TableMetadata, PostgresError> {
    if let Some(xid) = after {
        await_visible(client, xid).await?;
    }
    let number = relation.oid.as_u32();
    let parameter: [Parameter<'_>; 1] = [(&number, Type::OID)];
    let mut columns = Vec::new();
    let mut sent: Vec<i16> = Vec::new();
    for row in rows(client, DOING, &columns_query(), &parameter).await? {
        let name: String = value(DOING, &row, 0)?;
        if relation.columns.iter().any(|column| column.name == name) {
            sent.push(value(DOING, &row, 6)?);
        }
        columns.push(ColumnMetadata {
            name,
            type_oid: oid(DOING, &row, 1)?,
            type_modifier: value(DOING, &row, 2)?,
            not_null: value(DOING, &row, 3)?,
            generated: value(DOING, &row, 4)?,
            default_expression: value(DOING, &row, 5)?,
        });
    }
    let mut key_columns = Vec::new();
    // Numbers, because a name can have no equivalent in the encoding of the database or in UTF-8.
    let parameters: [Parameter<'_>; 2] = [(&number, Type::OID), (&sent, Type::INT2_ARRAY)];
    for row in rows(client, DOING, &key_query(), &parameters).await? {
        key_columns.push(value(DOING, &row, 0)?);
    }
    let unsent_key_columns = unsent_key_columns(client, relation, &columns, &key_columns).await?;
    let Types {
        facts,
        rejecting_null,
    } = types::of(client, &used_types(&columns, relation)).await?;
    for column in &mut columns {
        column.not_null |= rejecting_null.contains(&column.type_oid);
    }
    Ok(TableMetadata {
        columns,
        key_columns,
        unsent_key_columns,
        types: facts,
        former_labels: BTreeSet::new(),
    })
}

/// Types of a table's columns, now and in the relation.
fn used_types(columns: &[ColumnMetadata], relation: &Relation) -> BTreeSet<u32> {
    let now = columns.iter().map(|column| column.type_oid.as_u32());
    let then = relation.columns.iter().map(|column| column.type_oid.as_u32());
    now.chain(then).collect()
}
