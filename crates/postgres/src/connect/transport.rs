//! Byte stream between client and server, encrypted or not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{self, TlsConnect};
use tokio_rustls::client::TlsStream;

use super::channel_binding;
use super::login::{AuthPolicy, Login, LoginFault};
use super::message_lengths::MessageLengths;
use super::socket::Socket;

/// Encrypted or plain channel.
pub(super) enum Channel {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// Connection before the first message of the Postgres protocol. The server's messages are inspected until the session is ready, and
/// the lengths of messages after that, where they are limited.
pub(crate) struct Transport {
    channel: Channel,
    login: Option<Box<Login>>,
    lengths: Option<MessageLengths>,
}

impl Transport {
    pub(super) fn new(channel: Channel, policy: AuthPolicy) -> Self {
        Self {
            channel,
            login: Some(Box::new(Login::new(policy))),
            lengths: None,
        }
    }

    /// Limits the lengths of messages after the login.
    pub(super) fn limiting_messages(mut self) -> Self {
        self.lengths = Some(MessageLengths::default());
        self
    }

    /// Inspects received bytes.
    fn inspect(&mut self, arrived: &[u8]) -> Result<(), LoginFault> {
        let after_login = match &mut self.login {
            None => arrived,
            Some(login) => match login.inspect(arrived)? {
                None => return Ok(()),
                Some(rest) => rest,
            },
        };
        self.login = None;
        self.lengths
            .as_mut()
            .map_or(Ok(()), |lengths| lengths.inspect(after_login))
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
        if let Poll::Ready(Ok(())) = &read {
            let arrived = buffer.filled().get(before..).unwrap_or_default();
            // The bytes are in the buffer, but the caller uses none of them after an error.
            if let Err(fault) = transport.inspect(arrived) {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
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

impl tls::TlsStream for &mut Transport {
    fn channel_binding(&self) -> tls::ChannelBinding {
        tls::TlsStream::channel_binding(&**self)
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

impl<'t> TlsConnect<&'t mut Transport> for AlreadyEncrypted {
    type Stream = &'t mut Transport;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<&'t mut Transport, Self::Error>>;

    fn connect(self, transport: &'t mut Transport) -> Self::Future {
        std::future::ready(Ok(transport))
    }
}

impl TlsConnect<Transport> for AlreadyEncrypted {
    type Stream = Transport;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Transport, Self::Error>>;

    fn connect(self, transport: Transport) -> Self::Future {
        std::future::ready(Ok(transport))
    }
}
