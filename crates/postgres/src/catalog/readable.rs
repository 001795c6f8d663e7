//! Checks whether the rows of a table can be read.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Type;
use walcast_delivery::{CapturedTable, Fix, FormerKey, sql};
use walcast_mapper::TableName;
use walcast_pgoutput::recode::is_unreadable;

use super::comparable::incomparable_key;
use super::query::{rows, value};
use super::table_description::named;
use super::unreadable_columns::{NameKind, rename, unreadable_names};
use crate::config::PostgresConfig;
use crate::connect::{Client, ServerEncoding};
use crate::error::PostgresError;

const DOING: &str = "checking whether rows can be read";

/// Selected tables, and all their partitions, each with the selected table.
const WITH_ROOTS: &str = "
WITH RECURSIVE tree (root, oid) AS (
    SELECT selected, selected FROM unnest($1::oid[]) selected
    UNION
    SELECT tree.root, i.inhrelid FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind = 'p'
    JOIN pg_inherits i ON i.inhparent = tree.oid
)";

/// Tables and partitions that the reading role may not read. Under row security the role would see some of the rows only, and the
/// owner's policies would run with the role's privileges: such a table is not read at all.
const UNREADABLE: &str = "
, reader AS (
    SELECT oid, rolname, rolsuper OR rolbypassrls AS bypasses FROM pg_roles
    WHERE rolname = coalesce($2, current_user)
)
SELECT format('%I.%I', n.nspname, c.relname), format('%I', r.rolname),
       CASE WHEN NOT has_schema_privilege(r.oid, n.oid, 'USAGE')
                THEN format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, r.rolname)
            WHEN NOT has_table_privilege(r.oid, c.oid, 'SELECT')
                THEN format('GRANT SELECT ON %I.%I TO %I', n.nspname, c.relname, r.rolname)
            ELSE format('ALTER ROLE %I BYPASSRLS', r.rolname)
       END,
       tree.root
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN reader r
WHERE c.relkind = 'r'
  AND (NOT has_schema_privilege(r.oid, n.oid, 'USAGE') OR NOT has_table_privilege(r.oid, c.oid, 'SELECT')
       OR c.relrowsecurity AND NOT r.bypasses
          AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE')))
ORDER BY 1";

/// Tables whose rows cannot be read.
pub(super) struct Unreadable {
    /// Quoted names of the tables.
    pub(super) tables: Vec<String>,
    /// Statements that grant access.
    pub(super) remedies: Vec<String>,
}

/// Table or partition that the reading role may not read completely.
#[derive(Clone)]
struct DeniedTable {
    /// OID of the selected table.
    root: u32,
    /// Quoted name.
    name: String,
    /// Quoted name of the reading role.
    role: String,
    /// Statement that grants access.
    remedy: String,
}

impl Unreadable {
    /// These tables; `None` when there are none.
    fn of(denied: impl IntoIterator<Item = DeniedTable>) -> Option<Self> {
        let mut found = Self {
            tables: Vec::new(),
            remedies: Vec::new(),
        };
        let mut grants: Vec<(String, String)> = Vec::new();
        for DeniedTable {
            name, role, remedy, ..
        } in denied
        {
            if remedy.starts_with("GRANT SELECT") {
                // A captured partition is part of a captured table, too.
                if !grants.iter().any(|(granted, _)| *granted == name) {
                    grants.push((name.clone(), role));
                }
            } else if !found.remedies.contains(&remedy) {
                found.remedies.push(remedy);
            }
            if !found.tables.contains(&name) {
                found.tables.push(name);
            }
        }
        if let Some((_, role)) = grants.first() {
            let tables: Vec<&str> = grants.iter().map(|(table, _)| table.as_str()).collect();
            let grant = format!("GRANT SELECT ON {} TO {role}", tables.join(", "));
            found.remedies.insert(0, grant);
        }
        (!found.tables.is_empty()).then_some(found)
    }
}

async fn denied(
    client: &Client,
    config: &PostgresConfig,
    numbers: &[u32],
) -> Result<Vec<DeniedTable>, PostgresError> {
    let role = config.reading_role.as_ref().map(|role| role.user());
    let parameters = [(&numbers as _, Type::OID_ARRAY), (&role as _, Type::TEXT)];
    let sql = format!("{WITH_ROOTS}{UNREADABLE}");
    let mut denied = unnamed(client, numbers).await?;
    let has_name = |name: &str| *client.encoding() == ServerEncoding::Utf8 || !is_unreadable(name);
    for row in rows(client, DOING, &sql, &parameters).await? {
        // A privilege on a partition that no statement can name is granted after it is renamed.
        if !has_name(&value::<String>(DOING, &row, 0)?) {
            continue;
        }
        denied.push(DeniedTable {
            name: value(DOING, &row, 0)?,
            role: value(DOING, &row, 1)?,
            remedy: value(DOING, &row, 2)?,
            root: value(DOING, &row, 3)?,
        });
    }
    Ok(denied)
}

/// Partitions of selected tables, each with the name of the selected table.
const PARTITIONS: &str = "
SELECT tree.root, format('%I.%I', root_n.nspname, root.relname), c.oid, n.nspname::text, c.relname::text
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class root ON root.oid = tree.root JOIN pg_namespace root_n ON root_n.oid = root.relnamespace
WHERE c.relkind = 'r' AND tree.oid <> tree.root
ORDER BY 1, 3";

/// Selected tables of which no statement can read all rows, because the name of a partition, or of a column of a table with partitions,
/// has no equivalent in UTF-8.
async fn unnamed(client: &Client, numbers: &[u32]) -> Result<Vec<DeniedTable>, PostgresError> {
    if *client.encoding() == ServerEncoding::Utf8 {
        return Ok(Vec::new());
    }
    let mut denied = Vec::new();
    let mut partitioned: BTreeMap<u32, String> = BTreeMap::new();
    let sql = format!("{WITH_ROOTS}{PARTITIONS}");
    for row in rows(client, DOING, &sql, &[(&numbers, Type::OID_ARRAY)]).await? {
        let (root, table): (u32, String) = (value(DOING, &row, 0)?, value(DOING, &row, 1)?);
        let partition = TableName {
            namespace: value(DOING, &row, 3)?,
            name: value(DOING, &row, 4)?,
        };
        if partition.is_unreadable() {
            denied.push(DeniedTable {
                root,
                name: unnamed_parts(&table),
                role: String::new(),
                remedy: rename(value(DOING, &row, 2)?, &partition),
            });
        }
        partitioned.insert(root, table);
    }
    let roots: Vec<u32> = partitioned.keys().copied().collect();
    for name in unreadable_names(client, &roots).await? {
        let Some(table) = partitioned
            .get(&name.table)
            .filter(|_| name.kind == NameKind::Column)
        else {
            continue;
        };
        denied.push(DeniedTable {
            root: name.table,
            name: format!(
                "{table} (the name of {} has no equivalent in UTF-8)",
                name.named()
            ),
            role: String::new(),
            remedy: name.rename,
        });
    }
    Ok(denied)
}

fn unnamed_parts(table: &str) -> String {
    format!("{table} (names without equivalent in UTF-8)")
}

/// The tables and partitions among `numbers` that the reading role may not read completely.
pub(super) async fn unreadable(
    client: &Client,
    config: &PostgresConfig,
    numbers: &[u32],
) -> Result<Option<Unreadable>, PostgresError> {
    Ok(Unreadable::of(denied(client, config, numbers).await?))
}

/// Captured tables whose rows are to be read and that the reading role may not read completely, each with the statements that grant it.
pub(crate) async fn denied_tables(
    client: &Client,
    config: &PostgresConfig,
    captured: &[CapturedTable],
) -> Result<BTreeMap<TableName, String>, PostgresError> {
    let read = captured.iter().filter(|table| config.may_read(&table.name));
    let read: Vec<&CapturedTable> = read.collect();
    if read.is_empty() {
        return Ok(BTreeMap::new());
    }
    let numbers: Vec<u32> = read.iter().map(|table| table.oid.as_u32()).collect();
    let mut by_root: BTreeMap<u32, Vec<DeniedTable>> = BTreeMap::new();
    for one in denied(client, config, &numbers).await? {
        by_root.entry(one.root).or_default().push(one);
    }
    let denied = read.into_iter().filter_map(|table| {
        let found = Unreadable::of(by_root.remove(&table.oid.as_u32())?)?;
        Some((table.name.clone(), found.remedies.join("; ")))
    });
    Ok(denied.collect())
}

async fn table_oid(client: &Client, table: &TableName) -> Result<Option<u32>, PostgresError> {
    let found = named(client, DOING, table).await?;
    found.map(|row| value(DOING, &row, 0)).transpose()
}

/// Whether a table exists.
pub(crate) async fn table_exists(client: &Client, table: &TableName) -> Result<bool, PostgresError> {
    Ok(table_oid(client, table).await?.is_some())
}

/// Reason for which the rows of a table cannot be read; `None` when they can.
pub(crate) async fn unreadable_reason(
    client: &Client,
    config: &PostgresConfig,
    table: &TableName,
) -> Result<Option<String>, PostgresError> {
    let Some(number) = table_oid(client, table).await? else {
        return Ok(Some("it does not exist".to_owned()));
    };
    let unreadable = unreadable(client, config, &[number]).await?;
    Ok(unreadable.map(|found| format!("run: {}", found.remedies.join("; "))))
}

/// The keys that no row of a table has, among the rows that the publication's filter selects.
pub(crate) async fn missing_rows(
    client: &Client,
    table: &TableName,
    filter: Option<&str>,
    keys: Vec<FormerKey>,
) -> Result<Vec<FormerKey>, PostgresError> {
    const DOING: &str = "looking up deleted rows";
    let columns: BTreeSet<&str> = keys
        .iter()
        .flat_map(|key| key.0.keys())
        .map(String::as_str)
        .collect();
    let columns: Vec<&str> = columns.into_iter().collect();
    if let Some(why) = incomparable_key(client, DOING, table, &columns).await? {
        return Err(PostgresError::RowsUnreadable {
            why: format!("of {table} cannot be looked up by their key: {why}"),
            fix: Fix::default(),
        });
    }
    let name = sql::table(table);
    let filter = filter.map_or_else(String::new, |filter| format!(" AND ({filter})"));
    let exists = keys.iter().enumerate().map(|(number, key)| {
        let has_key = sql::equals_key(&key.0);
        format!("SELECT {number}::int8, EXISTS (SELECT FROM {name} WHERE {has_key}{filter})")
    });
    let exists: Vec<String> = exists.collect();
    let mut is_gone = vec![false; keys.len()];
    for row in rows(client, DOING, &exists.join(" UNION ALL "), &[]).await? {
        let number = usize::try_from(value::<i64>(DOING, &row, 0)?).ok();
        if let Some(is_gone) = number.and_then(|number| is_gone.get_mut(number)) {
            *is_gone = !value::<bool>(DOING, &row, 1)?;
        }
    }
    let keys = keys.into_iter().zip(is_gone);
    Ok(keys.filter(|(_, is_gone)| *is_gone).map(|(key, _)| key).collect())
}
