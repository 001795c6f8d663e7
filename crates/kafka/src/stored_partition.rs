//! Stored form of a partition of a captured table. Each partition has a record of its own: a table can have tens of thousands.

use serde::{Deserialize, Serialize};
use walcast_delivery::{Checkpoint, KnownPartition};
use walcast_mapper::TableName;
use walcast_pgoutput::{Oid, Xid};

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredPartition {
    version: u32,
    table: u32,
    namespace: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attached_by: Option<u32>,
    #[serde(default)]
    file: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unlogged: bool,
}

impl StoredPartition {
    pub(crate) fn of(known: &KnownPartition) -> Self {
        Self {
            version: Checkpoint::VERSION,
            table: known.table.as_u32(),
            namespace: known.name.namespace.clone(),
            name: known.name.name.clone(),
            attached_by: known.attached_by.map(Xid::as_u32),
            file: known.file.as_u32(),
            unlogged: !known.is_logged,
        }
    }

    pub(crate) fn into_known(self) -> KnownPartition {
        KnownPartition {
            table: Oid::new(self.table),
            name: TableName {
                namespace: self.namespace,
                name: self.name,
            },
            attached_by: self.attached_by.map(Xid::new),
            file: Oid::new(self.file),
            is_logged: !self.unlogged,
        }
    }
}
