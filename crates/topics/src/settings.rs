//! What a reader knows about the format of records that they do not say themselves.

/// Format of the records of a connector, as far as its records do not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Text that takes the place of an unchanged TOAST value.
    pub placeholder: String,
    /// Whether values are flat rows: also records without the header `walcast.id` are then read as rows.
    pub is_flat: bool,
    /// Fields that are added to flat rows.
    pub flat_fields: Vec<FlatField>,
    /// Field of the key that identifies the table in a topic that several tables share, if there are such topics.
    pub table_key_fields: Vec<String>,
}

/// Field that is added to flat rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlatField {
    /// Name of the field, such as `__op`.
    pub name: String,
    /// Part of the envelope, such as `op`, `lsn` or `source.ts_ms`.
    pub part: String,
}

/// Debezium's placeholder.
const PLACEHOLDER: &str = "__debezium_unavailable_value";

impl Default for Settings {
    fn default() -> Self {
        Self {
            placeholder: PLACEHOLDER.to_owned(),
            is_flat: false,
            flat_fields: Vec::new(),
            table_key_fields: Vec::new(),
        }
    }
}
