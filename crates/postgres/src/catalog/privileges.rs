//! Privileges of the roles beyond those that they need. They do not keep the connector from running, but a stolen password would
//! grant them.

use tokio_postgres::types::Type;
use walcast_delivery::sql::identifier;
use walcast_delivery::{Precondition, SourceState};

use super::query::{one, row, rows, value};
use crate::config::PostgresConfig;
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "checking the role's privileges";
const NAME: &str = "privileges";

/// Predefined roles with privileges beyond the captured tables, and the administrator roles of the large providers. A server has
/// those of its version.
const POWERFUL: [&str; 12] = [
    "pg_read_all_data",
    "pg_write_all_data",
    "pg_maintain",
    "pg_execute_server_program",
    "pg_read_server_files",
    "pg_write_server_files",
    "pg_signal_backend",
    "pg_create_subscription",
    "rds_superuser",
    "cloudsqlsuperuser",
    "azure_pg_admin",
    "alloydbsuperuser",
];

/// Role, and what it may do beyond the captured tables.
struct Role {
    name: String,
    is_super: bool,
    replicates: bool,
    bypasses: bool,
    makes_roles: bool,
    makes_databases: bool,
    /// Powerful roles that it is a member of, directly or indirectly: predefined roles and superusers.
    memberships: Vec<String>,
}

/// One warning for each excessive privilege of the connector's role and of the role that reads rows, or a precondition that holds when
/// there is none.
pub(super) async fn privileges(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Vec<Precondition>, PostgresError> {
    let reader = config.reading_role.as_ref().map(|role| role.user());
    let needs_bypass = reads_guarded_rows(client, config, source_state).await?;
    let mut found = Vec::new();
    // A role that reads rows and does not exist cannot connect, which another precondition reports.
    if let Some(own) = role(client, None).await? {
        found.extend(excesses(&own, needs_bypass && reader.is_none()));
        if found.is_empty() {
            let none = format!(
                "role {} has none that reach beyond the database, other than REPLICATION",
                own.name
            );
            found.push(Precondition::holds(NAME, none));
        }
    }
    if let Some(name) = reader
        && let Some(reader) = role(client, Some(name)).await?
    {
        if reader.replicates && !reader.is_super {
            found.push(Precondition::warned(
                NAME,
                format!(
                    "role {name} may replicate, although it only reads rows: SQL that runs while it reads can drop slots"
                ),
                format!("ALTER ROLE {} NOREPLICATION", identifier(name)),
            ));
        }
        found.extend(excesses(&reader, needs_bypass));
    }
    Ok(found)
}

/// One warning for each privilege that a role does not need.
fn excesses(role: &Role, needs_bypass: bool) -> Vec<Precondition> {
    let (name, quoted) = (&role.name, identifier(&role.name));
    let warned = |why: String, fix: String| Precondition::warned(NAME, why, fix);
    if role.is_super {
        // A superuser has every other privilege too.
        return vec![warned(
            format!(
                "role {name} is a superuser, so it can do anything to the server, and run programs on its machine"
            ),
            format!(
                "use a role with REPLICATION, and SELECT on the captured tables, or: ALTER ROLE {quoted} NOSUPERUSER REPLICATION"
            ),
        )];
    }
    let mut found = Vec::new();
    if role.bypasses && !needs_bypass {
        found.push(warned(
            format!("role {name} bypasses row security (BYPASSRLS), and reads no table that has any"),
            format!("ALTER ROLE {quoted} NOBYPASSRLS"),
        ));
    }
    if role.makes_roles {
        found.push(warned(
            format!("role {name} may create and alter roles (CREATEROLE)"),
            format!("ALTER ROLE {quoted} NOCREATEROLE"),
        ));
    }
    if role.makes_databases {
        found.push(warned(
            format!("role {name} may create databases (CREATEDB)"),
            format!("ALTER ROLE {quoted} NOCREATEDB"),
        ));
    }
    for powerful in &role.memberships {
        let select = if powerful == "pg_read_all_data" {
            "GRANT SELECT on the captured tables, and "
        } else {
            ""
        };
        found.push(warned(
            format!("role {name} is a member of {powerful}"),
            format!("{select}REVOKE {} FROM {quoted}", identifier(powerful)),
        ));
    }
    found
}

/// A role by its name, or that of the session; `None` when it does not exist.
async fn role(client: &Client, name: Option<&str>) -> Result<Option<Role>, PostgresError> {
    let sql = "SELECT rolname::text, rolsuper, rolreplication, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles \
               WHERE rolname = coalesce($1, current_user)";
    let Some(row) = row(client, DOING, sql, &[(&name as _, Type::TEXT)]).await? else {
        return Ok(None);
    };
    let name: String = value(DOING, &row, 0)?;
    Ok(Some(Role {
        is_super: value(DOING, &row, 1)?,
        replicates: value(DOING, &row, 2)?,
        bypasses: value(DOING, &row, 3)?,
        makes_roles: value(DOING, &row, 4)?,
        makes_databases: value(DOING, &row, 5)?,
        memberships: memberships(client, &name).await?,
        name,
    }))
}

/// Whether row security would hide rows from the role that has to read them.
async fn reads_guarded_rows(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<bool, PostgresError> {
    let read = source_state
        .captured
        .iter()
        .filter(|table| config.may_read(&table.name));
    let oids: Vec<u32> = read.map(|table| table.oid.as_u32()).collect();
    let sql = "SELECT EXISTS (SELECT FROM pg_class WHERE oid = ANY ($1) AND relrowsecurity)";
    let row = one(client, DOING, sql, &[(&oids, Type::OID_ARRAY)]).await?;
    value(DOING, &row, 0)
}

async fn memberships(client: &Client, role: &str) -> Result<Vec<String>, PostgresError> {
    let sql = "SELECT rolname::text FROM pg_roles WHERE rolname <> $2 AND (rolsuper OR rolname = ANY ($1)) \
               AND pg_has_role($2::name, oid, 'member') ORDER BY 1";
    let powerful = POWERFUL.as_slice();
    let parameters = [(&powerful as _, Type::TEXT_ARRAY), (&role as _, Type::TEXT)];
    let mut found = Vec::new();
    for row in rows(client, DOING, sql, &parameters).await? {
        found.push(value(DOING, &row, 0)?);
    }
    Ok(found)
}
