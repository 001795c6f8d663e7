//! Closing a stream cleanly, so that its slot is free for the next client.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::Type;

use super::queue::BlockReceiver;
use crate::connect::{Client, Transport};
use crate::error::PostgresError;

/// How long the server may take to end the copy. The server finishes the transaction that it is sending first, which can take
/// any time; after the limit the connection is closed without waiting.
const STREAM_CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the slot may stay active afterwards.
const SLOT_RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval at which the slot is checked.
const SLOT_RELEASE_POLL: Duration = Duration::from_millis(20);

/// The two tasks of a stream. Dropping them ends the connection at once.
pub(super) struct StreamTasks {
    pub(super) stop_feedback: oneshot::Sender<()>,
    pub(super) reader: JoinSet<Option<ReadHalf<Transport>>>,
    pub(super) feedback: JoinSet<Option<WriteHalf<Transport>>>,
}

/// Ends the copy and the connection, and waits until the slot is released. The slot is not watched without a `client`.
pub(super) async fn close(
    tasks: StreamTasks,
    blocks: BlockReceiver,
    slot: &str,
    client: Option<Arc<Client>>,
) -> Result<(), PostgresError> {
    match timeout(STREAM_CLOSE_TIMEOUT, end_copy_and_connection(tasks, blocks)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(slot, %error, "the connection broke while the stream was closed"),
        Err(_) => tracing::debug!(
            slot,
            "the server is busy with a transaction; its connection is closed"
        ),
    }
    match client {
        Some(client) => wait_until_released(&client, slot, SLOT_RELEASE_TIMEOUT).await,
        None => Ok(()),
    }
}

/// Sends a last status update and the end of the copy in both directions, then ends the connection. Cancelling the future drops
/// the tasks, and the connection with them.
async fn end_copy_and_connection(tasks: StreamTasks, blocks: BlockReceiver) -> io::Result<()> {
    let StreamTasks {
        stop_feedback,
        mut reader,
        mut feedback,
    } = tasks;
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

/// Waits until the slot is inactive. It stays active for a moment after its connection has ended, and a client that starts in
/// that moment would be rejected.
async fn wait_until_released(client: &Client, slot: &str, limit: Duration) -> Result<(), PostgresError> {
    let sql = "SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND active";
    let began = Instant::now();
    loop {
        let parameters = [(&slot as _, Type::TEXT)];
        let answer = client.query_typed_opt(sql, &parameters);
        match client.answered("watching the slot", answer).await {
            Ok(None) => return Ok(()),
            Ok(Some(_)) if began.elapsed() >= limit => {
                return Err(PostgresError::StillActive {
                    slot: slot.to_owned(),
                    waited: began.elapsed(),
                });
            }
            Ok(Some(_)) => sleep(SLOT_RELEASE_POLL).await,
            // The server is shutting down or unreachable, and so is the slot.
            Err(error) if client.is_closed() => {
                tracing::debug!(slot, %error, "the slot cannot be watched any more");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use walcast_testbed::{FakePostgres, Manner};

    use super::wait_until_released;
    use crate::connect::{ConnectConfig, Environment, connect_ordinary};
    use crate::error::PostgresError;

    /// Every query of the fake has a row, also the one for the active slot.
    #[tokio::test]
    async fn a_slot_that_stays_active_is_an_error() {
        let fake = FakePostgres::start(Manner::OfVersion("170006")).await.unwrap();
        let url = format!("postgres://walcast@127.0.0.1:{}/shop", fake.port());
        let config = ConnectConfig::parse(&url, &Environment::default()).unwrap();
        let session = connect_ordinary(&config, "walcast/shop").await.unwrap();
        let released = wait_until_released(&session.client, "walcast_shop", Duration::ZERO).await;
        let error = released.unwrap_err();
        assert!(
            matches!(&error, PostgresError::StillActive { slot, .. } if slot == "walcast_shop"),
            "{error}"
        );
    }
}
