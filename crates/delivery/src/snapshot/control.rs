//! The way into a running connector.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid};

use super::{SnapshotCommand, SnapshotRefused};

/// So many requests wait to be taken; who comes after them waits to be let in.
const REQUESTS_WAITING: usize = 16;

/// Asks a running connector to read existing rows, or not to. What it answers is stored: it survives a crash.
#[derive(Clone, Debug)]
pub struct SnapshotControl(mpsc::Sender<Request>);

/// The connector's end of it.
#[derive(Debug)]
pub struct SnapshotRequests {
    requests: mpsc::Receiver<Request>,
    /// For those that the connector itself makes; keeps the channel open too.
    control: SnapshotControl,
}

/// What was carried out and stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotAnswer {
    /// The tables that it concerns.
    pub tables: Vec<String>,
    /// Whether reading waits for a request to resume.
    pub paused: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotUnanswered {
    /// It cannot be done.
    #[error(transparent)]
    Refused(#[from] SnapshotRefused),
    /// The stream ended before the request was stored, or is ending.
    #[error("the stream ended before the request was stored; ask again")]
    Lost,
}

/// Something to be done between two changes.
#[derive(Debug)]
pub(crate) enum Request {
    /// As somebody outside asks.
    Command {
        command: SnapshotCommand,
        reply: Reply<Result<SnapshotAnswer, SnapshotRefused>>,
    },
    /// Where the signal topic is to be read from; a connector that never read it begins at `end`.
    SignalsFrom { end: i64, reply: Reply<i64> },
    /// A record of the signal topic.
    Signal {
        offset: i64,
        text: Vec<u8>,
        reply: Reply<()>,
    },
    /// Tables are about to be published, and are to be read then.
    Expect {
        tables: Vec<TableName>,
        reply: Reply<()>,
    },
    /// Other tables are captured than before. Those of `to_fill` are published since `since`, and are to be read; `None`:
    /// they could not be published.
    Captured {
        known: BTreeSet<Oid>,
        to_fill: Vec<TableName>,
        since: Option<Lsn>,
        reply: Reply<()>,
    },
}

impl Request {
    /// Whether the connector itself made it in a session that has ended: what it says of the publication may be so no more,
    /// and each session begins with a look of its own.
    pub(crate) fn is_stale(&self) -> bool {
        match self {
            Self::Expect { reply, .. } | Self::Captured { reply, .. } => reply.is_closed(),
            Self::Command { .. } | Self::SignalsFrom { .. } | Self::Signal { .. } => false,
        }
    }
}

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<T>;

impl SnapshotRequests {
    /// A way into a connector that is still to be made.
    #[must_use]
    pub fn new() -> Self {
        let (sender, requests) = mpsc::channel(REQUESTS_WAITING);
        Self {
            requests,
            control: SnapshotControl(sender),
        }
    }

    /// The other end.
    #[must_use]
    pub fn control(&self) -> SnapshotControl {
        self.control.clone()
    }

    /// A request that waits.
    #[inline]
    pub(crate) fn waiting(&mut self) -> Option<Request> {
        if self.requests.is_empty() {
            return None;
        }
        self.requests.try_recv().ok()
    }

    /// The next request. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Request {
        match self.requests.recv().await {
            Some(request) => request,
            // It cannot be closed while `control` lives.
            None => std::future::pending().await,
        }
    }
}

impl Default for SnapshotRequests {
    fn default() -> Self {
        Self::new()
    }
}

impl SnapshotControl {
    /// Has a command carried out and stored. Waits while the connector does not stream.
    ///
    /// # Errors
    /// It cannot be done, or the stream ended before.
    pub async fn ask(&self, command: SnapshotCommand) -> Result<SnapshotAnswer, SnapshotUnanswered> {
        let answer = self.request(|reply| Request::Command { command, reply }).await?;
        Ok(answer?)
    }

    /// Where the signal topic is to be read from: behind the last signal that was carried out. A connector that was never
    /// told of one begins at `end`.
    ///
    /// # Errors
    /// The stream ended before it was stored.
    pub async fn signals_from(&self, end: i64) -> Result<i64, SnapshotUnanswered> {
        self.request(|reply| Request::SignalsFrom { end, reply }).await
    }

    /// Has the value of a record of the signal topic carried out, once, whoever asks again. One that means nothing is said
    /// in the log and done with.
    ///
    /// # Errors
    /// The stream ended before it was stored.
    pub async fn signal(&self, offset: i64, text: &[u8]) -> Result<(), SnapshotUnanswered> {
        let text = text.to_vec();
        self.request(|reply| Request::Signal { offset, text, reply })
            .await
    }

    pub(crate) async fn expect(&self, tables: Vec<TableName>) -> Result<(), SnapshotUnanswered> {
        self.request(|reply| Request::Expect { tables, reply }).await
    }

    pub(crate) async fn captured(
        &self,
        known: BTreeSet<Oid>,
        to_fill: Vec<TableName>,
        since: Option<Lsn>,
    ) -> Result<(), SnapshotUnanswered> {
        self.request(|reply| Request::Captured {
            known,
            to_fill,
            since,
            reply,
        })
        .await
    }

    async fn request<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, SnapshotUnanswered> {
        let (reply, answer) = oneshot::channel();
        let sent = self.0.send(request(reply)).await;
        sent.map_err(|_| SnapshotUnanswered::Lost)?;
        answer.await.map_err(|_| SnapshotUnanswered::Lost)
    }
}
