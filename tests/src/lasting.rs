//! Tasks that all tests of a program share.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// Runs this on a runtime that no test owns: what it spawns outlives the test that came first.
pub async fn lasting<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let start = || {
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    RUNTIME.get_or_init(start).spawn(work).await.unwrap()
}
