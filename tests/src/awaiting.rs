//! Waiting for a condition.

use std::time::Duration;

use walcast_testbed::wait_until;

/// How long anything may take. Generous: only a fault reaches it.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Looks at a condition until it holds; panics with `what` when it does not within [`LIMIT`].
pub async fn await_that(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    wait_until(what, LIMIT, async || Ok(condition().await))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
}
