//! What stands around the fields of a key or a value: the registry's prefix, or Connect's JSON object of schema and payload.

use crate::connect::{self, ConnectSchema};
use crate::encode::Scratch;
use crate::envelope::RowFault;
use crate::format::{Avro, Format, Json};
use crate::{Encoding, SchemaId};

/// How keys or values are laid out.
#[derive(Debug)]
pub(crate) enum Serialization {
    /// A zero byte, the schema's number, Avro.
    Avro {
        /// The schema as JSON, to be registered.
        schema: String,
        /// The number it has in the registry.
        id: Option<SchemaId>,
    },
    /// JSON.
    Json,
    /// JSON behind its schema.
    JsonWithSchema {
        /// Everything before the payload.
        head: Vec<u8>,
    },
}

/// Something that can be written in any format.
pub(crate) trait Body {
    /// Appends it.
    fn put<F: Format>(&self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowFault>;
}

impl Serialization {
    pub(crate) fn new(encoding: Encoding, schema: &ConnectSchema) -> Self {
        match encoding {
            Encoding::Avro => Serialization::Avro {
                schema: connect::to_avro(schema).to_string(),
                id: None,
            },
            Encoding::Json => Serialization::Json,
            Encoding::JsonSchema => Serialization::JsonWithSchema {
                head: format!("{{\"schema\":{},\"payload\":", connect::to_json(schema)).into_bytes(),
            },
        }
    }

    /// The schema that must be registered.
    pub(crate) fn registered_schema(&self) -> Option<&str> {
        match self {
            Serialization::Avro { schema, .. } => Some(schema),
            Serialization::Json | Serialization::JsonWithSchema { .. } => None,
        }
    }

    /// Tells under which number the schema is registered.
    pub(crate) fn bind(&mut self, registered: Option<SchemaId>) {
        match self {
            Serialization::Avro { id, .. } => *id = registered,
            Serialization::Json | Serialization::JsonWithSchema { .. } => {}
        }
    }

    /// Appends `body` with what stands around it.
    #[inline]
    pub(crate) fn put(
        &self,
        body: &impl Body,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), RowFault> {
        match self {
            Serialization::Avro { id, .. } => {
                let id = id.expect("a plan is bound to its schemas' numbers before rows are encoded");
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

/// Appends Confluent's prefix: a zero byte and the schema's number.
///
/// See <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>.
fn put_schema_id(id: SchemaId, out: &mut Vec<u8>) {
    out.push(0);
    out.extend_from_slice(&id.as_u32().to_be_bytes());
}
