//! Preconditions of capturing changes that the catalog shows, each with its fix.

use tokio_postgres::types::Type;
use walcast_delivery::sql::{self, identifier};
use walcast_delivery::{CapturedTable, ConnectorSetting, Fix, Persistence, Precondition, SourceState};
use walcast_mapper::TableName;
use walcast_pgoutput::ReplicaIdentity;

use super::failover::failover;
use super::foreign_functions::foreign_functions;
use super::headroom::headroom;
use super::leadership::{LockHolder, lock_holder};
use super::privileges::privileges;
use super::query::{one, rows, value};
use super::readable::unreadable;
use super::setup_script::create_publication;
use super::slot_preconditions::{old_transactions, slot};
use crate::config::PostgresConfig;
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "checking preconditions";

/// Name of the precondition that the role may replicate.
pub(crate) const ROLE: &str = "role";

/// Checks every precondition that the catalog shows.
pub(crate) async fn preconditions(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Vec<Precondition>, PostgresError> {
    let mut found = server(client, config, source_state).await?;
    found.extend(privileges(client, config, source_state).await?);
    found.push(leadership_lock(client, config).await?);
    found.push(slot(client, config, source_state).await?);
    found.extend(old_transactions(client, source_state).await?);
    found.extend(headroom(client, source_state.server_version, config).await?);
    found.extend(failover(client, config, source_state).await?);
    found.push(publication(client, config, source_state).await?);
    found.extend(tables(source_state));
    found.extend(existing_rows(client, config, source_state).await?);
    found.extend(foreign_functions(client, config, source_state).await?);
    Ok(found)
}

/// Whether the existing rows of the captured tables can be read; `None` when none are to be read.
pub(crate) async fn existing_rows(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Option<Precondition>, PostgresError> {
    const NAME: &str = "existing rows";
    let read = source_state
        .captured
        .iter()
        .filter(|table| config.may_read(&table.name));
    let oids: Vec<u32> = read.map(|table| table.oid.as_u32()).collect();
    if oids.is_empty() {
        return Ok(None);
    }
    Ok(Some(match unreadable(client, config, &oids).await? {
        None => Precondition::holds(NAME, format!("of {} tables can be read", oids.len())),
        Some(found) => Precondition::failed(
            NAME,
            format!(
                "of {} tables cannot be read: {}",
                found.tables.len(),
                found.tables.join(", ")
            ),
            Fix::from(format!("{}; or set ", found.remedies.join("; ")))
                .setting(ConnectorSetting::SnapshotMode)
                .text(" to \"never\""),
        ),
    }))
}

/// Privileges of the role, and free resources of the server.
const SERVER: &str = "
SELECT r.rolname::text,
       r.rolsuper OR r.rolreplication OR coalesce((SELECT pg_has_role(current_user, m.oid, 'member')
           FROM pg_roles m WHERE m.rolname = 'rds_replication'), false),
       has_database_privilege(current_database(), 'CREATE'),
       current_setting('max_replication_slots')::int8, (SELECT count(*) FROM pg_replication_slots),
       current_setting('max_wal_senders')::int8, (SELECT count(*) FROM pg_stat_replication)
FROM pg_roles r WHERE r.rolname = current_user";

async fn server(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Vec<Precondition>, PostgresError> {
    let row = one(client, DOING, SERVER, &[]).await?;
    let role: String = value(DOING, &row, 0)?;
    let (may_replicate, may_create): (bool, bool) = (value(DOING, &row, 1)?, value(DOING, &row, 2)?);
    let (slots_max, slots): (i64, i64) = (value(DOING, &row, 3)?, value(DOING, &row, 4)?);
    let (senders_max, senders): (i64, i64) = (value(DOING, &row, 5)?, value(DOING, &row, 6)?);
    let check = |name: &str, holds: bool, found: String, fix: String| {
        if holds {
            Precondition::holds(name, found)
        } else {
            Precondition::failed(name, found, fix)
        }
    };
    let mut all = vec![
        Precondition::holds("server version", source_state.server_version.to_string()),
        check(
            "wal_level",
            source_state.wal_level == "logical",
            format!("wal_level is {}", source_state.wal_level),
            "ALTER SYSTEM SET wal_level = logical, and restart the server".to_owned(),
        ),
        check(
            ROLE,
            may_replicate,
            format!(
                "role {role} {} replicate",
                if may_replicate { "may" } else { "may not" }
            ),
            format!(
                "ALTER ROLE {} REPLICATION (on RDS: GRANT rds_replication TO it)",
                identifier(&role)
            ),
        ),
    ];
    if source_state.slot.is_none() {
        all.push(check(
            "max_replication_slots",
            slots < slots_max,
            format!("{slots} of {slots_max} replication slots are taken"),
            format!(
                "ALTER SYSTEM SET max_replication_slots = {}, and restart the server",
                slots_max + 5
            ),
        ));
    }
    if source_state
        .slot
        .as_ref()
        .is_none_or(|slot| slot.active_pid.is_none())
    {
        all.push(check(
            "max_wal_senders",
            senders < senders_max,
            format!("{senders} of {senders_max} wal senders are taken"),
            format!(
                "ALTER SYSTEM SET max_wal_senders = {}, and restart the server",
                senders_max + 5
            ),
        ));
    }
    if source_state.publication.is_none() && config.creates_missing.publication() {
        all.push(check(
            "privilege to create the publication",
            may_create,
            format!(
                "role {role} {} create in database {}",
                if may_create { "may" } else { "may not" },
                source_state.database
            ),
            format!(
                "GRANT CREATE ON DATABASE {} TO {}, or create publication {} as its owner",
                identifier(&source_state.database),
                identifier(&role),
                identifier(&config.publication),
            ),
        ));
    }
    Ok(all)
}

/// Whether an instance can acquire leadership: any role that may connect can hold the lock.
async fn leadership_lock(client: &Client, config: &PostgresConfig) -> Result<Precondition, PostgresError> {
    const NAME: &str = "leadership lock";
    Ok(match lock_holder(client, &config.name).await? {
        LockHolder::Free => Precondition::holds(NAME, "is free"),
        LockHolder::Instance { pid } => Precondition::holds(
            NAME,
            format!("is held by an instance of this connector (process {pid})"),
        ),
        LockHolder::Foreign(holder) => Precondition::failed(NAME, holder.to_string(), holder.remedy()),
    })
}

async fn publication(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Precondition, PostgresError> {
    let name = format!("publication {}", config.publication);
    let Some(publication) = &source_state.publication else {
        return missing_publication(client, config, name, source_state).await;
    };
    let missing: Vec<&TableName> = publishable(source_state)
        .map(|table| &table.name)
        .filter(|table| !source_state.publishes(table))
        .collect();
    Ok(if let Some(operations) = join(publication.unpublished.iter()) {
        Precondition::failed(
            name,
            format!("does not publish {operations}"),
            sql::publish_all_operations(&config.publication),
        )
    } else if let Some(tables) = join(missing.iter()) {
        Precondition::failed(
            name,
            format!("does not hold {tables}"),
            sql::add_to_publication(&config.publication, missing),
        )
    } else {
        Precondition::holds(name, format!("exists with {} tables", publication.tables.len()))
    })
}

/// Tables that a statement may add to a publication: of any other table the server would then reject updates, or nothing would
/// arrive.
fn publishable(source_state: &SourceState) -> impl Iterator<Item = &CapturedTable> {
    source_state
        .captured
        .iter()
        .filter(|table| table.is_publishable())
}

/// Checks whether a missing publication can be created, which requires ownership of its tables.
async fn missing_publication(
    client: &Client,
    config: &PostgresConfig,
    name: String,
    source_state: &SourceState,
) -> Result<Precondition, PostgresError> {
    let oids: Vec<u32> = publishable(source_state)
        .map(|table| table.oid.as_u32())
        .collect();
    let not_owned = "SELECT c.oid::regclass::text FROM pg_class c WHERE c.oid = ANY ($1) \
                     AND NOT pg_has_role(current_user, c.relowner, 'usage') ORDER BY 1";
    let mut foreign: Vec<String> = Vec::new();
    for row in rows(client, DOING, not_owned, &[(&oids, Type::OID_ARRAY)]).await? {
        foreign.push(value(DOING, &row, 0)?);
    }
    let tables: Vec<TableName> = publishable(source_state)
        .map(|table| table.name.clone())
        .collect();
    let sql = create_publication(client, source_state.server_version, config, &tables).await?;
    Ok(match join(foreign.iter()) {
        _ if !config.creates_missing.publication() => Precondition::failed(
            name,
            "does not exist, and the connector may not create it",
            format!("run: {sql}"),
        ),
        None => Precondition::holds(name, "does not exist yet"),
        Some(tables) => Precondition::failed(
            name,
            format!("does not exist, and cannot be created by this role, which does not own {tables}"),
            sql,
        ),
    })
}

fn tables(source_state: &SourceState) -> Vec<Precondition> {
    let missing = source_state.unmatched_patterns.iter().map(|pattern| {
        Precondition::failed(
            format!("tables {pattern}"),
            "no table matches",
            Fix::from("correct the pattern in ")
                .setting(ConnectorSetting::Tables)
                .text(", or create the table first"),
        )
    });
    let captured = source_state.captured.iter().map(|table| {
        let (name, quoted) = (format!("table {}", table.name), sql::table(&table.name));
        let is_published = source_state.publishes(&table.name);
        // A start leaves out a table that a pattern selects along with others.
        let fault = |found: &str, fix: String| {
            if is_published || !table.is_named {
                let found = if is_published {
                    found.to_owned()
                } else {
                    format!("is left out: it {found}")
                };
                Precondition::warned(name.clone(), found, fix)
            } else {
                Precondition::failed(name.clone(), found, fix)
            }
        };
        if table.persistence != Persistence::Permanent {
            fault(
                "is unlogged, so its changes are not in the WAL",
                format!("ALTER TABLE {quoted} SET LOGGED, or exclude it"),
            )
        } else if let Some(columns) = join(table.unsent_key_columns.iter()) {
            let found = format!(
                "has generated columns ({columns}) in its key, which the server does not send: records of different rows would have the same key"
            );
            let fix = Fix::from("name other columns that identify a row in ")
                .setting(ConnectorSetting::Keys)
                .text(format!(
                    ", and run: ALTER TABLE {quoted} REPLICA IDENTITY FULL, so that the server sends them for deleted rows; or exclude the table"
                ));
            if is_published || table.is_named {
                Precondition::failed(name.clone(), found, fix)
            } else {
                Precondition::warned(name.clone(), format!("is left out: it {found}"), fix)
            }
        } else if !table.identifies_rows && table.identity_is_generated {
            fault(
                "has a generated column in its replica identity: once published, its updates and deletes fail in the application",
                format!(
                    "publish generated columns (WITH (publish_generated_columns = stored)), or ALTER TABLE {quoted} REPLICA IDENTITY USING INDEX \
                     of another unique index, or exclude it"
                ),
            )
        } else if has_partition_without_identity(table) {
            fault(
                if is_published {
                    "has partitions without replica identity: their updates and deletes fail in the application"
                } else {
                    "has partitions without replica identity: once the table is published, their updates and deletes fail in the application"
                },
                "add a replica identity to the partitions named below, or exclude the table".to_owned(),
            )
        } else if !table.identifies_rows {
            fault(
                if is_published {
                    "has no replica identity: its updates and deletes fail in the application"
                } else {
                    "has no replica identity: once published, its updates and deletes fail in the application"
                },
                format!("add a primary key, or ALTER TABLE {quoted} REPLICA IDENTITY FULL, or exclude it"),
            )
        } else {
            let identity = match table.replica_identity {
                ReplicaIdentity::Default => "primary key",
                ReplicaIdentity::Full => "the whole row",
                ReplicaIdentity::Index => "a unique index",
                ReplicaIdentity::Nothing => "nothing",
            };
            Precondition::holds(name, format!("rows are identified by {identity}"))
        }
    });
    let partitions = source_state.captured.iter().flat_map(partitions);
    missing.chain(captured).chain(partitions).collect()
}

/// Partitions that hide changes, send excluded rows, or of which the server rejects updates once their table is published.
fn partitions(table: &CapturedTable) -> impl Iterator<Item = Precondition> {
    table.partitions.iter().flatten().filter_map(|partition| {
        let name = format!("partition {} of table {}", partition.name, table.name);
        let quoted = sql::table(&partition.name);
        if partition.is_excluded {
            let why = "is excluded, but its changes are published as changes of the table, and cannot be distinguished from them";
            let fix = Fix::from("publish by leaf (").setting(ConnectorSetting::Partitions).text(
                " = \"leaf\", and of an existing publication: SET (publish_via_partition_root = false)), or exclude it no longer",
            );
            Some(Precondition::failed(name, why, fix))
        } else if !partition.is_leaf {
            None
        } else if partition.persistence != Persistence::Permanent {
            let why = "is unlogged, so its changes are not in the WAL";
            Some(Precondition::warned(name, why, format!("ALTER TABLE {quoted} SET LOGGED")))
        } else if !partition.identifies_rows {
            let why = "has no replica identity: its updates and deletes fail in the application once the table is published";
            let fix = format!("add a primary key, or ALTER TABLE {quoted} REPLICA IDENTITY FULL");
            Some(Precondition::warned(name, why, fix))
        } else {
            None
        }
    })
}

fn has_partition_without_identity(table: &CapturedTable) -> bool {
    let mut partitions = table.partitions.iter().flatten();
    partitions.any(|one| one.is_leaf && !one.identifies_rows)
}

fn join(all: impl Iterator<Item = impl ToString>) -> Option<String> {
    let all: Vec<String> = all.map(|one| one.to_string()).collect();
    (!all.is_empty()).then(|| all.join(", "))
}
