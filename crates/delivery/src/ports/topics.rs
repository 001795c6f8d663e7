//! Port of Kafka's topics.

use std::future::Future;

use walcast_mapper::RecordLimits;

use crate::port_error::BoxedPortError;

/// Kafka, as the place of topics.
pub trait Topics {
    /// Makes sure that `topic` exists, creating it as configured.
    fn ensure(&mut self, topic: &str) -> impl Future<Output = Result<(), BoxedPortError>>;

    /// Makes sure that the topic of dead letters exists, where nothing is deleted but by its key.
    fn ensure_dead_letters(&mut self, topic: &str) -> impl Future<Output = Result<(), BoxedPortError>>;

    /// Which records a topic takes, as it is set now: asked each time.
    fn limits(&mut self, topic: &str) -> impl Future<Output = Result<RecordLimits, BoxedPortError>>;

    /// Whether a topic is compacted, and so takes no record without a key: asked each time. False where that cannot be seen: the
    /// broker rejects such a record then.
    fn is_compacted(&mut self, topic: &str) -> impl Future<Output = Result<bool, BoxedPortError>>;

    /// Number of partitions of a topic, as it is now: asked each time.
    fn partitions(&mut self, topic: &str) -> impl Future<Output = Result<i32, BoxedPortError>>;

    /// Whether a topic exists and records were ever written to it, those included that retention has deleted since.
    fn has_records(&mut self, topic: &str) -> impl Future<Output = Result<bool, BoxedPortError>>;

    /// Forgets which topics exist: while the connector was not connected, one may have been deleted.
    fn forget(&mut self);
}
