//! The schemas of keys and values, as Debezium makes them.

use crate::connect::{ConnectSchema, DECIMAL, DECIMAL_PRECISION, DECIMAL_SCALE, Field, Kind};
use crate::encode::{Encoder, SCALE, TimeUnit, VALUE};

/// The schema of keys: the key's columns in key order.
pub(crate) fn key(namespace: &str, columns: Vec<Field>) -> ConnectSchema {
    ConnectSchema::record(format!("{namespace}.Key"), columns)
}

/// The schema of values: the envelope around two row images.
pub(crate) fn value(namespace: &str, columns: Vec<Field>) -> ConnectSchema {
    let row = ConnectSchema::record(format!("{namespace}.Value"), columns);
    let fields = vec![
        row.clone().optional().named("before"),
        row.optional().named("after"),
        source().required().named("source"),
        transaction().optional().named("transaction"),
        text().required().named("op"),
        long().optional().named("ts_ms"),
        long().optional().named("ts_us"),
        long().optional().named("ts_ns"),
    ];
    ConnectSchema::record(format!("{namespace}.Envelope"), fields).with_version(ENVELOPE_VERSION)
}

/// Debezium's version of the envelope.
const ENVELOPE_VERSION: u32 = 2;

/// What `source.snapshot` may say.
const SNAPSHOT_STATES: &str =
    "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental";

/// The envelope's block `source`.
pub(crate) fn source() -> ConnectSchema {
    let snapshot = ConnectSchema::semantic(Kind::String, ENUM).with_parameter(ALLOWED, SNAPSHOT_STATES);
    let fields = vec![
        text().required().named("version"),
        text().required().named("connector"),
        text().required().named("name"),
        long().required().named("ts_ms"),
        snapshot
            .optional()
            .with_default(Some("false".into()))
            .named("snapshot"),
        text().required().named("db"),
        text().optional().named("sequence"),
        long().optional().named("ts_us"),
        long().optional().named("ts_ns"),
        text().required().named("schema"),
        text().required().named("table"),
        long().optional().named("txId"),
        long().optional().named("lsn"),
        long().optional().named("xmin"),
    ];
    ConnectSchema::record("io.debezium.connector.postgresql.Source".to_owned(), fields).with_version(1)
}

/// The envelope's block `transaction`.
pub(crate) fn transaction() -> ConnectSchema {
    let fields = vec![
        text().required().named("id"),
        long().required().named("total_order"),
        long().required().named("data_collection_order"),
    ];
    ConnectSchema::record("event.block".to_owned(), fields).with_version(1)
}

fn text() -> ConnectSchema {
    Kind::String.into()
}

fn long() -> ConnectSchema {
    Kind::Int64.into()
}

/// The meaning of an enum's label.
const ENUM: &str = "io.debezium.data.Enum";
/// The parameter with the labels.
const ALLOWED: &str = "allowed";

impl Encoder {
    /// What its values are.
    pub(crate) fn schema(&self) -> ConnectSchema {
        match self {
            Encoder::Boolean => Kind::Boolean.into(),
            Encoder::Int16 => Kind::Int16.into(),
            Encoder::Int32 => Kind::Int32.into(),
            Encoder::Int64 | Encoder::Oid => Kind::Int64.into(),
            Encoder::Float => Kind::Float32.into(),
            Encoder::Double => Kind::Float64.into(),
            Encoder::Text => Kind::String.into(),
            Encoder::Bytes => Kind::Bytes.into(),
            Encoder::Uuid => ConnectSchema::semantic(Kind::String, "io.debezium.data.Uuid"),
            Encoder::Json => ConnectSchema::semantic(Kind::String, "io.debezium.data.Json"),
            Encoder::Date => ConnectSchema::semantic(Kind::Int32, "io.debezium.time.Date"),
            Encoder::Time(TimeUnit::Millis) => ConnectSchema::semantic(Kind::Int32, "io.debezium.time.Time"),
            Encoder::Time(TimeUnit::Micros) => {
                ConnectSchema::semantic(Kind::Int64, "io.debezium.time.MicroTime")
            }
            Encoder::Timestamp(TimeUnit::Millis) => {
                ConnectSchema::semantic(Kind::Int64, "io.debezium.time.Timestamp")
            }
            Encoder::Timestamp(TimeUnit::Micros) => {
                ConnectSchema::semantic(Kind::Int64, "io.debezium.time.MicroTimestamp")
            }
            Encoder::ZonedTimestamp { .. } => {
                ConnectSchema::semantic(Kind::String, "io.debezium.time.ZonedTimestamp")
            }
            Encoder::Enum { labels, .. } => {
                ConnectSchema::semantic(Kind::String, ENUM).with_parameter(ALLOWED, labels.join(","))
            }
            Encoder::Decimal { precision, scale } => ConnectSchema::semantic(Kind::Bytes, DECIMAL)
                .with_parameter(DECIMAL_SCALE, scale)
                .with_parameter(DECIMAL_PRECISION, precision),
            Encoder::VariableDecimal => variable_decimal(),
            Encoder::Array(element) => Kind::Array(Box::new(element.element_slot())).into(),
        }
    }
}

fn variable_decimal() -> ConnectSchema {
    let fields = vec![
        ConnectSchema::plain(Kind::Int32).required().named(SCALE),
        ConnectSchema::plain(Kind::Bytes).required().named(VALUE),
    ];
    ConnectSchema::record("io.debezium.data.VariableScaleDecimal".to_owned(), fields)
        .with_version(1)
        .with_doc("Variable scaled decimal")
}
