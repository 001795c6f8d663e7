//! Phases of connections, their timeouts, and which connection is closed when there are too many.
//!
//! ```text
//! handshake ──▶ idle ──first byte──▶ head ──all headers──▶ answering ──token valid──▶ authenticated
//!  (TLS)  3 s   60 s ◀──────┐        10 s                  30 s                       60 s
//!                           └────────── answer written ──────┴──────────────────────────┘
//! ```
//!
//! At most [`CONNECTIONS_MAX`] connections are open. A new connection is always accepted; at the limit another one is closed:
//! first the one that has waited longest for its client, then the one whose response takes longest, and authenticated connections last.
//! So clients that only hold connections open cannot block a probe.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Maximum number of connections. Probes, scrapers and commands need a few; each costs a descriptor and tens of kilobytes.
pub(super) const CONNECTIONS_MAX: usize = 64;

/// Maximum number of concurrent handshakes: a handshake costs a millisecond of CPU time, and silent clients occupy at most half
/// of the connections.
pub(super) const HANDSHAKES_MAX: usize = 32;

/// Timeout of a handshake. A client over a slow network needs a second.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(3);

/// Timeout between two requests. Scrapers send one every 15 to 60 seconds, and reconnect if the connection was closed.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// Timeout for the request line and the headers.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// Timeout from the end of the headers until the response is written.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// The same for an authenticated request, which waits until the connector has stored it.
const AUTHENTICATED_LIMIT: Duration = Duration::from_secs(60);

/// Phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// TLS handshake in progress.
    Handshake,
    /// No byte of the next request has arrived.
    Idle,
    /// A part of the headers has arrived.
    Head,
    /// The headers are complete; the body is read, or the response is computed or written.
    Answering,
    /// The same for a request with a valid token.
    Authenticated,
}

/// Phase and its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) phase: Phase,
    since: Instant,
}

impl Stage {
    fn begun(phase: Phase) -> Self {
        Self {
            phase,
            since: Instant::now(),
        }
    }

    /// Instant at which the connection is closed if it is still in this phase.
    fn deadline(self) -> Instant {
        self.since
            + match self.phase {
                Phase::Handshake => HANDSHAKE_LIMIT,
                Phase::Idle => IDLE_LIMIT,
                Phase::Head => HEAD_LIMIT,
                Phase::Answering => ANSWER_LIMIT,
                Phase::Authenticated => AUTHENTICATED_LIMIT,
            }
    }

    /// Order in which connections are closed. Connections that wait for their client are ordered by age alone: the newest, which
    /// may be a probe that has just connected, is the last of them.
    fn priority(self) -> (u8, Instant) {
        let rank = match self.phase {
            Phase::Handshake | Phase::Idle | Phase::Head => 0,
            Phase::Answering => 1,
            Phase::Authenticated => 2,
        };
        (rank, self.since)
    }
}

/// Connection to close so that another one can be accepted; `None` below the limits.
pub(super) fn connection_to_close<Id: Copy>(open: &[(Id, Stage)], is_tls: bool) -> Option<Id> {
    let oldest = |of: &mut dyn Iterator<Item = &(Id, Stage)>| {
        of.min_by_key(|(_, stage)| stage.priority()).map(|(id, _)| *id)
    };
    let shakes = |(_, stage): &&(Id, Stage)| stage.phase == Phase::Handshake;
    if is_tls && open.iter().filter(shakes).count() >= HANDSHAKES_MAX {
        return oldest(&mut open.iter().filter(shakes));
    }
    if open.len() >= CONNECTIONS_MAX {
        return oldest(&mut open.iter());
    }
    None
}

/// The stage of one connection, moved by those who see it: its bytes, its requests, its answers.
#[derive(Debug)]
pub(super) struct Progress {
    stage: watch::Sender<Stage>,
    /// The response is complete; once its last byte is written, the connection is idle.
    is_answered: AtomicBool,
}

impl Progress {
    pub(super) fn new(phase: Phase) -> (Self, watch::Receiver<Stage>) {
        let (stage, watched) = watch::channel(Stage::begun(phase));
        let is_answered = AtomicBool::new(false);
        (Self { stage, is_answered }, watched)
    }

    /// The TLS handshake is complete.
    pub(super) fn handshake_completed(&self) {
        self.enter(Phase::Idle, |_| true);
    }

    /// Bytes have arrived.
    pub(super) fn received(&self) {
        self.enter(Phase::Head, |phase| phase == Phase::Idle);
    }

    /// The headers of a request are complete.
    pub(super) fn request_received(&self) {
        self.is_answered.store(false, Ordering::Relaxed);
        self.enter(Phase::Answering, |_| true);
    }

    /// The token of the request is valid.
    pub(super) fn authenticated(&self) {
        self.enter(Phase::Authenticated, |_| true);
    }

    /// The response is complete.
    pub(super) fn answered(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// All pending bytes are written.
    pub(super) fn flushed(&self) {
        if self.is_answered.swap(false, Ordering::Relaxed) {
            self.enter(Phase::Idle, |_| true);
        }
    }

    fn enter(&self, phase: Phase, from: impl Fn(Phase) -> bool) {
        self.stage.send_if_modified(|stage| {
            let enters = from(stage.phase);
            if enters {
                *stage = Stage::begun(phase);
            }
            enters
        });
    }
}

/// Returns when the connection exceeds the timeout of its phase.
pub(super) async fn overdue(mut stage: watch::Receiver<Stage>) -> Phase {
    loop {
        let now = *stage.borrow_and_update();
        tokio::select! {
            biased;
            changed = stage.changed() => if changed.is_err() {
                std::future::pending::<()>().await;
            },
            () = tokio::time::sleep_until(now.deadline()) => return now.phase,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections in these phases, each one second younger than the one before it.
    fn open(phases: impl IntoIterator<Item = Phase>) -> Vec<(usize, Stage)> {
        let start = Instant::now();
        let stage = |(number, phase): (usize, Phase)| {
            let since = start + Duration::from_secs(number as u64);
            (number, Stage { phase, since })
        };
        phases.into_iter().enumerate().map(stage).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_waited_longest_for_its_client_is_closed_first() {
        use Phase::{Answering, Authenticated, Handshake, Head, Idle};
        let filled = |first: &[Phase], rest: Phase| {
            let rest = std::iter::repeat_n(rest, CONNECTIONS_MAX - first.len());
            open(first.iter().copied().chain(rest))
        };
        assert_eq!(
            connection_to_close(&filled(&[Authenticated, Answering, Head], Idle), false),
            Some(2)
        );
        assert_eq!(
            connection_to_close(&filled(&[Authenticated, Answering, Idle], Head), false),
            Some(2)
        );
        assert_eq!(
            connection_to_close(&filled(&[Authenticated], Answering), false),
            Some(1)
        );
        assert_eq!(connection_to_close(&filled(&[], Authenticated), false), Some(0));
        let almost = &filled(&[], Head)[1..];
        assert_eq!(connection_to_close(almost, false), None);

        let shaking = |count| open([Idle].into_iter().chain(std::iter::repeat_n(Handshake, count)));
        assert_eq!(connection_to_close(&shaking(HANDSHAKES_MAX), true), Some(1));
        assert_eq!(connection_to_close(&shaking(HANDSHAKES_MAX - 1), true), None);
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_timeout() {
        let (progress, stage) = Progress::new(Phase::Handshake);
        let ended = async |wanted: Duration, phase: Phase| {
            let begun = Instant::now();
            assert_eq!(overdue(stage.clone()).await, phase);
            // The paused clock advances to the deadline; the timer wheel has a resolution of a millisecond.
            let passed = begun.elapsed();
            assert_eq!(passed.as_secs(), wanted.as_secs(), "{phase:?} {passed:?}");
        };
        ended(HANDSHAKE_LIMIT, Phase::Handshake).await;
        progress.handshake_completed();
        ended(IDLE_LIMIT, Phase::Idle).await;
        progress.received();
        ended(HEAD_LIMIT, Phase::Head).await;
        progress.request_received();
        progress.received();
        progress.flushed();
        ended(ANSWER_LIMIT, Phase::Answering).await;
        progress.authenticated();
        ended(AUTHENTICATED_LIMIT, Phase::Authenticated).await;
        progress.answered();
        progress.flushed();
        ended(IDLE_LIMIT, Phase::Idle).await;
    }

    #[tokio::test(start_paused = true)]
    async fn further_bytes_of_the_headers_do_not_extend_the_timeout() {
        let (progress, stage) = Progress::new(Phase::Idle);
        progress.received();
        let begun = *stage.borrow();
        tokio::time::advance(Duration::from_secs(9)).await;
        progress.received();
        assert_eq!(*stage.borrow(), begun);
    }
}
