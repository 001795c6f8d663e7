//! Privileges of the role beyond those that it needs. They do not keep the connector from running, but a stolen password would
//! grant them.

use tokio_postgres::types::Type;
use walcast_delivery::sql::identifier;
use walcast_delivery::{Precondition, SourceState};

use super::query::{one, rows, value};
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

/// One warning for each excessive privilege, or a precondition that holds when there is none.
pub(crate) async fn privileges(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Vec<Precondition>, PostgresError> {
    let sql = "SELECT rolname::text, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user";
    let row = one(client, DOING, sql, &[]).await?;
    let role: String = value(DOING, &row, 0)?;
    let (is_super, bypasses): (bool, bool) = (value(DOING, &row, 1)?, value(DOING, &row, 2)?);
    let (makes_roles, makes_databases): (bool, bool) = (value(DOING, &row, 3)?, value(DOING, &row, 4)?);
    let quoted = identifier(&role);
    let warned = |why: String, fix: String| Precondition::warned(NAME, why, fix);
    if is_super {
        // A superuser has every other privilege too.
        return Ok(vec![warned(
            format!(
                "role {role} is a superuser, so it can do anything to the server, and run programs on its machine"
            ),
            format!(
                "use a role with REPLICATION, and SELECT on the captured tables, or: ALTER ROLE {quoted} NOSUPERUSER REPLICATION"
            ),
        )]);
    }
    let mut found = Vec::new();
    if bypasses && !reads_guarded_rows(client, config, source_state).await? {
        found.push(warned(
            format!("role {role} bypasses row security (BYPASSRLS), and no captured table has any"),
            format!("ALTER ROLE {quoted} NOBYPASSRLS"),
        ));
    }
    if makes_roles {
        found.push(warned(
            format!("role {role} may create and alter roles (CREATEROLE)"),
            format!("ALTER ROLE {quoted} NOCREATEROLE"),
        ));
    }
    if makes_databases {
        found.push(warned(
            format!("role {role} may create databases (CREATEDB)"),
            format!("ALTER ROLE {quoted} NOCREATEDB"),
        ));
    }
    for powerful in memberships(client).await? {
        let select = if powerful == "pg_read_all_data" {
            "GRANT SELECT on the captured tables, and "
        } else {
            ""
        };
        found.push(warned(
            format!("role {role} is a member of {powerful}"),
            format!("{select}REVOKE {} FROM {quoted}", identifier(&powerful)),
        ));
    }
    if found.is_empty() {
        found.push(Precondition::holds(
            NAME,
            format!("role {role} has none that reach beyond the database, other than REPLICATION"),
        ));
    }
    Ok(found)
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

/// Powerful roles that the role is a member of, directly or indirectly: predefined roles and superusers.
async fn memberships(client: &Client) -> Result<Vec<String>, PostgresError> {
    let sql = "SELECT rolname::text FROM pg_roles WHERE rolname <> current_user AND (rolsuper OR rolname = ANY ($1)) \
               AND pg_has_role(current_user, oid, 'member') ORDER BY 1";
    let powerful = POWERFUL.as_slice();
    let mut found = Vec::new();
    for row in rows(client, DOING, sql, &[(&powerful, Type::TEXT_ARRAY)]).await? {
        found.push(value(DOING, &row, 0)?);
    }
    Ok(found)
}
