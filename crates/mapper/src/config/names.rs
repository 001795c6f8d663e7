//! Names of topics, schemas and fields.

use serde::{Deserialize, Serialize};

use super::route::Route;

/// Names in Kafka and in schemas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct NameSettings {
    /// Separator of the parts of a topic's name (Debezium's `topic.delimiter`).
    pub delimiter: String,
    /// Adjustment of schema names to Avro (Debezium's `schema.name.adjustment.mode`).
    pub adjust_schemas: SchemaAdjustment,
    /// Adjustment of column names to Avro field names (Debezium's `field.name.adjustment.mode`).
    pub adjust_fields: FieldAdjustment,
    /// Routes of topics; the first that matches applies (Debezium's `ByLogicalTableRouter`).
    pub routes: Vec<Route>,
}

/// Debezium's default.
const DELIMITER: &str = ".";

impl Default for NameSettings {
    fn default() -> Self {
        Self {
            delimiter: DELIMITER.to_owned(),
            adjust_schemas: SchemaAdjustment::Valid,
            adjust_fields: FieldAdjustment::Valid,
            routes: Vec::new(),
        }
    }
}

/// Adjustment of a topic's name to the namespace of its schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaAdjustment {
    /// Unchanged, even if Avro rejects it.
    None,
    /// `_` for what Avro does not accept, and before a digit that begins the name.
    Avro,
    /// `_u` and a hexadecimal number for what Avro does not accept, and for `_`: different names stay different.
    AvroUnicode,
    /// As [`SchemaAdjustment::Avro`], and `_` before a digit that begins a later part too: what Avro accepts, always.
    Valid,
}

/// Adjustment of a column's name to the name of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldAdjustment {
    /// Unchanged; where Avro rejects the name, it is an error.
    None,
    /// `_` for what Avro does not accept, and before a digit that begins the name.
    Avro,
    /// `_u` and a hexadecimal number for what Avro does not accept, and for `_`: different names stay different.
    AvroUnicode,
    /// [`FieldAdjustment::Avro`] where keys or values are Avro, else [`FieldAdjustment::None`]: what Debezium does by default with an Avro
    /// converter and without one.
    Valid,
}
