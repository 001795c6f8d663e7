//! First look at a database: its tables with their sizes, publications, slots and settings.

use tokio_postgres::types::Type;
use walcast_mapper::TableName;

use super::publication::publication_names;
use super::query::{rows, value};
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "surveying the database";

/// Tables, publications, slots and settings of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Tables outside of the system schemas, in name order; partitions are part of their table.
    pub tables: Vec<SurveyedTable>,
    /// Names of the first publications.
    pub publications: Vec<String>,
    /// Permanent logical slots of the database.
    pub slots: Vec<SurveyedSlot>,
    /// Settings of the server that concern logical replication, each with its value.
    pub settings: Vec<(String, String)>,
}

/// Table of a [`Survey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyedTable {
    /// Name of the table.
    pub name: TableName,
    /// Estimated number of rows.
    pub rows: u64,
    /// Size in bytes, with values that are stored out of line.
    pub bytes: u64,
    /// Number of partitions that store rows.
    pub partitions: u64,
}

/// Slot of a [`Survey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyedSlot {
    /// Name of the slot.
    pub name: String,
    /// Output plugin.
    pub plugin: String,
    /// Whether a client streams from the slot.
    pub active: bool,
    /// Bytes of WAL that the slot retains.
    pub retained_bytes: u64,
}

/// Tables with the estimate of [`super::row_estimate`].
const TABLES: &str = r"
WITH RECURSIVE tree (root, oid) AS (
    SELECT c.oid, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
      AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
    UNION
    SELECT tree.root, i.inhrelid FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind = 'p'
    JOIN pg_inherits i ON i.inhparent = tree.oid
)
SELECT n.nspname::text, r.relname::text,
       coalesce(sum(CASE WHEN c.relpages > 0 AND c.reltuples >= 0
                         THEN c.reltuples / c.relpages * (s.bytes / current_setting('block_size')::float8)
                         ELSE s.bytes / 100.0 END), 0)::int8,
       coalesce(sum(pg_table_size(c.oid)), 0)::int8,
       count(c.oid) FILTER (WHERE c.oid <> tree.root)
FROM tree JOIN pg_class r ON r.oid = tree.root JOIN pg_namespace n ON n.oid = r.relnamespace
LEFT JOIN pg_class c ON c.oid = tree.oid AND c.relkind = 'r'
LEFT JOIN LATERAL (SELECT pg_relation_size(c.oid)::float8) s (bytes) ON true
GROUP BY n.nspname, r.relname ORDER BY 1, 2";

const SLOTS: &str = "
SELECT slot_name::text, plugin::text, active,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::int8
FROM pg_replication_slots WHERE database = current_database() AND NOT temporary ORDER BY 1";

/// Settings that decide whether changes can be decoded, and how long WAL is retained; a server has those of its version.
const SETTINGS: [&str; 6] = [
    "wal_level",
    "max_replication_slots",
    "max_wal_senders",
    "max_slot_wal_keep_size",
    "idle_replication_slot_timeout",
    "logical_decoding_work_mem",
];

/// Surveys the database of the session.
pub(crate) async fn survey(client: &Client) -> Result<Survey, PostgresError> {
    Ok(Survey {
        tables: tables(client).await?,
        publications: publication_names(client).await?,
        slots: slots(client).await?,
        settings: settings(client).await?,
    })
}

async fn tables(client: &Client) -> Result<Vec<SurveyedTable>, PostgresError> {
    let mut tables = Vec::new();
    for row in rows(client, DOING, TABLES, &[]).await? {
        tables.push(SurveyedTable {
            name: TableName {
                namespace: value(DOING, &row, 0)?,
                name: value(DOING, &row, 1)?,
            },
            rows: count(value(DOING, &row, 2)?),
            bytes: count(value(DOING, &row, 3)?),
            partitions: count(value(DOING, &row, 4)?),
        });
    }
    Ok(tables)
}

async fn slots(client: &Client) -> Result<Vec<SurveyedSlot>, PostgresError> {
    let mut slots = Vec::new();
    for row in rows(client, DOING, SLOTS, &[]).await? {
        slots.push(SurveyedSlot {
            name: value(DOING, &row, 0)?,
            plugin: value(DOING, &row, 1)?,
            active: value(DOING, &row, 2)?,
            retained_bytes: count(value(DOING, &row, 3)?),
        });
    }
    Ok(slots)
}

async fn settings(client: &Client) -> Result<Vec<(String, String)>, PostgresError> {
    let sql = "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY ($1) ORDER BY array_position($1, name)";
    let names = SETTINGS.as_slice();
    let mut settings = Vec::new();
    for row in rows(client, DOING, sql, &[(&names, Type::TEXT_ARRAY)]).await? {
        settings.push((value(DOING, &row, 0)?, value(DOING, &row, 1)?));
    }
    Ok(settings)
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
