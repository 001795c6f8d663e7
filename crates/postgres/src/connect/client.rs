//! Handle of the client library, with a time limit for answers.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::dial::Endpoint;
use super::login::LoginFault;
use super::server_encoding::ServerEncoding;
use crate::error::PostgresError;

/// Time limit for the answer to one query or command. The server cancels statements after 60 s (`statement_timeout`); a server that
/// has not even reported that a few seconds later does not respond any more. TCP keepalives do not detect it, because its kernel
/// answers them.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(70);

/// How a session ended.
#[derive(Clone, Debug)]
pub(crate) struct SessionEnd {
    /// Reason.
    pub(super) why: String,
    /// Rule that the server violated.
    pub(super) fault: Option<LoginFault>,
}

/// Client of an SQL connection.
///
/// Calls of the library's own methods have no time limit: they are for bulk reads, whose duration depends on Kafka.
pub(crate) struct Client {
    inner: tokio_postgres::Client,
    endpoint: Endpoint,
    limit: Duration,
    hang_up: Arc<Notify>,
    end: watch::Receiver<Option<SessionEnd>>,
    encoding: ServerEncoding,
    /// Whether the session is in a transaction, which an error of the server would end.
    is_in_transaction: AtomicBool,
}

impl Deref for Client {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &tokio_postgres::Client {
        &self.inner
    }
}

impl Client {
    pub(super) fn new(
        inner: tokio_postgres::Client,
        endpoint: Endpoint,
        hang_up: Arc<Notify>,
        end: watch::Receiver<Option<SessionEnd>>,
        encoding: ServerEncoding,
    ) -> Self {
        Self {
            inner,
            endpoint,
            limit: ANSWER_LIMIT,
            hang_up,
            end,
            encoding,
            is_in_transaction: AtomicBool::new(false),
        }
    }

    /// Encoding of the database.
    pub(crate) fn encoding(&self) -> &ServerEncoding {
        &self.encoding
    }

    /// Has [`attempted`](Self::attempted) keep the transaction that the session has begun.
    pub(crate) fn stay_in_transaction(&self) {
        self.is_in_transaction.store(true, Ordering::Relaxed);
    }

    /// Has [`attempted`](Self::attempted) expect no transaction, because it is ended now.
    pub(crate) fn leave_transaction(&self) {
        self.is_in_transaction.store(false, Ordering::Relaxed);
    }

    /// Waits for an answer of a query that the server may reject because it cannot convert a text. The transaction of the session stays
    /// usable.
    ///
    /// # Errors
    /// As [`answered`](Self::answered).
    pub(crate) async fn attempted<T>(
        &self,
        doing: &'static str,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, PostgresError> {
        if !self.is_in_transaction.load(Ordering::Relaxed) {
            return self.answered(doing, answer).await;
        }
        self.answered(doing, self.batch_execute("SAVEPOINT walcast_query"))
            .await?;
        let answer = self.answered(doing, answer).await;
        let end = match &answer {
            Ok(_) => "RELEASE SAVEPOINT walcast_query",
            Err(_) => "ROLLBACK TO SAVEPOINT walcast_query; RELEASE SAVEPOINT walcast_query",
        };
        let ended = self.answered(doing, self.batch_execute(end)).await;
        // The first error is the cause of the second.
        let answer = answer?;
        ended?;
        Ok(answer)
    }

    /// Extends the limit by the time that a statement may wait for a lock.
    pub(super) fn wait_for_locks(&mut self, lock_timeout: Duration) {
        self.limit = ANSWER_LIMIT.saturating_add(lock_timeout);
    }

    /// Waits for an answer. After the time limit the connection is closed, so that a late answer is not taken for that of another
    /// query.
    ///
    /// # Errors
    /// An error of the server, the end of the connection, or no answer within the limit.
    pub(crate) async fn answered<T>(
        &self,
        doing: &'static str,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, PostgresError> {
        if let Ok(answer) = timeout(self.limit, answer).await {
            return match answer {
                Ok(answer) => Ok(answer),
                Err(error) => Err(self.explained(doing, error).await),
            };
        }
        self.hang_up.notify_one();
        Err(PostgresError::NoAnswer {
            endpoint: self.endpoint.to_string(),
            doing,
            limit: self.limit,
        })
    }

    /// Error of a query. The library says only that the connection is closed; the session knows which rule the server violated.
    async fn explained(&self, doing: &'static str, error: tokio_postgres::Error) -> PostgresError {
        if error.is_closed() {
            let mut end = self.end.clone();
            let fault = match end.wait_for(Option::is_some).await {
                Ok(end) => end.as_ref().and_then(|end| end.fault.clone()),
                Err(_) => None,
            };
            if let Some(fault) = fault {
                return PostgresError::Login {
                    endpoint: self.endpoint.to_string(),
                    fault,
                };
            }
        }
        PostgresError::of_query(doing, error)
    }
}
