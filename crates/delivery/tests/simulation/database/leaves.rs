//! A partitioned table and its leaves, which are created, attached, detached, dropped and truncated.
//!
//! Changes of a leaf are those of the partitioned table. `ATTACH PARTITION` writes no row to WAL, and nothing is written when the rows of
//! a leaf go.

use walcast_delivery::{Partition, Persistence};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, Xid};

use super::{Database, id_of, version_of};
use crate::wal::{Change, Table};

/// The partitioned table.
pub(crate) const EVENTS: Oid = Oid::new(17_000);

/// Number of ranges of keys, each of which has at most one leaf.
pub(crate) const RANGES: u64 = 3;
/// Number of keys of a range.
pub(crate) const KEYS: u64 = 8;

/// WAL size of a change of a leaf.
const LEAF_BYTES: u64 = 0x60;
/// Offset of the relfilenodes of truncated leaves.
const FILES_FROM: u32 = 20_000;

/// A leaf, or a table that was one or may become one.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) oid: Oid,
    pub(crate) file: Oid,
    /// Range of its keys.
    pub(crate) range: u64,
    pub(crate) attached_by: Xid,
    was_created_as_partition: bool,
    altered_by: Xid,
    pub(crate) is_attached: bool,
}

/// Rows that came with a leaf, or went with it or by its truncation.
#[derive(Clone, Debug)]
pub(crate) struct LeafChange {
    /// Every transaction before it has an earlier commit position, every later transaction a later one.
    pub(crate) lsn: Lsn,
    pub(crate) range: u64,
    /// The rows that came; `None`: all rows of the range went.
    pub(crate) came: Option<Vec<(i32, u64)>>,
}

/// The leaves of the partitioned table.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    pub(crate) all: Vec<Leaf>,
    /// Changes of leaves that are not in WAL, in the order of their positions.
    pub(crate) changes: Vec<LeafChange>,
    made: u32,
}

/// The range of a key.
pub(crate) fn range_of(id: i32) -> u64 {
    u64::from(id.unsigned_abs()) / KEYS
}

impl Leaves {
    pub(crate) fn attached(&self) -> impl Iterator<Item = &Leaf> {
        self.all.iter().filter(|leaf| leaf.is_attached)
    }

    pub(crate) fn attached_in(&self, range: u64) -> Option<&Leaf> {
        self.attached().find(|leaf| leaf.range == range)
    }

    /// The partitions of a table, if it is the partitioned one.
    pub(super) fn partitions_of(&self, table: Oid) -> Option<Vec<Partition>> {
        (table == EVENTS).then(|| self.attached().map(Leaf::partition).collect())
    }
}

impl Leaf {
    fn partition(&self) -> Partition {
        Partition {
            oid: self.oid,
            name: TableName {
                namespace: "public".to_owned(),
                name: format!("events_{}", self.oid),
            },
            parent: EVENTS,
            is_leaf: true,
            file: self.file,
            attached_by: self.attached_by,
            was_created_as_partition: self.was_created_as_partition,
            altered_by: self.altered_by,
            persistence: Persistence::Permanent,
            identifies_rows: true,
            identity_is_generated: false,
            is_excluded: false,
        }
    }
}

impl Database {
    /// Creates the partitioned table, with one leaf.
    pub(crate) fn add_partitioned_table(&mut self) {
        self.tables.push(Table::new("events", EVENTS.as_u32()));
        self.create_leaf(0);
    }

    /// The rows of a table, or of all leaves of the partitioned table.
    pub(crate) fn rows_of(&self, table: Oid) -> Vec<(i32, u64)> {
        if table != EVENTS {
            return self.rows.of(table).collect();
        }
        let leaves = self.leaves.attached();
        leaves.flat_map(|leaf| self.rows.of(leaf.oid)).collect()
    }

    /// Creates a leaf of a range that has none.
    pub(crate) fn create_leaf(&mut self, range: u64) {
        let xid = self.new_xid();
        let oid = self.new_leaf(range, xid, true);
        self.come(oid, Vec::new());
    }

    /// Attaches a table of the range: one that was detached, or a new one with rows of these keys. Some rows of the former may have been
    /// changed in between.
    pub(crate) fn attach_leaf(&mut self, range: u64, ids: &[i32], chance: u64) {
        let xid = self.new_xid();
        let mut detached = self.leaves.all.iter_mut();
        let detached = detached.find(|leaf| leaf.range == range && !leaf.is_attached);
        let oid = match detached {
            Some(leaf) => {
                leaf.is_attached = true;
                leaf.attached_by = xid;
                leaf.altered_by = xid;
                leaf.was_created_as_partition = false;
                leaf.oid
            }
            None => self.new_leaf(range, xid, false),
        };
        for (id, more) in ids.iter().zip(0..) {
            let version = self.new_version(oid, chance + more);
            self.rows.0.entry(oid).or_default().insert(*id, version);
        }
        self.uncommitted.clear();
        let rows = self.rows.of(oid).collect();
        self.come(oid, rows);
    }

    fn new_leaf(&mut self, range: u64, xid: Xid, was_created_as_partition: bool) -> Oid {
        self.leaves.made += 1;
        let oid = Oid::new(EVENTS.as_u32() + self.leaves.made);
        self.leaves.all.push(Leaf {
            oid,
            file: oid,
            range,
            attached_by: xid,
            was_created_as_partition,
            altered_by: xid,
            is_attached: true,
        });
        oid
    }

    fn come(&mut self, oid: Oid, rows: Vec<(i32, u64)>) {
        let leaves = &mut self.leaves;
        let range = leaves
            .all
            .iter()
            .find(|leaf| leaf.oid == oid)
            .map(|leaf| leaf.range);
        leaves.changes.push(LeafChange {
            lsn: self.wal_end,
            range: range.expect("the leaf exists"),
            came: Some(rows),
        });
        self.write_unrelated_wal(LEAF_BYTES);
    }

    fn go(&mut self, range: u64) {
        self.leaves.changes.push(LeafChange {
            lsn: self.wal_end,
            range,
            came: None,
        });
        self.write_unrelated_wal(LEAF_BYTES);
    }

    /// Detaches the leaf of a range. It keeps its rows.
    pub(crate) fn detach_leaf(&mut self, range: u64) {
        let mut leaves = self.leaves.all.iter_mut();
        if let Some(leaf) = leaves.find(|leaf| leaf.is_attached && leaf.range == range) {
            leaf.is_attached = false;
            self.go(range);
        }
    }

    /// Drops the leaf of a range.
    pub(crate) fn drop_leaf(&mut self, range: u64) {
        let Some(oid) = self.leaves.attached_in(range).map(|leaf| leaf.oid) else {
            return;
        };
        self.leaves.all.retain(|leaf| leaf.oid != oid);
        self.rows.0.remove(&oid);
        self.go(range);
    }

    /// Truncates the leaf of a range, which is not published.
    pub(crate) fn truncate_leaf(&mut self, range: u64) {
        let xid = self.new_xid();
        if let Some(oid) = self.leaves.attached_in(range).map(|leaf| leaf.oid) {
            self.empty_leaf(oid, xid);
            self.go(range);
        }
    }

    /// Removes all rows of a leaf, which gets a new relfilenode.
    fn empty_leaf(&mut self, oid: Oid, xid: Xid) {
        self.rows.0.remove(&oid);
        self.last_file += 1;
        let file = Oid::new(oid.as_u32() + FILES_FROM + self.last_file);
        for leaf in self.leaves.all.iter_mut().filter(|leaf| leaf.oid == oid) {
            leaf.file = file;
            leaf.altered_by = xid;
        }
    }

    /// Applies a change of the partitioned table to the leaf of its key.
    pub(super) fn apply_to_leaves(&mut self, change: &Change, xid: Xid) {
        if matches!(change, Change::Truncate) {
            let oids: Vec<Oid> = self.leaves.attached().map(|leaf| leaf.oid).collect();
            oids.into_iter().for_each(|oid| self.empty_leaf(oid, xid));
            return;
        }
        let (removed, added) = match change {
            Change::Insert(row) | Change::Update(None, row) => (None, Some(row)),
            Change::Update(Some(old), row) => (Some(old), Some(row)),
            Change::Delete(old) => (Some(old), None),
            Change::Truncate | Change::Message => (None, None),
        };
        let leaf_of = |id: i32| self.leaves.attached_in(range_of(id)).map(|leaf| leaf.oid);
        let removed = removed.map(id_of).and_then(|id| Some((leaf_of(id)?, id)));
        let added = added.and_then(|row| Some((leaf_of(id_of(row))?, id_of(row), version_of(row))));
        if let Some((leaf, id)) = removed {
            self.rows.0.entry(leaf).or_default().remove(&id);
        }
        if let Some((leaf, id, version)) = added {
            self.rows.0.entry(leaf).or_default().insert(id, version);
        }
    }
}
