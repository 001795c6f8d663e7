//! Stream that can be deregistered from the runtime for a moment.
//!
//! A socket that is registered with the runtime wakes a thread for all data that arrives. While reads are paced, these wake-ups would
//! occupy the core that pacing leaves to the server.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// Connected stream, registered with the runtime or parked.
#[derive(Debug)]
pub(super) enum Parkable {
    Tcp(TcpStream),
    Unix(UnixStream),
    ParkedTcp(std::net::TcpStream),
    ParkedUnix(std::os::unix::net::UnixStream),
    /// Registering or deregistering the stream has failed.
    Lost,
}

impl Parkable {
    /// Deregisters the stream from the runtime.
    pub(super) fn park(&mut self) -> io::Result<()> {
        *self = match std::mem::replace(self, Parkable::Lost) {
            Parkable::Tcp(stream) => Parkable::ParkedTcp(stream.into_std()?),
            Parkable::Unix(stream) => Parkable::ParkedUnix(stream.into_std()?),
            parked => parked,
        };
        Ok(())
    }

    /// Registers the stream with the runtime again.
    pub(super) fn unpark(&mut self) -> io::Result<()> {
        *self = match std::mem::replace(self, Parkable::Lost) {
            Parkable::ParkedTcp(stream) => Parkable::Tcp(TcpStream::from_std(stream)?),
            Parkable::ParkedUnix(stream) => Parkable::Unix(UnixStream::from_std(stream)?),
            watched => watched,
        };
        Ok(())
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Parkable::Tcp(stream) => Some(stream.as_fd()),
            Parkable::Unix(stream) => Some(stream.as_fd()),
            Parkable::ParkedTcp(stream) => Some(stream.as_fd()),
            Parkable::ParkedUnix(stream) => Some(stream.as_fd()),
            Parkable::Lost => None,
        }
    }

    /// Reads; a parked stream is registered first.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.unpark()?;
        match self {
            Parkable::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Parkable::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Parkable::ParkedTcp(_) | Parkable::ParkedUnix(_) | Parkable::Lost => Poll::Ready(Err(lost())),
        }
    }

    /// Writes; a parked stream is registered only when the write would block.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let direct = match self {
            Parkable::ParkedTcp(stream) => stream.write(bytes),
            Parkable::ParkedUnix(stream) => stream.write(bytes),
            Parkable::Tcp(_) | Parkable::Unix(_) | Parkable::Lost => Err(io::ErrorKind::WouldBlock.into()),
        };
        match direct {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => return Poll::Ready(written),
        }
        self.unpark()?;
        match self {
            Parkable::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Parkable::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Parkable::ParkedTcp(_) | Parkable::ParkedUnix(_) | Parkable::Lost => Poll::Ready(Err(lost())),
        }
    }

    /// Shuts down the sending direction.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unpark()?;
        match self {
            Parkable::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Parkable::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Parkable::ParkedTcp(_) | Parkable::ParkedUnix(_) | Parkable::Lost => Poll::Ready(Err(lost())),
        }
    }
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the socket was lost")
}
