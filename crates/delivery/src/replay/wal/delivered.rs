//! Topics and schemas of delivered records: looked up, and never created.

use walcast_mapper::{RecordLimits, SchemaId};

use crate::config::OnIncompatible;
use crate::port_error::{BoxedPortError, Detail, Disposition, PortError};
use crate::ports::registry::{LatestSchema, SchemaRegistry};
use crate::ports::topics::Topics;

/// Size of a dead letter, which is not sent, so that its topic need not exist.
const OF_DEAD_LETTERS: RecordLimits = RecordLimits {
    key_and_value: usize::MAX,
    whole: usize::MAX,
    taken: usize::MAX,
};

/// Topics of which none is created.
pub(super) struct DeliveredTopics<'a, T> {
    topics: T,
    /// Topic of dead letters.
    dead_letters: &'a str,
}

impl<'a, T> DeliveredTopics<'a, T> {
    pub(super) fn new(topics: T, dead_letters: &'a str) -> Self {
        Self { topics, dead_letters }
    }
}

impl<T: Topics> Topics for DeliveredTopics<'_, T> {
    /// The records are sent to other topics, or to this one, whose existence was checked.
    async fn ensure(&mut self, _: &str) -> Result<(), BoxedPortError> {
        Ok(())
    }

    async fn ensure_dead_letters(&mut self, _: &str) -> Result<(), BoxedPortError> {
        Ok(())
    }

    async fn limits(&mut self, topic: &str) -> Result<RecordLimits, BoxedPortError> {
        match topic == self.dead_letters {
            true => Ok(OF_DEAD_LETTERS),
            false => self.topics.limits(topic).await,
        }
    }

    async fn is_compacted(&mut self, topic: &str) -> Result<bool, BoxedPortError> {
        self.topics.is_compacted(topic).await
    }

    async fn partitions(&mut self, topic: &str) -> Result<i32, BoxedPortError> {
        self.topics.partitions(topic).await
    }

    async fn has_records(&mut self, topic: &str) -> Result<bool, BoxedPortError> {
        self.topics.has_records(topic).await
    }

    fn forget(&mut self) {
        self.topics.forget();
    }
}

/// A schema of delivered rows is not registered any more, or is not known exactly.
#[derive(Debug, thiserror::Error)]
#[error(
    "the schema with which the rows were delivered is not found, and a replay registers none: the schema history does not reach back to \
     them, or the subject was deleted: {source}"
)]
pub struct SchemaNotFound {
    /// Error of the registry.
    source: BoxedPortError,
    /// Whether the rows may be in the next topic of their table.
    may_be_of_next_topic: bool,
}

impl PortError for SchemaNotFound {
    /// Not a halt: the rows were delivered, so none of them becomes a dead letter.
    fn disposition(&self) -> Disposition {
        Disposition::Stop
    }

    fn detail(&self) -> Option<Detail<'_>> {
        self.may_be_of_next_topic.then_some(Detail::IncompatibleSchema)
    }
}

/// Schemas of delivered rows, in a registry that only looks them up.
pub(super) struct DeliveredSchemas<R> {
    registry: R,
    on_incompatible: OnIncompatible,
}

impl<R> DeliveredSchemas<R> {
    pub(super) fn new(registry: R, on_incompatible: OnIncompatible) -> Self {
        Self {
            registry,
            on_incompatible,
        }
    }
}

impl<R: SchemaRegistry> SchemaRegistry for DeliveredSchemas<R> {
    async fn register(&mut self, subject: &str, schema: &str) -> Result<SchemaId, BoxedPortError> {
        match self.registry.register(subject, schema).await {
            Err(source) if source.disposition() == Disposition::Halt => Err(SchemaNotFound {
                source,
                may_be_of_next_topic: self.on_incompatible == OnIncompatible::NewSubject,
            }
            .into()),
            answer => answer,
        }
    }

    /// The schema of a payload is the latest one, also if it is newer than the payload: events of outboxes are only counted, never sent.
    async fn latest(&mut self, subject: &str) -> Result<Option<LatestSchema>, BoxedPortError> {
        self.registry.latest(subject).await
    }

    fn forget(&mut self) {
        self.registry.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::registry::NoRegistry;

    /// Registry without the schema.
    struct Rejecting;

    #[derive(Debug, thiserror::Error)]
    #[error("not registered")]
    struct NotRegistered;

    impl PortError for NotRegistered {
        fn disposition(&self) -> Disposition {
            Disposition::Halt
        }
    }

    impl SchemaRegistry for Rejecting {
        async fn register(&mut self, subject: &str, _: &str) -> Result<SchemaId, BoxedPortError> {
            match subject {
                "unreachable" => Err(NoRegistry.into()),
                _ => Err(NotRegistered.into()),
            }
        }

        async fn latest(&mut self, _: &str) -> Result<Option<LatestSchema>, BoxedPortError> {
            Ok(None)
        }

        fn forget(&mut self) {}
    }

    #[tokio::test]
    async fn a_schema_that_is_not_found_makes_no_dead_letter() {
        for (on_incompatible, detail) in [
            (OnIncompatible::Halt, None),
            (OnIncompatible::NewSubject, Some(Detail::IncompatibleSchema)),
        ] {
            let mut schemas = DeliveredSchemas::new(Rejecting, on_incompatible);
            let error = schemas.register("t-value", "{}").await.unwrap_err();
            assert_eq!((error.disposition(), error.detail()), (Disposition::Stop, detail));
            assert!(error.to_string().contains("a replay registers none"), "{error}");
            let error = schemas.register("unreachable", "{}").await.unwrap_err();
            assert!(!error.to_string().contains("a replay registers none"), "{error}");
        }
    }
}
