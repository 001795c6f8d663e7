//! Port of the schema registry.

use std::future::Future;

use walcast_mapper::SchemaId;

use crate::port_error::{BoxedPortError, Disposition, PortError};

/// The schema registry.
pub trait SchemaRegistry {
    /// Registers `schema` (Avro as JSON) under `subject` and returns its id; the same id when it is there already. A registry
    /// that only looks schemas up returns an error for one that it does not find.
    fn register(
        &mut self,
        subject: &str,
        schema: &str,
    ) -> impl Future<Output = Result<SchemaId, BoxedPortError>>;

    /// Latest schema of `subject` with its id, asked each time; `None` if the subject has none.
    fn latest(&mut self, subject: &str)
    -> impl Future<Output = Result<Option<LatestSchema>, BoxedPortError>>;

    /// Forgets the ids: a registry that was recreated meanwhile gives others.
    fn forget(&mut self);
}

/// Latest schema of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatestSchema {
    /// Id of the schema.
    pub id: SchemaId,
    /// The schema as the registry has it.
    pub schema: String,
}

/// A schema must be registered, and there is no registry to do it.
#[derive(Debug, thiserror::Error)]
#[error("no schema registry is configured, and the records need one")]
pub struct NoRegistry;

impl PortError for NoRegistry {
    fn disposition(&self) -> Disposition {
        Disposition::Stop
    }
}

/// Records that need no schemas need no registry.
impl<R: SchemaRegistry> SchemaRegistry for Option<R> {
    async fn register(&mut self, subject: &str, schema: &str) -> Result<SchemaId, BoxedPortError> {
        match self {
            Some(registry) => registry.register(subject, schema).await,
            None => Err(NoRegistry.into()),
        }
    }

    async fn latest(&mut self, subject: &str) -> Result<Option<LatestSchema>, BoxedPortError> {
        match self {
            Some(registry) => registry.latest(subject).await,
            None => Err(NoRegistry.into()),
        }
    }

    fn forget(&mut self) {
        if let Some(registry) = self {
            registry.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use walcast_mapper::SchemaId;

    use super::{LatestSchema, NoRegistry, SchemaRegistry};
    use crate::port_error::BoxedPortError;

    /// Registry that is never reached.
    struct Unused;

    impl SchemaRegistry for Unused {
        async fn register(&mut self, _: &str, _: &str) -> Result<SchemaId, BoxedPortError> {
            Err(NoRegistry.into())
        }

        async fn latest(&mut self, _: &str) -> Result<Option<LatestSchema>, BoxedPortError> {
            Err(NoRegistry.into())
        }

        fn forget(&mut self) {}
    }

    #[tokio::test]
    async fn a_schema_without_a_registry_is_an_error() {
        let mut none: Option<Unused> = None;
        none.forget();
        let error = none.register("orders-value", "{}").await.unwrap_err();
        assert_eq!(error.to_string(), NoRegistry.to_string());
        assert!(!error.is_retryable());
    }
}
