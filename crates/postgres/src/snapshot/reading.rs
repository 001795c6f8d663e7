//! Reads tables by COPY, several pieces of one at a time, and hands them on in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures_util::{StreamExt, pin_mut};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_postgres::Client;
use walcast_delivery::sql::table as quoted;
use walcast_delivery::{
    BoxedFault, ChosenRows, CopiedRows, FormerKey, NextRow, Opened, Snapshot, SnapshotTable,
};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, PgTimestamp};

use super::chunks::{Chunk, plan};
use crate::catalog::{Described, described, execute, gone, sizes, table_facts};
use crate::config::PostgresConfig;
use crate::connect::Session;
use crate::error::PostgresError;
use crate::source::Leading;

/// Rows are handed on in stretches of this size.
const STRETCH_BYTES: usize = 128 * 1024;

/// So much is read ahead in each session, in KiB; one larger row passes alone.
const AHEAD_KIB: u32 = 4096;

/// More stretches than that are never ahead: small ones are cut at the end of a chunk only.
const STRETCHES_AHEAD: usize = 64;

const LOCKING: &str = "locking a table to be read";
const READING: &str = "reading a table";

/// The tables as of one position, seen by several sessions.
pub struct PostgresSnapshot {
    lsn: Lsn,
    taken_at: PgTimestamp,
    sessions: Vec<Session>,
    leading: Leading,
    config: Arc<PostgresConfig>,
    /// Sessions that read nothing now.
    idle: Vec<usize>,
    /// The table that was opened last, and the publication's row filter of it.
    opened: Option<(TableName, Option<String>)>,
    chunks: VecDeque<Chunk>,
    /// Pieces that are being read, in order.
    running: VecDeque<Running>,
    tasks: JoinSet<()>,
}

struct Running {
    session: usize,
    rows: mpsc::Receiver<Result<CopiedRows, PostgresError>>,
    /// What may still be read ahead.
    budget: Arc<Semaphore>,
}

/// What a stretch takes of the budget.
fn kib(lines: &[u8]) -> u32 {
    let kib = u32::try_from(lines.len() / 1024).unwrap_or(u32::MAX);
    kib.saturating_add(1).min(AHEAD_KIB)
}

/// Where a chunk's rows go.
struct Outlet {
    rows: mpsc::Sender<Result<CopiedRows, PostgresError>>,
    budget: Arc<Semaphore>,
}

impl Outlet {
    /// Hands rows on when there is room for them; false when nobody takes them any more.
    async fn send(&self, rows: CopiedRows) -> bool {
        let room = tokio::select! {
            biased;
            () = self.rows.closed() => return false,
            room = self.budget.acquire_many(kib(&rows.lines)) => room,
        };
        // It is given back by whoever takes the rows.
        let Ok(room) = room else { return false };
        room.forget();
        self.rows.send(Ok(rows)).await.is_ok()
    }
}

impl PostgresSnapshot {
    pub(super) fn new(
        lsn: Lsn,
        taken_at: PgTimestamp,
        sessions: Vec<Session>,
        leading: Leading,
        config: Arc<PostgresConfig>,
    ) -> Self {
        Self {
            lsn,
            taken_at,
            idle: (0..sessions.len()).rev().collect(),
            sessions,
            leading,
            config,
            opened: None,
            chunks: VecDeque::new(),
            running: VecDeque::new(),
            tasks: JoinSet::new(),
        }
    }

    fn first_client(&self) -> Result<Arc<Client>, PostgresError> {
        let first = self.sessions.first().ok_or(PostgresError::NotLeading)?;
        Ok(Arc::clone(&first.client))
    }

    async fn try_open(
        &mut self,
        table: &TableName,
        from: Option<NextRow>,
        rows: ChosenRows<'_>,
    ) -> Result<Opened, PostgresError> {
        self.running.clear();
        self.chunks.clear();
        let client = self.first_client()?;
        let version = self.leading.session.server_version;
        let publication = &self.config.publication;
        let Some(seen) = described(&client, version, publication, table).await? else {
            return Ok(Opened::Missing);
        };
        if !lock(&client, &seen).await? {
            return Ok(Opened::Altered);
        }
        // Nobody alters it from here on; somebody may have since the snapshot was taken.
        let now = described(&self.leading.session.client, version, publication, table).await?;
        if !now.is_some_and(|now| is_same(&seen, &now)) {
            return Ok(Opened::Altered);
        }
        let facts = table_facts(&client, seen.relation.oid, None).await?;
        let rows = match (rows, self.config.snapshot_filter(table)) {
            (ChosenRows::Configured, Some(filter)) => ChosenRows::Where(filter),
            (rows, _) => rows,
        };
        self.chunks = plan(&seen, rows, from, version);
        self.opened = Some((table.clone(), seen.filter.clone()));
        Ok(Opened::Table(Box::new(SnapshotTable {
            bytes: self.chunks.iter().map(|chunk| chunk.bytes).sum(),
            relation: seen.relation,
            facts,
        })))
    }

    /// Gives every idle session a piece.
    fn read_ahead(&mut self) {
        while let Some(session) = self.idle.pop() {
            let (Some(chunk), Some(client)) = (
                self.chunks.pop_front(),
                self.sessions
                    .get(session)
                    .map(|session| Arc::clone(&session.client)),
            ) else {
                self.idle.push(session);
                return;
            };
            let (sender, rows) = mpsc::channel(STRETCHES_AHEAD);
            let budget = Arc::new(Semaphore::new(usize::try_from(AHEAD_KIB).unwrap_or(usize::MAX)));
            let outlet = Outlet {
                rows: sender,
                budget: Arc::clone(&budget),
            };
            self.tasks.spawn(async move {
                if let Err(error) = copy(&client, &chunk, &outlet).await {
                    // Nobody waits for it when reading has ended.
                    drop(outlet.rows.send(Err(error)).await);
                }
            });
            self.running.push_back(Running {
                session,
                rows,
                budget,
            });
        }
    }
}

/// Keeps the table from being altered while it is read. False when that cannot be had now.
async fn lock(client: &Client, table: &Described) -> Result<bool, PostgresError> {
    for part in &table.parts {
        let name = quoted(&part.name);
        execute(client, LOCKING, "SAVEPOINT walcast").await?;
        let sql = format!("LOCK TABLE ONLY {name} IN ACCESS SHARE MODE; RELEASE SAVEPOINT walcast");
        let locked = execute(client, LOCKING, &sql).await;
        let Err(error) = locked else { continue };
        let code = error.server_error().map(|error| error.code.clone());
        match code.as_deref() {
            Some(UNDEFINED_TABLE | INVALID_SCHEMA | LOCK_NOT_AVAILABLE) => {
                execute(client, LOCKING, "ROLLBACK TO SAVEPOINT walcast").await?;
                return Ok(false);
            }
            Some(INSUFFICIENT_PRIVILEGE) => {
                return Err(PostgresError::MayNotRead {
                    table: name,
                    source: Box::new(error),
                });
            }
            _ => return Err(error),
        }
    }
    Ok(true)
}

const UNDEFINED_TABLE: &str = "42P01";
const INVALID_SCHEMA: &str = "3F000";
const LOCK_NOT_AVAILABLE: &str = "55P03";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Whether what was seen is there as it was. Partitions may have been added.
fn is_same(seen: &Described, now: &Described) -> bool {
    seen.relation == now.relation && seen.parts.iter().all(|part| now.parts.contains(part))
}

async fn copy(client: &Client, chunk: &Chunk, outlet: &Outlet) -> Result<(), PostgresError> {
    let failed = |error| PostgresError::of_query(READING, error);
    let copied = client.copy_out(chunk.sql.as_str()).await.map_err(failed)?;
    pin_mut!(copied);
    let mut rows = CopiedRows {
        table: chunk.table,
        file: chunk.file,
        lines: Vec::with_capacity(STRETCH_BYTES),
        bytes: chunk.bytes,
    };
    while let Some(lines) = copied.next().await {
        rows.lines.extend_from_slice(&lines.map_err(failed)?);
        if rows.lines.len() >= STRETCH_BYTES {
            let next = CopiedRows {
                table: chunk.table,
                file: chunk.file,
                lines: Vec::with_capacity(STRETCH_BYTES),
                bytes: 0,
            };
            if !outlet.send(std::mem::replace(&mut rows, next)).await {
                return Ok(());
            }
        }
    }
    if !rows.lines.is_empty() || rows.bytes > 0 {
        outlet.send(rows).await;
    }
    Ok(())
}

impl Snapshot for PostgresSnapshot {
    fn lsn(&self) -> Lsn {
        self.lsn
    }

    fn taken_at(&self) -> PgTimestamp {
        self.taken_at
    }

    async fn sizes(&mut self, tables: &[TableName]) -> Result<BTreeMap<TableName, u64>, BoxedFault> {
        Ok(sizes(&self.leading.session.client, tables).await?)
    }

    async fn open(
        &mut self,
        table: &TableName,
        from: Option<NextRow>,
        rows: ChosenRows<'_>,
    ) -> Result<Opened, BoxedFault> {
        Ok(self.try_open(table, from, rows).await?)
    }

    async fn gone(&mut self, keys: Vec<FormerKey>) -> Result<Vec<FormerKey>, BoxedFault> {
        let client = self.first_client()?;
        let Some((table, filter)) = &self.opened else {
            return Ok(Vec::new());
        };
        Ok(gone(&client, table, filter.as_deref(), keys).await?)
    }

    async fn next(&mut self) -> Result<Option<CopiedRows>, BoxedFault> {
        loop {
            self.read_ahead();
            let Some(first) = self.running.front_mut() else {
                return Ok(None);
            };
            match first.rows.recv().await {
                Some(rows) => {
                    let rows = rows?;
                    let room = usize::try_from(kib(&rows.lines)).unwrap_or(usize::MAX);
                    first.budget.add_permits(room);
                    return Ok(Some(rows));
                }
                None => {
                    self.idle.push(first.session);
                    self.running.pop_front();
                }
            }
        }
    }
}
