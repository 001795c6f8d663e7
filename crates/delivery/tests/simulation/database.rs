//! The modelled Postgres cluster: its WAL, rows, slot and connections.

mod files;
mod leaves;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tokio::time::Instant;
use walcast_delivery::{
    CapturedTable, Partitions, PublicationState, SlotState, SourceState, SystemIdentifier, Timeline,
    TimelineSwitch, WalStatus,
};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, ReplicaIdentity, Tid, Xid};

use crate::publishing::Running;
use crate::requests::SentSignal;
use crate::wal::{Change, Row, Table, Transaction, signal};
use files::Relocation;
use leaves::Leaves;

pub(crate) use leaves::{EVENTS, KEYS, LeafChange, RANGES, range_of};

/// End of WAL before the first write.
const FIRST_WAL_END: Lsn = Lsn::new(0x0100_0000);

/// WAL size of the creation of a slot.
const SLOT_BYTES: u64 = 0x38;

/// Number of ctids in a table; more than a table ever has rows.
const CTIDS: u64 = 96;
/// Number of ctids in a block.
const CTIDS_PER_BLOCK: u64 = 4;

/// The tables: two are captured, and one is published and not captured.
const TABLES: [(&str, u32, bool); 3] = [
    ("accounts", 16_400, true),
    ("orders", 16_410, true),
    ("audit", 16_420, false),
];

/// WAL size of taking a snapshot.
pub(crate) const SNAPSHOT_BYTES: u64 = 0x38;

/// WAL size of the rewrite of a table.
const REWRITE_BYTES: u64 = 0x100;

/// The read of a table in one snapshot, as observed by the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Opening {
    pub(crate) file: Oid,
    /// The condition, which identifies the request.
    pub(crate) filter: Option<String>,
    pub(crate) at: Instant,
    /// Time of the last request for rows.
    pub(crate) until: Instant,
}

/// The table whose rows are signals.
pub(crate) const SIGNALS: Oid = Oid::new(16_500);

/// The rows of all tables: the version of each row, by table and key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows(pub(crate) BTreeMap<Oid, BTreeMap<i32, u64>>);

/// A connection as the server sees it.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// A status update in flight.
    pub(crate) confirmed: Option<Lsn>,
    /// Whether the connection streams from the slot.
    pub(crate) streams: bool,
    /// Tables that the connection has locked.
    pub(crate) locks: BTreeSet<Oid>,
    /// Time at which the server notices that the client is gone.
    pub(crate) noticed_at: Option<Instant>,
}

/// The cluster's state.
pub(crate) struct Database {
    pub(crate) tables: Vec<Table>,
    pub(crate) wal: Vec<Transaction>,
    /// Committed transactions that were lost in a promotion or a restore.
    pub(crate) undone: Vec<Transaction>,
    pub(crate) rows: Rows,
    pub(crate) leaves: Leaves,
    /// The ctid of each version of a row.
    pub(crate) places: BTreeMap<u64, Tid>,
    /// Relocations of tables, in WAL order.
    relocations: Vec<Relocation>,
    /// Position of the last truncate or rewrite of a table.
    pub(crate) altered: BTreeMap<Oid, Lsn>,
    /// Reads, by position of the snapshot and table.
    pub(crate) openings: BTreeMap<(Lsn, Oid), Opening>,
    /// Rows of the signal table, by the commit that wrote them.
    pub(crate) signals: Vec<(Lsn, SentSignal)>,
    last_file: u32,
    pub(crate) wal_end: Lsn,
    pub(crate) timeline: Timeline,
    /// Number of timelines created so far.
    pub(crate) timelines: u32,
    pub(crate) history: Vec<TimelineSwitch>,
    pub(crate) slot: Option<SlotState>,
    /// Confirmed position of the slot that survives a crash of the server.
    pub(crate) confirmed_on_disk: Lsn,
    pub(crate) publication: Option<PublicationState>,
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) leader: Option<u64>,
    pub(crate) is_unavailable: bool,
    /// Writes have stopped for the rest of the run.
    pub(crate) is_read_only: bool,
    /// The data directory was rewound, and the server has written since.
    pub(crate) has_diverged: bool,
    /// Times at which tables were added to the publication.
    pub(crate) published_at: BTreeMap<Oid, Instant>,
    /// Tables that were created or captured later, with their position.
    pub(crate) added_later: BTreeMap<Oid, Lsn>,
    /// The running transaction.
    pub(crate) running: Option<Running>,
    pub(crate) server_version: u32,
    /// Position from which all changes must be in Kafka; `None` before the slot was created.
    pub(crate) delivery_start: Option<Lsn>,
    /// Versions of the transaction under construction, which already have ctids.
    uncommitted: Vec<u64>,
    last_connection: u64,
    last_version: u64,
    last_xid: u32,
}

impl Rows {
    pub(crate) fn of(&self, table: Oid) -> impl Iterator<Item = (i32, u64)> {
        let rows = self.0.get(&table).into_iter().flatten();
        rows.map(|(id, version)| (*id, *version))
    }

    pub(crate) fn apply(&mut self, table: Oid, change: &Change) {
        // Rows of the partitioned table are those of its leaves.
        if table == SIGNALS || table == EVENTS {
            return;
        }
        let rows = self.0.entry(table).or_default();
        match change {
            Change::Insert(row) | Change::Update(None, row) => {
                rows.insert(id_of(row), version_of(row));
            }
            Change::Update(Some(old), row) => {
                rows.remove(&id_of(old));
                rows.insert(id_of(row), version_of(row));
            }
            Change::Delete(row) => {
                rows.remove(&id_of(row));
            }
            Change::Truncate => rows.clear(),
            Change::Message => {}
        }
    }
}

pub(crate) fn id_of(row: &Row) -> i32 {
    let id = row.first().and_then(Option::as_deref);
    id.and_then(|id| id.parse().ok()).expect("rows have a key")
}

/// The version in a row's note: see [`note`].
pub(crate) fn version_of(row: &Row) -> u64 {
    let note = row.get(1).and_then(Option::as_deref).expect("rows have a note");
    version_in(note.as_bytes()).expect("notes contain the version")
}

/// Value of a row's second column: its version, which is unique, and padding.
pub(crate) fn note(version: u64, padding: usize) -> String {
    format!("[{version}]{}", "x".repeat(padding))
}

/// Finds the version in a record's bytes.
pub(crate) fn version_in(bytes: &[u8]) -> Option<u64> {
    let mut parts = bytes.split(|byte| *byte == b'[').skip(1);
    parts.find_map(|part| {
        let digits = part.split(|byte| *byte == b']').next()?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
}

fn tid_of(place: u64) -> Tid {
    Tid {
        block: u32::try_from(place / CTIDS_PER_BLOCK).expect("tables here are small"),
        offset: u16::try_from(place % CTIDS_PER_BLOCK + 1).expect("tables here are small"),
    }
}

impl Database {
    pub(crate) fn new(server_version: u32) -> Self {
        let tables = TABLES.map(|(name, oid, captured)| Table {
            captured,
            ..Table::new(name, oid)
        });
        Self {
            tables: tables
                .into_iter()
                .chain([Table::signal_table("signals", SIGNALS.as_u32())])
                .collect(),
            wal: Vec::new(),
            undone: Vec::new(),
            rows: Rows::default(),
            leaves: Leaves::default(),
            places: BTreeMap::new(),
            relocations: Vec::new(),
            altered: BTreeMap::new(),
            openings: BTreeMap::new(),
            signals: Vec::new(),
            last_file: 0,
            wal_end: FIRST_WAL_END,
            timeline: Timeline::new(1),
            timelines: 1,
            history: Vec::new(),
            slot: None,
            confirmed_on_disk: Lsn::INVALID,
            publication: None,
            connections: BTreeMap::new(),
            leader: None,
            is_unavailable: false,
            is_read_only: false,
            has_diverged: false,
            published_at: BTreeMap::new(),
            added_later: BTreeMap::new(),
            running: None,
            server_version,
            delivery_start: None,
            uncommitted: Vec::new(),
            last_connection: 0,
            last_version: 0,
            last_xid: 700,
        }
    }

    pub(crate) fn connect(&mut self) -> u64 {
        self.last_connection += 1;
        self.connections
            .insert(self.last_connection, Connection::default());
        self.last_connection
    }

    pub(crate) fn is_connected(&self, connection: u64) -> bool {
        let connection = self.connections.get(&connection);
        connection.is_some_and(|connection| connection.noticed_at.is_none())
    }

    /// Ends a connection and releases its locks.
    pub(crate) fn disconnect(&mut self, connection: u64) {
        self.connections.remove(&connection);
        if self.leader == Some(connection) {
            self.leader = None;
        }
    }

    pub(crate) fn disconnect_all(&mut self) {
        self.connections.clear();
        self.leader = None;
    }

    pub(crate) fn is_streaming(&self) -> bool {
        self.connections.values().any(|connection| connection.streams)
    }

    pub(crate) fn is_locked(&self, table: Oid) -> bool {
        let mut connections = self.connections.values();
        let is_changed = self.running.as_ref().is_some_and(|running| running.locks(table));
        is_changed || connections.any(|connection| connection.locks.contains(&table))
    }

    /// Creates a version of a row, at a free ctid chosen by `chance`, which may be lower than others.
    pub(crate) fn new_version(&mut self, table: Oid, chance: u64) -> u64 {
        self.last_version += 1;
        let used: BTreeSet<Tid> = self
            .rows
            .of(table)
            .map(|(_, version)| version)
            .chain(self.uncommitted.iter().copied())
            .chain(
                self.running
                    .iter()
                    .flat_map(|running| running.versions.iter().copied()),
            )
            .filter_map(|version| self.places.get(&version).copied())
            .collect();
        let places = (0..CTIDS).map(|more| (chance + more) % CTIDS);
        let free = places
            .map(tid_of)
            .find(|tid| !used.contains(tid))
            .expect("tables here are small");
        self.places.insert(self.last_version, free);
        self.uncommitted.push(self.last_version);
        self.last_version
    }

    /// Records that a table was opened in a snapshot.
    pub(crate) fn record_open(&mut self, lsn: Lsn, table: Oid, file: Oid, filter: Option<&str>) {
        let opening = Opening {
            file,
            filter: filter.map(str::to_owned),
            at: Instant::now(),
            until: Instant::now(),
        };
        self.openings.entry((lsn, table)).or_insert(opening);
    }

    /// Records a request for rows.
    pub(crate) fn record_read(&mut self, lsn: Lsn, table: Oid) {
        if let Some(opening) = self.openings.get_mut(&(lsn, table)) {
            opening.until = Instant::now();
        }
    }

    /// Commits a transaction; with `together` all its changes have one position.
    pub(crate) fn commit(&mut self, changes: Vec<(Oid, Change)>, together: bool) -> &Transaction {
        let xid = self.new_xid();
        self.uncommitted.clear();
        let changes = changes.into_iter().map(|(oid, change)| {
            let table = self.tables.iter().find(|table| table.oid == oid);
            (Rc::new(table.expect("the table exists").relation()), change)
        });
        let transaction = Transaction::write(self.wal_end, xid, changes.collect(), together);
        self.append(transaction)
    }

    pub(crate) fn new_xid(&mut self) -> Xid {
        self.last_xid += 1;
        Xid::new(self.last_xid)
    }

    /// Appends a committed transaction to WAL.
    pub(crate) fn append(&mut self, transaction: Transaction) -> &Transaction {
        for logged in &transaction.changes {
            self.rows.apply(logged.relation.oid, &logged.change);
            if logged.relation.oid == EVENTS {
                self.apply_to_leaves(&logged.change, transaction.xid);
            }
            if matches!(logged.change, Change::Truncate) {
                self.altered.insert(logged.relation.oid, transaction.commit_lsn);
                self.change_file(logged.relation.oid, transaction.next_lsn(), Vec::new());
            }
        }
        self.wal_end = transaction.end_lsn;
        self.wal.push(transaction);
        self.wal.last().expect("a transaction was just appended")
    }

    /// Commits a row of the signal table.
    pub(crate) fn signal(&mut self, kind: &str, data: &str, signalled: SentSignal) {
        let commit = self.commit(vec![(SIGNALS, signal(kind, data))], false);
        let commit_lsn = commit.commit_lsn;
        self.signals.push((commit_lsn, signalled));
    }

    /// The newest version of any row.
    pub(crate) fn last_version(&self) -> u64 {
        self.last_version
    }

    /// Writes a non-transactional message.
    pub(crate) fn emit_message(&mut self) {
        let relation = Rc::new(self.tables[0].relation());
        let message = Transaction::write_message(self.wal_end, relation);
        self.wal_end = message.next_lsn();
        self.wal.push(message);
    }

    /// Writes WAL that is not decoded for the slot.
    pub(crate) fn write_unrelated_wal(&mut self, bytes: u64) {
        self.wal_end = Lsn::new(self.wal_end.as_u64() + bytes);
    }

    pub(crate) fn create_slot(&mut self) -> Lsn {
        self.commit_running();
        let consistent_point = self.wal_end;
        self.slot = Some(SlotState {
            name: "walcast_shop".to_owned(),
            plugin: Some("pgoutput".to_owned()),
            database: Some("shop".to_owned()),
            active_pid: None,
            holder: None,
            confirmed_flush_lsn: Some(consistent_point),
            restart_lsn: Some(consistent_point),
            wal_status: Some(WalStatus::Reserved),
            invalidation_reason: None,
            retained_bytes: 0,
            temporary: false,
            two_phase: false,
        });
        self.confirmed_on_disk = consistent_point;
        self.write_unrelated_wal(SLOT_BYTES);
        consistent_point
    }

    pub(crate) fn confirmed(&self) -> Option<Lsn> {
        self.slot.as_ref()?.confirmed_flush_lsn
    }

    /// Confirms a position to the slot.
    pub(crate) fn confirm(&mut self, flush: Lsn) {
        if let Some(slot) = &mut self.slot {
            slot.confirmed_flush_lsn = slot.confirmed_flush_lsn.max(Some(flush));
            slot.restart_lsn = slot.confirmed_flush_lsn;
        }
    }

    /// Removes all transactions from `lsn` on.
    pub(crate) fn cut(&mut self, lsn: Lsn) {
        let kept = self
            .wal
            .partition_point(|transaction| transaction.next_lsn() <= lsn);
        self.undone.extend(self.wal.drain(kept..));
        self.wal_end = lsn;
        self.undo_relocations(lsn);
        for table in &mut self.tables {
            if table.published_since != Lsn::MAX {
                table.published_since = table.published_since.min(lsn);
            }
        }
        // Runs with leaves lose no transaction, and so no row of a leaf.
        let of_leaves = self
            .leaves
            .all
            .iter()
            .filter_map(|leaf| self.rows.0.remove_entry(&leaf.oid));
        self.rows = Rows(of_leaves.collect());
        self.altered.clear();
        for transaction in &self.wal {
            for logged in &transaction.changes {
                self.rows.apply(logged.relation.oid, &logged.change);
                if matches!(logged.change, Change::Truncate) {
                    self.altered.insert(logged.relation.oid, transaction.commit_lsn);
                }
            }
        }
    }

    pub(crate) fn captured_names(&self) -> Vec<TableName> {
        let captured = self.tables.iter().filter(|table| table.captured);
        captured.map(|table| table.name.clone()).collect()
    }

    pub(crate) fn inspect(&self, with_history: bool) -> SourceState {
        let captured = self.tables.iter().filter(|table| table.captured);
        let captured = captured.map(|table| CapturedTable {
            name: table.name.clone(),
            oid: table.oid,
            persistence: table.persistence,
            replica_identity: ReplicaIdentity::Default,
            identifies_rows: table.identifies_rows,
            identity_is_generated: false,
            unsent_key_columns: Vec::new(),
            is_named: false,
            partitions: self.leaves.partitions_of(table.oid),
        });
        let leaves = self.leaves.all.iter().map(|leaf| leaf.oid);
        SourceState {
            system_identifier: SystemIdentifier::new(7_000_000_000_000_000_001),
            timeline: self.timeline,
            history: if with_history {
                self.history.clone()
            } else {
                Vec::new()
            },
            server_version: self.server_version,
            flush_lsn: self.wal_end,
            database: "shop".to_owned(),
            wal_level: "logical".to_owned(),
            slot: self.slot.clone(),
            publication: self.publication.clone(),
            captured: captured.collect(),
            tables: self.tables.iter().map(|table| table.oid).chain(leaves).collect(),
            partitions: Partitions::Root,
            unmatched_patterns: Vec::new(),
            denied: BTreeMap::new(),
            memberships: BTreeMap::new(),
        }
    }
}
