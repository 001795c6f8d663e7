//! SIGTERM and SIGINT: the first signal requests a clean stop, the second terminates the process immediately.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// Handlers of both signals, installed as long as this value exists.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// Exit code of a process that a signal terminated, minus the number of the signal.
const SIGNAL_EXIT: i32 = 128;

impl Signals {
    /// Installs the handlers; must be called within a runtime.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for a signal. Cancel-safe.
    pub(crate) async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        }
    }

    /// Waits for the first signal; from then on a second signal terminates the process immediately.
    pub(crate) async fn stop(mut self) {
        let first = self.next().await;
        info!(
            signal = first.as_raw_value(),
            "stopping; a second signal terminates immediately"
        );
        tokio::spawn(async move {
            let second = self.next().await;
            warn!(
                signal = second.as_raw_value(),
                "terminated immediately; the next start aborts the open transaction"
            );
            std::process::exit(SIGNAL_EXIT + second.as_raw_value());
        });
    }
}
