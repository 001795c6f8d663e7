//! Changes of partitions for which Postgres publishes nothing, as `/status` reports them.

use serde::Serialize;
use walcast_delivery::PartitionNotice;

use crate::remedy::describe;

/// Partitions of a captured table that brought or removed rows without events.
#[derive(Debug, Serialize)]
pub(super) struct PartitionsChanged {
    table: String,
    partitions: Vec<String>,
    /// `attached`, `detached`, `dropped`, or `truncated or rewritten`.
    change: &'static str,
    /// Change and its remedy.
    finding: String,
    /// End of WAL at the inspection that found the change.
    until: String,
}

impl PartitionsChanged {
    pub(super) fn of(notice: &PartitionNotice) -> Self {
        let change = &notice.change;
        Self {
            table: change.table.to_string(),
            partitions: change.partitions.iter().map(ToString::to_string).collect(),
            change: change.kind.word(),
            finding: describe(change),
            until: notice.until.to_string(),
        }
    }
}
