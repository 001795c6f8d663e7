//! Waiting for a condition.

use std::time::Duration;

use walcast_testbed::{Load, wait_until};

/// How long anything may take. Generous: only a fault reaches it.
pub const LIMIT: Duration = Duration::from_secs(240);

/// Looks at a condition until it holds; panics with `what` when it does not within [`LIMIT`].
pub async fn await_that(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    wait_until(what, LIMIT, async || Ok(condition().await))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
}

/// Waits until a load has written so many rows more.
pub async fn await_writes(load: &Load, more: u64) {
    let target = load.progress().writes + more;
    await_that(&format!("{more} more writes of the load"), async || {
        load.progress().writes >= target
    })
    .await;
}
