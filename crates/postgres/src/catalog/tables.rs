//! The tables that the configured patterns choose.
//!
//! Partitioned tables: changes lie in the leaves, and a publication sends them either as the root's, with
//! `publish_via_partition_root` (ours are made so unless told otherwise), or as the leaves'. Captured is what will appear in the stream: with
//! roots the topmost chosen table, whatever partitions come later. With leaves, those that are chosen by their own name;
//! a chosen root with a leaf that is not is captured itself, so that it is found missing from the publication rather
//! than the leaf's changes being lost without a word.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use walcast_delivery::sql::PARTITION_ROOTS_SINCE;
use walcast_delivery::{CapturedTable, Partitions, Persistence};
use walcast_mapper::{TableName, TablePattern};
use walcast_pgoutput::Oid;

use super::publication::Publication;
use super::query::{oid, replica_identity, rows, unexpected, value};
use crate::error::PostgresError;

const DOING: &str = "looking for the captured tables";

/// The tables, and the patterns that choose none.
pub(crate) struct Captured {
    pub(crate) tables: Vec<CapturedTable>,
    pub(crate) unmatched_patterns: Vec<String>,
}

/// A table that the patterns choose, or that lies below one.
struct Found {
    table: CapturedTable,
    is_partitioned: bool,
    /// Whether a pattern chooses it; else it only lies below a chosen one.
    is_matched: bool,
    is_excluded: bool,
    ancestors: Vec<Oid>,
}

/// Finds the tables of the patterns.
pub(crate) async fn captured_tables(
    client: &Client,
    server_version: u32,
    patterns: &[TablePattern],
    exclude: &[TablePattern],
    publication: Option<&Publication>,
    partitions: Partitions,
) -> Result<Captured, PostgresError> {
    let found = find(client, patterns, exclude).await?;
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
        unmatched_patterns,
    })
}

impl Found {
    fn is_chosen(&self) -> bool {
        self.is_matched && !self.is_excluded
    }
}

/// The topmost chosen tables. A root identifies rows only when all its leaves do.
fn by_roots(found: Vec<Found>) -> Vec<CapturedTable> {
    let chosen: Vec<Oid> = found
        .iter()
        .filter(|one| one.is_chosen())
        .map(|one| one.table.oid)
        .collect();
    let mut leaves_identify: BTreeMap<Oid, bool> = BTreeMap::new();
    for leaf in found.iter().filter(|one| !one.is_partitioned) {
        for ancestor in &leaf.ancestors {
            *leaves_identify.entry(*ancestor).or_insert(true) &= leaf.table.identifies_rows;
        }
    }
    found
        .into_iter()
        .filter(|one| one.is_chosen() && !one.ancestors.iter().any(|ancestor| chosen.contains(ancestor)))
        .map(|mut one| {
            if let Some(identify) = leaves_identify.get(&one.table.oid) {
                one.table.identifies_rows = *identify;
            }
            one.table
        })
        .collect()
}

/// The leaves that are chosen, and the chosen roots whose leaves are not all decided upon.
fn by_leaves(found: Vec<Found>) -> Vec<CapturedTable> {
    let undecided: BTreeSet<Oid> = found
        .iter()
        .filter(|leaf| !leaf.is_partitioned && !leaf.is_matched && !leaf.is_excluded)
        .flat_map(|leaf| leaf.ancestors.iter().copied())
        .collect();
    found
        .into_iter()
        .filter(|one| one.is_chosen() && (!one.is_partitioned || undecided.contains(&one.table.oid)))
        .map(|one| one.table)
        .collect()
}

/// The tables that a new publication names so that the captured ones are published, and the partitions that they get
/// later: the topmost chosen ones. What the patterns exclude below them is passed over where it arrives.
pub(crate) async fn publishable_tables(
    client: &Client,
    patterns: &[TablePattern],
    exclude: &[TablePattern],
) -> Result<Vec<TableName>, PostgresError> {
    let mut tables: Vec<TableName> = by_roots(find(client, patterns, exclude).await?)
        .into_iter()
        .map(|table| table.name)
        .collect();
    tables.sort();
    Ok(tables)
}

/// The tables of `$1` (numbers), and all partitions below them, as the session's snapshot shows them. The catalog's own
/// functions for this show what is there now.
pub(super) const WITH_PARTITIONS: &str = r"
WITH RECURSIVE tree (oid) AS (
    SELECT unnest($1::oid[])
    UNION
    SELECT i.inhrelid FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind = 'p'
    JOIN pg_inherits i ON i.inhparent = tree.oid
)";

/// Every table outside the system's schemas, by number and name, for the patterns to choose from.
const NAMES: &str = r"
SELECT c.oid, n.nspname::text, c.relname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'";

/// The tables that are chosen, by number, and all partitions outside the system's schemas.
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
       END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1) OR c.relispartition AND c.relkind IN ('r', 'p')
  AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'";

/// The patterns choose here and not on the server, whose regular expressions are others.
async fn find(
    client: &Client,
    patterns: &[TablePattern],
    exclude: &[TablePattern],
) -> Result<Vec<Found>, PostgresError> {
    let chosen =
        |patterns: &[TablePattern], table: &TableName| patterns.iter().any(|pattern| pattern.matches(table));
    let mut wanted: Vec<u32> = Vec::new();
    for row in rows(client, DOING, NAMES, &[]).await? {
        if chosen(patterns, &table_name(&row)?) {
            wanted.push(value(DOING, &row, 0)?);
        }
    }
    let mut all = Vec::new();
    for row in rows(client, DOING, FIND, &[(&wanted, Type::OID_ARRAY)]).await? {
        let table = table(&row)?;
        let ancestors: Vec<u32> = value(DOING, &row, 7)?;
        all.push(Found {
            is_partitioned: value(DOING, &row, 5)?,
            is_matched: chosen(patterns, &table.name),
            is_excluded: chosen(exclude, &table.name),
            ancestors: ancestors.into_iter().map(Oid::new).collect(),
            table,
        });
    }
    Ok(all)
}

fn table_name(row: &Row) -> Result<TableName, PostgresError> {
    Ok(TableName {
        namespace: value(DOING, row, 1)?,
        name: value(DOING, row, 2)?,
    })
}

fn table(row: &Row) -> Result<CapturedTable, PostgresError> {
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
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use walcast_delivery::{CapturedTable, Persistence};
    use walcast_mapper::TableName;
    use walcast_pgoutput::{Oid, ReplicaIdentity};

    use super::{Found, by_leaves, by_roots};

    fn table(
        oid: u32,
        is_matched: bool,
        ancestors: &[u32],
        is_partitioned: bool,
        identifies_rows: bool,
    ) -> Found {
        Found {
            table: CapturedTable {
                name: TableName {
                    namespace: "public".to_owned(),
                    name: format!("t{oid}"),
                },
                oid: Oid::new(oid),
                persistence: Persistence::Permanent,
                replica_identity: ReplicaIdentity::Default,
                identifies_rows,
            },
            is_partitioned,
            is_matched,
            is_excluded: false,
            ancestors: ancestors.iter().copied().map(Oid::new).collect(),
        }
    }

    /// 1 is a root over 2, itself partitioned, and the leaf 3; 4 is a leaf of 2; 5 stands alone.
    fn tree(chosen: &[u32]) -> Vec<Found> {
        let matched = |oid| chosen.contains(&oid);
        vec![
            table(1, matched(1), &[], true, true),
            table(2, matched(2), &[1], true, true),
            table(3, matched(3), &[1], false, true),
            table(4, matched(4), &[2, 1], false, false),
            table(5, matched(5), &[], false, true),
        ]
    }

    fn check(tables: &[CapturedTable], expected: &Expect) {
        let shown: Vec<String> = tables
            .iter()
            .map(|table| format!("{}{}", table.oid, if table.identifies_rows { "" } else { "!" }))
            .collect();
        expected.assert_eq(&shown.join(" "));
    }

    #[test]
    fn roots_stand_for_their_leaves() {
        check(&by_roots(tree(&[1, 2, 3, 4, 5])), &expect!["1! 5"]);
        check(&by_roots(tree(&[2, 3])), &expect!["2! 3"]);
        check(&by_roots(tree(&[4])), &expect!["4!"]);
    }

    #[test]
    fn leaves_stand_for_themselves() {
        check(&by_leaves(tree(&[1, 2, 3, 4])), &expect!["3 4!"]);
        check(&by_leaves(tree(&[3, 5])), &expect!["3 5"]);
    }

    #[test]
    fn a_root_with_a_leaf_of_another_name_does_not_pass_for_its_leaves() {
        check(&by_leaves(tree(&[1, 3])), &expect!["1 3"]);
        check(&by_leaves(tree(&[2, 5])), &expect!["2 5"]);
    }

    #[test]
    fn what_is_excluded_is_not_captured() {
        let mut tree = tree(&[1, 4, 5]);
        tree[2].is_excluded = true;
        tree[4].is_excluded = true;
        check(&by_leaves(tree), &expect!["4!"]);
    }
}
