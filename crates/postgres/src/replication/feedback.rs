//! Task that sends standby status updates on a deadline.
//!
//! See <https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-STANDBY-STATUS-UPDATE>.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};
use walcast_delivery::Feedback;
use walcast_pgoutput::{Lsn, PgTimestamp};

use super::reader::Reception;
use crate::connect::Transport;

/// Longest interval of status updates, which `pg_stat_replication` shows.
const INTERVAL_MAX: Duration = Duration::from_secs(10);

/// Status updates per `wal_sender_timeout`. The server disconnects a silent client after the timeout, and requests a reply at half of it.
const UPDATES_PER_TIMEOUT: u32 = 3;

/// Interval in which confirmations share one update: each update can make the server write the slot to disk.
const COALESCE: Duration = Duration::from_millis(50);

/// Handle that confirms durable positions to the server. Calls are cheap; a task sends the update.
#[derive(Clone, Debug)]
pub struct ReplicationFeedback {
    confirmed: watch::Sender<Lsn>,
}

impl Feedback for ReplicationFeedback {
    fn confirm(&self, flush: Lsn) {
        self.confirmed.send_if_modified(|confirmed| {
            let advances = flush > *confirmed;
            *confirmed = flush.max(*confirmed);
            advances
        });
    }
}

/// Task that sends status updates until it is stopped.
pub(super) struct FeedbackTask {
    pub(super) socket: WriteHalf<Transport>,
    pub(super) reception: Arc<Reception>,
    pub(super) interval: Duration,
    confirmed: watch::Sender<Lsn>,
}

/// Interval of status updates for a server with this `wal_sender_timeout`.
pub(super) fn interval(wal_sender_timeout: Option<Duration>) -> Duration {
    wal_sender_timeout.map_or(INTERVAL_MAX, |timeout| {
        INTERVAL_MAX.min(timeout / UPDATES_PER_TIMEOUT)
    })
}

impl FeedbackTask {
    pub(super) fn new(
        socket: WriteHalf<Transport>,
        reception: Arc<Reception>,
        interval: Duration,
    ) -> (Self, ReplicationFeedback) {
        // Before the first confirmation the position is invalid, which does not advance the slot.
        let (confirmed, _) = watch::channel(Lsn::INVALID);
        let task = Self {
            socket,
            reception,
            interval,
            confirmed: confirmed.clone(),
        };
        (task, ReplicationFeedback { confirmed })
    }

    /// Runs until it is stopped, and then sends a last update and the end of the copy, or until the socket breaks. The reader's error says
    /// more about a broken socket, so this task only logs its own.
    pub(super) async fn run(mut self, mut stop: oneshot::Receiver<()>) -> Option<WriteHalf<Transport>> {
        match self.send_updates(&mut stop).await {
            Ok(()) => Some(self.socket),
            Err(error) => {
                tracing::debug!(%error, "status updates cannot be sent any more");
                None
            }
        }
    }

    async fn send_updates(&mut self, stop: &mut oneshot::Receiver<()>) -> io::Result<()> {
        let mut confirmed = self.confirmed.subscribe();
        let mut last_sent = Instant::now();
        let mut due = last_sent;
        loop {
            // Each branch only waits, so that cancelling it loses nothing.
            tokio::select! {
                biased;
                stopped = &mut *stop => {
                    if stopped.is_err() {
                        return Err(io::Error::other("the stream was dropped"));
                    }
                    self.send_update().await?;
                    return self.end_copy().await;
                }
                () = self.reception.reply_requested.notified() => {}
                changed = confirmed.changed() => {
                    debug_assert!(changed.is_ok(), "we hold a sender ourselves");
                    due = due.min(last_sent + COALESCE);
                    continue;
                }
                () = sleep_until(due) => {}
            }
            self.send_update().await?;
            last_sent = Instant::now();
            due = last_sent + self.interval;
        }
    }

    async fn send_update(&mut self) -> io::Result<()> {
        let confirmed = *self.confirmed.borrow();
        let update = status_update(
            self.reception.received().max(confirmed),
            confirmed,
            PgTimestamp::now(),
        );
        self.socket.write_all(&update).await?;
        self.socket.flush().await
    }

    async fn end_copy(&mut self) -> io::Result<()> {
        let mut end = BytesMut::new();
        frontend::copy_done(&mut end);
        self.socket.write_all(&end).await?;
        self.socket.flush().await
    }
}

/// `d`, length, `r`, written, flushed, applied, clock, no reply wanted.
fn status_update(written: Lsn, flushed: Lsn, clock: PgTimestamp) -> BytesMut {
    const LENGTH: u32 = 4 + 1 + 4 * 8 + 1;
    let mut message = BytesMut::with_capacity(39);
    message.put_u8(b'd');
    message.put_u32(LENGTH);
    message.put_u8(b'r');
    message.put_u64(written.as_u64());
    message.put_u64(flushed.as_u64());
    message.put_u64(flushed.as_u64());
    message.put_i64(clock.postgres_micros());
    message.put_u8(0);
    message
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use walcast_pgoutput::{Lsn, PgTimestamp};

    use super::{interval, status_update};

    #[test]
    fn an_update_has_the_form_the_server_reads() {
        let update = status_update(Lsn::new(2), Lsn::new(1), PgTimestamp::from_postgres_micros(3));
        let expected: &[u8] =
            b"d\0\0\0\x26r\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x03\0";
        assert_eq!(&update[..], expected);
    }

    #[test]
    fn updates_come_well_within_the_timeout() {
        assert_eq!(interval(None), Duration::from_secs(10));
        assert_eq!(interval(Some(Duration::from_secs(60))), Duration::from_secs(10));
        assert_eq!(interval(Some(Duration::from_secs(3))), Duration::from_secs(1));
    }
}
