//! Schema history: the schemas under which the rows of captured tables were written, each with the position from which it is
//! valid.
//!
//! A Relation message has a table's columns as of the changes after it, but neither nullability, defaults, keys nor kinds of
//! types. The catalog has those as of now, which can be later: a connector that is behind reads rows of columns that were
//! dropped meanwhile, of keys that were altered, of tables that do not exist any more. The history has what the catalog said
//! when the rows of a table were first encoded, so that later rows are encoded alike, and rows that are delivered again
//! become the same bytes.
//!
//! It is stored beside the checkpoint and bounded: a schema is dropped once no change before its successor can be streamed
//! again, and a table once it is gone and so are its changes.

pub(crate) mod completion;
pub(crate) mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use walcast_mapper::{ChangeContext, Ordinal, TableMetadata};
use walcast_pgoutput::{Lsn, Oid, Relation};

/// Place of a change in the order of delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangePosition {
    /// Start of the commit record of the change's transaction, or position of a snapshot.
    pub commit_lsn: Lsn,
    /// Number of the change in its transaction.
    pub ordinal: Ordinal,
}

impl ChangePosition {
    /// Position of the first change that a snapshot at `lsn` does not contain.
    #[must_use]
    pub fn of_snapshot(lsn: Lsn) -> Self {
        Self {
            commit_lsn: lsn,
            ordinal: Ordinal::default(),
        }
    }
}

impl From<&ChangeContext<'_>> for ChangePosition {
    fn from(context: &ChangeContext<'_>) -> Self {
        Self {
            commit_lsn: context.commit_lsn,
            ordinal: context.ordinal,
        }
    }
}

impl fmt::Display for ChangePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.commit_lsn, self.ordinal)
    }
}

/// Schema of a table: its Relation message, and its metadata in the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchema {
    /// First change that was encoded with the schema.
    pub since: ChangePosition,
    /// Columns and replica identity.
    pub relation: Relation,
    /// Nullability, defaults, key and types.
    pub metadata: TableMetadata,
}

impl TableSchema {
    /// Whether rows of a relation have the same columns and the same old tuples.
    fn describes(&self, relation: &Relation) -> bool {
        self.relation.columns == relation.columns
            && self.relation.replica_identity == relation.replica_identity
    }
}

/// Schemas of one table, ascending by position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableHistory {
    /// Schemas; the last one is in use.
    pub schemas: Vec<TableSchema>,
    /// End of WAL when the table was first found not to be captured any more. The WAL may still have changes of it.
    pub missing_since: Option<Lsn>,
}

/// Largest number of schemas that are kept of one table.
const SCHEMAS_MAX: usize = 100;

impl TableHistory {
    /// Schema in use at a position.
    fn at(&self, position: ChangePosition) -> Option<&TableSchema> {
        self.schemas.iter().rfind(|schema| schema.since <= position)
    }

    /// Schema in use at a position, where a later one is known: nothing has to be asked.
    fn superseded_at(&self, position: ChangePosition) -> Option<&TableSchema> {
        let last = self.schemas.last()?;
        self.at(position).filter(|schema| schema.since < last.since)
    }

    /// Schema in use at a position, or the first one after it.
    fn nearest(&self, position: ChangePosition) -> Option<&TableSchema> {
        self.at(position).or(self.schemas.first())
    }

    /// Drops schemas of changes that cannot be streamed again: those before `confirmed`.
    fn prune(&mut self, confirmed: Lsn) {
        let successors = self.schemas.iter().skip(1);
        let unreachable = successors
            .take_while(|next| next.since.commit_lsn < confirmed)
            .count();
        let excess = self.schemas.len().saturating_sub(SCHEMAS_MAX);
        self.schemas.drain(..unreachable.max(excess));
    }
}

/// Changes of the schema history since the last checkpoint: by table, its history, or `None` where it is deleted.
pub type SchemaChanges = BTreeMap<Oid, Option<TableHistory>>;

/// Schema history of a session.
#[derive(Debug, Default)]
pub(crate) struct SchemaHistory {
    tables: BTreeMap<Oid, TableHistory>,
    /// Position before which no change is streamed again.
    confirmed: Lsn,
    changes: SchemaChanges,
    /// Whether all changes that are encoded were delivered before.
    is_of_delivered: bool,
}

impl SchemaHistory {
    /// History as stored. Tables that are not captured any more are dropped once their changes are.
    pub(crate) fn new(
        stored: BTreeMap<Oid, TableHistory>,
        captured: &BTreeSet<Oid>,
        confirmed: Lsn,
        end_of_wal: Lsn,
    ) -> Self {
        let mut history = Self {
            tables: stored,
            confirmed,
            changes: SchemaChanges::new(),
            is_of_delivered: false,
        };
        let missing: Vec<Oid> = history
            .tables
            .keys()
            .copied()
            .filter(|table| !captured.contains(table))
            .collect();
        for table in missing {
            history.miss(table, end_of_wal);
        }
        history
    }

    /// History as stored, for changes that were all delivered: the last schema of a table is that with which they were encoded, whatever
    /// the catalog has by now.
    pub(crate) fn of_delivered(stored: BTreeMap<Oid, TableHistory>) -> Self {
        Self {
            tables: stored,
            confirmed: Lsn::INVALID,
            changes: SchemaChanges::new(),
            is_of_delivered: true,
        }
    }

    fn miss(&mut self, table: Oid, end_of_wal: Lsn) {
        let Some(history) = self.tables.get_mut(&table) else {
            return;
        };
        match history.missing_since {
            Some(since) if since <= self.confirmed => {
                self.tables.remove(&table);
                self.changes.insert(table, None);
            }
            Some(_) => {}
            None => {
                history.missing_since = Some(end_of_wal);
                self.changes.insert(table, Some(history.clone()));
            }
        }
    }

    /// Metadata with which a change was encoded when it was first delivered; `None` if it is not known to have been.
    pub(crate) fn delivered_with(&self, relation: &Relation, at: ChangePosition) -> Option<&TableMetadata> {
        let history = self.tables.get(&relation.oid)?;
        let schema = match self.is_of_delivered {
            true => history.at(at)?,
            false => history.superseded_at(at)?,
        };
        schema.describes(relation).then_some(&schema.metadata)
    }

    /// Schema nearest to a change.
    pub(crate) fn nearest(&self, table: Oid, at: ChangePosition) -> Option<&TableSchema> {
        self.tables.get(&table)?.nearest(at)
    }

    /// First change after this one that was encoded with another schema of the table.
    pub(crate) fn next_schema_after(&self, table: Oid, at: ChangePosition) -> Option<ChangePosition> {
        let schemas = self.tables.get(&table)?.schemas.iter();
        schemas.map(|schema| schema.since).find(|since| *since > at)
    }

    /// Records the schema with which a change is encoded, unless it is the one in use or an earlier one.
    pub(crate) fn record(&mut self, relation: &Relation, metadata: &TableMetadata, since: ChangePosition) {
        let history = self.tables.entry(relation.oid).or_default();
        if let Some(last) = history.schemas.last() {
            let is_same = last.describes(relation) && last.metadata == *metadata;
            if is_same || since < last.since {
                return;
            }
            if last.since == since {
                history.schemas.pop();
            }
        }
        history.missing_since = None;
        history.schemas.push(TableSchema {
            since,
            relation: relation.clone(),
            metadata: metadata.clone(),
        });
        history.prune(self.confirmed);
        self.changes.insert(relation.oid, Some(history.clone()));
    }

    /// Changes that are to be stored with the next checkpoint.
    pub(crate) fn take_changes(&mut self) -> SchemaChanges {
        std::mem::take(&mut self.changes)
    }

    /// Whether there are changes to be stored.
    #[inline]
    pub(crate) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }
}

#[cfg(test)]
mod tests;
