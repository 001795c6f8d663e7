//! The bytes between us and the server, encrypted or not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{self, TlsConnect};
use tokio_rustls::client::TlsStream;

use super::channel_binding;
use super::socket::Socket;

/// A connection on which nothing of Postgres's own protocol has been said yet.
pub(crate) enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Transport {
    /// From now on reads are spaced while the server is far ahead of us.
    pub(crate) fn begin_pacing(&mut self) {
        match self {
            Transport::Plain(socket) => socket.begin_pacing(),
            Transport::Tls(stream) => stream.get_mut().0.begin_pacing(),
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Transport::Tls(_))
    }

    /// `tls-server-end-point`, when there is TLS and the certificate's signature defines it.
    pub(super) fn end_point(&self) -> Option<Vec<u8>> {
        let Transport::Tls(stream) = self else {
            return None;
        };
        let (_, session) = stream.get_ref();
        channel_binding::end_point(session.peer_certificates()?.first()?)
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl tls::TlsStream for Transport {
    fn channel_binding(&self) -> tls::ChannelBinding {
        match self.end_point() {
            Some(end_point) => tls::ChannelBinding::tls_server_end_point(end_point),
            None => tls::ChannelBinding::none(),
        }
    }
}

/// Hands tokio-postgres a transport whose handshake is done: TLS is the same for both kinds of connection.
pub(super) struct AlreadyEncrypted;

impl TlsConnect<Transport> for AlreadyEncrypted {
    type Stream = Transport;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Transport, Self::Error>>;

    fn connect(self, transport: Transport) -> Self::Future {
        std::future::ready(Ok(transport))
    }
}
