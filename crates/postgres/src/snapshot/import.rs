//! The sessions that see a snapshot.

use std::sync::Arc;

use walcast_delivery::sql::literal;
use walcast_pgoutput::{Lsn, PgTimestamp};

use super::chunks::RANGES_SINCE;
use super::reading::PostgresSnapshot;
use crate::catalog;
use crate::config::PostgresConfig;
use crate::connect::{ConnectConfig, VALUE_SETTINGS, connect_to};
use crate::error::PostgresError;
use crate::source::Leading;

const DOING: &str = "importing a snapshot";

/// Rows are sent in the order in which they lie, and as the log would print them; a statement lasts as long as Kafka takes
/// to store its rows.
const SETTINGS: [(&str, &str); 4] = [
    ("synchronize_seqscans", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("statement_timeout", "0"),
    ("search_path", "DEFAULT"),
];

/// Before tables are read in ranges, one that is chosen from by a condition is read as a whole: sorting it would take as much
/// disk as it does, and an index would give its rows in another order than they lie in.
const SETTINGS_WITHOUT_RANGES: [(&str, &str); 3] = [
    ("enable_indexscan", "off"),
    ("enable_indexonlyscan", "off"),
    ("enable_bitmapscan", "off"),
];

/// Opens the sessions that read, each in a transaction that sees the snapshot.
pub(crate) async fn import(
    leading: &Leading,
    config: &Arc<PostgresConfig>,
    connect: &ConnectConfig,
    lsn: Lsn,
    snapshot: Option<&str>,
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
    let further = match leading.session.server_version < RANGES_SINCE {
        true => SETTINGS_WITHOUT_RANGES.as_slice(),
        false => &[],
    };
    for (name, value) in SETTINGS.iter().chain(further) {
        sql.push_str(&format!("; SET LOCAL {name} = {value}"));
    }
    sql.push_str(&format!(
        "; SET LOCAL lock_timeout = {}",
        config.snapshot_lock_timeout.as_millis()
    ));
    for (name, value) in VALUE_SETTINGS {
        sql.push_str(&format!("; SET LOCAL {name} = {}", literal(value)));
    }
    let mut sessions = Vec::new();
    for _ in 0..config.snapshot_connections.max(1) {
        let endpoint = leading.session.endpoint.clone();
        let session = connect_to(connect, endpoint, &config.application_name()).await?;
        catalog::execute(&session.client, DOING, &sql).await?;
        sessions.push(session);
    }
    Ok(PostgresSnapshot::new(
        lsn,
        PgTimestamp::now(),
        sessions,
        leading.clone(),
        Arc::clone(config),
    ))
}
