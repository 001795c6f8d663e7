//! A TCP proxy on loopback: the network between two programs, failing on demand.

mod line;
mod pump;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

use line::Line;
pub use line::{Direction, Flow};

/// Forwards its port to a target until it is switched. Dropping it cuts all connections and closes the port.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    line: Arc<watch::Sender<Line>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Opens a loopback port that leads to `target_port` on loopback.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(target_port: u16) -> Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let line = Arc::new(watch::Sender::new(Line::default()));
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
        self.line.send_modify(|line| line.cuts += 1);
    }

    /// Cuts every open connection and closes new ones, until [`open`](Proxy::open).
    pub fn close(&self) {
        self.line.send_modify(|line| {
            line.refuses = true;
            line.cuts += 1;
        });
    }

    /// Forwards new connections again.
    pub fn open(&self) {
        self.line.send_modify(|line| line.refuses = false);
    }

    /// How bytes of one direction flow from now on, in connections that are open and in new ones. With one direction
    /// [held](Flow::Held), a connection is half open: the other end still talks, and hears nothing.
    pub fn let_flow(&self, direction: Direction, flow: Flow) {
        self.line.send_modify(|line| line.set(direction, flow));
    }

    /// Nothing flows any more, and neither end is notified: both believe that they are connected.
    pub fn stall(&self) {
        self.both(Flow::Held);
    }

    /// Every piece arrives later by this much, each way.
    pub fn delay(&self, by: Duration) {
        self.both(Flow::Delayed(by));
    }

    /// Bytes flow freely again.
    pub fn flow(&self) {
        self.both(Flow::Free);
    }

    fn both(&self, flow: Flow) {
        self.line.send_modify(|line| {
            line.set(Direction::ToTarget, flow);
            line.set(Direction::ToClient, flow);
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.close();
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::Process {
        action: "open a port for",
        program: "the proxy".to_owned(),
        source,
    }
}

async fn accept(listener: TcpListener, target_port: u16, line: Arc<watch::Sender<Line>>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(forward(client, target_port, line.subscribe()));
            }
            Err(error) => tracing::debug!(%error, "the proxy could not accept a connection"),
        }
    }
}

/// Both ends are dropped, and so closed, when either direction fails, both have ended, or the line is cut.
async fn forward(client: TcpStream, target_port: u16, mut line: watch::Receiver<Line>) {
    let (refuses, cuts) = {
        let line = line.borrow_and_update();
        (line.refuses, line.cuts)
    };
    if refuses {
        return;
    }
    let Ok(target) = TcpStream::connect(("127.0.0.1", target_port)).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_target, to_target) = target.into_split();
    let there = pump::pump(from_client, to_target, Direction::ToTarget, line.clone());
    let back = pump::pump(from_target, to_client, Direction::ToClient, line.clone());
    let ended = tokio::select! {
        pumped = async { tokio::try_join!(there, back) } => pumped.map(drop),
        // An error says that the proxy is gone, which cuts as well.
        cut = line.wait_for(|line| line.cuts > cuts) => cut.map(drop).map_err(std::io::Error::other),
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a proxied connection ended");
    }
}

#[cfg(test)]
mod tests;
