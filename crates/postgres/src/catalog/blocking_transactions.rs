//! Transactions that the creation of a slot waits for, and those that it would wait for.

use tokio_postgres::types::Type;
use walcast_delivery::BlockingTransaction;

use super::catalog_row::CatalogRow;
use super::query::{rows, value};
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "looking up running transactions";

/// Format of a time in UTC.
macro_rules! utc {
    ($column:literal) => {
        concat!(
            "to_char(",
            $column,
            " AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS\"Z\"')"
        )
    };
}

/// Transactions that the process waits for that creates the slot. The walsender waits for one transaction after the other, by the
/// lock of its ID; a prepared transaction holds the lock without a process. Columns: whether the transaction is prepared, process,
/// role, `application_name` or identifier, database, time.
const AWAITED: &str = concat!(
    "WITH awaited AS (SELECT l.transactionid FROM pg_locks l JOIN pg_replication_slots s ON s.active_pid = l.pid \
     WHERE s.slot_name = $1 AND NOT l.granted AND l.locktype = 'transactionid') \
     SELECT true, NULL::int4, p.owner::text, p.gid::text, p.database::text, ",
    utc!("p.prepared"),
    " FROM pg_prepared_xacts p JOIN awaited w ON p.transaction = w.transactionid \
     UNION ALL \
     SELECT false, h.pid, a.usename::text, a.application_name::text, a.datname::text, ",
    utc!("a.xact_start"),
    " FROM pg_locks h JOIN awaited w ON h.transactionid = w.transactionid LEFT JOIN pg_stat_activity a ON a.pid = h.pid \
     WHERE h.granted AND h.locktype = 'transactionid' AND h.pid IS NOT NULL"
);

/// Prepared transactions and transactions of sessions that write, each older than so many seconds.
const OLD: &str = concat!(
    "SELECT true, NULL::int4, p.owner::text, p.gid::text, p.database::text, ",
    utc!("p.prepared"),
    " FROM pg_prepared_xacts p WHERE p.prepared <= now() - $1 * interval '1 second' \
     UNION ALL \
     SELECT false, a.pid, a.usename::text, a.application_name::text, a.datname::text, ",
    utc!("a.xact_start"),
    " FROM pg_stat_activity a WHERE a.backend_xid IS NOT NULL AND a.xact_start <= now() - $2 * interval '1 second' \
     AND a.pid <> pg_backend_pid() ORDER BY 6"
);

/// Transactions that the creation of `slot` waits for at the moment.
pub(crate) async fn awaited_transactions(
    client: &Client,
    slot: &str,
) -> Result<Vec<BlockingTransaction>, PostgresError> {
    let found = rows(client, DOING, AWAITED, &[(&slot, Type::TEXT)]).await?;
    found.iter().map(transaction).collect()
}

/// Transactions that have run for long: prepared ones for `prepared` seconds, others for `running` seconds.
pub(crate) async fn old_transactions(
    client: &Client,
    prepared: i32,
    running: i32,
) -> Result<Vec<BlockingTransaction>, PostgresError> {
    let parameters = [(&prepared as _, Type::INT4), (&running as _, Type::INT4)];
    let found = rows(client, DOING, OLD, &parameters).await?;
    found.iter().map(transaction).collect()
}

fn transaction(row: &CatalogRow) -> Result<BlockingTransaction, PostgresError> {
    let is_prepared: bool = value(DOING, row, 0)?;
    if is_prepared {
        return Ok(BlockingTransaction::Prepared {
            gid: value(DOING, row, 3)?,
            role: value(DOING, row, 2)?,
            database: value(DOING, row, 4)?,
            since: value(DOING, row, 5)?,
        });
    }
    Ok(BlockingTransaction::Session {
        pid: value(DOING, row, 1)?,
        role: value(DOING, row, 2)?,
        application_name: value::<Option<String>>(DOING, row, 3)?.filter(|name| !name.is_empty()),
        since: value(DOING, row, 5)?,
    })
}
