//! What the mapper can be told.

mod absence;
mod columns;
mod events;
mod form;
mod keys;
mod names;
mod route;
mod salt;
mod types;

use std::fmt;

use serde::{Deserialize, Serialize};
use walcast_pgoutput::Relation;

pub use absence::{MissingNotNull, NullWithDefault};
pub use columns::{ColumnSettings, HashAlgorithm, HashRule, HashVersion, MaskRule, TruncateRule};
pub use events::{EventsConfig, Operation};
pub(crate) use form::EnvelopePart;
pub use form::{Encoding, FlatDeletes, FlatForm, MetadataField, Shape};
pub use keys::{KeyRule, MissingKeyColumns};
pub use names::{FieldAdjustment, NameSettings, SchemaAdjustment};
pub(crate) use route::{Mark, Routed};
pub use route::{Route, RouteError, RouteText};
pub use salt::Salt;
pub use types::{
    ArrayMode, BinaryMode, DecimalMode, HstoreMode, IntervalMode, TimeMode, TypeModes, UnknownMode,
    UnwritableMode,
};

/// A table's schema and name, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema.
    pub namespace: String,
    /// The table.
    pub name: String,
}

impl From<&Relation> for TableName {
    fn from(relation: &Relation) -> Self {
        Self {
            namespace: relation.namespace.clone(),
            name: relation.name.clone(),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

/// What is done about a value of an updated row that was stored out of line and not changed, where the log does not tell
/// it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnavailableValues {
    /// The placeholder stands for it.
    #[default]
    Placeholder,
    /// It is asked for by the row's key: the value of now, not of then. The placeholder stands for it if the row is gone.
    Reselect,
}

/// How records are named and shaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapperConfig {
    /// First part of topic names and `source.name`.
    pub topic_prefix: String,
    /// `source.db`.
    pub database: String,
    /// Whether a delete is followed by a record with the same key and no value, so that compacted topics forget the
    /// row.
    pub tombstones_on_delete: bool,
    /// What stands for a value that was stored out of line and not changed (Debezium's
    /// `unavailable.value.placeholder`).
    pub unavailable_value_placeholder: String,
    /// Whether such values are asked for before the placeholder stands for them.
    pub unavailable_values: UnavailableValues,
    /// How keys are encoded.
    pub key: Encoding,
    /// How values are encoded.
    pub value: Encoding,
    /// What a value holds.
    pub shape: Shape,
    /// The flat shape in detail.
    pub flat: FlatForm,
    /// How types are written.
    pub types: TypeModes,
    /// What topics, schemas and fields are called.
    pub names: NameSettings,
    /// Which columns are sent, and which are changed on the way.
    pub columns: ColumnSettings,
    /// Keys that are not the primary key.
    pub keys: Vec<KeyRule>,
    /// What `before` holds where the log holds nothing.
    pub missing_not_null: MissingNotNull,
    /// What a null becomes in a column that has a default.
    pub null_with_default: NullWithDefault,
    /// Which events there are.
    pub events: EventsConfig,
}

/// Debezium's word, which consumers compare with.
const UNAVAILABLE_VALUE_PLACEHOLDER: &str = "__debezium_unavailable_value";

impl MapperConfig {
    /// Debezium's defaults throughout.
    #[must_use]
    pub fn new(topic_prefix: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            topic_prefix: topic_prefix.into(),
            database: database.into(),
            tombstones_on_delete: true,
            unavailable_value_placeholder: UNAVAILABLE_VALUE_PLACEHOLDER.to_owned(),
            unavailable_values: UnavailableValues::default(),
            key: Encoding::Avro,
            value: Encoding::Avro,
            shape: Shape::Debezium,
            flat: FlatForm::default(),
            types: TypeModes::default(),
            names: NameSettings::default(),
            columns: ColumnSettings::default(),
            keys: Vec::new(),
            missing_not_null: MissingNotNull::default(),
            null_with_default: NullWithDefault::default(),
            events: EventsConfig::default(),
        }
    }

    /// The topic of a table's records.
    #[must_use]
    pub fn topic(&self, table: &TableName) -> String {
        crate::names::destination(self, table).topic
    }
}
