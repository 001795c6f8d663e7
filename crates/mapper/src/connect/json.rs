//! Conversion of Connect's schemas to the `schema` part of JSON records, as Connect's `JsonConverter` writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{ConnectSchema, Kind, Slot};

/// The schema of a key or a value.
pub(crate) fn to_json(schema: &ConnectSchema) -> Value {
    described(schema, false, None).into()
}

/// The schema of a key or a value that may be missing or have a default.
pub(crate) fn slot_to_json(of: &Slot) -> Value {
    slot(of).into()
}

fn slot(slot: &Slot) -> Map<String, Value> {
    described(&slot.schema, slot.optional, slot.default.as_ref())
}

fn described(schema: &ConnectSchema, optional: bool, default: Option<&Value>) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut add = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    add("type", type_name(&schema.kind).into());
    match &schema.kind {
        Kind::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                let mut properties = slot(&field.slot);
                properties.insert("field".to_owned(), field.name.clone().into());
                Value::Object(properties)
            });
            add("fields", fields.collect());
        }
        Kind::Array(items) => {
            add("items", slot(items).into());
        }
        Kind::Map { keys, values } => {
            add("keys", slot(keys).into());
            add("values", slot(values).into());
        }
        Kind::Boolean
        | Kind::Int16
        | Kind::Int32
        | Kind::Int64
        | Kind::Float32
        | Kind::Float64
        | Kind::String
        | Kind::Bytes => {}
    }
    add("optional", optional.into());
    if let Some(name) = &schema.name {
        add("name", name.clone().into());
    }
    if let Some(version) = schema.version {
        add("version", version.into());
    }
    if let Some(doc) = schema.doc {
        add("doc", doc.into());
    }
    if !schema.parameters.is_empty() {
        let parameters = schema.parameters.iter();
        add(
            "parameters",
            parameters
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect(),
        );
    }
    if let Some(default) = default {
        add("default", default_value(&schema.kind, default));
    }
    properties
}

fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Int16 => "int16",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Float32 => "float",
        Kind::Float64 => "double",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Array(_) => "array",
        Kind::Map { .. } => "map",
        Kind::Struct(_) => "struct",
    }
}

/// Avro's schemas write bytes as characters, JSON records as base64.
fn default_value(kind: &Kind, default: &Value) -> Value {
    match (kind, default) {
        (Kind::Bytes, Value::String(characters)) => {
            let bytes: Vec<u8> = characters
                .chars()
                .filter_map(|c| u8::try_from(u32::from(c)).ok())
                .collect();
            STANDARD.encode(bytes).into()
        }
        _ => default.clone(),
    }
}
