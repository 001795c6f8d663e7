//! Byte stream between client and server, encrypted or not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{self, TlsConnect};
use tokio_rustls::client::TlsStream;

use super::channel_binding;
use super::login::{AuthPolicy, Login};
use super::socket::Socket;

/// Encrypted or plain channel.
pub(super) enum Channel {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// Connection before the first message of the Postgres protocol. The server's messages are inspected until the session is ready.
pub(crate) struct Transport {
    channel: Channel,
    login: Option<Box<Login>>,
}

impl Transport {
    pub(super) fn new(channel: Channel, policy: AuthPolicy) -> Self {
        Self {
            channel,
            login: Some(Box::new(Login::new(policy))),
        }
    }

    /// Paces reads from now on while the reader is behind.
    pub(crate) fn begin_pacing(&mut self) {
        match &mut self.channel {
            Channel::Plain(socket) => socket.begin_pacing(),
            Channel::Tls(stream) => stream.get_mut().0.begin_pacing(),
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.channel, Channel::Tls(_))
    }

    /// `tls-server-end-point`, if TLS is used and the certificate's signature algorithm defines it.
    pub(super) fn end_point(&self) -> Option<Vec<u8>> {
        let Channel::Tls(stream) = &self.channel else {
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
        let transport = self.get_mut();
        let before = buffer.filled().len();
        let read = match &mut transport.channel {
            Channel::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Channel::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        if let (Some(login), Poll::Ready(Ok(()))) = (&mut transport.login, &read) {
            let arrived = buffer.filled().get(before..).unwrap_or_default();
            match login.inspect(arrived) {
                Ok(false) => {}
                Ok(true) => transport.login = None,
                // The bytes are in the buffer, but the caller uses none of them after an error.
                Err(fault) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault))),
            }
        }
        read
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().channel {
            Channel::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Channel::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().channel {
            Channel::Plain(socket) => Pin::new(socket).poll_flush(context),
            Channel::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().channel {
            Channel::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Channel::Tls(stream) => Pin::new(stream).poll_shutdown(context),
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

/// Passes a transport after its handshake to tokio-postgres, so that both kinds of connection share the TLS code.
pub(super) struct AlreadyEncrypted;

impl TlsConnect<Transport> for AlreadyEncrypted {
    type Stream = Transport;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Transport, Self::Error>>;

    fn connect(self, transport: Transport) -> Self::Future {
        std::future::ready(Ok(transport))
    }
}
