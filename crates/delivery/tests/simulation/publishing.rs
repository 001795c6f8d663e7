//! Tables that are created later, their publication, and transactions that run during it.

use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::time::Instant;
use walcast_delivery::PublicationState;
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, Xid};

use crate::database::{Database, note};
use crate::fault::SimFault;
use crate::wal::{Change, Row, Table, Transaction};

/// WAL size of a change of the publication.
const PUBLISH_BYTES: u64 = 0x40;
/// WAL size of a change of the running transaction.
const CHANGE_BYTES: u64 = 0x80;

/// Keys that only long-running transactions change, so that no other transaction waits for their locks.
const KEYS: std::ops::Range<i32> = 24..28;

/// Tables that may be created later.
pub(crate) const LATER: [(&str, u32); 2] = [("items", 16_430), ("prices", 16_440)];
/// The table that only the extended configuration captures.
pub(crate) const AUDIT: Oid = Oid::new(16_420);

/// A running transaction: its changes are in WAL, and it is not committed.
pub(crate) struct Running {
    xid: Xid,
    changes: Vec<(Lsn, Oid, Change)>,
    pub(crate) versions: Vec<u64>,
}

impl Running {
    pub(crate) fn locks(&self, table: Oid) -> bool {
        self.changes.iter().any(|(_, of, _)| *of == table)
    }
}

impl Database {
    /// Creates a captured table that is not published; `None` if all tables exist.
    pub(crate) fn add_table(&mut self) -> Option<Oid> {
        let is_new = |oid: u32| self.tables.iter().all(|table| table.oid != Oid::new(oid));
        let (name, oid) = LATER.into_iter().find(|(_, oid)| is_new(*oid))?;
        self.tables.push(Table {
            published_since: Lsn::MAX,
            ..Table::new(name, oid)
        });
        self.added_later.insert(Oid::new(oid), self.wal_end);
        Some(Oid::new(oid))
    }

    /// Captures one more table.
    pub(crate) fn capture_audit(&mut self) {
        let wal_end = self.wal_end;
        for table in self.tables.iter_mut().filter(|table| table.oid == AUDIT) {
            table.captured = true;
            self.added_later.entry(AUDIT).or_insert(wal_end);
        }
    }

    /// Creates the publication; `with_audit` adds a table that is not captured.
    pub(crate) fn create_publication(&mut self, tables: &[TableName], with_audit: bool) {
        let mut published = tables.to_vec();
        for table in &mut self.tables {
            if with_audit && table.oid == AUDIT && !published.contains(&table.name) {
                published.push(table.name.clone());
            }
            let is_published = table.oid == crate::database::SIGNALS || published.contains(&table.name);
            table.published_since = if is_published { Lsn::INVALID } else { Lsn::MAX };
        }
        self.publication = Some(PublicationState {
            all_tables: false,
            tables: published,
            unpublished: Vec::new(),
            restricted: BTreeMap::new(),
        });
    }

    /// Adds tables to the publication; `chance` decides whether a running transaction has changed them.
    pub(crate) fn publish(&mut self, tables: &[TableName], chance: u64) -> Result<(), SimFault> {
        let publication = self.publication.as_ref();
        let publication = publication.ok_or(SimFault::Permanent("publication does not exist"))?;
        if tables.iter().any(|table| publication.tables.contains(table)) {
            return Err(SimFault::Permanent("table is already member of publication"));
        }
        let published = self.tables.iter().filter(|table| tables.contains(&table.name));
        let published: Vec<Oid> = published
            .map(|table| table.oid)
            .filter(|oid| *oid != crate::database::SIGNALS)
            .collect();
        if chance.is_multiple_of(2) && self.running.is_none() {
            self.begin_running(&published, chance);
        }
        let wal_end = self.wal_end;
        for table in self
            .tables
            .iter_mut()
            .filter(|table| published.contains(&table.oid))
        {
            table.published_since = wal_end;
            self.published_at.insert(table.oid, Instant::now());
        }
        if let Some(publication) = &mut self.publication {
            publication.tables.extend(tables.iter().cloned());
        }
        self.write_unrelated_wal(PUBLISH_BYTES);
        Ok(())
    }

    /// Begins a transaction that changes tables.
    fn begin_running(&mut self, tables: &[Oid], chance: u64) {
        let mut changes = Vec::new();
        let mut versions = Vec::new();
        for table in tables {
            for id in KEYS {
                let version = self.new_version(*table, chance + u64::from(id.unsigned_abs()));
                versions.push(version);
                let row: Row = vec![Some(id.to_string()), Some(note(version, 0))];
                let exists = self.rows.of(*table).any(|(key, _)| key == id);
                let change = if exists {
                    Change::Update(None, row)
                } else {
                    Change::Insert(row)
                };
                changes.push((self.wal_end, *table, change));
                self.write_unrelated_wal(CHANGE_BYTES);
            }
        }
        let xid = self.new_xid();
        self.running = (!changes.is_empty()).then_some(Running {
            xid,
            changes,
            versions,
        });
    }

    /// Commits the running transaction.
    pub(crate) fn commit_running(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        let lsns: Vec<Lsn> = running.changes.iter().map(|(lsn, ..)| *lsn).collect();
        let changes = running.changes.into_iter().map(|(_, oid, change)| {
            let table = self.tables.iter().find(|table| table.oid == oid);
            (Rc::new(table.expect("the table exists").relation()), change)
        });
        let mut transaction = Transaction::write(self.wal_end, running.xid, changes.collect(), true);
        for (logged, lsn) in transaction.changes.iter_mut().zip(lsns) {
            logged.lsn = lsn;
        }
        self.append(transaction);
    }

    /// Position since which a table is published.
    pub(crate) fn published_since(&self, oid: Oid) -> Lsn {
        let table = self.tables.iter().find(|table| table.oid == oid);
        table.map_or(Lsn::INVALID, |table| table.published_since)
    }

    /// Position from which all changes of a table must be in Kafka. For a table added later it is the first snapshot in which the
    /// table was read, since that shows all earlier changes. `reads`: whether rows are read.
    pub(crate) fn delivers(&self, oid: Oid, reads: bool) -> Lsn {
        let from = self.delivery_start.unwrap_or(Lsn::MAX);
        let Some(late) = self.added_later.get(&oid) else {
            return from;
        };
        if !reads {
            return from.max(*late).max(self.published_since(oid));
        }
        let openings = self.openings.keys().filter(|(_, of)| *of == oid);
        openings.map(|(lsn, _)| *lsn).min().unwrap_or(Lsn::MAX).max(from)
    }
}
