//! Messages in both directions before streaming begins: one request, its answers.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dial::Endpoint;
use super::transport::Transport;
use crate::backend::{Arrived, BackendMessage};
use crate::error::PostgresError;

/// Answers to our commands are short; one read takes most of them whole.
const READ_BYTES: usize = 8 * 1024;

/// A connection to a server, message by message.
pub(crate) struct Wire {
    pub(crate) transport: Transport,
    /// Bytes that have been read but not looked at yet.
    pub(crate) incoming: BytesMut,
    pub(crate) endpoint: Endpoint,
}

impl Wire {
    pub(super) fn new(transport: Transport, endpoint: Endpoint) -> Self {
        Self {
            transport,
            incoming: BytesMut::new(),
            endpoint,
        }
    }

    /// Sends what `write` puts into the buffer.
    pub(crate) async fn send(
        &mut self,
        doing: &'static str,
        write: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> Result<(), PostgresError> {
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

    /// The next message, other than notices and changed settings, which the server sends as it likes.
    pub(crate) async fn receive(&mut self, doing: &'static str) -> Result<BackendMessage, PostgresError> {
        loop {
            match self.message(doing).await? {
                BackendMessage::Notice(notice) => tracing::debug!(%notice, doing, "the server notes"),
                BackendMessage::ParameterStatus { name, value } => {
                    tracing::trace!(name, value, "server setting");
                }
                other => return Ok(other),
            }
        }
    }

    async fn message(&mut self, doing: &'static str) -> Result<BackendMessage, PostgresError> {
        loop {
            let arrived = Arrived::take(&mut self.incoming);
            match arrived.map_err(|source| PostgresError::Protocol { doing, source })? {
                Arrived::Message(message) => return Ok(message),
                Arrived::Frames(_) => return Err(PostgresError::OutOfPlace { doing, tag: b'd' }),
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
}
