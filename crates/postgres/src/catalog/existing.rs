//! Tables, columns and types of the database, with which patterns of the configuration are compared.

use std::collections::BTreeMap;

use walcast_mapper::TableName;

use super::catalog_row::CatalogRow;
use super::query::{rows, value};
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "reading the names of tables, columns and types";

/// Table outside of the system schemas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingTable {
    /// Name of the table.
    pub name: TableName,
    /// Columns in order.
    pub columns: Vec<ExistingColumn>,
    /// Partitioned tables above a partition.
    pub ancestors: Vec<TableName>,
}

/// Column of an [`ExistingTable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingColumn {
    /// Name of the column.
    pub name: String,
    /// Name of its type in the catalog, such as `varchar` or `_int4`.
    pub type_name: String,
}

/// Type of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingType {
    /// Schema of the type.
    pub namespace: String,
    /// Name of the type in the catalog.
    pub name: String,
}

/// Tables outside of the system schemas, and their columns. A table without columns has one row without a column.
const TABLES: &str = r"
SELECT n.nspname::text, c.relname::text, a.attname::text, t.typname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
ORDER BY a.attnum";

/// Partitions, each with one of the tables above it.
const ANCESTORS: &str = r"
SELECT n.nspname::text, c.relname::text, above_n.nspname::text, above_c.relname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL pg_partition_ancestors(c.oid) AS above
JOIN pg_class above_c ON above_c.oid = above.relid
JOIN pg_namespace above_n ON above_n.oid = above_c.relnamespace
WHERE c.relispartition AND c.relkind IN ('r', 'p') AND above.relid <> c.oid";

/// Types, without the row types of tables and views.
const TYPES: &str = r"
SELECT n.nspname::text, t.typname::text
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE c.oid IS NULL OR c.relkind = 'c'";

/// Tables and their columns.
pub(crate) async fn existing_tables(client: &Client) -> Result<Vec<ExistingTable>, PostgresError> {
    let mut tables: BTreeMap<TableName, ExistingTable> = BTreeMap::new();
    for row in rows(client, DOING, TABLES, &[]).await? {
        let name = table_name(&row, 0)?;
        let table = tables.entry(name.clone()).or_insert_with(|| ExistingTable {
            name,
            columns: Vec::new(),
            ancestors: Vec::new(),
        });
        let column: Option<String> = value(DOING, &row, 2)?;
        let type_name: Option<String> = value(DOING, &row, 3)?;
        table.columns.extend(
            column
                .zip(type_name)
                .map(|(name, type_name)| ExistingColumn { name, type_name }),
        );
    }
    for row in rows(client, DOING, ANCESTORS, &[]).await? {
        // A partition that was attached in between has no entry.
        if let Some(table) = tables.get_mut(&table_name(&row, 0)?) {
            table.ancestors.push(table_name(&row, 2)?);
        }
    }
    Ok(tables.into_values().collect())
}

/// Types.
pub(crate) async fn existing_types(client: &Client) -> Result<Vec<ExistingType>, PostgresError> {
    let mut types = Vec::new();
    for row in rows(client, DOING, TYPES, &[]).await? {
        types.push(ExistingType {
            namespace: value(DOING, &row, 0)?,
            name: value(DOING, &row, 1)?,
        });
    }
    Ok(types)
}

fn table_name(row: &CatalogRow, index: usize) -> Result<TableName, PostgresError> {
    Ok(TableName {
        namespace: value(DOING, row, index)?,
        name: value(DOING, row, index + 1)?,
    })
}
