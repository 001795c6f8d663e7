//! Schemas by their id, from the registry, each looked up once.

use std::collections::HashMap;
use std::sync::Arc;

use walcast_kafka::{Registry, SchemaId, SubjectVersion};

use crate::avro::AvroSchema;
use crate::error::TopicsError;

/// Largest number of ids that are remembered: bytes of foreign records can look like any id.
const REMEMBERED_MAX: usize = 10_000;

/// Schemas by id.
#[derive(Debug)]
pub(crate) struct Schemas {
    registry: Option<Registry>,
    known: HashMap<u32, Known>,
}

/// A schema, or the reason for which there is none.
type Known = Result<Arc<AvroSchema>, String>;

impl Schemas {
    pub(crate) fn new(registry: Option<Registry>) -> Self {
        Self {
            registry,
            known: HashMap::new(),
        }
    }

    /// Schema with this id, or the reason for which there is none.
    pub(crate) async fn by_id(&mut self, id: u32) -> Result<Known, TopicsError> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let Some(registry) = &self.registry else {
            let reason =
                format!("it begins as Avro with schema {id} does, and no schema registry is configured");
            return Ok(Err(reason));
        };
        let found = match registry.schema_by_id(SchemaId::new(id)).await? {
            Some(text) => AvroSchema::parse(&text)
                .map(Arc::new)
                .map_err(|error| format!("schema {id} cannot be used: {error}")),
            None => Err(format!("the schema registry has no Avro schema {id}")),
        };
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        self.known.insert(id, found.clone());
        Ok(found)
    }

    /// Versions of a subject; empty without a registry.
    pub(crate) async fn versions(&self, subject: &str) -> Result<Vec<SubjectVersion>, TopicsError> {
        match &self.registry {
            Some(registry) => Ok(registry.versions(subject).await?),
            None => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use walcast_kafka::{RegistryAuth, RegistryConfig, RegistryError, RegistryTls};

    use super::*;

    /// The reason can pass: the record is not foreign.
    #[tokio::test]
    async fn a_registry_that_does_not_answer_is_an_error_and_nothing_is_remembered() {
        let config = RegistryConfig {
            url: "http://127.0.0.1:1".to_owned(),
            auth: RegistryAuth::None,
            tls: RegistryTls::default(),
            proxy: None,
            auto_register: false,
        };
        let mut schemas = Schemas::new(Some(Registry::new(&config).unwrap()));
        let error = schemas.by_id(7).await.unwrap_err();
        assert!(
            matches!(error, TopicsError::Registry(RegistryError::Unreachable { .. })),
            "{error}"
        );
        assert!(schemas.known.is_empty());
        assert!(schemas.versions("orders-value").await.is_err());
    }
}
