//! Framing of keys and values: the registry's prefix, or Connect's JSON object of schema and payload.

use crate::config::Encoding;
use crate::connect::{self, ConnectSchema, Slot};
use crate::encode::Scratch;
use crate::format::{Avro, Format, Json};
use crate::row::RowError;
use crate::schema_id::SchemaId;

/// Serialization of keys or values.
#[derive(Debug)]
pub(crate) enum Serialization {
    /// Avro after a zero byte and the schema's id.
    Avro {
        /// The schema as JSON, for registration.
        schema: String,
    },
    /// JSON.
    Json,
    /// JSON with its schema.
    JsonWithSchema {
        /// The bytes before the payload.
        head: Vec<u8>,
    },
}

/// Content of a key or a value, which can be written in any format.
pub(crate) trait Body {
    /// Appends the content.
    fn put<F: Format>(&self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError>;
}

impl Serialization {
    pub(crate) fn new(encoding: Encoding, schema: &ConnectSchema) -> Self {
        match encoding {
            Encoding::Avro => Serialization::Avro {
                schema: connect::to_avro(schema).to_string(),
            },
            Encoding::Json => Serialization::Json,
            Encoding::JsonSchema => Serialization::JsonWithSchema {
                head: format!("{{\"schema\":{},\"payload\":", connect::to_json(schema)).into_bytes(),
            },
        }
    }

    /// Serialization of a value that may be missing or have a default.
    pub(crate) fn of_slot(encoding: Encoding, slot: &Slot) -> Self {
        match encoding {
            Encoding::Avro => Serialization::Avro {
                schema: connect::slot_to_avro(slot).to_string(),
            },
            Encoding::Json => Serialization::Json,
            Encoding::JsonSchema => Serialization::JsonWithSchema {
                head: format!("{{\"schema\":{},\"payload\":", connect::slot_to_json(slot)).into_bytes(),
            },
        }
    }

    /// The schema to register.
    pub(crate) fn registered_schema(&self) -> Option<&str> {
        match self {
            Serialization::Avro { schema } => Some(schema),
            Serialization::Json | Serialization::JsonWithSchema { .. } => None,
        }
    }

    /// Bytes of the schema.
    pub(crate) fn schema_bytes(&self) -> usize {
        match self {
            Serialization::Avro { schema } => schema.len(),
            Serialization::Json => 0,
            Serialization::JsonWithSchema { head } => head.len(),
        }
    }

    /// Appends `body` with its framing. `id` is the schema's id in the registry, if the schema is registered.
    #[inline]
    pub(crate) fn put(
        &self,
        body: &impl Body,
        id: Option<SchemaId>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        match self {
            Serialization::Avro { .. } => {
                let id = id.expect("a plan is bound to its schemas' ids before rows are encoded");
                put_schema_id(id, out);
                body.put::<Avro>(scratch, out)
            }
            Serialization::Json => body.put::<Json>(scratch, out),
            Serialization::JsonWithSchema { head } => {
                out.extend_from_slice(head);
                body.put::<Json>(scratch, out)?;
                out.push(b'}');
                Ok(())
            }
        }
    }
}

/// Appends Confluent's prefix: a zero byte and the schema's id.
///
/// See <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>.
fn put_schema_id(id: SchemaId, out: &mut Vec<u8>) {
    out.push(0);
    out.extend_from_slice(&id.as_u32().to_be_bytes());
}
