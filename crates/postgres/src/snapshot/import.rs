//! Sessions that import a snapshot.

use std::sync::Arc;

use walcast_delivery::sql::literal;
use walcast_pgoutput::{Lsn, PgTimestamp};

use super::chunks::RANGES_SINCE;
use super::copy::PostgresSnapshot;
use crate::catalog;
use crate::config::PostgresConfig;
use crate::connect::{ConnectConfig, SqlSession, VALUE_SETTINGS, connect_to};
use crate::encoding::{OwnConversion, Texts};
use crate::error::PostgresError;

const DOING: &str = "importing a snapshot";

/// Settings of a reading session. Rows are returned in the order of `ctid` and in the text format of the WAL; a statement takes as long as
/// Kafka takes to store its rows.
const SETTINGS: [(&str, &str); 7] = [
    ("synchronize_seqscans", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("statement_timeout", "0"),
    // The text of some types, such as `regclass`, depends on it. While a table is read by SQL it is `pg_catalog`: `copy`.
    ("search_path", "DEFAULT"),
    // The planner would evaluate constant expressions of CHECK constraints, which can call functions of the table's owner.
    ("constraint_exclusion", "off"),
    // The settings of every session: conditions must be parsed as they were checked, and policies must not run.
    ("row_security", "off"),
    ("standard_conforming_strings", "on"),
];

/// Additional settings for versions without TID range scans. A table that is read by a condition is one chunk there: sorting it would need
/// as much disk as the table, and an index would return its rows in another order than that of `ctid`.
const SETTINGS_WITHOUT_RANGES: [(&str, &str); 3] = [
    ("enable_indexscan", "off"),
    ("enable_indexonlyscan", "off"),
    ("enable_bitmapscan", "off"),
];

/// Opens the reading sessions, each in a transaction with the snapshot. `server` is a session on the server that exported it.
pub(crate) async fn import(
    server: &Arc<SqlSession>,
    config: &Arc<PostgresConfig>,
    connect: &ConnectConfig,
    lsn: Lsn,
    snapshot: Option<&str>,
    own_conversion: &OwnConversion,
) -> Result<PostgresSnapshot, PostgresError> {
    let Some(snapshot) = snapshot else {
        return Err(PostgresError::UnexpectedAnswer {
            doing: DOING,
            answer: "a slot without snapshot".to_owned(),
        });
    };
    let mut sql = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
        literal(snapshot)
    );
    let additional = match server.server_version < RANGES_SINCE {
        true => SETTINGS_WITHOUT_RANGES.as_slice(),
        false => &[],
    };
    for (name, value) in SETTINGS.iter().chain(additional) {
        sql.push_str(&format!("; SET LOCAL {name} = {value}"));
    }
    sql.push_str(&format!(
        "; SET LOCAL lock_timeout = {}",
        config.snapshot_lock_timeout.as_millis()
    ));
    for (name, value) in VALUE_SETTINGS {
        sql.push_str(&format!("; SET LOCAL {name} = {}", literal(value)));
    }
    let connect = config.reading(connect);
    let mut sessions = Vec::new();
    for _ in 0..config.snapshot_parallelism.max(1) {
        let endpoint = server.endpoint.clone();
        let session = connect_to(&connect, endpoint, &config.application_name())
            .await?
            .waiting_for_locks(config.snapshot_lock_timeout);
        catalog::execute(&session.client, DOING, &sql).await?;
        session.client.stay_in_transaction();
        sessions.push(session);
    }
    Ok(PostgresSnapshot::new(
        lsn,
        PgTimestamp::now(),
        sessions,
        Arc::clone(server),
        Arc::clone(config),
        Texts::of(server, own_conversion),
    ))
}
