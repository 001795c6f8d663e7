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

    /// Forgets the ids: a registry that was recreated meanwhile gives others.
    fn forget(&mut self);
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

    fn forget(&mut self) {
        if let Some(registry) = self {
            registry.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use walcast_mapper::SchemaId;

    use super::{NoRegistry, SchemaRegistry};
    use crate::port_error::BoxedPortError;

    /// Registry that is never reached.
    struct Unused;

    impl SchemaRegistry for Unused {
        async fn register(&mut self, _: &str, _: &str) -> Result<SchemaId, BoxedPortError> {
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
