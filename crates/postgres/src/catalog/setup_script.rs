//! Statements that an administrator runs before the first start of a connector that may not create what it needs: the statements
//! that the connector would execute itself, and the privileges that its role lacks.

use tokio_postgres::types::Type;
use walcast_delivery::sql::{self, PARTITION_ROOTS_SINCE, identifier};
use walcast_delivery::{CapturedTable, CreateMissing, Partitions, Persistence, SourceState};
use walcast_mapper::TableName;
use walcast_pgoutput::recode::is_unreadable;

use super::query::{one, rows, value};
use super::setup::{Setup, SetupPurpose, SetupStatement};
use super::tables::{WITH_PARTITIONS, publishable_tables};
use crate::config::PostgresConfig;
use crate::connect::{Client, ServerEncoding};
use crate::error::PostgresError;

const DOING: &str = "listing what has to be set up";

/// Statement that creates the configured publication with these tables: the partitions' roots, where partitions are sent under their
/// own names.
pub(crate) async fn create_publication(
    client: &Client,
    server_version: u32,
    config: &PostgresConfig,
    tables: &[TableName],
) -> Result<String, PostgresError> {
    let roots;
    let tables = match config.partitions {
        Partitions::Leaf if server_version >= PARTITION_ROOTS_SINCE => {
            roots = publishable_tables(client, &config.tables, &config.exclude).await?;
            &roots
        }
        Partitions::Leaf | Partitions::Root => tables,
    };
    Ok(sql::create_publication(
        &config.publication,
        tables,
        server_version,
        config.partitions,
    ))
}

/// What is missing, in the order of execution. The publication comes before the slot, which cannot decode older changes.
pub(crate) async fn setup(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Setup, PostgresError> {
    let of = |purpose| move |sql| SetupStatement { sql, purpose };
    let mut notes = Vec::new();
    if source_state.wal_level != "logical" {
        notes.push(format!(
            "wal_level is {}: first run ALTER SYSTEM SET wal_level = logical, and restart the server",
            source_state.wal_level
        ));
    }
    for pattern in &source_state.unmatched_patterns {
        notes.push(format!("no table matches {pattern:?}"));
    }
    let privileges = privileges(client, config, source_state).await?.into_iter();
    let mut statements: Vec<SetupStatement> = privileges.map(of(SetupPurpose::Privilege)).collect();
    notes.extend(left_out(source_state));
    let publication = publication(client, config, source_state).await?.into_iter();
    statements.extend(publication.map(of(SetupPurpose::Publication)));
    match &source_state.slot {
        // The connector creates the slot itself.
        None if config.creates_missing == CreateMissing::Slot => {}
        None => {
            let is_failover = config.creates_failover_slot(source_state.server_version);
            let sql = sql::create_slot(&config.slot, is_failover);
            statements.push(of(SetupPurpose::Slot)(sql));
        }
        Some(slot) if source_state.publication.is_none() => notes.push(format!(
            "slot {} is older than the publication and cannot decode changes before it: drop the slot, and create it after the publication",
            slot.name
        )),
        Some(_) => {}
    }
    Ok(Setup {
        database: source_state.database.clone(),
        notes,
        statements,
    })
}

/// Statements that let the reading role read tables, and their partitions, completely.
const READING: &str = "
, reader AS (
    SELECT oid, rolname, rolsuper OR rolbypassrls AS bypasses FROM pg_roles
    WHERE rolname = coalesce($2, current_user)
), needed AS (
    SELECT r.oid AS role, r.rolname, r.bypasses, n.oid AS namespace, n.nspname, c.oid AS relation, c.relname,
           c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE')) AS is_guarded
    FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN reader r
    WHERE c.relkind = 'r'
)
SELECT 1, format('GRANT USAGE ON SCHEMA %I TO %I', nspname, rolname) FROM needed
WHERE NOT has_schema_privilege(role, namespace, 'USAGE')
UNION SELECT 2, format('GRANT SELECT ON %I.%I TO %I', nspname, relname, rolname) FROM needed
WHERE NOT has_table_privilege(role, relation, 'SELECT')
UNION SELECT 3, format('ALTER ROLE %I BYPASSRLS', rolname) FROM needed WHERE is_guarded AND NOT bypasses
ORDER BY 1, 2";

/// OIDs of the captured tables whose existing rows are read.
pub(crate) fn read_tables(config: &PostgresConfig, source_state: &SourceState) -> Vec<u32> {
    let captured = source_state.captured.iter();
    captured
        .filter(|table| config.may_read(&table.name))
        .filter(|table| table.is_publishable() || source_state.publishes(&table.name))
        .map(|table| table.oid.as_u32())
        .collect()
}

/// Privileges to stream, and to read the existing rows that are to be read.
async fn privileges(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Vec<String>, PostgresError> {
    let sql = "SELECT r.rolname::text, r.rolsuper OR r.rolreplication OR coalesce(pg_has_role(current_user, m.oid, 'member'), false), \
               m.oid IS NOT NULL \
               FROM pg_roles r LEFT JOIN pg_roles m ON m.rolname = 'rds_replication' WHERE r.rolname = current_user";
    let row = one(client, DOING, sql, &[]).await?;
    let role = identifier(&value::<String>(DOING, &row, 0)?);
    let (may_replicate, is_rds): (bool, bool) = (value(DOING, &row, 1)?, value(DOING, &row, 2)?);
    let mut statements = Vec::new();
    if !may_replicate {
        statements.push(match is_rds {
            true => format!("GRANT rds_replication TO {role}"),
            false => format!("ALTER ROLE {role} REPLICATION"),
        });
    }
    let oids: Vec<u32> = read_tables(config, source_state);
    let reader = config.reading_role.as_ref().map(|role| role.user());
    let parameters = [(&oids as _, Type::OID_ARRAY), (&reader as _, Type::TEXT)];
    let sql = format!("{}{READING}", WITH_PARTITIONS.trim_end());
    for row in rows(client, DOING, &sql, &parameters).await? {
        let statement: String = value(DOING, &row, 1)?;
        // A partition that no statement can name is renamed first, which the check demands.
        if *client.encoding() == ServerEncoding::Utf8 || !is_unreadable(&statement) {
            statements.push(statement);
        }
    }
    Ok(statements)
}

/// Statements that make the publication complete: exactly the tables that are captured and can be.
async fn publication(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Vec<String>, PostgresError> {
    let publishable = source_state
        .captured
        .iter()
        .filter(|table| table.is_publishable());
    let mut tables: Vec<TableName> = publishable.map(|table| table.name.clone()).collect();
    let signals = config.signal_table.iter();
    let signals: Vec<TableName> = signals
        .filter(|table| {
            !tables.contains(table) && !source_state.unmatched_patterns.contains(&table.to_string())
        })
        .cloned()
        .collect();
    tables.extend(signals);
    let Some(state) = &source_state.publication else {
        let version = source_state.server_version;
        let mut statements = vec![create_publication(client, version, config, &tables).await?];
        let is_missing = |table: &&TableName| config.signal_table.as_ref() == Some(*table);
        if config.partitions == Partitions::Leaf && version >= PARTITION_ROOTS_SINCE {
            let signals: Vec<&TableName> = tables.iter().filter(is_missing).collect();
            if !signals.is_empty() {
                statements.push(sql::add_to_publication(&config.publication, signals));
            }
        }
        return Ok(statements);
    };
    let mut statements = Vec::new();
    let missing: Vec<&TableName> = tables
        .iter()
        .filter(|table| !source_state.publishes(table))
        .collect();
    if !missing.is_empty() {
        statements.push(sql::add_to_publication(&config.publication, missing));
    }
    if !state.unpublished.is_empty() {
        statements.push(sql::publish_all_operations(&config.publication));
    }
    Ok(statements)
}

/// Why captured tables are not in the publication: their changes would not arrive, or the application could not change them.
fn left_out(source_state: &SourceState) -> Vec<String> {
    let why = |table: &CapturedTable| {
        if table.persistence != Persistence::Permanent {
            "it is unlogged"
        } else if !table.unsent_key_columns.is_empty() {
            "its key contains generated columns that the server does not send"
        } else {
            "it has no replica identity, and the server would reject its updates and deletes once it is published"
        }
    };
    let captured = source_state.captured.iter();
    captured
        .filter(|table| !table.is_publishable() && !source_state.publishes(&table.name))
        .map(|table| format!("table {} is left out: {}", table.name, why(table)))
        .collect()
}
