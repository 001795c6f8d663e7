//! Waiting for a condition, with a limit and an error that says what did not happen.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::process::log_end;

/// How often a condition is looked at. Short against the start of a server, long against the cost of a look.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// How long a server may take to start or stop. Generous: a loaded machine is slow, and only a fault reaches the limit.
pub(crate) const SERVER_LIMIT: Duration = Duration::from_secs(300);

/// A moment after which waiting fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Deadline {
        Deadline {
            at: Instant::now() + limit,
            limit,
        }
    }

    /// An error once the deadline has passed, with the end of the process log.
    pub(crate) fn check(&self, what: impl FnOnce() -> String, log: &Path) -> Result<()> {
        if Instant::now() < self.at {
            return Ok(());
        }
        let log = match log_end(log) {
            empty if empty.is_empty() => empty,
            text => format!("; its log ends with:\n{text}"),
        };
        Err(Error::TimedOut {
            what: what(),
            seconds: self.limit.as_secs(),
            log,
        })
    }
}

/// Looks at a condition until it holds.
///
/// # Errors
/// [`Error::TimedOut`] with `what` when it does not hold within `limit`; any error of the condition itself at once.
pub async fn wait_until(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Deadline::after(limit);
    while !condition().await? {
        deadline.check(|| what.to_owned(), Path::new(""))?;
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
