//! Topic and serialization of one kind of events.

use std::sync::Arc;

use crate::config::MapperConfig;
use crate::connect::ConnectSchema;
use crate::encode::Scratch;
use crate::record_buffer::RecordBuffer;
use crate::schema_id::SchemaIds;
use crate::serialization::{Body, Serialization};

/// Topic and serialization of one kind of events.
#[derive(Debug)]
pub struct EventTopic {
    name: Arc<str>,
    key: Serialization,
    value: Serialization,
    /// Ids of the schemas; `None` until they are known.
    ids: Option<SchemaIds>,
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
            ids: None,
        }
    }

    /// Name of the topic.
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
        self.ids.is_some()
    }

    /// Sets the registry's ids of the schemas; required before the first event.
    pub fn bind(&mut self, ids: SchemaIds) {
        self.ids = Some(ids);
    }

    /// Appends a record of this topic. Its headers are those added since the record before.
    ///
    /// # Panics
    /// When [`EventTopic::bind`] was not called.
    pub(super) fn push(
        &self,
        key: &impl Body,
        value: &impl Body,
        scratch: &mut Scratch,
        buffer: &mut RecordBuffer,
    ) {
        let written = "what an event says can always be written";
        let ids = self.ids.unwrap_or(SchemaIds {
            key: None,
            value: None,
        });
        let key = buffer
            .part(|out| self.key.put(key, ids.key, scratch, out))
            .expect(written);
        let value = buffer
            .part(|out| self.value.put(value, ids.value, scratch, out))
            .expect(written);
        buffer.finish(Arc::clone(&self.name), None, Some(key), Some(value));
    }
}
