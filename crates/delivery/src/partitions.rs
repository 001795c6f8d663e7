//! Partitions of captured tables whose changes are published as those of the table.
//!
//! `ATTACH PARTITION` writes no row to WAL, and Postgres publishes nothing when a partition is detached, dropped or
//! truncated. Only the catalog shows it. So each inspection compares the partitions with those that the checkpoint topic
//! holds: rows that came with a partition are read, and rows that went are reported.

pub(crate) mod change;
pub(crate) mod notices;

use std::collections::{BTreeMap, BTreeSet};

use walcast_mapper::TableName;
use walcast_pgoutput::{Oid, Xid};

use self::change::{PartitionChange, PartitionChangeKind};
use crate::source_state::{CapturedTable, Partition, Persistence, SourceState};

/// Partitioned tables and partitions at the last inspection, by OID.
pub type KnownPartitions = BTreeMap<Oid, KnownPartition>;

/// Changes of [`KnownPartitions`]; `None` removes an OID.
pub type PartitionRecords = BTreeMap<Oid, Option<KnownPartition>>;

/// Captured partitioned table, or partition of one, as it was at the last inspection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPartition {
    /// OID of the captured table; that of the record itself for the captured table, which shows that its partitions
    /// were recorded.
    pub table: Oid,
    /// Name.
    pub name: TableName,
    /// Transaction that made it a partition; `None` for the captured table.
    pub attached_by: Option<Xid>,
    /// `relfilenode`; 0 for a partitioned table, which stores no rows.
    pub file: Oid,
    /// Whether its changes are written to WAL.
    pub is_logged: bool,
}

/// Difference between the partitions of an inspection and the known ones.
#[derive(Debug, Default)]
pub(crate) struct PartitionComparison {
    /// Partitions of the inspection.
    pub(crate) known: KnownPartitions,
    /// Records to be stored.
    pub(crate) records: PartitionRecords,
    /// Changes for which Postgres publishes nothing.
    pub(crate) changes: Vec<PartitionChange>,
    /// Partitions whose rows are to be read, by captured table.
    pub(crate) attached: Vec<(TableName, Vec<Oid>)>,
}

impl PartitionComparison {
    /// Compares an inspection with the known partitions. The partitions of a table that is not among `known_tables`, or
    /// whose partitions were never recorded, are recorded only: all rows of such a table are read, or were.
    pub(crate) fn of(
        source_state: &SourceState,
        known: &KnownPartitions,
        known_tables: &BTreeSet<Oid>,
        fills: impl Fn(&TableName) -> bool,
    ) -> Self {
        let mut found = Self::default();
        for table in &source_state.captured {
            let Some(partitions) = &table.partitions else {
                continue;
            };
            found.known.insert(table.oid, KnownPartition::of_table(table));
            let records = partitions
                .iter()
                .map(|one| (one.oid, KnownPartition::of(table, one)));
            found.known.extend(records);
            if known_tables.contains(&table.oid) && known.contains_key(&table.oid) {
                found.compare(table, partitions, known, &source_state.tables, fills(&table.name));
            }
        }
        let changed = found
            .known
            .iter()
            .filter(|(oid, one)| known.get(oid) != Some(one));
        let mut records: PartitionRecords = changed.map(|(oid, one)| (*oid, Some(one.clone()))).collect();
        let gone = known.keys().filter(|oid| !found.known.contains_key(oid));
        records.extend(gone.map(|oid| (*oid, None)));
        found.records = records;
        found
    }

    /// Whether nothing is to be stored, and so nothing has changed.
    pub(crate) fn is_as_known(&self) -> bool {
        self.records.is_empty()
    }

    fn compare(
        &mut self,
        table: &CapturedTable,
        partitions: &[Partition],
        known: &KnownPartitions,
        existing: &BTreeSet<Oid>,
        fills: bool,
    ) {
        let before = |oid: Oid| known.get(&oid).filter(|one| one.table == table.oid);
        let by_oid: BTreeMap<Oid, &Partition> = partitions.iter().map(|one| (one.oid, one)).collect();
        let is_new = |one: &Partition| match before(one.oid) {
            Some(known) => known.attached_by != Some(one.attached_by),
            None => one.holds_earlier_rows(),
        };
        // A partition also comes with a partitioned table above it.
        let came = |leaf: &Partition| {
            let above = std::iter::successors(Some(leaf), |one| by_oid.get(&one.parent).copied());
            above.into_iter().any(is_new)
        };
        let (mut attached, mut rewritten) = (Vec::new(), Vec::new());
        // The rows of an unlogged partition are read once it is logged.
        let logged = |one: &&Partition| one.is_leaf && one.persistence == Persistence::Permanent;
        let leaves: Vec<&Partition> = partitions.iter().filter(logged).collect();
        for leaf in &leaves {
            let known = before(leaf.oid);
            if came(leaf) || known.is_some_and(|known| !known.is_logged) {
                attached.push(*leaf);
            } else if known.is_some_and(|known| known.file != leaf.file) {
                rewritten.push(*leaf);
            }
        }
        let gone: Vec<(&Oid, &KnownPartition)> = known
            .iter()
            .filter(|(oid, one)| one.table == table.oid && **oid != table.oid && one.file != Oid::default())
            .filter(|(oid, _)| !by_oid.contains_key(oid))
            .collect();
        let (detached, dropped): (Vec<_>, Vec<_>) =
            gone.into_iter().partition(|(oid, _)| existing.contains(oid));
        let names = |leaves: &[&Partition]| leaves.iter().map(|leaf| leaf.name.clone()).collect();
        let former =
            |gone: Vec<(&Oid, &KnownPartition)>| gone.into_iter().map(|(_, one)| one.name.clone()).collect();
        let is_read = match fills {
            true => PartitionChangeKind::AttachedAndRead,
            false => PartitionChangeKind::AttachedUnread,
        };
        let rewriting = match is_one_statement(&rewritten, leaves.len()) {
            true => PartitionChangeKind::AllRewritten,
            false => PartitionChangeKind::Rewritten,
        };
        if fills && !attached.is_empty() {
            let oids = attached.iter().map(|leaf| leaf.oid).collect();
            self.attached.push((table.name.clone(), oids));
        }
        let found: [(PartitionChangeKind, Vec<TableName>); 4] = [
            (is_read, names(&attached)),
            (PartitionChangeKind::Detached, former(detached)),
            (PartitionChangeKind::Dropped, former(dropped)),
            (rewriting, names(&rewritten)),
        ];
        let found = found.into_iter().filter(|(_, partitions)| !partitions.is_empty());
        self.changes
            .extend(found.map(|(kind, partitions)| PartitionChange {
                kind,
                table: table.name.clone(),
                partitions,
            }));
    }
}

/// Whether one transaction rewrote all leaves of a table: `TRUNCATE` of the table, which is published, or `VACUUM FULL`,
/// `CLUSTER` or `ALTER TABLE`, which change no row. A single leaf proves nothing.
fn is_one_statement(rewritten: &[&Partition], leaves: usize) -> bool {
    let mut transactions = rewritten.iter().map(|leaf| leaf.altered_by);
    let first = transactions.next();
    leaves > 1 && rewritten.len() == leaves && transactions.all(|one| Some(one) == first)
}

impl KnownPartition {
    fn of_table(table: &CapturedTable) -> Self {
        Self {
            table: table.oid,
            name: table.name.clone(),
            attached_by: None,
            file: Oid::default(),
            is_logged: true,
        }
    }

    fn of(table: &CapturedTable, partition: &Partition) -> Self {
        Self {
            table: table.oid,
            name: partition.name.clone(),
            attached_by: Some(partition.attached_by),
            file: partition.file,
            is_logged: partition.persistence == Persistence::Permanent,
        }
    }
}

impl Partition {
    /// Whether a partition that was not known may hold rows that were not streamed as those of its table: it was attached, or
    /// its file is not the first one, so that it may have been unlogged.
    fn holds_earlier_rows(&self) -> bool {
        !self.was_created_as_partition || self.is_leaf && self.file != self.oid
    }
}

#[cfg(test)]
mod tests;
