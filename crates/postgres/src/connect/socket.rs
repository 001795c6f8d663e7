//! The socket under everything: TCP or Unix, read with pauses when it pays.

mod pacing;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use pacing::Pacer;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Sleep, sleep};

use super::config::TcpOptions;

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    /// Set once streaming has begun.
    pacer: Option<Pacer>,
    /// The pause before the next read.
    pause: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(super) async fn tcp(address: SocketAddr, options: TcpOptions) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        sockopt::set_socket_keepalive(&stream, options.keepalives)?;
        if options.keepalives {
            set_keepalive_times(&stream, options)?;
        }
        sockopt::set_tcp_user_timeout(&stream, options.user_timeout_ms)?;
        Ok(Self::new(Stream::Tcp(stream)))
    }

    pub(super) async fn unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path)
            .await
            .map(|stream| Self::new(Stream::Unix(stream)))
    }

    fn new(stream: Stream) -> Self {
        Self {
            stream,
            pacer: None,
            pause: None,
        }
    }

    /// From now on reads are spaced while the sender is far ahead of us.
    pub(super) fn begin_pacing(&mut self) {
        self.pacer = Some(Pacer::new(Instant::now()));
    }

    /// Takes note of a read of `bytes` into room for `asked`.
    fn pace(&mut self, bytes: usize, asked: usize) {
        let Some(pacer) = &mut self.pacer else { return };
        let drained = bytes < asked;
        if let Some(pause) = pacer.after_read(Instant::now(), bytes, drained, self.stream.capacity_bytes()) {
            self.pause = Some(Box::pin(sleep(pause)));
        }
    }
}

impl Stream {
    /// About what fits in while nobody reads. The kernel counts its own overhead too, about half.
    fn capacity_bytes(&self) -> usize {
        let size = match self {
            Stream::Tcp(stream) => sockopt::socket_recv_buffer_size(stream),
            Stream::Unix(stream) => sockopt::socket_recv_buffer_size(stream),
        };
        size.unwrap_or(0) / 2
    }
}

fn set_keepalive_times(stream: &TcpStream, options: TcpOptions) -> io::Result<()> {
    if let Some(idle) = options.keepalives_idle {
        sockopt::set_tcp_keepidle(stream, idle)?;
    }
    if let Some(interval) = options.keepalives_interval {
        sockopt::set_tcp_keepintvl(stream, interval)?;
    }
    if let Some(count) = options.keepalives_count {
        sockopt::set_tcp_keepcnt(stream, count)?;
    }
    Ok(())
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        if let Some(pause) = &mut socket.pause {
            ready!(pause.as_mut().poll(context));
            socket.pause = None;
        }
        let (asked, before) = (buffer.remaining(), buffer.filled().len());
        ready!(match &mut socket.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        })?;
        socket.pace(buffer.filled().len() - before, asked);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
