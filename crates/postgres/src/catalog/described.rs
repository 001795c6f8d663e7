//! A table as the log would describe it, and where its rows lie.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use walcast_delivery::sql;
use walcast_mapper::TableName;
use walcast_pgoutput::{Oid, Relation, RelationColumn};

use super::publication::RESTRICTIONS_SINCE;
use super::query::{oid, replica_identity, row, rows, value};
use super::tables::WITH_PARTITIONS;
use crate::error::PostgresError;

const DOING: &str = "looking at a table to be read";

/// Generated columns can be published from here on.
const GENERATED_SINCE: u32 = 180_000;

/// A table that is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// As pgoutput describes it.
    pub(crate) relation: Relation,
    /// What holds its rows: itself, or its partitions.
    pub(crate) parts: Vec<Part>,
    /// The publication's row filter.
    pub(crate) filter: Option<String>,
}

/// A table of the file system.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) oid: Oid,
    pub(crate) name: TableName,
    /// Another one when the table was rewritten or emptied.
    pub(crate) file: Oid,
    pub(crate) bytes: u64,
}

/// A part grows while it stays the same.
impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        (self.oid, &self.name, self.file) == (other.oid, &other.name, other.file)
    }
}

impl Eq for Part {}

const TABLE: &str = r"
SELECT c.oid, c.relreplident::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')";

/// The columns, and whether the replica identity has them.
const COLUMNS: &str = r"
SELECT a.attname::text, a.atttypid, a.atttypmod,
       CASE c.relreplident
           WHEN 'f' THEN true
           ELSE coalesce(a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]), false)
       END,
       a.attgenerated <> ''
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
     AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

/// The table, or the leaves below it.
const PARTS: &str = r"
SELECT c.oid, n.nspname::text, c.relname::text, c.relfilenode, coalesce(pg_relation_size(c.oid), 0)
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
ORDER BY c.oid";

/// What the publication lets through of a table.
const PUBLISHED: &str = r"
SELECT attnames::text[], rowfilter
FROM pg_publication_tables WHERE pubname = $1 AND schemaname = $2 AND tablename = $3";

/// A table's number and replica identity; `None` when there is no such table.
pub(super) async fn named(
    client: &Client,
    doing: &'static str,
    table: &TableName,
) -> Result<Option<Row>, PostgresError> {
    let name = [
        (&table.namespace as _, Type::TEXT),
        (&table.name as _, Type::TEXT),
    ];
    row(client, doing, TABLE, &name).await
}

/// Asks for a table by name; `None` when there is none.
pub(crate) async fn described(
    client: &Client,
    server_version: u32,
    publication: &str,
    table: &TableName,
) -> Result<Option<Described>, PostgresError> {
    let Some(found) = named(client, DOING, table).await? else {
        return Ok(None);
    };
    let number = oid(DOING, &found, 0)?;
    let (mut published, mut filter) = (None, None);
    if server_version >= RESTRICTIONS_SINCE {
        let of = [
            (&publication as _, Type::TEXT),
            (&table.namespace as _, Type::TEXT),
            (&table.name as _, Type::TEXT),
        ];
        if let Some(row) = row(client, DOING, PUBLISHED, &of).await? {
            published = value::<Option<Vec<String>>>(DOING, &row, 0)?;
            filter = value(DOING, &row, 1)?;
        }
    }
    let by_number = [(&number.as_u32() as _, Type::OID)];
    let mut columns = Vec::new();
    for row in rows(client, DOING, COLUMNS, &by_number).await? {
        let name: String = value(DOING, &row, 0)?;
        let is_generated: bool = value(DOING, &row, 4)?;
        let is_published = published
            .as_ref()
            .is_none_or(|published| published.contains(&name));
        // Whatever the publication lists: before 18 the log has no generated columns, and then those that are listed.
        let is_told = !is_generated || server_version >= GENERATED_SINCE && published.is_some();
        if is_published && is_told {
            columns.push(RelationColumn {
                name,
                type_oid: oid(DOING, &row, 1)?,
                type_modifier: value(DOING, &row, 2)?,
                is_key: value(DOING, &row, 3)?,
            });
        }
    }
    let mut parts = Vec::new();
    let parts_of = format!("{WITH_PARTITIONS}{PARTS}");
    let numbers = vec![number.as_u32()];
    for row in rows(client, DOING, &parts_of, &[(&numbers, Type::OID_ARRAY)]).await? {
        parts.push(Part {
            oid: oid(DOING, &row, 0)?,
            name: TableName {
                namespace: value(DOING, &row, 1)?,
                name: value(DOING, &row, 2)?,
            },
            file: oid(DOING, &row, 3)?,
            bytes: u64::try_from(value::<i64>(DOING, &row, 4)?).unwrap_or(0),
        });
    }
    let relation = Relation {
        xid: None,
        oid: number,
        namespace: table.namespace.clone(),
        name: table.name.clone(),
        replica_identity: replica_identity(DOING, &found, 1)?,
        columns,
    };
    Ok(Some(Described {
        relation,
        parts,
        filter,
    }))
}

/// Tables by name, each with the size of what holds its rows.
const SIZES: &str = r"
WITH RECURSIVE named AS (
    SELECT c.oid AS root, c.oid, n.nspname, c.relname
    FROM unnest($1::text[], $2::text[]) AS wanted (namespace, name)
    JOIN pg_namespace n ON n.nspname = wanted.namespace
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name AND c.relkind IN ('r', 'p')
), tree (root, oid) AS (
    SELECT root, oid FROM named
    UNION
    SELECT tree.root, i.inhrelid FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind = 'p'
    JOIN pg_inherits i ON i.inhparent = tree.oid
)
SELECT named.nspname::text, named.relname::text, coalesce(sum(pg_relation_size(tree.oid)), 0)::int8
FROM named JOIN tree ON tree.root = named.root
GROUP BY 1, 2";

/// How large tables are; those that do not exist are left out.
pub(crate) async fn sizes(
    client: &Client,
    tables: &[TableName],
) -> Result<BTreeMap<TableName, u64>, PostgresError> {
    let namespaces: Vec<&str> = tables.iter().map(|table| table.namespace.as_str()).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let wanted = [
        (&namespaces as _, Type::TEXT_ARRAY),
        (&names as _, Type::TEXT_ARRAY),
    ];
    let mut sizes = BTreeMap::new();
    for row in rows(client, DOING, SIZES, &wanted).await? {
        let table = TableName {
            namespace: value(DOING, &row, 0)?,
            name: value(DOING, &row, 1)?,
        };
        let bytes: i64 = value(DOING, &row, 2)?;
        sizes.insert(table, u64::try_from(bytes).unwrap_or(0));
    }
    Ok(sizes)
}

impl Described {
    /// How the rows of a part are copied: those between two places, each with its place first; `sorted` by it, where they may
    /// come in another order.
    pub(crate) fn copy(&self, part: &Part, range: &str, filter: Option<&str>, sorted: bool) -> String {
        let mut columns = vec!["ctid".to_owned()];
        columns.extend(
            self.relation
                .columns
                .iter()
                .map(|column| sql::identifier(&column.name)),
        );
        let mut conditions = vec![range.to_owned()];
        conditions.extend(
            self.filter
                .as_deref()
                .into_iter()
                .chain(filter)
                .map(|filter| format!("({filter})")),
        );
        conditions.retain(|condition| !condition.is_empty());
        let order = if sorted { " ORDER BY ctid" } else { "" };
        let conditions = match conditions.as_slice() {
            [] => String::new(),
            some => format!(" WHERE {}", some.join(" AND ")),
        };
        format!(
            "COPY (SELECT {} FROM ONLY {}{conditions}{order}) TO STDOUT",
            columns.join(", "),
            sql::table(&part.name)
        )
    }
}
