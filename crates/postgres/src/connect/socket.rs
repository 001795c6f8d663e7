//! Socket of a connection: TCP or Unix, with paced reads while the reader is behind.

mod pacing;
mod parkable;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use pacing::Pacer;
use parkable::Parkable;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Sleep, sleep};

use super::config::TcpOptions;

/// Connected socket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Parkable,
    /// Set once the stream has begun.
    pacer: Option<Pacer>,
    /// Pause before the next read, during which the stream is parked.
    pause: Option<Pin<Box<Sleep>>>,
    /// Waker of a task that waits to write, which parking would lose.
    writer: Option<Waker>,
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
        Ok(Self::new(Parkable::Tcp(stream)))
    }

    pub(super) async fn unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path)
            .await
            .map(|stream| Self::new(Parkable::Unix(stream)))
    }

    fn new(stream: Parkable) -> Self {
        Self {
            stream,
            pacer: None,
            pause: None,
            writer: None,
        }
    }

    /// Paces reads from now on while the reader is behind.
    pub(super) fn begin_pacing(&mut self) {
        self.pacer = Some(Pacer::new(Instant::now()));
    }

    /// Records a read of `bytes` into a buffer of `requested` bytes.
    fn pace(&mut self, bytes: usize, requested: usize) -> io::Result<()> {
        let capacity_bytes = self.capacity_bytes();
        let Some(pacer) = &mut self.pacer else {
            return Ok(());
        };
        let drained = bytes < requested;
        match pacer.after_read(Instant::now(), bytes, drained, capacity_bytes) {
            Some(pause) => self.park(pause),
            None => Ok(()),
        }
    }

    fn park(&mut self, pause: Duration) -> io::Result<()> {
        self.stream.park()?;
        self.pause = Some(Box::pin(sleep(pause)));
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        Ok(())
    }

    /// Approximate capacity of the receive buffer. The kernel's size includes its own overhead, which is about half.
    fn capacity_bytes(&self) -> usize {
        let size = self.stream.fd().map(sockopt::socket_recv_buffer_size);
        size.and_then(Result::ok).unwrap_or(0) / 2
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
        let (requested, before) = (buffer.remaining(), buffer.filled().len());
        ready!(socket.stream.poll_read(context, buffer))?;
        Poll::Ready(socket.pace(buffer.filled().len() - before, requested))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let written = socket.stream.poll_write(context, bytes);
        socket.writer = written.is_pending().then(|| context.waker().clone());
        written
    }

    /// The socket has no buffer of its own.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Wake, Waker};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::Socket;
    use super::parkable::Parkable;

    fn pair() -> (Socket, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Socket::new(Parkable::Unix(ours)), theirs)
    }

    #[tokio::test]
    async fn reads_bytes_that_arrive_during_a_pause() {
        let (mut socket, mut peer) = pair();
        socket.park(Duration::from_millis(1)).unwrap();
        peer.write_all(b"early").await.unwrap();
        let mut buffer = [0; 5];
        socket.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"early");
        assert!(matches!(socket.stream, Parkable::Unix(_)));
    }

    #[tokio::test]
    async fn writes_during_a_pause() {
        let (mut socket, mut peer) = pair();
        socket.park(Duration::from_secs(3600)).unwrap();
        socket.write_all(b"update").await.unwrap();
        let mut buffer = [0; 6];
        peer.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"update");
    }

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn wakes_a_waiting_writer_at_a_pause() {
        let (mut socket, _peer) = pair();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        // The peer does not read, so the loop ends when the buffers are full.
        while Pin::new(&mut socket)
            .poll_write(&mut context, &[0; 4096])
            .is_ready()
        {}
        socket.park(Duration::from_secs(3600)).unwrap();
        assert!(woken.0.load(Ordering::SeqCst));
        assert!(
            Pin::new(&mut socket)
                .poll_write(&mut context, &[0; 4096])
                .is_pending()
        );
        assert!(
            matches!(socket.stream, Parkable::Unix(_)),
            "there is something to wait for"
        );
    }
}
