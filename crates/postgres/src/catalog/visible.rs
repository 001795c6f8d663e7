//! Whether what a transaction did shows to others.
//!
//! A walsender sends a transaction as soon as its commit record is flushed. It shows in the catalog a moment later, when its
//! process has gone on (`RecordTransactionCommit`, then `ProcArrayEndTransaction`), and, with synchronous replication, when the standby
//! has answered. A table that it altered looks as before until then.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use tracing::warn;
use walcast_pgoutput::Xid;

use super::query::{one, value};
use crate::error::PostgresError;

const DOING: &str = "asking whether a transaction shows";

/// The number that the stream tells has 32 bits; the others are those of the snapshot's end, of which it lies less than half a
/// turn away.
const SHOWS: &str = "SELECT txid_visible_in_snapshot(ahead + ((($1 - ahead) % 4294967296 + 6442450944) % 4294967296) - 2147483648, snapshot) \
     FROM (SELECT snapshot, txid_snapshot_xmax(snapshot) AS ahead FROM txid_current_snapshot() AS snapshot) AS now";

/// Longer than that only a standby keeps a transaction from showing, and whoever waits for it must not wait for us: the stream may be
/// one of `synchronous_standby_names`.
const PATIENCE: Duration = Duration::from_secs(5);

const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Waits until a transaction that was streamed shows in the catalog.
pub(super) async fn await_visible(client: &Client, xid: Xid) -> Result<(), PostgresError> {
    let begun = Instant::now();
    let mut pause = PAUSE_MIN;
    while !shows(client, xid).await? {
        if begun.elapsed() > PATIENCE {
            warn!(%xid, "transaction is streamed and does not show yet: a table that it altered is taken to be as before, where its rows do not tell");
            break;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
    Ok(())
}

/// Whether a transaction of these days has ended, for everybody.
async fn shows(client: &Client, xid: Xid) -> Result<bool, PostgresError> {
    let xid = i64::from(xid.as_u32());
    let row = one(client, DOING, SHOWS, &[(&xid, Type::INT8)]).await?;
    value(DOING, &row, 0)
}
