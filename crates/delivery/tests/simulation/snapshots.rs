//! Snapshots of the modelled server: its rows as of a position.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use tokio::time::{Duration, sleep};
use walcast_delivery::{
    BoxedPortError, ChosenRows, CopiedRows, FormerKey, NextRow, Opened, Snapshot, SnapshotTable, Snapshots,
};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, PgTimestamp, Tid};

use crate::database::{Database, EVENTS, Rows, SNAPSHOT_BYTES, note};
use crate::fault::SimFault;
use crate::mutation::Mutation;
use crate::process::Process;
use crate::source::Link;
use crate::wal::Table;
use crate::world::{System, World};

/// Longest duration of transactions that a snapshot waits for.
const RUNNING_MAX_MS: u64 = 3_000;

/// Takes snapshots.
pub(crate) struct SnapshotsClient {
    pub(crate) world: Rc<World>,
    pub(crate) process: Rc<Process>,
}

impl Snapshots for SnapshotsClient {
    type Snapshot = StateSnapshot;

    fn hold(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn take(&mut self) -> Result<StateSnapshot, BoxedPortError> {
        let (world, process) = (&self.world, &self.process);
        world.wait_available(process, System::Database).await?;
        if world.dice.one_in(4) {
            sleep(Duration::from_millis(world.dice.roll(RUNNING_MAX_MS))).await;
        }
        world.until(|| world.database.borrow().running.is_none()).await;
        let earlier = world.database.borrow().rows.clone();
        if world.is_mutated(Mutation::SnapshotTooOld) {
            sleep(Duration::from_millis(RUNNING_MAX_MS)).await;
        }
        let take = || {
            let lsn = {
                let mut database = world.database.borrow_mut();
                if database.is_unavailable || database.is_read_only {
                    return Err(SimFault::Transient("the server is unavailable"));
                }
                database.commit_running();
                let lsn = database.wal_end;
                database.write_unrelated_wal(SNAPSHOT_BYTES);
                lsn
            };
            world.cover("later snapshot");
            let mut snapshot = StateSnapshot::at(world, process, lsn);
            if world.is_mutated(Mutation::SnapshotTooOld) {
                snapshot.rows = earlier;
            }
            Ok(snapshot)
        };
        world.call(process, "take snapshot", take).await
    }
}

/// A snapshot.
pub(crate) struct StateSnapshot {
    link: Link,
    lsn: Lsn,
    rows: Rows,
    /// The leaves of the partitioned table.
    leaves: Vec<Part>,
    /// The part that was read last.
    part: Part,
    left: VecDeque<(Part, Tid, i32, u64)>,
}

/// A table that stores rows, and its relfilenode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    oid: Oid,
    file: Oid,
}

fn leaves(database: &Database) -> Vec<Part> {
    let leaves = database.leaves.attached();
    let mut leaves: Vec<Part> = leaves
        .map(|leaf| Part {
            oid: leaf.oid,
            file: leaf.file,
        })
        .collect();
    leaves.sort_unstable_by_key(|part| part.oid);
    leaves
}

impl StateSnapshot {
    /// The current rows, at the end of WAL.
    pub(crate) fn at(world: &Rc<World>, process: &Rc<Process>, lsn: Lsn) -> Self {
        let database = world.database.borrow();
        let (rows, leaves) = (database.rows.clone(), leaves(&database));
        drop(database);
        Self {
            link: Link::new(world, process),
            lsn,
            rows,
            leaves,
            part: Part::default(),
            left: VecDeque::new(),
        }
    }

    /// The parts of a table that are read; `None` if one was altered since, or is not in the snapshot yet.
    fn parts(&self, database: &Database, table: &Table, rows: ChosenRows<'_>) -> Option<Vec<Part>> {
        if table.oid != EVENTS {
            return Some(vec![Part {
                oid: table.oid,
                file: table.file,
            }]);
        }
        let now = leaves(database);
        let seen = self.leaves.iter().copied();
        let seen: Vec<Part> = seen.filter(|part| rows.include(part.oid)).collect();
        let is_later = |part: &Part| !self.leaves.iter().any(|one| one.oid == part.oid);
        let lacks_chosen = matches!(rows, ChosenRows::Partitions(_))
            && now.iter().any(|part| rows.include(part.oid) && is_later(part));
        let is_unaltered = seen.iter().all(|part| now.contains(part));
        (is_unaltered && !lacks_chosen).then_some(seen)
    }
}

/// The first ctid to be read of a part; `None` if the part was read before.
fn first_of(part: Part, from: Option<NextRow>, ignores_file: bool) -> Option<Tid> {
    let Some(next) = from else {
        return Some(Tid::START);
    };
    if part.oid < next.row().table {
        return None;
    }
    let continues = part.oid == next.row().table && (part.file == next.file() || ignores_file);
    Some(if continues { next.row().tid } else { Tid::START })
}

impl Snapshot for StateSnapshot {
    fn lsn(&self) -> Lsn {
        self.lsn
    }

    fn taken_at(&self) -> PgTimestamp {
        PgTimestamp::from_unix_micros(1_767_225_600_000_000)
    }

    async fn sizes(&mut self, tables: &[TableName]) -> Result<BTreeMap<TableName, u64>, BoxedPortError> {
        self.link.check()?;
        Ok(tables.iter().map(|table| (table.clone(), 0)).collect())
    }

    async fn open(
        &mut self,
        name: &TableName,
        oid: Option<Oid>,
        from: Option<NextRow>,
        rows_wanted: ChosenRows<'_>,
    ) -> Result<Opened, BoxedPortError> {
        let world = Rc::clone(&self.link.world);
        let process = Rc::clone(&self.link.process);
        let open = || {
            self.link.check()?;
            let mut database = world.database.borrow_mut();
            let mut tables = database.tables.iter();
            let table = tables.find(|table| oid.map_or(table.name == *name, |oid| table.oid == oid));
            let Some(table) = table.cloned() else {
                return Ok(Opened::Missing);
            };
            if database
                .altered
                .get(&table.oid)
                .is_some_and(|altered| *altered >= self.lsn)
            {
                world.cover("table truncated since");
                return Ok(Opened::Altered);
            }
            let Some(parts) = self.parts(&database, &table, rows_wanted) else {
                world.cover("partition altered since");
                return Ok(Opened::Altered);
            };
            if matches!(rows_wanted, ChosenRows::Partitions(_)) && !parts.is_empty() {
                world.cover("attached partition read");
            }
            if let Some(connection) = database.connections.get_mut(&self.link.number) {
                connection.locks.insert(table.oid);
            }
            let rows = if world.is_mutated(Mutation::SnapshotTooNew) {
                &database.rows
            } else {
                &self.rows
            };
            let is_elsewhere = |row: NextRow| {
                let mut parts = parts.iter();
                parts.any(|part| part.oid == row.row().table && part.file != row.file())
            };
            if from.is_some_and(is_elsewhere) {
                world.cover("read again from another file");
            }
            let from = from.filter(|_| !world.is_mutated(Mutation::RereadsRows));
            // The condition as it was requested, without the quotes around the column.
            let condition = rows_wanted
                .condition()
                .map(|one| one.to_string().replace('"', ""));
            let requests = world.requests.borrow();
            let mut left: Vec<(Part, Tid, i32, u64)> = Vec::new();
            for part in &parts {
                let Some(first) = first_of(*part, from, world.is_mutated(Mutation::IgnoresFile)) else {
                    continue;
                };
                left.extend(
                    rows.of(part.oid)
                        .filter(|(id, _)| requests.selects(condition.as_deref(), *id))
                        .filter_map(|(id, version)| {
                            Some((*part, *database.places.get(&version)?, id, version))
                        })
                        .filter(|(_, tid, ..)| *tid >= first),
                );
            }
            left.sort_unstable_by_key(|(part, tid, id, version)| (part.oid, *tid, *id, *version));
            for part in &parts {
                database.record_open(self.lsn, part.oid, part.file, condition.as_deref());
            }
            self.part = parts.last().copied().unwrap_or_default();
            self.left = left.into();
            Ok(Opened::Table(Box::new(SnapshotTable {
                relation: table.relation(),
                facts: table.metadata(),
                is_filtered: false,
                bytes: 0,
            })))
        };
        world.call(&process, "open table", open).await
    }

    async fn gone(&mut self, keys: Vec<FormerKey>) -> Result<Vec<FormerKey>, BoxedPortError> {
        self.link.check()?;
        let ids: Vec<String> = self
            .rows
            .of(self.part.oid)
            .map(|(id, _)| id.to_string())
            .collect();
        let is_gone = |key: &FormerKey| key.0.get("id").is_some_and(|id| !ids.contains(id));
        Ok(keys.into_iter().filter(is_gone).collect())
    }

    async fn next(&mut self) -> Result<Option<CopiedRows>, BoxedPortError> {
        let world = Rc::clone(&self.link.world);
        world.network_delay(&self.link.process).await;
        self.link.check()?;
        let part = self.left.front().map_or(self.part, |(part, ..)| *part);
        world.database.borrow_mut().record_read(self.lsn, part.oid);
        if world.draws_fault() {
            return Err(SimFault::Transient("connection lost").into());
        }
        if self.left.is_empty() {
            return Ok(None);
        }
        let of_part = self.left.iter().take_while(|(one, ..)| *one == part).count();
        let count = (1 + world.dice.count(3)).min(of_part);
        let mut lines = String::new();
        for (_, tid, id, version) in self.left.drain(..count) {
            lines.push_str(&format!("{tid}\t{id}\t{}\n", note(version, 0)));
        }
        world.trace.note(self.link.process.name, || {
            format!("rows of {}: {lines:?}", part.oid)
        });
        Ok(Some(CopiedRows {
            table: part.oid,
            file: part.file,
            lines: lines.into_bytes(),
            bytes: 0,
        }))
    }
}
