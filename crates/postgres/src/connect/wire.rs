//! Messages in both directions before the stream begins: one request and its answers.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::client::ANSWER_LIMIT;
use super::dial::Endpoint;
use super::login::{Allowance, BYTES_MAX, MESSAGES_MAX};
use super::transport::Transport;
use crate::backend::{Arrived, BackendMessage};
use crate::error::PostgresError;

/// Size of a read. Answers are short; one read receives most of them completely.
const READ_BYTES: usize = 8 * 1024;

/// Connection to a server, message by message.
pub(crate) struct Wire {
    pub(crate) transport: Transport,
    /// Bytes that were read but not parsed yet.
    pub(crate) incoming: BytesMut,
    pub(crate) endpoint: Endpoint,
    /// Remaining allowance of the answer to the last request.
    allowance: Allowance,
    /// Whether waiting for an answer was abandoned: a late answer must not be taken for that of a later request.
    is_abandoned: bool,
}

impl Wire {
    pub(super) fn new(transport: Transport, endpoint: Endpoint) -> Self {
        Self {
            transport,
            incoming: BytesMut::new(),
            endpoint,
            allowance: Allowance::full(),
            is_abandoned: false,
        }
    }

    /// Waits for the answer to a request. After the time limit no more commands can be sent.
    pub(crate) async fn answered<T>(
        &mut self,
        doing: &'static str,
        answer: impl AsyncFnOnce(&mut Self) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let limit: Duration = ANSWER_LIMIT;
        if let Ok(answer) = timeout(limit, answer(self)).await {
            return answer;
        }
        self.is_abandoned = true;
        Err(PostgresError::NoAnswer {
            endpoint: self.endpoint.to_string(),
            doing,
            limit,
        })
    }

    /// Sends the message that `write` puts into the buffer.
    pub(crate) async fn send(
        &mut self,
        doing: &'static str,
        write: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> Result<(), PostgresError> {
        if self.is_abandoned {
            let abandoned =
                io::Error::new(io::ErrorKind::NotConnected, "an earlier command was not answered");
            return Err(self.endpoint.broken(doing, abandoned));
        }
        self.allowance = Allowance::full();
        let mut outgoing = BytesMut::new();
        let sent = match write(&mut outgoing) {
            Ok(()) => match self.transport.write_all(&outgoing).await {
                Ok(()) => self.transport.flush().await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        sent.map_err(|source| self.endpoint.broken(doing, source))
    }

    /// Next message other than notices and changed settings, which the server may send at any time.
    pub(crate) async fn receive(&mut self, doing: &'static str) -> Result<BackendMessage, PostgresError> {
        loop {
            match self.message(doing).await? {
                BackendMessage::Notice(notice) => tracing::debug!(%notice, doing, "notice of the server"),
                BackendMessage::ParameterStatus { name, value } => {
                    tracing::trace!(name, value, "server setting");
                }
                other => return Ok(other),
            }
        }
    }

    async fn message(&mut self, doing: &'static str) -> Result<BackendMessage, PostgresError> {
        loop {
            let before = self.incoming.len();
            let arrived = Arrived::take(&mut self.incoming);
            match arrived.map_err(|source| PostgresError::Protocol { doing, source })? {
                Arrived::Message(message) => {
                    let bytes = before - self.incoming.len();
                    let is_allowed = self.allowance.take(bytes).is_some();
                    return is_allowed.then_some(message).ok_or_else(|| self.too_large(doing));
                }
                Arrived::Frames(_) => return Err(PostgresError::UnexpectedMessage { doing, tag: b'd' }),
                // The announced length is limited, because memory is reserved for it.
                Arrived::NeedMore { total_bytes } if total_bytes > BYTES_MAX => {
                    return Err(self.too_large(doing));
                }
                Arrived::NeedMore { total_bytes } => {
                    self.incoming.reserve(total_bytes.max(READ_BYTES));
                    let read = self.transport.read_buf(&mut self.incoming).await;
                    let ended = || io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it");
                    match read {
                        Ok(0) => return Err(self.endpoint.broken(doing, ended())),
                        Ok(_) => {}
                        Err(source) => return Err(self.endpoint.broken(doing, source)),
                    }
                }
            }
        }
    }

    fn too_large(&self, doing: &'static str) -> PostgresError {
        PostgresError::AnswerTooLarge {
            endpoint: self.endpoint.to_string(),
            doing,
            messages: MESSAGES_MAX,
            bytes: BYTES_MAX,
        }
    }
}
