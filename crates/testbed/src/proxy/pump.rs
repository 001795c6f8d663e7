//! One direction of a proxied connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::line::{Direction, Flow, Line};

/// How much is read at once. What was read and is held has left its sender: with this much less than a socket's buffer it makes no
/// difference.
const PIECE_BYTES: usize = 16 * 1024;

/// Forwards bytes as the line has it, until the sender ends.
pub(super) async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    line: watch::Receiver<Line>,
) -> std::io::Result<()> {
    let mut gate = Gate {
        direction,
        line,
        since: 0,
        left: 0,
    };
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            gate.pass(0).await?;
            return to.shutdown().await;
        }
        let mut rest = &piece[..read];
        while !rest.is_empty() {
            let (now, then) = rest.split_at(gate.pass(rest.len()).await?);
            to.write_all(now).await?;
            gate.passed(now.len()).await;
            rest = then;
        }
    }
}

/// Holds bytes up as the line has it.
struct Gate {
    direction: Direction,
    line: watch::Receiver<Line>,
    /// The change of the line that `left` counts from.
    since: u64,
    /// Bytes that may pass still, where they are counted.
    left: u64,
}

impl Gate {
    /// Waits until something may pass, and says how many of so many bytes; the end of a connection (no bytes) waits as they do.
    async fn pass(&mut self, wanted: usize) -> std::io::Result<usize> {
        loop {
            match self.flow() {
                Flow::Free => return Ok(wanted),
                Flow::Delayed(by) => {
                    tokio::time::sleep(by).await;
                    return Ok(wanted);
                }
                Flow::Dripping(_) => return Ok(wanted.min(1)),
                Flow::Only(_) if self.left > 0 => {
                    return Ok(wanted.min(usize::try_from(self.left).unwrap_or(wanted)));
                }
                // An error says that the proxy is gone.
                Flow::Only(_) | Flow::Held => self.line.changed().await.map_err(std::io::Error::other)?,
            }
        }
    }

    async fn passed(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes as u64);
        if let Flow::Dripping(pause) = self.flow() {
            pause_for(pause).await;
        }
    }

    fn flow(&mut self) -> Flow {
        let rule = self.line.borrow_and_update().rule(self.direction);
        if rule.since != self.since {
            self.since = rule.since;
            self.left = match rule.flow {
                Flow::Only(bytes) => bytes,
                _ => 0,
            };
        }
        rule.flow
    }
}

async fn pause_for(pause: Duration) {
    if pause.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(pause).await;
    }
}
