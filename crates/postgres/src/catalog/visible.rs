//! Visibility of a streamed transaction in the catalog.
//!
//! A walsender sends a transaction as soon as its commit record is flushed. The transaction becomes visible in the catalog a moment
//! later, when its process has proceeded from `RecordTransactionCommit` to `ProcArrayEndTransaction`, and, with synchronous
//! replication, when the standby has responded. Until then the catalog shows an altered table as before.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::types::Type;
use tracing::warn;
use walcast_pgoutput::Xid;

use super::query::{one, value};
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "checking whether a transaction is visible";

/// Query for visibility. The stream sends the low 32 bits of a transaction ID; the high bits are those of the snapshot's `xmax`,
/// from which the ID is less than 2^31 away.
const IS_VISIBLE: &str = "SELECT txid_visible_in_snapshot(ahead + ((($1 - ahead) % 4294967296 + 6442450944) % 4294967296) - 2147483648, snapshot) \
     FROM (SELECT snapshot, txid_snapshot_xmax(snapshot) AS ahead FROM txid_current_snapshot() AS snapshot) AS now";

/// Time limit of waiting. After it only a synchronous standby delays visibility, and that standby may be this very stream
/// (`synchronous_standby_names`), which must not wait for itself.
const PATIENCE: Duration = Duration::from_secs(5);

const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Waits until a streamed transaction is visible in the catalog.
pub(super) async fn await_visible(client: &Client, xid: Xid) -> Result<(), PostgresError> {
    let begun = Instant::now();
    let mut pause = PAUSE_MIN;
    while !is_visible(client, xid).await? {
        if begun.elapsed() > PATIENCE {
            warn!(%xid, "transaction was streamed but is not visible yet: a table that it altered is described as before the transaction");
            break;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
    Ok(())
}

/// Whether a recent transaction is visible to every session.
async fn is_visible(client: &Client, xid: Xid) -> Result<bool, PostgresError> {
    let xid = i64::from(xid.as_u32());
    let row = one(client, DOING, IS_VISIBLE, &[(&xid, Type::INT8)]).await?;
    value(DOING, &row, 0)
}
