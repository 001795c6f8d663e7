//! Which columns are sent, and which are changed on the way.

use serde::{Deserialize, Serialize};

use super::salt::Salt;
use crate::ColumnPattern;

/// Columns by pattern. Keys are not touched: a column of the key is in it as it is, whatever happens to it in the value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct ColumnSettings {
    /// The columns that values have; empty: all (Debezium's `column.include.list`).
    pub include: Vec<ColumnPattern>,
    /// Columns that values do not have although `include` chooses them (Debezium's `column.exclude.list`).
    pub exclude: Vec<ColumnPattern>,
    /// Text in whose place stars are sent (Debezium's `column.mask.with.<length>.chars`).
    pub mask: Vec<MaskRule>,
    /// Text and bytes that are cut off (Debezium's `column.truncate.to.<length>.chars`).
    pub truncate: Vec<TruncateRule>,
    /// Text in whose place a hash is sent (Debezium's `column.mask.hash.<algorithm>.with.salt.<salt>`).
    pub hash: Vec<HashRule>,
    /// Columns whose type in Postgres the schema tells (Debezium's `column.propagate.source.type`).
    pub propagate_types: Vec<ColumnPattern>,
    /// Likewise by `schema.table.type` (Debezium's `datatype.propagate.source.type`).
    pub propagate_data_types: Vec<ColumnPattern>,
}

/// Stars instead of a text, whatever the text and even where there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct MaskRule {
    /// The columns.
    pub columns: Vec<ColumnPattern>,
    /// How many stars.
    pub length: u16,
}

/// No more than so many characters of a text, or bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct TruncateRule {
    /// The columns.
    pub columns: Vec<ColumnPattern>,
    /// How many characters, as Java counts them: one beyond U+FFFF is two.
    pub length: u32,
}

/// A hash instead of a text: the same text has the same hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct HashRule {
    /// The columns.
    pub columns: Vec<ColumnPattern>,
    /// The function.
    pub algorithm: HashAlgorithm,
    /// What is hashed before the text; never written.
    #[serde(skip_serializing)]
    pub salt: Salt,
    /// Which bytes of the text are hashed.
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

/// Which bytes of a text are hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashVersion {
    /// Those that Java serializes it to: what Debezium's `column.mask.hash` hashes.
    V1,
    /// Its own, in UTF-8: what Debezium's `column.mask.hash.v2` hashes.
    #[default]
    V2,
}
