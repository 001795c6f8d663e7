//! SIGTERM and SIGINT: the first asks to stop in good order, the second stops at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// Both signals, listened to from the moment this exists.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// Codes of processes that a signal ended begin here.
const SIGNAL_EXIT: i32 = 128;

impl Signals {
    /// Begins to listen; must be called within a runtime.
    ///
    /// # Errors
    /// The system takes no handler.
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

    /// Waits for the first signal; from then on a second one ends the process at once.
    pub(crate) async fn stop(mut self) {
        let first = self.next().await;
        info!(
            signal = first.as_raw_value(),
            "asked to stop; a second signal ends at once"
        );
        tokio::spawn(async move {
            let second = self.next().await;
            warn!(
                signal = second.as_raw_value(),
                "ended at once; what was not committed is aborted by the next start"
            );
            std::process::exit(SIGNAL_EXIT + second.as_raw_value());
        });
    }
}
