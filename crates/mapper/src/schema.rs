//! Schemas of keys and values, as Debezium defines them.

use crate::connect::{ConnectSchema, Field, Kind};
use crate::debezium_version::DebeziumVersion;
use crate::source_field::SourceField;

/// Schema of keys: the key's columns in key order.
pub(crate) fn key(namespace: &str, columns: Vec<Field>) -> ConnectSchema {
    ConnectSchema::record(format!("{namespace}.Key"), columns)
}

/// Schema of values: the envelope around two row images.
pub(crate) fn value(namespace: &str, columns: Vec<Field>, version: DebeziumVersion) -> ConnectSchema {
    let mut fields = images(namespace, columns);
    fields.extend([
        source(version).required().named("source"),
        transaction().optional().named("transaction"),
        text().required().named("op"),
        long().optional().named("ts_ms"),
        long().optional().named("ts_us"),
        long().optional().named("ts_ns"),
    ]);
    ConnectSchema::record(format!("{namespace}.Envelope"), fields).with_version(ENVELOPE_VERSION)
}

/// Fields of a row before and after a change.
pub(crate) fn images(namespace: &str, columns: Vec<Field>) -> Vec<Field> {
    let row = ConnectSchema::record(format!("{namespace}.Value"), columns);
    vec![
        row.clone().optional().named("before"),
        row.optional().named("after"),
    ]
}

/// Debezium's version of the envelope.
const ENVELOPE_VERSION: u32 = 2;

/// Schema of the block `source`.
pub(crate) fn source(version: DebeziumVersion) -> ConnectSchema {
    let fields = SourceField::of(version).map(|field| field.slot().named(field.name()));
    ConnectSchema::record(
        "io.debezium.connector.postgresql.Source".to_owned(),
        fields.collect(),
    )
    .with_version(1)
}

/// Schema of the block `transaction`.
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
