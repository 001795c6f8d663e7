//! Selection of columns, and transforms of their values.

use serde::{Deserialize, Serialize};
use walcast_pgoutput::RelationColumn;

use crate::pattern::ColumnPattern;
use crate::secret::Secret;
use crate::table_name::TableName;

/// Selection and transforms of columns, by pattern. Key columns are sent in keys unchanged, whatever applies to them
/// in values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct ColumnSettings {
    /// Columns to send in values; empty: all (Debezium's `column.include.list`).
    pub include: Vec<ColumnPattern>,
    /// Columns not to send in values although `include` matches them (Debezium's `column.exclude.list`).
    pub exclude: Vec<ColumnPattern>,
    /// Columns whose text is replaced by asterisks (Debezium's `column.mask.with.<length>.chars`).
    pub mask: Vec<MaskRule>,
    /// Columns whose text or bytes are truncated (Debezium's `column.truncate.to.<length>.chars`).
    pub truncate: Vec<TruncateRule>,
    /// Columns whose text is replaced by a hash (Debezium's `column.mask.hash.<algorithm>.with.salt.<salt>`).
    pub hash: Vec<HashRule>,
    /// Columns whose Postgres type is a parameter of the schema (Debezium's `column.propagate.source.type`).
    pub propagate_types: Vec<ColumnPattern>,
    /// Data types for which the same applies, as `schema.table.type` (Debezium's `datatype.propagate.source.type`).
    pub propagate_data_types: Vec<ColumnPattern>,
}

impl ColumnSettings {
    /// Patterns of columns whose values must not be sent as they are, each with its setting.
    pub fn withholding(&self) -> impl Iterator<Item = (&'static str, &ColumnPattern)> {
        let exclude = self.exclude.iter().map(|pattern| ("columns.exclude", pattern));
        let mask = self.mask.iter().flat_map(|rule| &rule.columns);
        let hash = self.hash.iter().flat_map(|rule| &rule.columns);
        exclude
            .chain(mask.map(|pattern| ("columns.mask", pattern)))
            .chain(hash.map(|pattern| ("columns.hash", pattern)))
    }

    /// Those of [`ColumnSettings::withholding`] that name a column of `table` which is not one of `columns`: it was renamed or dropped,
    /// or the name is wrong.
    pub fn withholding_nothing<'a>(
        &'a self,
        table: &'a TableName,
        columns: &'a [RelationColumn],
    ) -> impl Iterator<Item = (&'static str, &'a ColumnPattern)> {
        self.withholding().filter(move |(_, pattern)| {
            let named = pattern.literal().filter(|(of, _)| of == table);
            named.is_some_and(|(_, named)| !columns.iter().any(|column| column.name == named))
        })
    }
}

/// Replaces the text of columns by asterisks, null too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct MaskRule {
    /// The columns.
    pub columns: Vec<ColumnPattern>,
    /// Number of asterisks.
    pub length: u16,
}

/// Truncates text or bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct TruncateRule {
    /// The columns.
    pub columns: Vec<ColumnPattern>,
    /// Length in characters as Java counts them: one beyond U+FFFF is two.
    pub length: u32,
}

/// Replaces the text of columns by its hash: equal texts have equal hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct HashRule {
    /// The columns.
    pub columns: Vec<ColumnPattern>,
    /// Hash function.
    pub algorithm: HashAlgorithm,
    /// Salt, hashed before the text; never serialized.
    #[serde(skip_serializing)]
    pub salt: Secret,
    /// Form of the text that is hashed.
    #[serde(default)]
    pub version: HashVersion,
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is called what it is")]
pub enum HashAlgorithm {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    #[serde(rename = "sha512_224")]
    Sha512Cut224,
    #[serde(rename = "sha512_256")]
    Sha512Cut256,
    #[serde(rename = "sha3_224")]
    Sha3x224,
    #[serde(rename = "sha3_256")]
    Sha3x256,
    #[serde(rename = "sha3_384")]
    Sha3x384,
    #[serde(rename = "sha3_512")]
    Sha3x512,
}

/// Form in which a text is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashVersion {
    /// The serialized Java object: the input of Debezium's `column.mask.hash`.
    V1,
    /// The UTF-8 bytes: the input of Debezium's `column.mask.hash.v2`.
    #[default]
    V2,
}
