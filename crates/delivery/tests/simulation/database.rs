//! The modelled Postgres cluster: its log, its rows, its slot, and the connections to it.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tokio::time::Instant;
use walcast_delivery::{
    CapturedTable, Partitions, PublicationState, SlotState, Survey, SystemIdentifier, Timeline,
    TimelineSwitch, WalStatus,
};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, ReplicaIdentity, Tid, Xid};

use crate::log::{Change, Row, Table, Transaction, signal};
use crate::publishing::Running;
use crate::requests::Signalled;
use files::Move;

/// Where the log ends before anything is written.
const BEGINNING: Lsn = Lsn::new(0x0100_0000);

/// Log that a slot's creation takes.
const SLOT_BYTES: u64 = 0x38;

/// Places for rows in a table; more than rows ever are in one.
const PLACES: u64 = 96;
/// Places in a block.
const PLACES_IN_BLOCK: u64 = 4;

/// The tables: two that are captured, and one that is published and not captured.
const TABLES: [(&str, u32, bool); 3] = [
    ("accounts", 16_400, true),
    ("orders", 16_410, true),
    ("audit", 16_420, false),
];

/// Log that a table's rewriting takes.
const REWRITE_BYTES: u64 = 0x100;

/// What was read of a table from one snapshot, as far as the server knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Opening {
    pub(crate) file: Oid,
    /// The condition; it is what a request is recognized by.
    pub(crate) filter: Option<String>,
    pub(crate) at: Instant,
    /// When rows were asked for last.
    pub(crate) until: Instant,
}

/// The table whose rows are signals.
pub(crate) const SIGNALS: Oid = Oid::new(16_500);

/// What the rows of all tables are: by table and key, the number of the row's version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows(pub(crate) BTreeMap<Oid, BTreeMap<i32, u64>>);

/// A connection that the server knows of.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// A status update on its way.
    pub(crate) confirmed: Option<Lsn>,
    /// Whether the slot is streamed through it.
    pub(crate) streams: bool,
    /// Tables that it has locked against being altered.
    pub(crate) locks: BTreeSet<Oid>,
    /// Its client is gone, and the server notices then.
    pub(crate) noticed_at: Option<Instant>,
}

/// The cluster's state.
pub(crate) struct Database {
    pub(crate) tables: Vec<Table>,
    pub(crate) log: Vec<Transaction>,
    /// What was committed once and is no more: after a promotion or a restore.
    pub(crate) undone: Vec<Transaction>,
    pub(crate) rows: Rows,
    /// Where each version of a row lies.
    pub(crate) places: BTreeMap<u64, Tid>,
    /// In the order of the log.
    moves: Vec<Move>,
    /// When a table was emptied or rewritten last.
    pub(crate) altered: BTreeMap<Oid, Lsn>,
    /// By the position of a snapshot, and table: what was opened.
    pub(crate) openings: BTreeMap<(Lsn, Oid), Opening>,
    /// Rows of the signal table, by the commit that wrote them.
    pub(crate) signals: Vec<(Lsn, Signalled)>,
    files_made: u32,
    pub(crate) wal_end: Lsn,
    pub(crate) timeline: Timeline,
    /// How many timelines there ever were.
    pub(crate) timelines: u32,
    pub(crate) history: Vec<TimelineSwitch>,
    pub(crate) slot: Option<SlotState>,
    /// What of the slot's position would survive a crash of the server.
    pub(crate) confirmed_on_disk: Lsn,
    pub(crate) publication: Option<PublicationState>,
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) leader: Option<u64>,
    pub(crate) is_away: bool,
    /// Nobody writes any more.
    pub(crate) is_held: bool,
    /// It was set back, and somebody writes on.
    pub(crate) is_regrown: bool,
    /// When tables were added to the publication.
    pub(crate) published_at: BTreeMap<Oid, Instant>,
    /// Tables that came later, and when they came.
    pub(crate) late: BTreeMap<Oid, Lsn>,
    /// A transaction that is not committed yet.
    pub(crate) running: Option<Running>,
    pub(crate) server_version: u32,
    /// From where on changes are to be in Kafka; `None` before the slot was created.
    pub(crate) delivers_from: Option<Lsn>,
    /// Versions of the transaction that is being made: each has a place already.
    uncommitted: Vec<u64>,
    connections_made: u64,
    versions_made: u64,
    xids_given: u32,
}

impl Rows {
    pub(crate) fn of(&self, table: Oid) -> impl Iterator<Item = (i32, u64)> {
        let rows = self.0.get(&table).into_iter().flatten();
        rows.map(|(id, version)| (*id, *version))
    }

    pub(crate) fn apply(&mut self, table: Oid, change: &Change) {
        if table == SIGNALS {
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

/// The version that a row's note names: see [`note`].
pub(crate) fn version_of(row: &Row) -> u64 {
    let note = row.get(1).and_then(Option::as_deref).expect("rows have a note");
    version_in(note.as_bytes()).expect("notes name the version")
}

/// What a row's second column holds: its version, which no other row ever has, and as much besides as is wanted.
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
        block: u32::try_from(place / PLACES_IN_BLOCK).expect("tables here are small"),
        offset: u16::try_from(place % PLACES_IN_BLOCK + 1).expect("tables here are small"),
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
                .chain([Table::of_signals("signals", SIGNALS.as_u32())])
                .collect(),
            log: Vec::new(),
            undone: Vec::new(),
            rows: Rows::default(),
            places: BTreeMap::new(),
            moves: Vec::new(),
            altered: BTreeMap::new(),
            openings: BTreeMap::new(),
            signals: Vec::new(),
            files_made: 0,
            wal_end: BEGINNING,
            timeline: Timeline::new(1),
            timelines: 1,
            history: Vec::new(),
            slot: None,
            confirmed_on_disk: Lsn::INVALID,
            publication: None,
            connections: BTreeMap::new(),
            leader: None,
            is_away: false,
            is_held: false,
            is_regrown: false,
            published_at: BTreeMap::new(),
            late: BTreeMap::new(),
            running: None,
            server_version,
            delivers_from: None,
            uncommitted: Vec::new(),
            connections_made: 0,
            versions_made: 0,
            xids_given: 700,
        }
    }

    pub(crate) fn connect(&mut self) -> u64 {
        self.connections_made += 1;
        self.connections
            .insert(self.connections_made, Connection::default());
        self.connections_made
    }

    pub(crate) fn is_connected(&self, connection: u64) -> bool {
        let connection = self.connections.get(&connection);
        connection.is_some_and(|connection| connection.noticed_at.is_none())
    }

    /// The server ends a connection: what it held is free.
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

    /// A new version of a row, at a place that `chance` chooses among the free ones, below others too.
    pub(crate) fn new_version(&mut self, table: Oid, chance: u64) -> u64 {
        self.versions_made += 1;
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
        let places = (0..PLACES).map(|more| (chance + more) % PLACES);
        let free = places
            .map(tid_of)
            .find(|tid| !used.contains(tid))
            .expect("tables here are small");
        self.places.insert(self.versions_made, free);
        self.uncommitted.push(self.versions_made);
        self.versions_made
    }

    /// A table was opened in a snapshot.
    pub(crate) fn note_opened(&mut self, lsn: Lsn, table: &Table, filter: Option<&str>) {
        let opening = Opening {
            file: table.file,
            filter: filter.map(str::to_owned),
            at: Instant::now(),
            until: Instant::now(),
        };
        self.openings.entry((lsn, table.oid)).or_insert(opening);
    }

    /// Rows were asked for.
    pub(crate) fn note_reading(&mut self, lsn: Lsn, table: Oid) {
        if let Some(opening) = self.openings.get_mut(&(lsn, table)) {
            opening.until = Instant::now();
        }
    }

    /// Commits a transaction; with `together` all its changes lie at one position.
    pub(crate) fn commit(&mut self, changes: Vec<(Oid, Change)>, together: bool) -> &Transaction {
        let xid = self.new_xid();
        self.uncommitted.clear();
        let changes = changes.into_iter().map(|(oid, change)| {
            let table = self.tables.iter().find(|table| table.oid == oid);
            (Rc::new(table.expect("the table exists").relation()), change)
        });
        let transaction = Transaction::write(self.wal_end, xid, changes.collect(), together);
        self.take_over(transaction)
    }

    pub(crate) fn new_xid(&mut self) -> Xid {
        self.xids_given += 1;
        Xid::new(self.xids_given)
    }

    /// A transaction is committed.
    pub(crate) fn take_over(&mut self, transaction: Transaction) -> &Transaction {
        for logged in &transaction.changes {
            self.rows.apply(logged.relation.oid, &logged.change);
            if matches!(logged.change, Change::Truncate) {
                self.altered.insert(logged.relation.oid, transaction.commit_lsn);
                self.refile(logged.relation.oid, transaction.next_lsn(), Vec::new());
            }
        }
        self.wal_end = transaction.end_lsn;
        self.log.push(transaction);
        self.log.last().expect("it was just written")
    }

    /// Writes a signal.
    pub(crate) fn signal(&mut self, kind: &str, data: &str, signalled: Signalled) {
        let commit = self.commit(vec![(SIGNALS, signal(kind, data))], false);
        let commit_lsn = commit.commit_lsn;
        self.signals.push((commit_lsn, signalled));
    }

    /// The version that was made last.
    pub(crate) fn versions_made(&self) -> u64 {
        self.versions_made
    }

    /// Writes a message that belongs to no transaction.
    pub(crate) fn emit_message(&mut self) {
        let relation = Rc::new(self.tables[0].relation());
        let message = Transaction::write_message(self.wal_end, relation);
        self.wal_end = message.next_lsn();
        self.log.push(message);
    }

    /// Something that is not for us writes to the log.
    pub(crate) fn write_elsewhere(&mut self, bytes: u64) {
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
            confirmed_flush_lsn: Some(consistent_point),
            restart_lsn: Some(consistent_point),
            wal_status: Some(WalStatus::Reserved),
            invalidation_reason: None,
            retained_bytes: 0,
            temporary: false,
            two_phase: false,
        });
        self.confirmed_on_disk = consistent_point;
        self.write_elsewhere(SLOT_BYTES);
        consistent_point
    }

    pub(crate) fn confirmed(&self) -> Option<Lsn> {
        self.slot.as_ref()?.confirmed_flush_lsn
    }

    /// The slot is told a position.
    pub(crate) fn confirm(&mut self, flush: Lsn) {
        if let Some(slot) = &mut self.slot {
            slot.confirmed_flush_lsn = slot.confirmed_flush_lsn.max(Some(flush));
            slot.restart_lsn = slot.confirmed_flush_lsn;
        }
    }

    /// Everything from `lsn` on was never committed.
    pub(crate) fn cut(&mut self, lsn: Lsn) {
        let kept = self
            .log
            .partition_point(|transaction| transaction.next_lsn() <= lsn);
        self.undone.extend(self.log.drain(kept..));
        self.wal_end = lsn;
        self.undo_moves(lsn);
        for table in &mut self.tables {
            if table.published_since != Lsn::MAX {
                table.published_since = table.published_since.min(lsn);
            }
        }
        self.rows = Rows::default();
        self.altered.clear();
        for transaction in &self.log {
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

    pub(crate) fn survey(&self, with_history: bool) -> Survey {
        let captured = self.tables.iter().filter(|table| table.captured);
        let captured = captured.map(|table| CapturedTable {
            name: table.name.clone(),
            oid: table.oid,
            persistence: table.persistence,
            replica_identity: ReplicaIdentity::Default,
            identifies_rows: table.identifies_rows,
        });
        Survey {
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
            partitions: Partitions::Root,
            unmatched_patterns: Vec::new(),
        }
    }
}
