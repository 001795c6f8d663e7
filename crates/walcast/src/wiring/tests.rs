use std::future::Future;

use super::*;
use crate::connector_handle::ConnectorHandle;

/// Compiles only if a connector can be moved to a thread of its own, and its handle shared between threads.
#[test]
fn a_connector_can_run_on_a_thread_of_its_own() {
    fn assert_send<T: Send>() {}
    fn assert_shared<T: Send + Sync + Clone + 'static>() {}
    fn assert_future_is_send<A, F: Future + Send>(_: impl FnOnce(A) -> F) {}
    assert_send::<Connector<PostgresSource, KafkaCheckpointStore, KafkaSink, KafkaTopics, Option<Registry>>>(
    );
    assert_shared::<ConnectorHandle>();
    assert_future_is_send(SlotMonitor::<PostgresWalWatch>::run);
}
