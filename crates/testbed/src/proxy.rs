//! A TCP proxy on loopback whose connections can be cut and refused: the network between two programs, failing on demand.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// What a proxy does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// They are forwarded.
    Open,
    /// New ones are closed at once.
    Closed,
}

/// Forwards its port to a target until told otherwise. Dropping it cuts all connections and closes the port.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    line: Arc<watch::Sender<(Line, u64)>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Opens a loopback port that leads to `target_port` on loopback.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(target_port: u16) -> Result<Proxy> {
        let failed = |source| Error::Process {
            action: "open a port for",
            program: "the proxy".to_owned(),
            source,
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let line = Arc::new(watch::Sender::new((Line::Open, 0)));
        let accepting = tokio::spawn(accept(listener, target_port, Arc::clone(&line)));
        Ok(Proxy {
            port,
            line,
            accepting,
        })
    }

    /// The proxy's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every open connection; new ones are forwarded again.
    pub fn cut(&self) {
        self.line.send_modify(|(_, cuts)| *cuts += 1);
    }

    /// Cuts every open connection and closes new ones, until [`open`](Proxy::open).
    pub fn close(&self) {
        self.line
            .send_modify(|(line, cuts)| (*line, *cuts) = (Line::Closed, *cuts + 1));
    }

    /// Forwards new connections again.
    pub fn open(&self) {
        self.line.send_modify(|(line, _)| *line = Line::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.close();
    }
}

async fn accept(listener: TcpListener, target_port: u16, line: Arc<watch::Sender<(Line, u64)>>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(forward(client, target_port, line.subscribe()));
            }
            Err(error) => tracing::debug!(%error, "the proxy could not accept a connection"),
        }
    }
}

/// Both ends are dropped, and so closed, when the copy ends or the line is cut.
async fn forward(mut client: TcpStream, target_port: u16, mut line: watch::Receiver<(Line, u64)>) {
    let (state, cuts) = *line.borrow_and_update();
    if state == Line::Closed {
        return;
    }
    let Ok(mut target) = TcpStream::connect(("127.0.0.1", target_port)).await else {
        return;
    };
    let ended = tokio::select! {
        copied = copy_bidirectional(&mut client, &mut target) => copied.map(drop),
        // An error says that the proxy is gone, which cuts as well.
        cut = line.wait_for(|(_, now)| *now > cuts) => cut.map(drop).map_err(std::io::Error::other),
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a proxied connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A target that sends back what it gets.
    async fn echo() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        port
    }

    async fn says_back(stream: &mut TcpStream) -> bool {
        let mut answer = [0; 2];
        stream.write_all(b"hi").await.is_ok()
            && stream.read_exact(&mut answer).await.is_ok()
            && &answer == b"hi"
    }

    #[tokio::test]
    async fn a_line_is_forwarded_cut_closed_and_opened() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let connect = || TcpStream::connect(("127.0.0.1", proxy.port()));
        let mut first = connect().await.unwrap();
        assert!(says_back(&mut first).await);
        proxy.cut();
        assert!(first.read_u8().await.is_err());
        assert!(says_back(&mut connect().await.unwrap()).await);

        proxy.close();
        assert!(!says_back(&mut connect().await.unwrap()).await);
        proxy.open();
        assert!(says_back(&mut connect().await.unwrap()).await);
    }
}
