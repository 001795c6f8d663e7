//! Kafka Connect's schemas, which Debezium makes of columns before a converter turns them into Avro or JSON.

mod avro;
mod json;

use serde_json::Value;

pub(crate) use avro::{slot_to_avro, to_avro};
pub(crate) use json::{slot_to_json, to_json};

/// Schema of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConnectSchema {
    /// Type of the value.
    pub(crate) kind: Kind,
    /// Name of the semantic type (`io.debezium.time.Date`); of a struct, its full name.
    pub(crate) name: Option<String>,
    /// Version of the semantic type.
    pub(crate) version: Option<u32>,
    /// Documentation.
    pub(crate) doc: Option<&'static str>,
    /// Parameters, in order.
    pub(crate) parameters: Vec<(&'static str, String)>,
}

/// Type of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// True or false.
    Boolean,
    /// A whole number of 16 bits.
    Int16,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// Single precision.
    Float32,
    /// Double precision.
    Float64,
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// A list.
    Array(Box<Slot>),
    /// Values by key.
    Map {
        /// The keys.
        keys: Box<Slot>,
        /// The values.
        values: Box<Slot>,
    },
    /// Fields in order.
    Struct(Vec<Field>),
}

/// A schema in a field, array or map: it may be optional, and may have a default.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slot {
    /// Schema of the value.
    pub(crate) schema: ConnectSchema,
    /// Whether the value may be missing.
    pub(crate) optional: bool,
    /// Default, as Avro writes it in a schema.
    pub(crate) default: Option<Value>,
}

/// Field of a struct.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// Name of the field.
    pub(crate) name: String,
    /// Schema of the field.
    pub(crate) slot: Slot,
}

/// Name of bytes that are a decimal, in Connect and in Avro.
pub(crate) const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
/// Name of Connect's date, in Connect and in Avro.
pub(crate) const DATE: &str = "org.apache.kafka.connect.data.Date";
/// Name of Connect's time of day.
pub(crate) const TIME: &str = "org.apache.kafka.connect.data.Time";
/// Name of Connect's timestamp.
pub(crate) const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
/// Parameter of a decimal: digits after the decimal point.
pub(crate) const DECIMAL_SCALE: &str = "scale";
/// Parameter of a decimal: digits in all.
pub(crate) const DECIMAL_PRECISION: &str = "connect.decimal.precision";

/// Name of an enum's label.
pub(crate) const ENUM: &str = "io.debezium.data.Enum";
/// Parameter of an enum: its labels.
pub(crate) const ALLOWED: &str = "allowed";

impl ConnectSchema {
    /// A schema without a semantic type.
    pub(crate) fn plain(kind: Kind) -> Self {
        Self {
            kind,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
        }
    }

    /// A semantic type in its first version.
    pub(crate) fn semantic(kind: Kind, name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            version: Some(1),
            ..Self::plain(kind)
        }
    }

    /// A map.
    pub(crate) fn map(keys: ConnectSchema, values: Slot) -> Self {
        let (keys, values) = (Box::new(keys.required()), Box::new(values));
        Kind::Map { keys, values }.into()
    }

    /// A struct without version.
    pub(crate) fn record(name: String, fields: Vec<Field>) -> Self {
        Self {
            name: Some(name),
            ..Self::plain(Kind::Struct(fields))
        }
    }

    /// A struct in its first version.
    pub(crate) fn first_version(name: &str, fields: Vec<Field>) -> Self {
        Self::record(name.to_owned(), fields).with_version(1)
    }

    pub(crate) fn with_version(mut self, version: u32) -> Self {
        self.version = Some(version);
        self
    }

    pub(crate) fn with_doc(mut self, doc: &'static str) -> Self {
        self.doc = Some(doc);
        self
    }

    pub(crate) fn with_parameter(mut self, name: &'static str, value: impl ToString) -> Self {
        self.parameters.push((name, value.to_string()));
        self
    }

    /// The parameter `name` as a number.
    pub(crate) fn numeric_parameter(&self, name: &str) -> Option<u64> {
        let (_, value) = self.parameters.iter().find(|(known, _)| *known == name)?;
        value.parse().ok()
    }

    /// A required value of the schema.
    pub(crate) fn required(self) -> Slot {
        Slot {
            schema: self,
            optional: false,
            default: None,
        }
    }

    /// An optional value of the schema.
    pub(crate) fn optional(self) -> Slot {
        Slot {
            schema: self,
            optional: true,
            default: None,
        }
    }
}

impl From<Kind> for ConnectSchema {
    fn from(kind: Kind) -> Self {
        Self::plain(kind)
    }
}

impl Slot {
    /// The slot as a field.
    pub(crate) fn named(self, name: impl Into<String>) -> Field {
        Field {
            name: name.into(),
            slot: self,
        }
    }
}
