//! What topics, schemas and fields are called.

use serde::{Deserialize, Serialize};

use super::route::Route;

/// Names in Kafka and in schemas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct NameSettings {
    /// What stands between the parts of a topic's name (Debezium's `topic.delimiter`).
    pub delimiter: String,
    /// How the names of schemas become what Avro accepts (Debezium's `schema.name.adjustment.mode`).
    pub adjust_schemas: SchemaAdjustment,
    /// How the names of columns become what Avro accepts as names of fields (Debezium's `field.name.adjustment.mode`).
    pub adjust_fields: FieldAdjustment,
    /// Where topics go instead; the first that fits counts (Debezium's `ByLogicalTableRouter`).
    pub routes: Vec<Route>,
}

/// Debezium's.
const DELIMITER: &str = ".";

impl Default for NameSettings {
    fn default() -> Self {
        Self {
            delimiter: DELIMITER.to_owned(),
            adjust_schemas: SchemaAdjustment::Valid,
            adjust_fields: FieldAdjustment::None,
            routes: Vec::new(),
        }
    }
}

/// How a topic's name becomes the namespace of its schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaAdjustment {
    /// As it is, though Avro may refuse it.
    None,
    /// `_` for what Avro does not accept, and before a digit that begins the name.
    Avro,
    /// `_u` and a hexadecimal number for what Avro does not accept, and for `_`: different names stay different.
    AvroUnicode,
    /// As [`SchemaAdjustment::Avro`], and `_` before a digit that begins a later part too: what Avro accepts, always.
    Valid,
}

/// How a column's name becomes the name of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldAdjustment {
    /// As it is; a name that Avro does not accept is an error.
    None,
    /// `_` for what Avro does not accept, and before a digit that begins the name.
    Avro,
    /// `_u` and a hexadecimal number for what Avro does not accept, and for `_`: different names stay different.
    AvroUnicode,
}
