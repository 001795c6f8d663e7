//! Topics and schemas of delivered records: looked up, and never created.

use walcast_mapper::{RecordLimits, SchemaId};

use crate::config::OnIncompatible;
use crate::port_error::{BoxedPortError, Detail, Disposition, PortError};
use crate::ports::registry::{LatestSchema, SchemaRegistry};
use crate::ports::topics::Topics;

/// Topics of which none is created.
pub(super) struct DeliveredTopics<T>(pub(super) T);

impl<T: Topics> Topics for DeliveredTopics<T> {
    /// The records are sent to other topics, or to this one, whose existence was checked.
    async fn ensure(&mut self, _: &str) -> Result<(), BoxedPortError> {
        Ok(())
    }

    async fn ensure_dead_letters(&mut self, _: &str) -> Result<(), BoxedPortError> {
        Ok(())
    }

    async fn limits(&mut self, topic: &str) -> Result<RecordLimits, BoxedPortError> {
        self.0.limits(topic).await
    }

    async fn is_compacted(&mut self, topic: &str) -> Result<bool, BoxedPortError> {
        self.0.is_compacted(topic).await
    }

    async fn partitions(&mut self, topic: &str) -> Result<i32, BoxedPortError> {
        self.0.partitions(topic).await
    }

    async fn has_records(&mut self, topic: &str) -> Result<bool, BoxedPortError> {
        self.0.has_records(topic).await
    }

    fn forget(&mut self) {
        self.0.forget();
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

    /// The schema of a payload is the latest one, which a payload of the window fits if later versions are compatible.
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
