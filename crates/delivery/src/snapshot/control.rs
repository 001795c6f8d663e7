//! Control of snapshots in a running connector.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid};

use crate::partitions::PartitionRecords;
use crate::restrictions::Restrictions;
use crate::snapshot::command::{SnapshotCommand, SnapshotRejected};
use crate::source_state::CapturedNames;

/// Number of requests that can wait; further clients wait until there is space.
const REQUESTS_WAITING: usize = 16;

/// Sends snapshot requests to a running connector. Executed requests are stored before the reply: they survive a crash.
#[derive(Clone, Debug)]
pub struct SnapshotControl(mpsc::Sender<Request>);

/// Receiving half of the request channel.
#[derive(Debug)]
pub struct SnapshotRequests {
    requests: mpsc::Receiver<Request>,
    /// Sender for requests of the connector itself; also keeps the channel open.
    control: SnapshotControl,
}

/// Result of a request that was executed and stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotAnswer {
    /// Tables that the request concerned.
    pub tables: Vec<String>,
    /// Whether reading is paused until a request to resume.
    pub paused: bool,
}

/// Reason why a request has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotUnanswered {
    /// The request was rejected.
    #[error(transparent)]
    Rejected(#[from] SnapshotRejected),
    /// The stream ended, or is ending, before the request was stored.
    #[error("the stream ended before the request was stored; send the request again")]
    Lost,
}

/// Request that is executed between two changes.
#[derive(Debug)]
pub(crate) enum Request {
    /// External command.
    Command {
        command: SnapshotCommand,
        reply: Reply<Result<SnapshotAnswer, SnapshotRejected>>,
    },
    /// Query for the offset from which the signal topic is to be read; a connector that has never read it starts at
    /// `end`.
    SignalsFrom { end: i64, reply: Reply<i64> },
    /// Record of the signal topic.
    Signal {
        offset: i64,
        text: Vec<u8>,
        reply: Reply<()>,
    },
    /// Tables that are about to be published, and are to be read after that.
    Expect {
        tables: Vec<TableName>,
        /// Names of the captured tables.
        names: CapturedNames,
        reply: Reply<()>,
    },
    /// Change of partitions of the captured tables. Those in `attached` are to be read, from snapshots at or after `since`.
    Partitions {
        records: PartitionRecords,
        attached: Vec<(TableName, Vec<Oid>)>,
        /// Names of the captured tables.
        names: CapturedNames,
        since: Lsn,
        reply: Reply<()>,
    },
    /// Change of the captured tables. Tables in `to_fill` have been published since `since`, and are to be read;
    /// `None`: they could not be published.
    Captured {
        known: BTreeSet<Oid>,
        to_fill: Vec<TableName>,
        /// Names of the captured tables.
        names: CapturedNames,
        since: Option<Lsn>,
        /// Row filters and column lists of the captured tables.
        restrictions: Restrictions,
        reply: Reply<()>,
    },
    /// Change of the row filters and column lists of the captured tables.
    Restricted {
        restrictions: Restrictions,
        reply: Reply<()>,
    },
}

impl Request {
    /// Whether the connector itself made the request in an earlier session. Its view of the publication may be
    /// outdated, and each session begins with an inspection of its own.
    pub(crate) fn is_stale(&self) -> bool {
        match self {
            Self::Expect { reply, .. }
            | Self::Partitions { reply, .. }
            | Self::Captured { reply, .. }
            | Self::Restricted { reply, .. } => reply.is_closed(),
            Self::Command { .. } | Self::SignalsFrom { .. } | Self::Signal { .. } => false,
        }
    }
}

/// Sender of a reply.
pub(crate) type Reply<T> = oneshot::Sender<T>;

impl SnapshotRequests {
    /// Creates the request channel of a connector that is still to be created.
    #[must_use]
    pub fn new() -> Self {
        let (sender, requests) = mpsc::channel(REQUESTS_WAITING);
        Self {
            requests,
            control: SnapshotControl(sender),
        }
    }

    /// Sending half of the channel.
    #[must_use]
    pub fn control(&self) -> SnapshotControl {
        self.control.clone()
    }

    /// Request that is waiting, if there is one.
    #[inline]
    pub(crate) fn waiting(&mut self) -> Option<Request> {
        if self.requests.is_empty() {
            return None;
        }
        self.requests.try_recv().ok()
    }

    /// Next request. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Request {
        match self.requests.recv().await {
            Some(request) => request,
            // The channel cannot be closed while `control` lives.
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
    /// Executes and stores a command. Waits while the connector does not stream.
    ///
    /// # Errors
    ///
    /// Returns an error if the request is rejected or the stream ended before.
    pub async fn ask(&self, command: SnapshotCommand) -> Result<SnapshotAnswer, SnapshotUnanswered> {
        let answer = self.request(|reply| Request::Command { command, reply }).await?;
        Ok(answer?)
    }

    /// Offset from which the signal topic is to be read: after the last executed signal. A connector that has never
    /// received one starts at `end`.
    ///
    /// # Errors
    ///
    /// Returns an error if the stream ended before the offset was stored.
    pub async fn signals_from(&self, end: i64) -> Result<i64, SnapshotUnanswered> {
        self.request(|reply| Request::SignalsFrom { end, reply }).await
    }

    /// Executes the value of a record of the signal topic, once, even if it is sent again. An invalid signal is logged
    /// and skipped.
    ///
    /// # Errors
    ///
    /// Returns an error if the stream ended before the signal was stored.
    pub async fn signal(&self, offset: i64, text: &[u8]) -> Result<(), SnapshotUnanswered> {
        let text = text.to_vec();
        self.request(|reply| Request::Signal { offset, text, reply })
            .await
    }

    pub(crate) async fn expect(
        &self,
        tables: Vec<TableName>,
        names: CapturedNames,
    ) -> Result<(), SnapshotUnanswered> {
        self.request(|reply| Request::Expect { tables, names, reply })
            .await
    }

    pub(crate) async fn partitions(
        &self,
        records: PartitionRecords,
        attached: Vec<(TableName, Vec<Oid>)>,
        names: CapturedNames,
        since: Lsn,
    ) -> Result<(), SnapshotUnanswered> {
        self.request(|reply| Request::Partitions {
            records,
            attached,
            names,
            since,
            reply,
        })
        .await
    }

    pub(crate) async fn captured(
        &self,
        known: BTreeSet<Oid>,
        to_fill: Vec<TableName>,
        names: CapturedNames,
        since: Option<Lsn>,
        restrictions: Restrictions,
    ) -> Result<(), SnapshotUnanswered> {
        self.request(|reply| Request::Captured {
            known,
            to_fill,
            names,
            since,
            restrictions,
            reply,
        })
        .await
    }

    pub(crate) async fn restricted(&self, restrictions: Restrictions) -> Result<(), SnapshotUnanswered> {
        self.request(|reply| Request::Restricted { restrictions, reply })
            .await
    }

    async fn request<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, SnapshotUnanswered> {
        let (reply, answer) = oneshot::channel();
        let sent = self.0.send(request(reply)).await;
        sent.map_err(|_| SnapshotUnanswered::Lost)?;
        answer.await.map_err(|_| SnapshotUnanswered::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::{SnapshotRequests, SnapshotUnanswered};
    use crate::snapshot::command::SnapshotCommand;

    #[tokio::test]
    async fn requests_that_the_stream_does_not_answer_are_lost() {
        let mut requests = SnapshotRequests::new();
        let control = requests.control();
        let (answer, ()) = tokio::join!(control.ask(SnapshotCommand::Pause), async {
            drop(requests.next().await);
        });
        assert_eq!(answer, Err(SnapshotUnanswered::Lost));
        drop(requests);
        assert_eq!(
            control.ask(SnapshotCommand::Resume).await,
            Err(SnapshotUnanswered::Lost)
        );
    }
}
