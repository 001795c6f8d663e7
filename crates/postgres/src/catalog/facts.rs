//! What the catalog says of a table now: nullability, defaults, key, types.

use std::collections::BTreeMap;

use tokio_postgres::Client;
use tokio_postgres::types::Type;
use walcast_mapper::{ColumnFacts, TableFacts};
use walcast_pgoutput::{Oid, Xid};

use super::query::{oid, rows, value};
use super::types::{self, Types};
use super::visible::await_visible;
use crate::error::PostgresError;

const DOING: &str = "looking at a table's columns";

const COLUMNS: &str = r"
SELECT a.attname::text, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated <> '',
       CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END
FROM pg_attribute a
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

/// The primary key, else the first unique index by name over plain columns that are never null. A deferrable index
/// identifies nothing at the moment a row changes.
const KEY: &str = r"
WITH candidate AS (
    SELECT i.indrelid, i.indkey, i.indnkeyatts
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
      AND (i.indisprimary OR i.indimmediate AND NOT EXISTS (
          SELECT FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
          LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
          WHERE k.place <= i.indnkeyatts AND (k.attnum = 0 OR NOT a.attnotnull)))
    ORDER BY i.indisprimary DESC, c.relname
    LIMIT 1
)
SELECT a.attname::text
FROM candidate, unnest(candidate.indkey) WITH ORDINALITY AS k (attnum, place)
JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = k.attnum
WHERE k.place <= candidate.indnkeyatts
ORDER BY k.place";

/// Asks for a table by number, once the transaction `after` shows; empty facts when it no longer exists.
pub(crate) async fn table_facts(
    client: &Client,
    relation: Oid,
    after: Option<Xid>,
) -> Result<TableFacts, PostgresError> {
    if let Some(xid) = after {
        await_visible(client, xid).await?;
    }
    let number = relation.as_u32();
    let parameter = [(&number as &(dyn tokio_postgres::types::ToSql + Sync), Type::OID)];
    let mut columns = Vec::new();
    for row in rows(client, DOING, COLUMNS, &parameter).await? {
        columns.push(ColumnFacts {
            name: value(DOING, &row, 0)?,
            type_oid: oid(DOING, &row, 1)?,
            type_modifier: value(DOING, &row, 2)?,
            not_null: value(DOING, &row, 3)?,
            generated: value(DOING, &row, 4)?,
            default_expression: value(DOING, &row, 5)?,
        });
    }
    let mut key_columns = Vec::new();
    for row in rows(client, DOING, KEY, &parameter).await? {
        key_columns.push(value(DOING, &row, 0)?);
    }
    let Types { facts, refusing_null } = types::of_columns(client, &columns).await?;
    for column in &mut columns {
        column.not_null |= refusing_null.contains(&column.type_oid);
    }
    Ok(TableFacts {
        columns,
        key_columns,
        types: BTreeMap::from_iter(facts),
    })
}
