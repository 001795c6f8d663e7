//! Encoding and shape of records.

use serde::{Deserialize, Serialize};

use crate::debezium_version::DebeziumVersion;
use crate::source_field::SourceField;

/// Encoding of keys or values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Avro's binary encoding after the id of a registered schema.
    #[default]
    Avro,
    /// JSON without a schema: `JsonConverter` with `schemas.enable=false`.
    Json,
    /// JSON objects of `schema` and `payload`: `JsonConverter` as shipped.
    JsonSchema,
}

/// Shape of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Debezium's envelope: both images, the source, the operation.
    #[default]
    Debezium,
    /// The row alone, as Debezium's `ExtractNewRecordState` leaves it.
    Flat,
    /// A structured CloudEvent in JSON, as Debezium's `CloudEventsConverter` makes it.
    CloudEvents,
}

/// Representation of a deleted row in shape [`Shape::Flat`] (`delete.tombstone.handling.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlatDeletes {
    /// A tombstone.
    #[default]
    Tombstone,
    /// No record: consumers keep the row as it was.
    Drop,
    /// The row before the delete with `__deleted` = `true`; other rows have `false`.
    Rewrite,
    /// [`FlatDeletes::Rewrite`], followed by a tombstone.
    RewriteWithTombstone,
    /// A tombstone: [`FlatDeletes::Tombstone`] under the name of a further mode of Debezium's.
    DeleteToTombstone,
}

impl FlatDeletes {
    /// Whether rows have the field `__deleted`.
    pub(crate) fn adds_deleted_field(self) -> bool {
        match self {
            FlatDeletes::Rewrite | FlatDeletes::RewriteWithTombstone => true,
            FlatDeletes::Tombstone | FlatDeletes::Drop | FlatDeletes::DeleteToTombstone => false,
        }
    }
}

/// Settings of the shape [`Shape::Flat`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct FlatForm {
    /// Representation of a deleted row.
    pub deletes: FlatDeletes,
    /// Parts of the envelope that are added to the row, in order (`add.fields`).
    pub fields: Vec<MetadataField>,
    /// Prefix of the names of added fields (`add.fields.prefix`).
    pub fields_prefix: String,
    /// Parts of the envelope that are added as headers, in order (`add.headers`).
    pub headers: Vec<MetadataField>,
    /// Prefix of the names of added headers (`add.headers.prefix`).
    pub headers_prefix: String,
}

impl Default for FlatForm {
    fn default() -> Self {
        Self {
            deletes: FlatDeletes::default(),
            fields: Vec::new(),
            fields_prefix: ADDED_PREFIX.to_owned(),
            headers: Vec::new(),
            headers_prefix: ADDED_PREFIX.to_owned(),
        }
    }
}

/// Debezium's prefix of added fields and headers.
const ADDED_PREFIX: &str = "__";

/// A part of the envelope: `op`, `ts_ms`, `lsn` or `source.lsn`, each optionally followed by `:name` to rename it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MetadataField {
    pub(crate) part: EnvelopePart,
    /// The configured text, from which the name is made.
    written: String,
}

/// A part that can be taken from an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnvelopePart {
    Op,
    TsMs,
    TsUs,
    TsNs,
    Source(SourceField),
}

impl MetadataField {
    /// Name of the field or header, after `prefix`. A part that is configured with its block has the block in its
    /// name.
    pub(crate) fn name(&self, prefix: &str) -> String {
        match self.written.split_once(':') {
            Some((_, name)) => format!("{prefix}{name}"),
            None => format!("{prefix}{}", self.written.replace('.', "_")),
        }
    }
}

impl MetadataField {
    /// First version whose envelope has the part.
    #[must_use]
    pub fn since(&self) -> DebeziumVersion {
        match self.part {
            EnvelopePart::Source(field) => field.since(),
            EnvelopePart::Op | EnvelopePart::TsMs | EnvelopePart::TsUs | EnvelopePart::TsNs => {
                DebeziumVersion::V3_3
            }
        }
    }

    /// The field as it was written.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }
}

impl TryFrom<String> for MetadataField {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let (field, name) = written.split_once(':').unwrap_or((&written, "_"));
        let part = match field {
            "op" => Some(EnvelopePart::Op),
            "ts_ms" => Some(EnvelopePart::TsMs),
            "ts_us" => Some(EnvelopePart::TsUs),
            "ts_ns" => Some(EnvelopePart::TsNs),
            other => {
                let source = other.strip_prefix("source.").unwrap_or(other);
                SourceField::ALL
                    .into_iter()
                    .find(|known| known.name() == source)
                    .map(EnvelopePart::Source)
            }
        };
        match part {
            Some(part) if !name.is_empty() && !name.contains(':') => Ok(Self { part, written }),
            Some(_) => Err(format!("{written:?} needs one name behind its colon")),
            None => Err(format!(
                "{field:?} is no part of the envelope: op, ts_ms, ts_us, ts_ns or one of the source block ({})",
                SourceField::ALL.map(SourceField::name).join(", ")
            )),
        }
    }
}

impl From<MetadataField> for String {
    fn from(field: MetadataField) -> Self {
        field.written
    }
}

#[cfg(test)]
mod tests {
    use super::MetadataField;

    fn name(written: &str) -> Result<String, String> {
        MetadataField::try_from(written.to_owned()).map(|field| field.name("__"))
    }

    #[test]
    fn added_fields_are_named_as_debezium_names_them() {
        assert_eq!(name("op"), Ok("__op".to_owned()));
        assert_eq!(name("lsn"), Ok("__lsn".to_owned()));
        assert_eq!(name("source.ts_ms"), Ok("__source_ts_ms".to_owned()));
        assert_eq!(name("source.lsn:position"), Ok("__position".to_owned()));
    }

    #[test]
    fn unknown_parts_are_rejected() {
        assert!(
            name("lns")
                .unwrap_err()
                .contains("\"lns\" is no part of the envelope")
        );
        assert!(name("op:").unwrap_err().contains("needs one name"));
    }
}
