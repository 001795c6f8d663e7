//! Schemas under which rows of tables are encoded, for observers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use walcast_mapper::{SchemaId, SchemaIds, TableName};

/// Topic of a table, and its schemas in the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedSchema {
    /// Topic of the table's records.
    pub topic: String,
    /// Id of the key's schema; `None` without a registry or a key.
    pub key: Option<SchemaId>,
    /// Id of the value's schema; `None` without a registry.
    pub value: Option<SchemaId>,
}

/// Schemas by table, of those of which a row was encoded since the process started. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct SchemasState(Arc<Mutex<BTreeMap<TableName, EncodedSchema>>>);

impl SchemasState {
    /// Schemas by table.
    #[must_use]
    pub fn read(&self) -> BTreeMap<TableName, EncodedSchema> {
        self.lock().clone()
    }

    /// Sets the schemas of a table.
    pub(crate) fn set(&self, table: &TableName, topic: &str, ids: SchemaIds) {
        let schema = EncodedSchema {
            topic: topic.to_owned(),
            key: ids.key,
            value: ids.value,
        };
        self.lock().insert(table.clone(), schema);
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth stopping the connector.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TableName, EncodedSchema>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
