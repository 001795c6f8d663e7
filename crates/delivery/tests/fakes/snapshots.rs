//! Snapshots of the modelled server: WAL replayed up to a position.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use walcast_delivery::{
    BoxedPortError, ChosenRows, CopiedRows, FormerKey, NextRow, Opened, Snapshot, SnapshotTable, Snapshots,
};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, PgTimestamp, Tid};

use super::postgres::{Postgres, PostgresCall, Server};
use super::script::perform;
use super::wal::{Change, Row, Table};

/// Number of rows in a block.
const ROWS_PER_BLOCK: usize = 2;

/// Takes snapshots.
pub(crate) struct SnapshotsClient(pub(crate) Postgres);

impl Snapshots for SnapshotsClient {
    type Snapshot = FakeSnapshot;

    fn hold(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn take(&mut self) -> Result<FakeSnapshot, BoxedPortError> {
        let postgres = self.0.clone();
        perform(
            &self.0.server,
            &self.0.steps,
            PostgresCall::TakeSnapshot,
            |server| Ok(FakeSnapshot::new(postgres, server.wal_end)),
        )
        .await
    }
}

/// A snapshot.
pub(crate) struct FakeSnapshot {
    postgres: Postgres,
    lsn: Lsn,
    table: Oid,
    file: Oid,
    rows: VecDeque<(Tid, Row)>,
}

impl FakeSnapshot {
    pub(crate) fn new(postgres: Postgres, lsn: Lsn) -> Self {
        Self {
            postgres,
            lsn,
            table: Oid::default(),
            file: Oid::default(),
            rows: VecDeque::new(),
        }
    }
}

/// The rows of a table as of a position. Each version of a row has its own ctid.
pub(crate) fn rows_at(server: &Server, table: Oid, lsn: Lsn) -> Vec<(Tid, Row)> {
    let mut rows: Vec<(Tid, Row)> = Vec::new();
    let mut tid = Tid::START;
    for transaction in server
        .wal
        .iter()
        .filter(|transaction| transaction.commit_lsn < lsn)
    {
        for logged in transaction
            .changes
            .iter()
            .filter(|logged| logged.relation.oid == table)
        {
            let without =
                |rows: &mut Vec<(Tid, Row)>, key: &Row| rows.retain(|(_, row)| row.first() != key.first());
            match &logged.change {
                Change::Insert(_) | Change::Message => {}
                Change::Update(old, row) => without(&mut rows, old.as_ref().unwrap_or(row)),
                Change::Delete(key) => without(&mut rows, key),
                Change::Truncate => rows.clear(),
            }
            if let Change::Insert(row) | Change::Update(_, row) = &logged.change {
                tid = Tid {
                    block: tid.block + u32::from(tid.offset >= 3),
                    offset: tid.offset % 3 + 1,
                };
                rows.push((tid, row.clone()));
            }
        }
    }
    rows
}

impl Snapshot for FakeSnapshot {
    fn lsn(&self) -> Lsn {
        self.lsn
    }

    fn taken_at(&self) -> PgTimestamp {
        PgTimestamp::from_unix_micros(1_767_225_600_000_000)
    }

    async fn sizes(&mut self, tables: &[TableName]) -> Result<BTreeMap<TableName, u64>, BoxedPortError> {
        let lsn = self.lsn;
        Ok(self.postgres.read(|server| {
            let known = server.tables.iter().filter(|table| tables.contains(&table.name));
            known
                .map(|table| {
                    let rows = rows_at(server, table.oid, lsn).len();
                    (table.name.clone(), u64::try_from(rows).unwrap_or(u64::MAX))
                })
                .collect()
        }))
    }

    async fn open(
        &mut self,
        table: &TableName,
        oid: Option<Oid>,
        from: Option<NextRow>,
        rows: ChosenRows<'_>,
    ) -> Result<Opened, BoxedPortError> {
        let lsn = self.lsn;
        let postgres = &self.postgres;
        let opened = perform(
            &postgres.server,
            &postgres.steps,
            PostgresCall::OpenTable,
            |server| {
                let is_it = |one: &&Table| oid.map_or(one.name == *table, |oid| one.oid == oid);
                let Some(table) = server.tables.iter().find(is_it).cloned() else {
                    return Ok(None);
                };
                // A part of a table is one partition here.
                let part = match rows {
                    ChosenRows::Partitions(chosen) => {
                        server.tables.iter().find(|one| chosen == [one.oid.as_u32()])
                    }
                    _ => Some(&table),
                };
                let part = part.cloned().expect("the partition exists");
                let rows = rows_at(server, part.oid, lsn);
                Ok(Some((table, part, rows)))
            },
        );
        let Some((table, part, rows)) = opened.await? else {
            return Ok(Opened::Missing);
        };
        self.table = part.oid;
        self.file = part.file;
        let from = from.filter(|row| row.file() == part.file);
        let first = from.map_or(Tid::START, |row| row.row().tid);
        self.rows = rows.into_iter().filter(|(tid, _)| *tid >= first).collect();
        Ok(Opened::Table(Box::new(SnapshotTable {
            relation: table.relation(),
            facts: table.metadata(),
            is_filtered: false,
            bytes: 0,
        })))
    }

    async fn gone(&mut self, keys: Vec<FormerKey>) -> Result<Vec<FormerKey>, BoxedPortError> {
        let (table, lsn) = (self.table, self.lsn);
        let postgres = &self.postgres;
        perform(
            &postgres.server,
            &postgres.steps,
            PostgresCall::MissingKeys,
            |server| {
                let rows = rows_at(server, table, lsn);
                let has = |id: Option<&String>| rows.iter().any(|(_, row)| row[0].as_ref() == id);
                Ok(keys.into_iter().filter(|key| !has(key.0.get("id"))).collect())
            },
        )
        .await
    }

    async fn next(&mut self) -> Result<Option<CopiedRows>, BoxedPortError> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let postgres = &self.postgres;
        perform(&postgres.server, &postgres.steps, PostgresCall::Copy, |_| Ok(())).await?;
        let mut lines = Vec::new();
        for (tid, row) in self.rows.drain(..ROWS_PER_BLOCK.min(self.rows.len())) {
            lines.extend_from_slice(tid.to_string().as_bytes());
            for value in row {
                lines.push(b'\t');
                lines.extend_from_slice(value.as_deref().unwrap_or("\\N").as_bytes());
            }
            lines.push(b'\n');
        }
        Ok(Some(CopiedRows {
            table: self.table,
            file: self.file,
            lines,
            bytes: 0,
        }))
    }
}
