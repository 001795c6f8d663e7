//! The topic of a kind of events, and how its records are laid out.

use std::sync::Arc;

use crate::connect::ConnectSchema;
use crate::encode::Scratch;
use crate::serialization::{Body, Serialization};
use crate::{Batch, MapperConfig, SchemaIds};

/// Where events of one kind go, and what their keys and values are.
#[derive(Debug)]
pub struct EventTopic {
    name: Arc<str>,
    key: Serialization,
    value: Serialization,
    is_bound: bool,
}

impl EventTopic {
    pub(super) fn new(
        name: String,
        config: &MapperConfig,
        key: &ConnectSchema,
        value: &ConnectSchema,
    ) -> Self {
        Self {
            name: name.into(),
            key: Serialization::new(config.key, key),
            value: Serialization::new(config.value, value),
            is_bound: false,
        }
    }

    /// The topic.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's Avro schema as JSON; `None` where keys need no registered schema.
    #[must_use]
    pub fn key_schema(&self) -> Option<&str> {
        self.key.registered_schema()
    }

    /// The value's Avro schema as JSON; `None` where values need no registered schema.
    #[must_use]
    pub fn value_schema(&self) -> Option<&str> {
        self.value.registered_schema()
    }

    /// Whether the registry's ids are known.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.is_bound
    }

    /// Tells under which ids the registry knows the schemas; needed before the first event.
    pub fn bind(&mut self, ids: SchemaIds) {
        self.key.bind(ids.key);
        self.value.bind(ids.value);
        self.is_bound = true;
    }

    /// Ends a record of this topic: its headers are those that no record has yet.
    ///
    /// # Panics
    /// When [`EventTopic::bind`] was not called.
    pub(super) fn push(&self, key: &impl Body, value: &impl Body, scratch: &mut Scratch, batch: &mut Batch) {
        let written = "what an event says can always be written";
        let key = batch.part(|out| self.key.put(key, scratch, out)).expect(written);
        let value = batch
            .part(|out| self.value.put(value, scratch, out))
            .expect(written);
        batch.finish(&self.name, Some(key), Some(value));
    }
}
