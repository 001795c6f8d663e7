//! Conversion of Connect's schemas to Avro, property by property as Kafka Connect's Avro converter does it.
//!
//! See [`AvroData.fromConnectSchema`][1]: the order of properties, the order of a union's branches (the default's branch
//! comes first), and the `connect.*` properties that let the other side read the same Connect schema back.
//!
//! [1]: https://github.com/confluentinc/schema-registry/blob/master/avro-data/src/main/java/io/confluent/connect/avro/AvroData.java

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    ConnectSchema, DATE, DECIMAL, DECIMAL_PRECISION, DECIMAL_SCALE, Field, Kind, Slot, TIME, TIMESTAMP,
};

/// The Avro schema of a record as JSON.
pub(crate) fn to_avro(schema: &ConnectSchema) -> Value {
    Renderer::default().schema(schema, None, "")
}

/// The Avro schema of a value that may be missing or have a default, as JSON.
pub(crate) fn slot_to_avro(slot: &Slot) -> Value {
    Renderer::default().slot(slot, "")
}

/// Name of a map's entry in AvroData.
const MAP_ENTRY: &str = "io.confluent.connect.avro.MapEntry";
/// Name of a struct without name in AvroData.
const UNNAMED: &str = "io.confluent.connect.avro.ConnectDefault";
/// Precision of a decimal without precision in AvroData.
const DECIMAL_PRECISION_UNKNOWN: u64 = 64;

/// Conversion of one schema. It keeps the names of the records that were written already: Avro refers to them by name
/// from then on.
#[derive(Default)]
struct Renderer {
    defined: BTreeSet<String>,
}

impl Renderer {
    /// Converts a schema; `namespace` is the namespace of the enclosing record.
    fn schema(&mut self, schema: &ConnectSchema, default: Option<&Value>, namespace: &str) -> Value {
        match &schema.kind {
            Kind::Struct(fields) => self.record(schema, fields, namespace),
            Kind::Array(items) => {
                let items = self.slot(items, namespace);
                self.typed("array", [("items".to_owned(), items)], schema, default)
            }
            Kind::Map { keys, values } if keys.schema.kind == Kind::String => {
                let values = self.slot(values, namespace);
                self.typed("map", [("values".to_owned(), values)], schema, default)
            }
            Kind::Map { keys, values } => {
                let items = self.map_entry(keys, values, namespace);
                self.typed("array", [("items".to_owned(), items)], schema, default)
            }
            Kind::Bytes if schema.name.as_deref() == Some(DECIMAL) => self.decimal(schema, default),
            Kind::Boolean => self.typed("boolean", [], schema, default),
            Kind::Int16 | Kind::Int32 => self.typed("int", [], schema, default),
            Kind::Int64 => self.typed("long", [], schema, default),
            Kind::Float32 => self.typed("float", [], schema, default),
            Kind::Float64 => self.typed("double", [], schema, default),
            Kind::String => self.typed("string", [], schema, default),
            Kind::Bytes => self.typed("bytes", [], schema, default),
        }
    }

    fn slot(&mut self, slot: &Slot, namespace: &str) -> Value {
        let schema = self.schema(&slot.schema, slot.default.as_ref(), namespace);
        match (slot.optional, &slot.default) {
            (false, _) => schema,
            (true, None) => json!(["null", schema]),
            (true, Some(_)) => json!([schema, "null"]),
        }
    }

    fn field(&mut self, field: &Field, namespace: &str) -> Value {
        let kind = self.slot(&field.slot, namespace);
        match (field.slot.optional, &field.slot.default) {
            (false, None) => json!({"name": field.name, "type": kind}),
            (true, None) => json!({"name": field.name, "type": kind, "default": null}),
            (_, Some(default)) => json!({"name": field.name, "type": kind, "default": default}),
        }
    }

    fn record(&mut self, schema: &ConnectSchema, fields: &[Field], around: &str) -> Value {
        let full = schema.name.as_deref().unwrap_or(UNNAMED);
        let (namespace, name) = full.rsplit_once('.').unwrap_or(("", full));
        if !self.defined.insert(full.to_owned()) {
            return if namespace == around {
                name.into()
            } else {
                full.into()
            };
        }
        let fields: Value = fields.iter().map(|field| self.field(field, namespace)).collect();
        let mut properties = Map::from_iter([property("type", "record"), property("name", name)]);
        if namespace != around {
            properties.extend([property("namespace", namespace)]);
        }
        properties.extend([property("fields", fields)]);
        add_connect_properties(&mut properties, schema, None);
        properties.into()
    }

    /// Entry of a map whose keys are not text, which Avro's maps require.
    fn map_entry(&mut self, keys: &Slot, values: &Slot, around: &str) -> Value {
        let fields = vec![keys.clone().named("key"), values.clone().named("value")];
        let mut entry = self.record(
            &ConnectSchema::record(MAP_ENTRY.to_owned(), Vec::new()),
            &fields,
            around,
        );
        if let Value::Object(properties) = &mut entry {
            properties.shift_remove("connect.name");
        }
        entry
    }

    /// A type with its properties; the type's name alone when it has no property.
    fn typed<const N: usize>(
        &self,
        kind: &str,
        further: [(String, Value); N],
        schema: &ConnectSchema,
        default: Option<&Value>,
    ) -> Value {
        let mut properties = Map::from_iter([property("type", kind)]);
        properties.extend(further);
        add_connect_properties(&mut properties, schema, default);
        if properties.len() == 1 {
            return kind.into();
        }
        properties.into()
    }

    fn decimal(&self, schema: &ConnectSchema, default: Option<&Value>) -> Value {
        let scale = schema.numeric_parameter(DECIMAL_SCALE).unwrap_or_default();
        let precision = schema.numeric_parameter(DECIMAL_PRECISION);
        let further = [
            property("scale", scale),
            property("precision", precision.unwrap_or(DECIMAL_PRECISION_UNKNOWN)),
        ];
        let mut decimal = self.typed("bytes", further, schema, default);
        if let Value::Object(properties) = &mut decimal {
            properties.extend([property("logicalType", "decimal")]);
        }
        decimal
    }
}

fn add_connect_properties(
    properties: &mut Map<String, Value>,
    schema: &ConnectSchema,
    default: Option<&Value>,
) {
    properties.extend(schema.doc.map(|doc| property("connect.doc", doc)));
    properties.extend(schema.version.map(|version| property("connect.version", version)));
    if !schema.parameters.is_empty() {
        let parameters = schema.parameters.iter();
        let parameters: Map<String, Value> = parameters
            .map(|(name, value)| property(name, value.clone()))
            .collect();
        properties.extend([property("connect.parameters", parameters)]);
    }
    properties.extend(default.map(|default| property("connect.default", default.clone())));
    properties.extend(
        schema
            .name
            .as_ref()
            .map(|name| property("connect.name", name.clone())),
    );
    if schema.kind == Kind::Int16 {
        properties.extend([property("connect.type", "int16")]);
    }
    let logical = match schema.name.as_deref() {
        Some(DATE) => Some("date"),
        Some(TIME) => Some("time-millis"),
        Some(TIMESTAMP) => Some("timestamp-millis"),
        _ => None,
    };
    properties.extend(logical.map(|logical| property("logicalType", logical)));
}

fn property(name: &str, value: impl Into<Value>) -> (String, Value) {
    (name.to_owned(), value.into())
}
