//! Ending a stream so that the slot is free for whoever comes next.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::stream::ReplicationStream;
use crate::error::PostgresError;

/// How long the server may take to end the copy. It finishes the transaction it is sending first, which can take any
/// time; then the connection is simply closed.
const GOODBYE_LIMIT: Duration = Duration::from_secs(3);

/// How long the slot may stay active afterwards.
const RELEASE_LIMIT: Duration = Duration::from_secs(10);
const RELEASE_POLL: Duration = Duration::from_millis(20);

pub(super) async fn stop(stream: ReplicationStream) -> Result<(), PostgresError> {
    let slot = stream.slot.clone();
    let client = stream.client.clone();
    match timeout(GOODBYE_LIMIT, say_goodbye(stream)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(slot, %error, "the connection broke while the stream was ended"),
        Err(_) => tracing::debug!(
            slot,
            "the server is busy with a transaction; its connection is closed"
        ),
    }
    match client {
        Some(client) => wait_until_released(&client, &slot).await,
        None => Ok(()),
    }
}

/// A last status update, the end of the copy in both directions, and the end of the connection. When it is cancelled,
/// its tasks and with them the connection are dropped.
async fn say_goodbye(stream: ReplicationStream) -> io::Result<()> {
    let ReplicationStream {
        blocks,
        stop_feedback,
        mut reader,
        mut feedback,
        ..
    } = stream;
    blocks.close();
    if stop_feedback.send(()).is_err() {
        return Err(io::Error::other("status updates had failed before"));
    }
    let write_half = feedback.join_next().await.and_then(Result::ok).flatten();
    let write_half = write_half.ok_or_else(|| io::Error::other("the end of the copy could not be sent"))?;
    let read_half = reader.join_next().await.and_then(Result::ok).flatten();
    let read_half =
        read_half.ok_or_else(|| io::Error::other("the server did not answer the end of the copy"))?;

    let mut transport = read_half.unsplit(write_half);
    let mut message = BytesMut::new();
    frontend::terminate(&mut message);
    transport.write_all(&message).await?;
    transport.shutdown().await
}

/// A slot stays active for a moment after its connection has ended; who starts in that moment would be refused.
async fn wait_until_released(client: &Client, slot: &str) -> Result<(), PostgresError> {
    let sql = "SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND active";
    let began = Instant::now();
    loop {
        match client.query_typed_opt(sql, &[(&slot, Type::TEXT)]).await {
            Ok(None) => return Ok(()),
            Ok(Some(_)) if began.elapsed() >= RELEASE_LIMIT => {
                return Err(PostgresError::StillActive {
                    slot: slot.to_owned(),
                    waited: began.elapsed(),
                });
            }
            Ok(Some(_)) => sleep(RELEASE_POLL).await,
            // The server is going down or out of reach, and the slot with it.
            Err(error) if client.is_closed() => {
                tracing::debug!(slot, %error, "the slot cannot be watched any more");
                return Ok(());
            }
            Err(error) => return Err(PostgresError::of_query("watching the slot", error)),
        }
    }
}
