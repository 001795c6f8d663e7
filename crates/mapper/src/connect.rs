//! Schemas as Kafka Connect has them: what Debezium makes of a column, before a converter turns it into Avro or JSON.

mod avro;
mod json;

use serde_json::Value;

pub(crate) use avro::to_avro;
pub(crate) use json::to_json;

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConnectSchema {
    /// Its form.
    pub(crate) kind: Kind,
    /// Its meaning (`io.debezium.time.Date`); of a struct, its full name.
    pub(crate) name: Option<String>,
    /// The version of that meaning.
    pub(crate) version: Option<u32>,
    /// Words for people.
    pub(crate) doc: Option<&'static str>,
    /// Further properties, in order.
    pub(crate) parameters: Vec<(&'static str, String)>,
}

/// The form of a value.
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
    /// Fields in order.
    Struct(Vec<Field>),
}

/// A place where a value of a schema stands: it may be missing, and may have a default.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slot {
    /// What stands there.
    pub(crate) schema: ConnectSchema,
    /// Whether nothing may stand there.
    pub(crate) optional: bool,
    /// What is read where nothing stands, as Avro writes it in a schema.
    pub(crate) default: Option<Value>,
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) slot: Slot,
}

/// The name that makes bytes a decimal, to Connect and to Avro.
pub(crate) const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
/// The parameter of a decimal that holds the digits after the point.
pub(crate) const DECIMAL_SCALE: &str = "scale";
/// The parameter of a decimal that holds the digits in all.
pub(crate) const DECIMAL_PRECISION: &str = "connect.decimal.precision";

impl ConnectSchema {
    /// A value that means no more than its form says.
    pub(crate) fn plain(kind: Kind) -> Self {
        Self {
            kind,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
        }
    }

    /// A value with a meaning, in its first version.
    pub(crate) fn semantic(kind: Kind, name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            version: Some(1),
            ..Self::plain(kind)
        }
    }

    /// A struct whose name has no version.
    pub(crate) fn record(name: String, fields: Vec<Field>) -> Self {
        Self {
            name: Some(name),
            ..Self::plain(Kind::Struct(fields))
        }
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

    /// A place that always holds such a value.
    pub(crate) fn required(self) -> Slot {
        Slot {
            schema: self,
            optional: false,
            default: None,
        }
    }

    /// A place that may hold such a value.
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
    /// The slot under a name.
    pub(crate) fn named(self, name: impl Into<String>) -> Field {
        Field {
            name: name.into(),
            slot: self,
        }
    }
}
