//! Everything that has to hold before changes can be captured, one line each, with what to do when it does not.

use tokio_postgres::Client;
use tokio_postgres::types::Type;
use walcast_delivery::sql::{self, identifier, literal};
use walcast_delivery::{Persistence, Survey};
use walcast_mapper::TableName;
use walcast_pgoutput::ReplicaIdentity;

use super::failover::failover;
use super::query::{one, rows, value};
use super::readable::unreadable;
use super::room::room;
use crate::config::PostgresConfig;
use crate::error::PostgresError;

const DOING: &str = "checking preconditions";

/// The name of the precondition that the role may replicate.
pub(crate) const ROLE: &str = "role";

/// One thing that has to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    /// What is checked, such as `wal_level`.
    pub name: String,
    /// Whether it holds.
    pub outcome: Outcome,
}

/// Whether a precondition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It does; the detail says what was found.
    Ok(String),
    /// It does not.
    Failed {
        /// What was found.
        why: String,
        /// What to do: a statement or a setting.
        fix: String,
    },
}

impl Outcome {
    /// What was found, on one line.
    #[must_use]
    pub fn found(&self) -> &str {
        match self {
            Outcome::Ok(found) => found,
            Outcome::Failed { why, .. } => why,
        }
    }
}

impl Precondition {
    pub(crate) fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::Ok(found.into()),
        }
    }

    pub(crate) fn failed(name: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::Failed {
                why: why.into(),
                fix: fix.into(),
            },
        }
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        matches!(self.outcome, Outcome::Ok(_))
    }
}

/// Checks all that the catalog can tell.
pub(crate) async fn preconditions(
    client: &Client,
    config: &PostgresConfig,
    survey: &Survey,
) -> Result<Vec<Precondition>, PostgresError> {
    let mut found = server(client, config, survey).await?;
    found.push(slot(config, survey));
    found.extend(room(client, survey.server_version, config).await?);
    found.extend(failover(client, config, survey).await?);
    found.push(publication(client, config, survey).await?);
    found.extend(tables(survey));
    found.extend(readable(client, config, survey).await?);
    Ok(found)
}

/// Whether the rows that are in the tables can be read; nothing where none are to be.
pub(crate) async fn readable(
    client: &Client,
    config: &PostgresConfig,
    survey: &Survey,
) -> Result<Option<Precondition>, PostgresError> {
    const NAME: &str = "existing rows";
    let read = survey
        .captured
        .iter()
        .filter(|table| config.may_read(&table.name));
    let oids: Vec<u32> = read.map(|table| table.oid.as_u32()).collect();
    if oids.is_empty() {
        return Ok(None);
    }
    Ok(Some(match unreadable(client, &oids).await? {
        None => Precondition::ok(NAME, format!("of {} tables can be read", oids.len())),
        Some((unreadable, role)) => {
            let tables = unreadable.join(", ");
            let grant = format!("GRANT SELECT ON {tables} TO {role}");
            let why = format!("of {} tables cannot be read: {tables}", unreadable.len());
            Precondition::failed(
                NAME,
                why,
                format!("{grant}; or set mode = \"never\" in [snapshot]"),
            )
        }
    }))
}

/// What the role may do and what the server has left.
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
    survey: &Survey,
) -> Result<Vec<Precondition>, PostgresError> {
    let row = one(client, DOING, SERVER, &[]).await?;
    let role: String = value(DOING, &row, 0)?;
    let (may_replicate, may_create): (bool, bool) = (value(DOING, &row, 1)?, value(DOING, &row, 2)?);
    let (slots_max, slots): (i64, i64) = (value(DOING, &row, 3)?, value(DOING, &row, 4)?);
    let (senders_max, senders): (i64, i64) = (value(DOING, &row, 5)?, value(DOING, &row, 6)?);
    let check = |name: &str, holds: bool, found: String, fix: String| {
        if holds {
            Precondition::ok(name, found)
        } else {
            Precondition::failed(name, found, fix)
        }
    };
    let mut all = vec![
        Precondition::ok("server version", survey.server_version.to_string()),
        check(
            "wal_level",
            survey.wal_level == "logical",
            format!("wal_level is {}", survey.wal_level),
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
    if survey.slot.is_none() {
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
    if survey.slot.as_ref().is_none_or(|slot| slot.active_pid.is_none()) {
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
    if survey.publication.is_none() {
        all.push(check(
            "privilege to create the publication",
            may_create,
            format!(
                "role {role} {} create in database {}",
                if may_create { "may" } else { "may not" },
                survey.database
            ),
            format!(
                "GRANT CREATE ON DATABASE {} TO {}, or create publication {} as its owner",
                identifier(&survey.database),
                identifier(&role),
                identifier(&config.publication),
            ),
        ));
    }
    Ok(all)
}

fn slot(config: &PostgresConfig, survey: &Survey) -> Precondition {
    let name = format!("slot {}", config.slot);
    let drop_it = format!("SELECT pg_drop_replication_slot({})", literal(&config.slot));
    let Some(slot) = &survey.slot else {
        return Precondition::ok(name, "does not exist yet");
    };
    let why = match (slot.plugin.as_deref(), &slot.database, &slot.invalidation_reason) {
        (None, _, _) => "is a physical slot".to_owned(),
        (Some(plugin), _, _) if plugin != "pgoutput" => format!("uses plugin {plugin} instead of pgoutput"),
        (_, Some(database), _) if *database != survey.database => format!("belongs to database {database}"),
        (_, _, Some(reason)) => format!("was invalidated: {reason}"),
        _ if slot.restart_lsn.is_none() || slot.wal_status == Some(walcast_delivery::WalStatus::Lost) => {
            "has lost the log it needs".to_owned()
        }
        _ if slot.temporary => "is temporary".to_owned(),
        _ => {
            let state = if slot.active_pid.is_some() {
                "active"
            } else {
                "not active"
            };
            return Precondition::ok(
                name,
                format!("exists, {state}, holds back {} bytes", slot.retained_bytes),
            );
        }
    };
    Precondition::failed(
        name,
        why,
        format!("{drop_it}, or configure another [postgres] slot"),
    )
}

async fn publication(
    client: &Client,
    config: &PostgresConfig,
    survey: &Survey,
) -> Result<Precondition, PostgresError> {
    let name = format!("publication {}", config.publication);
    let Some(publication) = &survey.publication else {
        return missing_publication(client, config, name, survey).await;
    };
    let missing: Vec<&TableName> = survey
        .captured
        .iter()
        .map(|table| &table.name)
        .filter(|table| !publication.tables.contains(table))
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
        Precondition::ok(name, format!("exists with {} tables", publication.tables.len()))
    })
}

/// A publication can be created only by the owner of its tables.
async fn missing_publication(
    client: &Client,
    config: &PostgresConfig,
    name: String,
    survey: &Survey,
) -> Result<Precondition, PostgresError> {
    let oids: Vec<u32> = survey.captured.iter().map(|table| table.oid.as_u32()).collect();
    let sql = "SELECT c.oid::regclass::text FROM pg_class c WHERE c.oid = ANY ($1) \
               AND NOT pg_has_role(current_user, c.relowner, 'usage') ORDER BY 1";
    let mut foreign: Vec<String> = Vec::new();
    for row in rows(client, DOING, sql, &[(&oids, Type::OID_ARRAY)]).await? {
        foreign.push(value(DOING, &row, 0)?);
    }
    Ok(match join(foreign.iter()) {
        None => Precondition::ok(name, "does not exist yet"),
        Some(tables) => Precondition::failed(
            name,
            format!("does not exist, and cannot be created by this role, which does not own {tables}"),
            sql::create_publication(
                &config.publication,
                survey.captured.iter().map(|table| &table.name),
                survey.server_version,
                config.partitions,
            ),
        ),
    })
}

fn tables(survey: &Survey) -> Vec<Precondition> {
    let missing = survey.unmatched_patterns.iter().map(|pattern| {
        Precondition::failed(
            format!("tables {pattern}"),
            "no table matches",
            "correct the pattern in [postgres] tables, or create the table first",
        )
    });
    let captured = survey.captured.iter().map(|table| {
        let (name, quoted) = (format!("table {}", table.name), sql::table(&table.name));
        if table.persistence != Persistence::Permanent {
            let fix = format!("ALTER TABLE {quoted} SET LOGGED, or exclude it");
            Precondition::failed(name, "is unlogged, so its changes are not in the log", fix)
        } else if !table.identifies_rows {
            let fix =
                format!("add a primary key, or ALTER TABLE {quoted} REPLICA IDENTITY FULL, or exclude it");
            Precondition::failed(
                name,
                "has no replica identity: once published, its updates and deletes fail in the application",
                fix,
            )
        } else {
            let identity = match table.replica_identity {
                ReplicaIdentity::Default => "primary key",
                ReplicaIdentity::Full => "the whole row",
                ReplicaIdentity::Index => "a unique index",
                ReplicaIdentity::Nothing => "nothing",
            };
            Precondition::ok(name, format!("rows are identified by {identity}"))
        }
    });
    missing.chain(captured).collect()
}

fn join(all: impl Iterator<Item = impl ToString>) -> Option<String> {
    let all: Vec<String> = all.map(|one| one.to_string()).collect();
    (!all.is_empty()).then(|| all.join(", "))
}
