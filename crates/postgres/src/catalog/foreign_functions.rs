//! Functions of other roles that the server can run when rows of a table are read, whatever the statement is.

use tokio_postgres::types::Type;
use walcast_delivery::{ConnectorSetting, Fix, Precondition, SourceState};

use super::query::{rows, value};
use super::tables::WITH_PARTITIONS;
use crate::config::PostgresConfig;
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "looking up functions in indexes and statistics";
const NAME: &str = "functions of other roles";

/// Tables whose indexes or extended statistics contain functions of other roles, if the reading role may do more than read. The planner
/// evaluates the expressions of indexes and statistics as far as they are constant. A function of a superuser gains nothing by that.
const TABLES: &str = "
, reader AS (
    SELECT oid, rolname,
           rolsuper OR rolreplication OR EXISTS (
               SELECT FROM pg_roles m WHERE m.rolname = 'rds_replication' AND pg_has_role(pg_roles.oid, m.oid, 'MEMBER')
           ) AS may_replicate
    FROM pg_roles WHERE rolname = coalesce($2, current_user)
), evaluated (relid, classid, objid) AS (
    SELECT indrelid, 'pg_class'::regclass, indexrelid FROM pg_index WHERE indexprs IS NOT NULL OR indpred IS NOT NULL
    UNION ALL
    SELECT stxrelid, 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext
)
SELECT DISTINCT format('%I.%I', n.nspname, c.relname), reader.rolname::text
FROM reader CROSS JOIN tree JOIN evaluated ON evaluated.relid = tree.oid
JOIN pg_depend d ON d.classid = evaluated.classid AND d.objid = evaluated.objid
LEFT JOIN pg_operator op ON d.refclassid = 'pg_operator'::regclass AND op.oid = d.refobjid
JOIN pg_proc f ON f.oid = CASE d.refclassid WHEN 'pg_proc'::regclass THEN d.refobjid ELSE op.oprcode::oid END
JOIN pg_roles owner ON owner.oid = f.proowner
JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE reader.may_replicate AND NOT owner.rolsuper AND owner.oid <> reader.oid
ORDER BY 1";

/// Warns of functions that would run with privileges beyond reading; `None` when there are none.
pub(super) async fn foreign_functions(
    client: &Client,
    config: &PostgresConfig,
    source_state: &SourceState,
) -> Result<Option<Precondition>, PostgresError> {
    let captured = source_state.captured.iter();
    let oids: Vec<u32> = captured.map(|table| table.oid.as_u32()).collect();
    let role = config.reading_role.as_ref().map(|role| role.user());
    let parameters = [(&oids as _, Type::OID_ARRAY), (&role as _, Type::TEXT)];
    let sql = format!("{}{TABLES}", WITH_PARTITIONS.trim_end());
    let mut tables: Vec<String> = Vec::new();
    let mut reader = String::new();
    for row in rows(client, DOING, &sql, &parameters).await? {
        tables.push(value(DOING, &row, 0)?);
        reader = value(DOING, &row, 1)?;
    }
    if tables.is_empty() {
        return Ok(None);
    }
    Ok(Some(Precondition::warned(
        NAME,
        format!(
            "indexes or extended statistics of {} contain functions of other roles; when rows are read, the server can run such a \
             function with the privileges of role {reader}, which may replicate and drop slots",
            tables.join(", ")
        ),
        Fix::from(
            "let a role without REPLICATION, with SELECT on the captured tables alone, read rows: set ",
        )
        .setting(ConnectorSetting::SnapshotUser),
    )))
}
