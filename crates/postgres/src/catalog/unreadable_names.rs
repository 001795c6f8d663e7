//! Tables whose names have no equivalent in UTF-8. No statement in UTF-8 can contain such a name, so the tables are left out.
//!
//! In a database with encoding `SQL_ASCII`, names arrive as they are stored. In a database with another encoding, the names are read as
//! they are stored and converted one by one.

use std::collections::HashSet;

use walcast_mapper::TableName;
use walcast_pgoutput::recode::without_bytes;

use super::query::{rows, value};
use super::tables::NAMES;
use super::unreadable_columns::rename;
use crate::config::PostgresConfig;
use crate::connect::{ServerEncoding, SqlSession};
use crate::encoding::convert_names;
use crate::error::PostgresError;

const DOING: &str = "finding tables whose names have no equivalent in UTF-8";

/// Names of all tables outside the system schemas, as they are stored, and the tables above a partition.
const STORED_NAMES: &str = r"
SELECT c.oid, convert_to(n.nspname::text, getdatabaseencoding()), convert_to(c.relname::text, getdatabaseencoding()),
       CASE WHEN c.relispartition
           THEN ARRAY(SELECT a.relid::oid FROM pg_partition_ancestors(c.oid) a WHERE a.relid <> c.oid)
           ELSE '{}'
       END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'";

/// Table whose name has no equivalent in UTF-8.
pub(crate) struct UnreadableTable {
    pub(crate) oid: u32,
    /// Name with U+FFFD in place of the bytes that cannot be read.
    pub(crate) name: TableName,
    /// The tables above it, if it is a partition.
    above: Vec<TableName>,
}

impl UnreadableTable {
    /// Statement that renames the table or its schema.
    pub(crate) fn rename(&self) -> String {
        rename(self.oid, &self.name)
    }

    /// Whether the patterns would select it, or select a table whose partition it is.
    fn is_missed(&self, config: &PostgresConfig) -> bool {
        let is_excluded = config.exclude.iter().any(|pattern| pattern.matches(&self.name));
        let mut names = self.above.iter().chain([&self.name]);
        !is_excluded && names.any(|name| config.captures(name))
    }
}

/// Table, with its name as it is stored.
struct StoredTable {
    oid: u32,
    namespace: Vec<u8>,
    name: Vec<u8>,
    /// OIDs of the tables above a partition.
    above: Vec<u32>,
}

/// Tables that would be captured, alone or as partitions, if their names had an equivalent in UTF-8.
pub(crate) async fn unreadable_tables(
    session: &SqlSession,
    config: &PostgresConfig,
) -> Result<Vec<UnreadableTable>, PostgresError> {
    let unreadable = match session.client.encoding() {
        ServerEncoding::Utf8 => Vec::new(),
        ServerEncoding::SqlAscii => not_utf8(session).await?,
        ServerEncoding::Converted(encoding) => without_equivalent(session, encoding).await?,
    };
    let unreadable = unreadable.into_iter();
    Ok(unreadable.filter(|table| table.is_missed(config)).collect())
}

async fn not_utf8(session: &SqlSession) -> Result<Vec<UnreadableTable>, PostgresError> {
    let mut unreadable = Vec::new();
    for row in rows(&session.client, DOING, NAMES, &[]).await? {
        let name = TableName {
            namespace: value(DOING, &row, 1)?,
            name: value(DOING, &row, 2)?,
        };
        if name.is_unreadable() {
            let oid = value(DOING, &row, 0)?;
            unreadable.push(UnreadableTable {
                oid,
                name,
                above: Vec::new(),
            });
        }
    }
    Ok(unreadable)
}

async fn without_equivalent(
    session: &SqlSession,
    encoding: &str,
) -> Result<Vec<UnreadableTable>, PostgresError> {
    let mut stored = Vec::new();
    for row in rows(&session.client, DOING, STORED_NAMES, &[]).await? {
        stored.push(StoredTable {
            oid: value(DOING, &row, 0)?,
            namespace: value(DOING, &row, 1)?,
            name: value(DOING, &row, 2)?,
            above: value(DOING, &row, 3)?,
        });
    }
    let names = stored.iter().flat_map(|table| [&table.namespace, &table.name]);
    let names: HashSet<Vec<u8>> = names.filter(|name| !name.is_ascii()).cloned().collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let converted = convert_names(&session.client, encoding, names).await?;
    // A name in ASCII is not among them.
    let is_lost = |name: &Vec<u8>| converted.get(name).is_some_and(Option::is_none);
    let readable = |name: &Vec<u8>| match converted.get(name) {
        Some(Some(converted)) => String::from_utf8_lossy(converted).into_owned(),
        Some(None) | None => without_bytes(name),
    };
    let name_of = |table: &StoredTable| TableName {
        namespace: readable(&table.namespace),
        name: readable(&table.name),
    };
    let lost = stored
        .iter()
        .filter(|table| is_lost(&table.namespace) || is_lost(&table.name));
    let lost = lost.map(|table| {
        let above = stored.iter().filter(|other| table.above.contains(&other.oid));
        UnreadableTable {
            oid: table.oid,
            name: name_of(table),
            above: above.map(name_of).collect(),
        }
    });
    Ok(lost.collect())
}
