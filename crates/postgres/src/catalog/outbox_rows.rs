//! Rows of outbox tables that are in Kafka: which they are, and statements that remove them.

use std::time::Duration;

use tokio_postgres::types::Type;
use walcast_delivery::{CleanupAction, OutboxTable, Removal, Removed, sql};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid};

use super::catalog_row::CatalogRow;
use super::membership::membership;
use super::publication::RESTRICTIONS_SINCE;
use super::query::{execute, lsn, oid, one, row, rows, unexpected, value};
use crate::connect::Client;
use crate::error::PostgresError;

const LOOKING: &str = "looking at outbox tables";
const REMOVING: &str = "removing delivered rows of an outbox";

/// A 64-bit transaction ID below which every transaction has ended, and the end of WAL: the server reads it after the snapshot of the
/// statement was taken.
pub(crate) async fn horizon(client: &Client) -> Result<(u64, Lsn), PostgresError> {
    let sql = "SELECT txid_snapshot_xmin(txid_current_snapshot()), pg_current_wal_insert_lsn()::text";
    let found = one(client, LOOKING, sql, &[]).await?;
    let end = lsn(LOOKING, &found, 1)?.ok_or_else(|| unexpected(LOOKING, "no position"))?;
    Ok((transaction(&found)?, end))
}

/// A new transaction ID. The upper end of a snapshot would not do: transactions that run may have it, or a higher one.
pub(crate) async fn next_transaction(client: &Client) -> Result<u64, PostgresError> {
    transaction(&one(client, LOOKING, "SELECT txid_current()", &[]).await?)
}

/// 64-bit transaction ID in the first column.
fn transaction(row: &CatalogRow) -> Result<u64, PostgresError> {
    let id: i64 = value(LOOKING, row, 0)?;
    u64::try_from(id).map_err(|_| unexpected(LOOKING, &id.to_string()))
}

/// Outbox tables with the tables that store their rows, and whether the publication publishes all their inserts.
pub(crate) async fn outbox_tables(
    client: &Client,
    server_version: u32,
    publication: &str,
    tables: &[TableName],
) -> Result<Vec<OutboxTable>, PostgresError> {
    let schemas: Vec<&str> = tables.iter().map(|table| table.namespace.as_str()).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let sql = tables_sql(server_version);
    let parameters = [
        (&schemas as _, Type::TEXT_ARRAY),
        (&names as _, Type::TEXT_ARRAY),
        (&publication as _, Type::TEXT),
    ];
    let mut found: Vec<OutboxTable> = Vec::new();
    for row in rows(client, LOOKING, &sql, &parameters).await? {
        let table = oid(LOOKING, &row, 0)?;
        let part = oid(LOOKING, &row, 6)?;
        if let Some(known) = found.iter_mut().find(|known| known.oid == table) {
            known.parts.push(part);
            continue;
        }
        found.push(OutboxTable {
            oid: table,
            name: TableName {
                namespace: value(LOOKING, &row, 1)?,
                name: value(LOOKING, &row, 2)?,
            },
            is_published: value(LOOKING, &row, 3)?,
            membership: value(LOOKING, &row, 4)?,
            layout: value(LOOKING, &row, 5)?,
            parts: vec![part],
        });
    }
    Ok(found)
}

/// A partition is published as its root is. Servers before 15 have neither row filters nor schemas in publications.
fn tables_sql(server_version: u32) -> String {
    let (filter, of_schema) = if server_version >= RESTRICTIONS_SINCE {
        (
            // Whose filter applies depends on publish_via_partition_root.
            "AND NOT EXISTS (SELECT FROM pg_publication_rel f WHERE f.prpubid = p.oid AND f.prqual IS NOT NULL \
             AND (f.prrelid = c.oid OR f.prrelid IN (SELECT a.relid::oid FROM pg_partition_ancestors(c.oid) a)))",
            "OR EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid AND s.pnnspid = c.relnamespace)",
        )
    } else {
        ("", "")
    };
    let membership = membership(server_version);
    format!(
        "SELECT c.oid, n.nspname::text, c.relname::text, EXISTS ( \
           SELECT FROM pg_publication p WHERE p.pubname = $3 AND p.pubinsert {filter} AND (p.puballtables OR EXISTS ( \
             SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid \
             AND (r.prrelid = c.oid OR r.prrelid IN (SELECT a.relid::oid FROM pg_partition_ancestors(c.oid) a))) {of_schema})), \
         (SELECT {membership} FROM pg_publication p WHERE p.pubname = $3), \
         coalesce((SELECT string_agg(concat(i.inhrelid, '.', i.xmin, '.', leaf.relfilenode), ',' ORDER BY i.inhrelid) \
           FROM pg_partition_tree(c.oid) tree JOIN pg_inherits i ON i.inhrelid = tree.relid \
           JOIN pg_class leaf ON leaf.oid = tree.relid WHERE c.relkind = 'p'), ''), part.oid \
         FROM unnest($1::text[], $2::text[]) AS wanted (namespace, name) \
         JOIN pg_namespace n ON n.nspname = wanted.namespace \
         JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name AND c.relkind IN ('r', 'p') \
         JOIN LATERAL (SELECT c.oid WHERE c.relkind = 'r' UNION ALL \
           SELECT leaf.oid FROM pg_partition_tree(c.oid) tree JOIN pg_class leaf ON leaf.oid = tree.relid \
           WHERE c.relkind = 'p' AND tree.isleaf AND leaf.relkind = 'r') AS part ON true \
         ORDER BY c.oid, part.oid"
    )
}

/// Whether a table has no row.
pub(crate) async fn is_empty(client: &Client, table: Oid, name: &TableName) -> Result<bool, PostgresError> {
    let quoted = sql::table(name);
    // The name must still be that of the table.
    let sql =
        format!("SELECT NOT EXISTS (SELECT FROM {quoted}) AND to_regclass($1)::oid IS NOT DISTINCT FROM $2");
    let number = table.as_u32();
    let found = one(
        client,
        LOOKING,
        &sql,
        &[(&quoted, Type::TEXT), (&number, Type::OID)],
    )
    .await?;
    value(LOOKING, &found, 0)
}

/// Removes rows in one transaction. An error leaves the transaction open: the session is to be closed then.
pub(crate) async fn remove(client: &Client, removal: &Removal<'_>) -> Result<Removed, PostgresError> {
    match removal.action {
        CleanupAction::DropPartition => drop_partition(client, removal).await,
        CleanupAction::Delete | CleanupAction::Mark { .. } | CleanupAction::Archive { .. } => {
            remove_rows(client, removal).await
        }
    }
}

async fn remove_rows(client: &Client, removal: &Removal<'_>) -> Result<Removed, PostgresError> {
    let outbox = sql::table(&removal.table.name);
    // A lock that keeps triggers and rules from being created.
    let mut begin =
        format!("BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE ONLY {outbox} IN ROW EXCLUSIVE MODE");
    let (event, target) = match removal.action {
        CleanupAction::Mark { .. } => (UPDATE, None),
        CleanupAction::Archive { table } => (DELETE, Some(table)),
        CleanupAction::Delete | CleanupAction::DropPartition => (DELETE, None),
    };
    if let Some(target) = target {
        begin.push_str(&format!(
            "; LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE",
            sql::table(target)
        ));
    }
    begin_transaction(client, &begin).await?;
    let mut prevented = !is_still(client, removal.table).await?;
    let mut concerned: Vec<(String, i16)> = vec![(outbox.clone(), event)];
    concerned.extend(target.map(|target| (sql::table(target), INSERT)));
    let mut found = None;
    for (table, event) in &concerned {
        found = found.or(foreign_code(client, table, *event).await?);
    }
    prevented |= found.is_some();
    if prevented {
        end_transaction(client, "ROLLBACK").await?;
        return Ok(Removed {
            prevented_by: found,
            ..Removed::default()
        });
    }
    let chosen = chosen(client, removal, &outbox).await?;
    let statement = match removal.action {
        CleanupAction::Mark { column } => {
            let value = match is_boolean(client, removal.table.oid, column).await? {
                true => "true",
                false => "transaction_timestamp()",
            };
            let column = sql::identifier(column);
            format!("UPDATE {outbox} AS o SET {column} = {value} FROM ({chosen}) AS chosen WHERE {SAME}")
        }
        CleanupAction::Archive { table } => {
            let columns = columns(client, removal.table.oid).await?;
            format!(
                "WITH moved AS (DELETE FROM {outbox} AS o USING ({chosen}) AS chosen WHERE {SAME} RETURNING o.*) \
                 INSERT INTO {} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM moved",
                sql::table(table)
            )
        }
        CleanupAction::Delete | CleanupAction::DropPartition => {
            format!("DELETE FROM {outbox} AS o USING ({chosen}) AS chosen WHERE {SAME}")
        }
    };
    let rows = client.answered(REMOVING, client.execute(&statement, &[])).await?;
    end_transaction(client, "COMMIT").await?;
    Ok(Removed {
        rows,
        has_more: rows >= u64::from(removal.limit),
        ..Removed::default()
    })
}

async fn begin_transaction(client: &Client, sql: &str) -> Result<(), PostgresError> {
    execute(client, REMOVING, sql).await?;
    client.stay_in_transaction();
    Ok(())
}

async fn end_transaction(client: &Client, sql: &str) -> Result<(), PostgresError> {
    client.leave_transaction();
    execute(client, REMOVING, sql).await
}

/// Row of the outbox and row that was chosen. The place of a row is unique in its partition only.
const SAME: &str = "o.tableoid = chosen.part AND o.ctid = chosen.place";

/// Query of the rows that are removed next.
async fn chosen(client: &Client, removal: &Removal<'_>, outbox: &str) -> Result<String, PostgresError> {
    let mut condition = delivered(client, removal).await?;
    if let CleanupAction::Mark { column } = removal.action {
        let name = sql::identifier(column);
        let unmarked = match is_boolean(client, removal.table.oid, column).await? {
            true => format!("c.{name} IS NOT TRUE"),
            false => format!("c.{name} IS NULL"),
        };
        condition.push_str(&format!(" AND {unmarked}"));
    }
    let parts: Vec<String> = removal.table.parts.iter().map(ToString::to_string).collect();
    Ok(format!(
        "SELECT c.tableoid AS part, c.ctid AS place FROM {outbox} AS c WHERE c.tableoid = ANY ('{{{}}}'::oid[]) AND {condition} LIMIT {}",
        parts.join(","),
        removal.limit
    ))
}

/// Condition on the rows `c` of transactions below the horizon that have the age, in the snapshot of the transaction.
///
/// A row has the last 32 bits of the ID of its transaction. Each transaction that the snapshot shows has an ID below the upper end of
/// the snapshot, and the largest such ID with these bits is taken: it is not less than the row's own, so that the row of an older epoch,
/// or one that is frozen, can at most be kept for longer. `COPY FREEZE` into a partition that it truncated makes rows of a later
/// transaction visible to this snapshot, which look like rows of billions of transactions ago: those are kept too.
async fn delivered(client: &Client, removal: &Removal<'_>) -> Result<String, PostgresError> {
    let sql = "SELECT txid_snapshot_xmax(txid_current_snapshot())";
    let found = one(client, REMOVING, sql, &[]).await?;
    let next: i64 = value(REMOVING, &found, 0)?;
    let horizon = i64::try_from(removal.horizon).unwrap_or(i64::MAX).min(next);
    let age = removal.age_column.map(|column| {
        let column = sql::identifier(column);
        format!(
            " AND c.{column} < transaction_timestamp() - {}",
            interval(removal.keep)
        )
    });
    Ok(format!(
        "(({next} - 1 - c.xmin::text::int8) & 4294967295) BETWEEN {} AND 2147483647{}",
        next.saturating_sub(horizon),
        age.unwrap_or_default()
    ))
}

fn interval(duration: Duration) -> String {
    format!("make_interval(secs => {})", duration.as_secs())
}

/// Bits of `pg_trigger.tgtype`.
const INSERT: i16 = 4;
const DELETE: i16 = 8;
const UPDATE: i16 = 16;

/// Trigger or rule that would run with the privileges of the connector's role, and whose function belongs to a role that could not do
/// what it may do.
async fn foreign_code(client: &Client, table: &str, event: i16) -> Result<Option<String>, PostgresError> {
    let sql = "WITH concerned AS (SELECT to_regclass($1)::oid AS oid UNION SELECT relid::oid FROM pg_partition_tree(to_regclass($1))) \
               SELECT format('trigger %I of %s', t.tgname, t.tgrelid::regclass) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid \
               JOIN pg_roles r ON r.oid = p.proowner \
               WHERE t.tgrelid IN (SELECT oid FROM concerned) AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & $2 <> 0 \
               AND NOT r.rolsuper AND r.rolname <> current_user \
               UNION ALL SELECT format('rule %I of %s', w.rulename, w.ev_class::regclass) FROM pg_rewrite w \
               WHERE w.ev_class IN (SELECT oid FROM concerned) AND w.ev_enabled <> 'D' LIMIT 1";
    let parameters = [(&table as _, Type::TEXT), (&event as _, Type::INT2)];
    let found = row(client, REMOVING, sql, &parameters).await?;
    found.map(|row| value(REMOVING, &row, 0)).transpose()
}

/// Whether the name is still that of the table.
async fn is_still(client: &Client, table: &OutboxTable) -> Result<bool, PostgresError> {
    let sql = "SELECT to_regclass($1)::oid IS NOT DISTINCT FROM $2";
    let (name, number) = (sql::table(&table.name), table.oid.as_u32());
    let parameters = [(&name as _, Type::TEXT), (&number as _, Type::OID)];
    let found = one(client, REMOVING, sql, &parameters).await?;
    value(REMOVING, &found, 0)
}

async fn is_boolean(client: &Client, table: Oid, column: &str) -> Result<bool, PostgresError> {
    let sql = "SELECT coalesce((SELECT atttypid = 'bool'::regtype FROM pg_attribute \
               WHERE attrelid = $1 AND attname = $2 AND NOT attisdropped), false)";
    let number = table.as_u32();
    let parameters = [(&number as _, Type::OID), (&column as _, Type::TEXT)];
    let found = one(client, REMOVING, sql, &parameters).await?;
    value(REMOVING, &found, 0)
}

/// Quoted names of the columns that can be written.
async fn columns(client: &Client, table: Oid) -> Result<String, PostgresError> {
    let sql = "SELECT attname::text FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attgenerated = '' \
               ORDER BY attnum";
    let number = table.as_u32();
    let mut columns = Vec::new();
    for row in rows(client, REMOVING, sql, &[(&number as _, Type::OID)]).await? {
        let name: String = value(REMOVING, &row, 0)?;
        columns.push(sql::identifier(&name));
    }
    Ok(columns.join(", "))
}

/// Partitions whose range has ended. A literal without a time zone may be that of any, so that a day is added.
const ENDED: &str = r"
SELECT name, namespace FROM (
    SELECT c.relname::text AS name, n.nspname::text AS namespace,
           CASE WHEN a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
                THEN substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''([^'']+)''\)$')::timestamptz
                     + CASE a.atttypid WHEN 'timestamptz'::regtype THEN interval '0' ELSE interval '1 day' END
           END AS until
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_partitioned_table p ON p.partrelid = i.inhparent
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE i.inhparent = $1 AND p.partstrat = 'r' AND p.partnatts = 1 AND c.relkind = 'r' AND c.oid = ANY ($2)
) partition
WHERE until < now() - make_interval(secs => $3)
ORDER BY until";

/// Drops the first partition of which all rows are delivered and old.
async fn drop_partition(client: &Client, removal: &Removal<'_>) -> Result<Removed, PostgresError> {
    let table = removal.table.oid.as_u32();
    let parts: Vec<u32> = removal.table.parts.iter().map(|part| part.as_u32()).collect();
    let keep = removal.keep.as_secs_f64();
    let parameters = [
        (&table as _, Type::OID),
        (&parts as _, Type::OID_ARRAY),
        (&keep as _, Type::FLOAT8),
    ];
    for row in rows(client, REMOVING, ENDED, &parameters).await? {
        let name = TableName {
            name: value(REMOVING, &row, 0)?,
            namespace: value(REMOVING, &row, 1)?,
        };
        let quoted = sql::table(&name);
        // No writer is left, and none comes while the rows are counted. Only DROP TABLE needs the partitioned table.
        let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE ONLY {quoted} IN SHARE MODE");
        begin_transaction(client, &begin).await?;
        let delivered = delivered(client, removal).await?;
        let sql = format!(
            "SELECT count(*), count(*) FILTER (WHERE ({delivered}) IS NOT TRUE), \
             (SELECT i.inhparent IS NOT DISTINCT FROM $1 FROM pg_inherits i WHERE i.inhrelid = to_regclass($2)) FROM ONLY {quoted} AS c"
        );
        let parameters = [(&table as _, Type::OID), (&quoted as _, Type::TEXT)];
        let found = one(client, REMOVING, &sql, &parameters).await?;
        let (rows, kept): (i64, i64) = (value(REMOVING, &found, 0)?, value(REMOVING, &found, 1)?);
        let is_partition: Option<bool> = value(REMOVING, &found, 2)?;
        if kept > 0 || is_partition != Some(true) {
            end_transaction(client, "ROLLBACK").await?;
            continue;
        }
        // Waiting for the partitioned table keeps its writers waiting, and a writer that waits for the partition must not be the
        // victim of a deadlock (deadlock_timeout).
        let drop = format!("SET LOCAL lock_timeout = '200ms'; DROP TABLE {quoted}; COMMIT");
        end_transaction(client, &drop).await?;
        return Ok(Removed {
            rows: u64::try_from(rows).unwrap_or(0),
            partitions: 1,
            has_more: true,
            prevented_by: None,
        });
    }
    Ok(Removed::default())
}

/// What clean-up may not do: missing privileges of the session's role, as statements that grant them.
pub(crate) async fn missing_privileges(
    client: &Client,
    table: &TableName,
    action: &CleanupAction,
) -> Result<Vec<String>, PostgresError> {
    const DOING: &str = "checking the privileges of clean-up";
    let sql = "SELECT current_user::text, c.oid IS NOT NULL, coalesce(has_table_privilege(c.oid, 'SELECT'), false), \
               coalesce(has_table_privilege(c.oid, $2), false), coalesce(pg_has_role(c.relowner, 'USAGE'), false), r.rolname::text \
               FROM (SELECT to_regclass($1) AS oid) named LEFT JOIN pg_class c ON c.oid = named.oid \
               LEFT JOIN pg_roles r ON r.oid = c.relowner";
    let checked: Vec<(&TableName, &str)> = match action {
        CleanupAction::Delete => vec![(table, "DELETE")],
        CleanupAction::Mark { .. } => vec![(table, "UPDATE")],
        CleanupAction::Archive { table: archive } => vec![(table, "DELETE"), (archive, "INSERT")],
        CleanupAction::DropPartition => vec![(table, "SELECT")],
    };
    let mut missing = Vec::new();
    for (table, privilege) in checked {
        let quoted = sql::table(table);
        let parameters = [(&quoted as _, Type::TEXT), (&privilege as _, Type::TEXT)];
        let found = one(client, DOING, sql, &parameters).await?;
        let role: String = value(DOING, &found, 0)?;
        let role = sql::identifier(&role);
        let exists: bool = value(DOING, &found, 1)?;
        if !exists {
            missing.push(format!("CREATE TABLE {quoted} with the columns of the outbox"));
            continue;
        }
        let (may_read, may, owns): (bool, bool, bool) = (
            value(DOING, &found, 2)?,
            value(DOING, &found, 3)?,
            value(DOING, &found, 4)?,
        );
        if *action == CleanupAction::DropPartition {
            let owner: Option<String> = value(DOING, &found, 5)?;
            if !owns {
                let owner = sql::identifier(&owner.unwrap_or_default());
                missing.push(format!("GRANT {owner} TO {role}"));
            }
            continue;
        }
        let needed = [("SELECT", may_read || privilege == "INSERT"), (privilege, may)];
        let needed: Vec<&str> = needed
            .iter()
            .filter(|(_, has)| !has)
            .map(|(name, _)| *name)
            .collect();
        if !needed.is_empty() {
            missing.push(format!("GRANT {} ON {quoted} TO {role}", needed.join(", ")));
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::{interval, tables_sql};

    #[test]
    fn row_filters_and_schemas_exist_since_15() {
        assert!(!tables_sql(140_000).contains("prqual"));
        assert!(tables_sql(150_000).contains("f.prqual IS NOT NULL"));
        assert!(tables_sql(150_000).contains("pg_publication_namespace"));
    }

    #[test]
    fn ages_are_intervals() {
        expect!["make_interval(secs => 604800)"]
            .assert_eq(&interval(std::time::Duration::from_secs(604_800)));
    }
}
