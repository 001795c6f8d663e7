//! The topic of a kind of events, and the schemas of its records.

use std::sync::Arc;

use crate::connect::{ConnectSchema, to_avro};
use crate::{SchemaId, SchemaIds};

/// Where events of one kind go, and what their keys and values are.
#[derive(Debug)]
pub struct EventTopic {
    name: Arc<str>,
    key_schema: String,
    value_schema: String,
    ids: Option<Ids>,
}

/// The ids of both schemas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    pub(super) key: SchemaId,
    pub(super) value: SchemaId,
}

impl EventTopic {
    pub(super) fn new(name: String, key: &ConnectSchema, value: &ConnectSchema) -> Self {
        Self {
            name: name.into(),
            key_schema: to_avro(key).to_string(),
            value_schema: to_avro(value).to_string(),
            ids: None,
        }
    }

    /// The topic.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's Avro schema as JSON.
    #[must_use]
    pub fn key_schema(&self) -> &str {
        &self.key_schema
    }

    /// The value's Avro schema as JSON.
    #[must_use]
    pub fn value_schema(&self) -> &str {
        &self.value_schema
    }

    /// Whether the registry's ids are known.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.ids.is_some()
    }

    /// Tells under which ids the registry knows the schemas; needed before the first event.
    pub fn bind(&mut self, key: SchemaId, value: SchemaId) {
        self.ids = Some(Ids { key, value });
    }

    pub(super) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// # Panics
    /// When [`EventTopic::bind`] was not called.
    pub(super) fn ids(&self) -> Ids {
        self.ids
            .expect("a topic is bound to its schemas' ids before events are encoded")
    }
}

impl From<Ids> for SchemaIds {
    fn from(ids: Ids) -> Self {
        Self {
            key: Some(ids.key),
            value: ids.value,
        }
    }
}
