//! The publication: its tables, operations and restrictions.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use walcast_delivery::sql::PARTITION_ROOTS_SINCE;
use walcast_delivery::{PublicationState, Restriction};
use walcast_mapper::TableName;

use super::query::{one, row, rows, value};
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "reading the publication";

/// First version with row filters and column lists.
pub(super) const RESTRICTIONS_SINCE: u32 = 150_000;

/// First version with `publish_generated_columns`.
const GENERATED_COLUMNS_SINCE: u32 = 180_000;

/// Tables that the view `pg_publication_tables` lists. From version 16 on the view locks every table of the publication, and waits for each
/// statement that holds or awaits a lock in mode `ACCESS EXCLUSIVE`; the catalog itself is read without locks.
const PUBLISHED_TABLES: &str = r"
WITH RECURSIVE publication AS (
    SELECT oid, puballtables, pubviaroot FROM pg_publication WHERE pubname = $1
), publishable AS (
    SELECT oid, relnamespace, relispartition FROM pg_class
    WHERE relkind IN ('r', 'p') AND relpersistence = 'p' AND oid >= 16384
), listed (oid) AS (
    SELECT r.prrelid FROM publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
    UNION
    SELECT c.oid FROM publication p JOIN pg_publication_namespace n ON n.pnpubid = p.oid
    JOIN publishable c ON c.relnamespace = n.pnnspid
    UNION
    SELECT c.oid FROM publication p JOIN publishable c ON NOT (p.pubviaroot AND c.relispartition) WHERE p.puballtables
), tree (listed, oid) AS (
    SELECT oid, oid FROM listed
    UNION
    SELECT tree.listed, i.inhrelid FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind = 'p'
    JOIN pg_inherits i ON i.inhparent = tree.oid
)
SELECT DISTINCT n.nspname::text, c.relname::text
FROM publication p, tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE CASE WHEN p.pubviaroot
      THEN c.oid = tree.listed AND NOT EXISTS (
          SELECT FROM tree above WHERE above.oid = c.oid AND above.listed <> c.oid)
      ELSE c.relkind <> 'p' AND (NOT p.puballtables OR c.relkind = 'r' AND c.relpersistence = 'p') END";

/// Publication, and whether it publishes changes of partitions as changes of the root (`publish_via_partition_root`).
pub(crate) struct Publication {
    pub(crate) state: PublicationState,
    pub(crate) via_partition_root: bool,
    /// Whether stored generated columns are published (`publish_generated_columns`).
    pub(crate) publishes_generated: bool,
}

/// State of a publication by its name.
pub(crate) async fn publication(
    client: &Client,
    server_version: u32,
    name: &str,
) -> Result<Option<Publication>, PostgresError> {
    let via_root = if server_version >= PARTITION_ROOTS_SINCE {
        "pubviaroot"
    } else {
        "false"
    };
    let generated = if server_version >= GENERATED_COLUMNS_SINCE {
        "pubgencols = 's'"
    } else {
        "false"
    };
    let sql = format!(
        "SELECT puballtables, pubinsert, pubupdate, pubdelete, pubtruncate, {via_root}, {generated} \
         FROM pg_publication WHERE pubname = $1"
    );
    let Some(row) = row(client, DOING, &sql, &[(&name, Type::TEXT)]).await? else {
        return Ok(None);
    };
    let mut unpublished = Vec::new();
    for (index, operation) in (1..).zip(["insert", "update", "delete", "truncate"]) {
        if !value::<bool>(DOING, &row, index)? {
            unpublished.push(operation);
        }
    }
    let tables = if server_version >= RESTRICTIONS_SINCE {
        PUBLISHED_TABLES
    } else {
        "SELECT n.nspname::text, c.relname::text FROM pg_publication_tables t \
         JOIN pg_namespace n ON n.nspname = t.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename \
         WHERE t.pubname = $1"
    };
    Ok(Some(Publication {
        state: PublicationState {
            all_tables: value(DOING, &row, 0)?,
            tables: names(client, tables, name).await?,
            unpublished,
            restricted: if server_version >= RESTRICTIONS_SINCE {
                restrictions(client, name).await?
            } else {
                BTreeMap::new()
            },
        },
        via_partition_root: value(DOING, &row, 5)?,
        publishes_generated: value(DOING, &row, 6)?,
    }))
}

/// Row filters and column lists of a publication.
async fn restrictions(
    client: &Client,
    publication: &str,
) -> Result<BTreeMap<TableName, Restriction>, PostgresError> {
    let sql = "SELECT n.nspname::text, c.relname::text, pg_get_expr(r.prqual, r.prrelid), r.prattrs::int2[] \
               FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid \
               JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE p.pubname = $1 AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL)";
    let mut restricted = BTreeMap::new();
    for row in rows(client, DOING, sql, &[(&publication, Type::TEXT)]).await? {
        let table = TableName {
            namespace: value(DOING, &row, 0)?,
            name: value(DOING, &row, 1)?,
        };
        let columns: Option<Vec<i16>> = value(DOING, &row, 3)?;
        let restriction = Restriction {
            filter: value(DOING, &row, 2)?,
            columns: columns.map(|columns| columns.into_iter().collect()),
        };
        restricted.insert(table, restriction);
    }
    Ok(restricted)
}

async fn names(client: &Client, sql: &str, publication: &str) -> Result<Vec<TableName>, PostgresError> {
    let mut names = Vec::new();
    for row in rows(client, DOING, sql, &[(&publication, Type::TEXT)]).await? {
        names.push(TableName {
            namespace: value(DOING, &row, 0)?,
            name: value(DOING, &row, 1)?,
        });
    }
    names.sort();
    Ok(names)
}

/// Prefix of the name of a tail's own publication, which ends with the process ID of the tail's session.
pub(crate) const TAIL_PREFIX: &str = "walcast_tail_";

/// Publication of a tail that was killed.
pub(crate) struct LeftPublication {
    pub(crate) name: String,
    /// Whether the role may drop it.
    pub(crate) is_own: bool,
}

/// Publications of tails whose sessions have ended.
pub(crate) async fn left_publications(client: &Client) -> Result<Vec<LeftPublication>, PostgresError> {
    let sql = "SELECT p.pubname::text, pg_has_role(current_user, p.pubowner, 'usage') FROM pg_publication p \
               WHERE starts_with(p.pubname::text, $1) \
               AND substr(p.pubname::text, length($1) + 1) ~ '^[0-9]+$' \
               AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid::text = substr(p.pubname::text, length($1) + 1))";
    let rows = rows(client, DOING, sql, &[(&TAIL_PREFIX, Type::TEXT)]).await?;
    rows.iter()
        .map(|row| {
            Ok(LeftPublication {
                name: value(DOING, row, 0)?,
                is_own: value(DOING, row, 1)?,
            })
        })
        .collect()
}

/// Names of the first publications that are not those of tails.
pub(crate) async fn publication_names(client: &Client) -> Result<Vec<String>, PostgresError> {
    let sql = "SELECT pubname::text FROM pg_publication WHERE NOT starts_with(pubname::text, $1) ORDER BY 1 LIMIT 5";
    let rows = rows(client, DOING, sql, &[(&TAIL_PREFIX, Type::TEXT)]).await?;
    rows.iter().map(|row| value(DOING, row, 0)).collect()
}

/// Process ID of this session's backend, by which other sessions can see whether it still runs.
pub(crate) async fn backend_pid(client: &Client) -> Result<i32, PostgresError> {
    let row = one(client, DOING, "SELECT pg_backend_pid()", &[]).await?;
    value(DOING, &row, 0)
}
