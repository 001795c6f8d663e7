//! Description of a table: its relation as the WAL would describe it, and the tables that store its rows.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use walcast_delivery::condition::{Condition, Dialect};
use walcast_delivery::sql;
use walcast_mapper::TableName;
use walcast_pgoutput::recode::is_unreadable;
use walcast_pgoutput::{Oid, Relation, RelationColumn};

use super::catalog_row::CatalogRow;
use super::publication::RESTRICTIONS_SINCE;
use super::query::{oid, replica_identity, row, rows, value};
use super::tables::WITH_PARTITIONS;
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "describing a table to be read";

/// First version that can publish generated columns.
pub(super) const GENERATED_SINCE: u32 = 180_000;

/// Table whose rows are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableDescription {
    /// The table as pgoutput describes it.
    pub(crate) relation: Relation,
    /// Tables that store the rows: the table itself, or its partitions.
    pub(crate) parts: Vec<Part>,
    /// Row filter of the publication.
    pub(crate) filter: Option<String>,
    /// Whether the relation has all columns of the table.
    pub(crate) is_whole: bool,
}

/// Table that stores rows.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) oid: Oid,
    pub(crate) name: TableName,
    /// `relfilenode`, which changes when the table is rewritten or truncated.
    pub(crate) file: Oid,
    /// Size, once [`add_sizes`] has added it.
    pub(crate) bytes: u64,
}

/// Two descriptions of a part are equal even if its size differs.
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

/// Name of a table.
const NAME: &str = r"
SELECT n.nspname::text, c.relname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = $1 AND c.relkind IN ('r', 'p')";

/// Columns, whether they belong to the replica identity, and how they are generated.
const COLUMNS: &str = r"
SELECT a.attname::text, a.attnum, a.atttypid, a.atttypmod,
       CASE c.relreplident
           WHEN 'f' THEN true
           ELSE coalesce(a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]), false)
       END,
       a.attgenerated::text
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
     AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

/// The table, or its leaf partitions.
const PARTS: &str = r"
SELECT c.oid, n.nspname::text, c.relname::text, c.relfilenode
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
ORDER BY c.oid";

/// Column list and row filter of a table; a publication of all tables or of the table's schema ignores them. The view
/// `pg_publication_tables` would lock every table of the publication.
const RESTRICTION: &str = r"
SELECT r.prattrs::int2[], pg_get_expr(r.prqual, r.prrelid)
FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid JOIN pg_class c ON c.oid = r.prrelid
WHERE p.pubname = $1 AND r.prrelid = $2 AND NOT p.puballtables
  AND NOT EXISTS (SELECT FROM pg_publication_namespace n WHERE n.pnpubid = p.oid AND n.pnnspid = c.relnamespace)";

/// Whether the publication publishes stored generated columns of tables without a column list.
const PUBLISHES_GENERATED: &str = "SELECT pubgencols = 's' FROM pg_publication WHERE pubname = $1";

/// OID and replica identity of a table; `None` when the table does not exist.
pub(super) async fn named(
    client: &Client,
    doing: &'static str,
    table: &TableName,
) -> Result<Option<CatalogRow>, PostgresError> {
    let name = [
        (&table.namespace as _, Type::TEXT),
        (&table.name as _, Type::TEXT),
    ];
    row(client, doing, TABLE, &name).await
}

/// Name of a table by its OID; `None` when the table does not exist.
pub(crate) async fn table_name(client: &Client, number: Oid) -> Result<Option<TableName>, PostgresError> {
    let by_number = [(&number.as_u32() as _, Type::OID)];
    let Some(found) = row(client, DOING, NAME, &by_number).await? else {
        return Ok(None);
    };
    Ok(Some(TableName {
        namespace: value(DOING, &found, 0)?,
        name: value(DOING, &found, 1)?,
    }))
}

/// Adds the sizes of the tables that store rows. The server locks each to find its size.
pub(crate) async fn add_sizes(client: &Client, table: &mut TableDescription) -> Result<(), PostgresError> {
    let numbers: Vec<u32> = table.parts.iter().map(|part| part.oid.as_u32()).collect();
    let sql = "SELECT coalesce(pg_relation_size(part), 0) FROM unnest($1) WITH ORDINALITY AS parts (part, place) ORDER BY place";
    let sizes = rows(client, DOING, sql, &[(&numbers, Type::OID_ARRAY)]).await?;
    for (part, row) in table.parts.iter_mut().zip(&sizes) {
        part.bytes = u64::try_from(value::<i64>(DOING, row, 0)?).unwrap_or(0);
    }
    Ok(())
}

/// Describes a table by its name; `None` when the table does not exist. No table is locked, except from version 17 on one with a row filter.
pub(crate) async fn table_description(
    client: &Client,
    server_version: u32,
    publication: &str,
    table: &TableName,
) -> Result<Option<TableDescription>, PostgresError> {
    let Some(found) = named(client, DOING, table).await? else {
        return Ok(None);
    };
    let number = oid(DOING, &found, 0)?;
    let published = Published::of(client, server_version, publication, number).await?;
    let by_number = [(&number.as_u32() as _, Type::OID)];
    let mut columns = Vec::new();
    let mut is_whole = true;
    for row in rows(client, DOING, COLUMNS, &by_number).await? {
        let generated: String = value(DOING, &row, 5)?;
        if published.has_column(value(DOING, &row, 1)?, &generated) {
            columns.push(RelationColumn {
                name: value(DOING, &row, 0)?,
                type_oid: oid(DOING, &row, 2)?,
                type_modifier: value(DOING, &row, 3)?,
                is_key: value(DOING, &row, 4)?,
            });
        } else {
            is_whole = false;
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
            bytes: 0,
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
    Ok(Some(TableDescription {
        relation,
        parts,
        filter: published.filter,
        is_whole,
    }))
}

/// What a publication sends of a table.
struct Published {
    /// Numbers of the listed columns; `None` without a column list.
    columns: Option<Vec<i16>>,
    /// Row filter.
    filter: Option<String>,
    /// Whether generated columns that are stored are in the WAL: before 18 they never are, whichever the publication lists.
    generated: bool,
}

impl Published {
    async fn of(
        client: &Client,
        server_version: u32,
        publication: &str,
        table: Oid,
    ) -> Result<Self, PostgresError> {
        let mut published = Self {
            columns: None,
            filter: None,
            generated: false,
        };
        let name = (&publication as _, Type::TEXT);
        if server_version >= RESTRICTIONS_SINCE {
            let of = [name.clone(), (&table.as_u32() as _, Type::OID)];
            if let Some(row) = row(client, DOING, RESTRICTION, &of).await? {
                published.columns = value(DOING, &row, 0)?;
                published.filter = value(DOING, &row, 1)?;
            }
        }
        if server_version >= GENERATED_SINCE {
            published.generated = match published.columns {
                Some(_) => true,
                None => match row(client, DOING, PUBLISHES_GENERATED, &[name]).await? {
                    Some(row) => value(DOING, &row, 0)?,
                    None => false,
                },
            };
        }
        Ok(published)
    }

    /// Whether changes carry a column. `generated` is `pg_attribute.attgenerated`: virtual columns are never in the WAL.
    fn has_column(&self, number: i16, generated: &str) -> bool {
        let is_listed = self
            .columns
            .as_ref()
            .is_none_or(|listed| listed.contains(&number));
        is_listed && (generated.is_empty() || generated == "s" && self.generated)
    }
}

/// Tables by name, each with the size of the tables that store its rows.
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

/// Sizes of tables; tables that do not exist are left out.
pub(crate) async fn table_sizes(
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

impl TableDescription {
    /// `COPY` statement for the rows of a part within a range of `ctid`, which is the first column. `sorted` orders the rows by
    /// `ctid` where they may come in another order.
    ///
    /// The range and the publication's row filter stand in a subquery, so that the condition selects from their rows only.
    pub(crate) fn copy(
        &self,
        part: &Part,
        range: &str,
        condition: Option<&Condition>,
        order: &str,
    ) -> String {
        let filter = self.filter.iter().map(|filter| format!("({filter})"));
        let mut inner: Vec<String> = std::iter::once(range.to_owned()).chain(filter).collect();
        inner.retain(|condition| !condition.is_empty());
        let inner = match inner.as_slice() {
            [] => String::new(),
            some => format!(" WHERE {}", some.join(" AND ")),
        };
        let from = format!("ONLY {}{inner}", sql::table(&part.name));
        match condition {
            None => format!(
                "COPY (SELECT ctid, {} FROM {from}{order}) TO STDOUT",
                self.columns_of(part)
            ),
            Some(condition) => {
                let selection = self.selection(&format!("ctid, {}", self.columns()), &from, condition);
                format!("COPY ({selection}{order}) TO STDOUT")
            }
        }
    }

    /// Statement that selects rows by a condition, for the server to analyze.
    pub(crate) fn analyzed(&self, condition: &Condition) -> String {
        let name = TableName {
            namespace: self.relation.namespace.clone(),
            name: self.relation.name.clone(),
        };
        self.selection("1", &sql::table(&name), condition)
    }

    /// Whether reading the rows needs a statement with the name of a column that is not UTF-8.
    pub(super) fn needs_unreadable_column(&self, condition: Option<&Condition>) -> bool {
        let mut columns = self.relation.columns.iter();
        let needs_names = condition.is_some()
            || !self.is_whole
            || self.parts.iter().any(|part| part.oid != self.relation.oid);
        needs_names && columns.any(|column| is_unreadable(&column.name))
    }

    /// Columns of a part. A name that is not UTF-8 cannot be in a statement; all columns of the table itself need no names. Those of a
    /// partition can have another order.
    fn columns_of(&self, part: &Part) -> String {
        let mut names = self.relation.columns.iter().map(|column| &column.name);
        if self.is_whole && part.oid == self.relation.oid && names.any(|name| is_unreadable(name)) {
            return "*".to_owned();
        }
        self.columns()
    }

    fn columns(&self) -> String {
        let columns = self.relation.columns.iter();
        let columns: Vec<String> = columns.map(|column| sql::identifier(&column.name)).collect();
        columns.join(", ")
    }

    /// Selects rows by a condition. Comparisons see the published columns only. SQL sees all columns, and its functions must not see
    /// rows that the row filter excludes: `OFFSET 0` keeps the server from evaluating both at once.
    fn selection(&self, selected: &str, from: &str, condition: &Condition) -> String {
        let (columns, barrier) = match condition.dialect() {
            Dialect::Comparisons => (self.columns(), ""),
            Dialect::Sql if self.filter.is_some() => ("*".to_owned(), " OFFSET 0"),
            Dialect::Sql => ("*".to_owned(), ""),
        };
        let name = sql::identifier(&self.relation.name);
        let condition = condition.sql();
        format!(
            "SELECT {selected} FROM (SELECT ctid, {columns} FROM {from}{barrier}) AS {name} WHERE (\n{condition}\n)"
        )
    }
}
