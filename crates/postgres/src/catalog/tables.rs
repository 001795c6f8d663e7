//! The tables that the configured patterns select.
//!
//! Rows of a partitioned table are stored in its leaves. A publication sends their changes either as those of the root, with
//! `publish_via_partition_root` (the default of publications that the connector creates), or as those of the leaves. The captured
//! tables are those that appear in the stream: with roots, the topmost selected table, whichever partitions are added later; with
//! leaves, the leaves that are selected by their own names. A selected root with a leaf that is not selected is captured itself, so
//! that it is found missing in the publication and the changes of the leaf are not lost silently.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Type;
use walcast_delivery::sql::PARTITION_ROOTS_SINCE;
use walcast_delivery::{CapturedTable, Partition, Partitions, Persistence};
use walcast_mapper::TableName;
use walcast_mapper::pattern::TablePattern;
use walcast_pgoutput::{Oid, Xid};

use super::catalog_row::CatalogRow;
use super::publication::Publication;
use super::query::{Parameter, oid, replica_identity, rows, unexpected, value};
use crate::connect::{Client, ServerEncoding};
use crate::error::PostgresError;

const DOING: &str = "finding the captured tables";

/// Captured tables, and the patterns that select none.
pub(crate) struct Captured {
    pub(crate) tables: Vec<CapturedTable>,
    /// OIDs of all tables outside the system schemas.
    pub(crate) existing: BTreeSet<Oid>,
    pub(crate) unmatched_patterns: Vec<String>,
}

/// Table that a pattern selects, or a partition below one.
struct Found {
    table: CapturedTable,
    is_partitioned: bool,
    /// Whether a pattern selects the table itself, and not only a table above it.
    is_matched: bool,
    is_excluded: bool,
    /// Whether its name is not UTF-8, so that no pattern selects it.
    is_unreadable: bool,
    /// The tables above a partition, the nearest first.
    ancestors: Vec<Oid>,
    place: Option<PartitionPlace>,
}

/// How a table is a partition.
#[derive(Clone, Copy)]
struct PartitionPlace {
    attached_by: Xid,
    was_created_as_partition: bool,
    altered_by: Xid,
    file: Oid,
}

/// First server version that rejects updates of a published table whose replica identity contains a generated column that is
/// not published.
const IDENTITY_WITHOUT_GENERATED_SINCE: u32 = 180_000;

/// Finds the captured tables.
pub(crate) async fn captured_tables(
    client: &Client,
    server_version: u32,
    patterns: &[TablePattern],
    exclude: &[TablePattern],
    publication: Option<&Publication>,
    partitions: Partitions,
) -> Result<Captured, PostgresError> {
    let publishes_generated = publication.is_some_and(|publication| publication.publishes_generated);
    let Search { mut found, existing } = find(client, patterns, exclude, publishes_generated).await?;
    if server_version >= IDENTITY_WITHOUT_GENERATED_SINCE {
        for one in found.iter_mut().filter(|one| one.table.identity_is_generated) {
            one.table.identifies_rows = false;
        }
    }
    let unmatched_patterns = patterns
        .iter()
        .filter(|pattern| !found.iter().any(|one| pattern.matches(&one.table.name)))
        .map(ToString::to_string)
        .collect();
    let via_root = publication.map_or(partitions == Partitions::Root, |publication| {
        publication.via_partition_root
    });
    let by_root = server_version >= PARTITION_ROOTS_SINCE && via_root;
    let mut tables = if by_root {
        by_roots(found)
    } else {
        by_leaves(found)
    };
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Captured {
        tables,
        existing,
        unmatched_patterns,
    })
}

impl Found {
    fn is_selected(&self) -> bool {
        self.is_matched && !self.is_excluded
    }

    fn partition(&self) -> Option<Partition> {
        let place = self.place?;
        Some(Partition {
            oid: self.table.oid,
            name: self.table.name.clone(),
            parent: *self.ancestors.first()?,
            is_leaf: !self.is_partitioned,
            file: place.file,
            attached_by: place.attached_by,
            was_created_as_partition: place.was_created_as_partition,
            altered_by: place.altered_by,
            persistence: self.table.persistence,
            identifies_rows: self.table.identifies_rows,
            identity_is_generated: self.table.identity_is_generated,
            is_excluded: self.is_excluded,
        })
    }
}

/// Topmost selected tables, each with its partitions. A root identifies rows only when all of its leaves do.
fn by_roots(found: Vec<Found>) -> Vec<CapturedTable> {
    let chosen: BTreeSet<Oid> = found
        .iter()
        .filter(|one| one.is_selected())
        .map(|one| one.table.oid)
        .collect();
    let mut below: BTreeMap<Oid, Vec<Partition>> = BTreeMap::new();
    for one in &found {
        for ancestor in one.ancestors.iter().filter(|ancestor| chosen.contains(ancestor)) {
            below.entry(*ancestor).or_default().extend(one.partition());
        }
    }
    found
        .into_iter()
        .filter(|one| one.is_selected() && !one.ancestors.iter().any(|ancestor| chosen.contains(ancestor)))
        .map(|mut one| {
            if one.is_partitioned {
                let partitions = below.remove(&one.table.oid).unwrap_or_default();
                let mut leaves = partitions.iter().filter(|one| one.is_leaf).peekable();
                if leaves.peek().is_some() {
                    one.table.identifies_rows = leaves.all(|leaf| leaf.identifies_rows);
                }
                one.table.partitions = Some(partitions);
            }
            one.table
        })
        .collect()
}

/// Selected leaves, and selected roots with a leaf that is neither selected nor excluded. A leaf whose name is not UTF-8 is left out like
/// a table.
fn by_leaves(found: Vec<Found>) -> Vec<CapturedTable> {
    let undecided: BTreeSet<Oid> = found
        .iter()
        .filter(|leaf| !(leaf.is_partitioned || leaf.is_matched || leaf.is_excluded || leaf.is_unreadable))
        .flat_map(|leaf| leaf.ancestors.iter().copied())
        .collect();
    found
        .into_iter()
        .filter(|one| one.is_selected() && (!one.is_partitioned || undecided.contains(&one.table.oid)))
        .map(|one| one.table)
        .collect()
}

/// Tables of a new publication: the topmost selected ones, so that the captured tables and their later partitions are published.
/// Changes of excluded partitions are skipped when they arrive.
pub(crate) async fn publishable_tables(
    client: &Client,
    patterns: &[TablePattern],
    exclude: &[TablePattern],
) -> Result<Vec<TableName>, PostgresError> {
    let search = find(client, patterns, exclude, false).await?;
    let mut tables: Vec<TableName> = by_roots(search.found)
        .into_iter()
        .map(|table| table.name)
        .collect();
    tables.sort();
    Ok(tables)
}

/// Tables with the OIDs `$1` and all partitions below them, as the session's snapshot sees them. The server's functions for this
/// ignore the snapshot.
pub(super) const WITH_PARTITIONS: &str = r"
WITH RECURSIVE tree (oid) AS (
    SELECT unnest($1::oid[])
    UNION
    SELECT i.inhrelid FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind = 'p'
    JOIN pg_inherits i ON i.inhparent = tree.oid
)";

/// OID and name of every table outside the system schemas.
pub(super) const NAMES: &str = r"
SELECT c.oid, n.nspname::text, c.relname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'";

/// Selected tables by OID, and all partitions outside the system schemas. `$2`: whether stored generated columns are published.
///
/// `CREATE TABLE … PARTITION OF` writes the row of `pg_inherits` in the transaction that writes the rows of the system columns, which no
/// statement updates later. `ATTACH PARTITION` in the transaction of `CREATE TABLE` does so too, and updates the rows of all other
/// columns before it: those that `CREATE TABLE` writes once more, with a default or `NOT NULL`, are updated after it. `xmin` and `cmin`
/// stay readable after the rows are frozen.
const FIND: &str = r"
SELECT c.oid, n.nspname::text, c.relname::text, c.relpersistence::text, c.relreplident::text, c.relkind = 'p',
       CASE c.relreplident
           WHEN 'f' THEN true
           WHEN 'd' THEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid
                                 AND i.indisprimary AND i.indimmediate AND i.indisvalid)
           WHEN 'i' THEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid
                                 AND i.indisreplident AND i.indimmediate AND i.indisvalid)
           ELSE false
       END,
       CASE WHEN c.relispartition
           THEN ARRAY(SELECT a.relid::oid FROM pg_partition_ancestors(c.oid) a WHERE a.relid <> c.oid)
           ELSE '{}'
       END,
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attgenerated <> ''
               AND NOT (a.attgenerated = 's' AND $2)
               AND (c.relreplident = 'f' OR EXISTS (
                   SELECT FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey)
                   AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END))),
       CASE WHEN c.relispartition
           THEN (SELECT i.xmin::text::int8 FROM pg_inherits i WHERE i.inhrelid = c.oid)
       END,
       CASE WHEN c.relispartition
           THEN (SELECT coalesce(bool_or(a.cmin = s.cmin) OR bool_and(a.cmin::text::int8 > i.cmin::text::int8), false)
                 FROM pg_inherits i JOIN pg_attribute s ON s.attrelid = i.inhrelid AND s.attnum = -1
                 JOIN pg_attribute a ON a.attrelid = i.inhrelid AND a.attnum > 0
                 WHERE i.inhrelid = c.oid AND s.xmin = i.xmin AND a.xmin = s.xmin)
       END,
       c.xmin::text::int8, c.relfilenode
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (c.oid = ANY ($1) OR c.relispartition AND c.relkind IN ('r', 'p')
  AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%')";

/// Result of [`find`].
struct Search {
    found: Vec<Found>,
    existing: BTreeSet<Oid>,
}

/// Finds the selected tables and all partitions. The patterns are matched here and not on the server, whose regular expressions
/// differ.
async fn find(
    client: &Client,
    patterns: &[TablePattern],
    exclude: &[TablePattern],
    publishes_generated: bool,
) -> Result<Search, PostgresError> {
    // No statement can name a table whose name is not UTF-8.
    let has_unreadable = *client.encoding() != ServerEncoding::Utf8;
    let is_unreadable = |table: &TableName| has_unreadable && table.is_unreadable();
    let matches = |patterns: &[TablePattern], table: &TableName| {
        !is_unreadable(table) && patterns.iter().any(|pattern| pattern.matches(table))
    };
    let mut wanted: Vec<u32> = Vec::new();
    let mut existing = BTreeSet::new();
    for row in rows(client, DOING, NAMES, &[]).await? {
        existing.insert(oid(DOING, &row, 0)?);
        if matches(patterns, &table_name(&row)?) {
            wanted.push(value(DOING, &row, 0)?);
        }
    }
    let mut all = Vec::new();
    let parameters: [Parameter<'_>; 2] = [(&wanted, Type::OID_ARRAY), (&publishes_generated, Type::BOOL)];
    for row in rows(client, DOING, FIND, &parameters).await? {
        let mut table = table(&row)?;
        let names = |pattern: &&TablePattern| pattern.is_literal() && pattern.matches(&table.name);
        table.is_named = patterns.iter().find(names).is_some();
        let ancestors: Vec<u32> = value(DOING, &row, 7)?;
        all.push(Found {
            is_partitioned: value(DOING, &row, 5)?,
            is_matched: matches(patterns, &table.name),
            is_excluded: matches(exclude, &table.name),
            is_unreadable: is_unreadable(&table.name),
            ancestors: ancestors.into_iter().map(Oid::new).collect(),
            place: place(&row)?,
            table,
        });
    }
    Ok(Search { found: all, existing })
}

/// How a table is a partition; `None` if it is none.
fn place(row: &CatalogRow) -> Result<Option<PartitionPlace>, PostgresError> {
    let xid = |text: i64| u32::try_from(text).map_err(|_| unexpected(DOING, &text.to_string()));
    let Some(attached_by) = value::<Option<i64>>(DOING, row, 9)? else {
        return Ok(None);
    };
    Ok(Some(PartitionPlace {
        attached_by: Xid::new(xid(attached_by)?),
        was_created_as_partition: value::<Option<bool>>(DOING, row, 10)?.unwrap_or(false),
        altered_by: Xid::new(xid(value(DOING, row, 11)?)?),
        file: oid(DOING, row, 12)?,
    }))
}

fn table_name(row: &CatalogRow) -> Result<TableName, PostgresError> {
    Ok(TableName {
        namespace: value(DOING, row, 1)?,
        name: value(DOING, row, 2)?,
    })
}

fn table(row: &CatalogRow) -> Result<CapturedTable, PostgresError> {
    let persistence: String = value(DOING, row, 3)?;
    Ok(CapturedTable {
        oid: oid(DOING, row, 0)?,
        name: table_name(row)?,
        persistence: match persistence.as_str() {
            "p" => Persistence::Permanent,
            "u" => Persistence::Unlogged,
            "t" => Persistence::Temporary,
            other => return Err(unexpected(DOING, other)),
        },
        replica_identity: replica_identity(DOING, row, 4)?,
        identifies_rows: value(DOING, row, 6)?,
        identity_is_generated: value(DOING, row, 8)?,
        unsent_key_columns: Vec::new(),
        is_named: false,
        partitions: None,
    })
}

#[cfg(test)]
mod tests;
