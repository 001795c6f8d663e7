//! The Avro schemas of keys and values, as Debezium and the Avro converter of Kafka Connect make them.

use serde_json::{Map, Value, json};

use crate::avro;
use crate::column::ColumnPlan;
use crate::encode::{Encoder, TimeUnit};

/// The schema of keys: the key's columns in key order.
pub(crate) fn key(namespace: &str, columns: &[&ColumnPlan]) -> String {
    let fields = fields(columns, &mut Defined::default());
    record("Key", namespace, fields, None).to_string()
}

/// The schema of values: the envelope around two row images.
pub(crate) fn value(namespace: &str, columns: &[&ColumnPlan]) -> String {
    let mut row = record("Value", namespace, fields(columns, &mut Defined::default()), None);
    if let Value::Object(row) = &mut row {
        // The envelope's namespace holds for what is in it.
        row.remove("namespace");
    }
    let fields = json!([
        {"name": "before", "type": ["null", row], "default": null},
        {"name": "after", "type": ["null", "Value"], "default": null},
        {"name": "source", "type": source()},
        {"name": "transaction", "type": ["null", transaction()], "default": null},
        {"name": "op", "type": "string"},
        optional("ts_ms", json!("long")),
        optional("ts_us", json!("long")),
        optional("ts_ns", json!("long")),
    ]);
    record("Envelope", namespace, fields, Some(ENVELOPE_VERSION)).to_string()
}

/// Debezium's version of the envelope.
const ENVELOPE_VERSION: u32 = 2;

fn source() -> Value {
    let snapshot = json!({
        "type": "string",
        "connect.version": 1,
        "connect.parameters": {"allowed": "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},
        "connect.default": "false",
        "connect.name": "io.debezium.data.Enum",
    });
    let fields = json!([
        {"name": "version", "type": "string"},
        {"name": "connector", "type": "string"},
        {"name": "name", "type": "string"},
        {"name": "ts_ms", "type": "long"},
        {"name": "snapshot", "type": [snapshot, "null"], "default": "false"},
        {"name": "db", "type": "string"},
        optional("sequence", json!("string")),
        optional("ts_us", json!("long")),
        optional("ts_ns", json!("long")),
        {"name": "schema", "type": "string"},
        {"name": "table", "type": "string"},
        optional("txId", json!("long")),
        optional("lsn", json!("long")),
        optional("xmin", json!("long")),
    ]);
    record("Source", "io.debezium.connector.postgresql", fields, Some(1))
}

fn transaction() -> Value {
    let fields = json!([
        {"name": "id", "type": "string"},
        {"name": "total_order", "type": "long"},
        {"name": "data_collection_order", "type": "long"},
    ]);
    record("block", "event", fields, Some(1))
}

fn optional(name: &str, kind: Value) -> Value {
    json!({"name": name, "type": ["null", kind], "default": null})
}

fn record(name: &str, namespace: &str, fields: Value, version: Option<u32>) -> Value {
    let mut record = json!({"type": "record", "name": name, "namespace": namespace, "fields": fields});
    if let Value::Object(record) = &mut record {
        if let Some(version) = version {
            record.insert("connect.version".to_owned(), version.into());
        }
        record.insert("connect.name".to_owned(), format!("{namespace}.{name}").into());
    }
    record
}

/// Records that were spelled out already: Avro wants their names from then on.
#[derive(Default)]
struct Defined {
    variable_decimal: bool,
}

fn fields(columns: &[&ColumnPlan], defined: &mut Defined) -> Value {
    columns.iter().map(|column| field(column, defined)).collect()
}

fn field(column: &ColumnPlan, defined: &mut Defined) -> Value {
    let default = column
        .default_bytes()
        .and_then(|bytes| default_json(column.encoder(), bytes));
    let kind = type_json(column.encoder(), default.as_ref(), defined);
    match (column.is_nullable(), default) {
        (false, None) => json!({"name": column.name(), "type": kind}),
        (false, Some(default)) => json!({"name": column.name(), "type": kind, "default": default}),
        (true, None) => optional(column.name(), kind),
        (true, Some(default)) => json!({"name": column.name(), "type": [kind, "null"], "default": default}),
    }
}

fn type_json(encoder: &Encoder, default: Option<&Value>, defined: &mut Defined) -> Value {
    match encoder {
        Encoder::Boolean => plain("boolean", default),
        Encoder::Int32 => plain("int", default),
        Encoder::Int64 | Encoder::Oid => plain("long", default),
        Encoder::Float => plain("float", default),
        Encoder::Double => plain("double", default),
        Encoder::Text => plain("string", default),
        Encoder::Bytes => plain("bytes", default),
        Encoder::Int16 => {
            let mut properties = with_default(Map::from_iter([property("type", "int")]), default);
            properties.extend([property("connect.type", "int16")]);
            properties.into()
        }
        Encoder::Uuid => named("string", "io.debezium.data.Uuid", None, default),
        Encoder::Json => named("string", "io.debezium.data.Json", None, default),
        Encoder::Date => named("int", "io.debezium.time.Date", None, default),
        Encoder::Time(TimeUnit::Millis) => named("int", "io.debezium.time.Time", None, default),
        Encoder::Time(TimeUnit::Micros) => named("long", "io.debezium.time.MicroTime", None, default),
        Encoder::Timestamp(TimeUnit::Millis) => named("long", "io.debezium.time.Timestamp", None, default),
        Encoder::Timestamp(TimeUnit::Micros) => {
            named("long", "io.debezium.time.MicroTimestamp", None, default)
        }
        Encoder::ZonedTimestamp { .. } => named("string", "io.debezium.time.ZonedTimestamp", None, default),
        Encoder::Enum { labels, .. } => {
            let parameters = json!({"allowed": labels.join(",")});
            named("string", "io.debezium.data.Enum", Some(parameters), default)
        }
        Encoder::Decimal { precision, scale } => decimal(*precision, *scale, default),
        Encoder::VariableDecimal => variable_decimal(defined),
        Encoder::Array(element) => {
            let item = type_json(element, None, defined);
            let items = if element.nullable_in_array() {
                json!(["null", item])
            } else {
                item
            };
            json!({"type": "array", "items": items})
        }
    }
}

fn plain(kind: &str, default: Option<&Value>) -> Value {
    match default {
        None => kind.into(),
        Some(_) => with_default(Map::from_iter([property("type", kind)]), default).into(),
    }
}

fn named(kind: &str, name: &str, parameters: Option<Value>, default: Option<&Value>) -> Value {
    let mut properties = Map::from_iter([property("type", kind), property("connect.version", 1)]);
    properties.extend(parameters.map(|parameters| property("connect.parameters", parameters)));
    let mut properties = with_default(properties, default);
    properties.extend([property("connect.name", name)]);
    properties.into()
}

fn decimal(precision: usize, scale: usize, default: Option<&Value>) -> Value {
    let parameters = json!({"scale": scale.to_string(), "connect.decimal.precision": precision.to_string()});
    let properties = Map::from_iter([
        property("type", "bytes"),
        property("scale", scale),
        property("precision", precision),
        property("connect.version", 1),
        property("connect.parameters", parameters),
    ]);
    let mut properties = with_default(properties, default);
    properties.extend([
        property("connect.name", "org.apache.kafka.connect.data.Decimal"),
        property("logicalType", "decimal"),
    ]);
    properties.into()
}

fn variable_decimal(defined: &mut Defined) -> Value {
    if std::mem::replace(&mut defined.variable_decimal, true) {
        return "io.debezium.data.VariableScaleDecimal".into();
    }
    json!({
        "type": "record",
        "name": "VariableScaleDecimal",
        "namespace": "io.debezium.data",
        "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
        "connect.doc": "Variable scaled decimal",
        "connect.version": 1,
        "connect.name": "io.debezium.data.VariableScaleDecimal",
    })
}

fn property(name: &str, value: impl Into<Value>) -> (String, Value) {
    (name.to_owned(), value.into())
}

fn with_default(mut properties: Map<String, Value>, default: Option<&Value>) -> Map<String, Value> {
    properties.extend(default.map(|default| property("connect.default", default.clone())));
    properties
}

/// A default as a schema states it, from the bytes a record would hold.
fn default_json(encoder: &Encoder, bytes: &[u8]) -> Option<Value> {
    match encoder {
        Encoder::Boolean => Some((bytes.first()? == &1).into()),
        Encoder::Int16
        | Encoder::Int32
        | Encoder::Int64
        | Encoder::Oid
        | Encoder::Date
        | Encoder::Time(_)
        | Encoder::Timestamp(_) => Some(avro::take_long(bytes)?.0.into()),
        // Through text: the shortest one that gives the same `float` back is what should be read.
        Encoder::Float => floating(f32::from_le_bytes(bytes.try_into().ok()?).to_string()),
        Encoder::Double => floating(f64::from_le_bytes(bytes.try_into().ok()?).to_string()),
        Encoder::Text
        | Encoder::Uuid
        | Encoder::Json
        | Encoder::Enum { .. }
        | Encoder::ZonedTimestamp { .. } => Some(std::str::from_utf8(avro::take_bytes(bytes)?).ok()?.into()),
        // Avro writes bytes in JSON as the characters of the same numbers.
        Encoder::Bytes | Encoder::Decimal { .. } => Some(
            avro::take_bytes(bytes)?
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<String>()
                .into(),
        ),
        Encoder::VariableDecimal | Encoder::Array(_) => None,
    }
}

/// JSON has no number that is not finite; Java spells them so.
fn floating(text: String) -> Option<Value> {
    match text.as_str() {
        "NaN" => Some("NaN".into()),
        "inf" => Some("Infinity".into()),
        "-inf" => Some("-Infinity".into()),
        finite => finite.parse::<f64>().ok().map(Value::from),
    }
}
