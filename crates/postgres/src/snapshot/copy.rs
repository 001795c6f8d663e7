//! Reading tables by COPY: several chunks of a table in parallel, passed on in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, pin_mut};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::debug;
use walcast_delivery::condition::{Condition, Dialect};
use walcast_delivery::sql::literal;
use walcast_delivery::{
    BoxedPortError, ChosenRows, CopiedRows, EventOrder, Fix, FormerKey, NextRow, Opened, Snapshot,
    SnapshotTable,
};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid, PgTimestamp};

use super::chunks::{Chunk, Reading};
use super::table_lock::{self, Locked};
use crate::catalog::{
    check_names, execute, incomparable_column, missing_rows, table_metadata, table_name, table_sizes,
};
use crate::config::PostgresConfig;
use crate::connect::{Client, SqlSession, VALUE_SETTINGS};
use crate::encoding::Texts;
use crate::error::PostgresError;

/// Size of a batch of rows.
const BATCH_BYTES: usize = 128 * 1024;

/// Limit of the bytes that a session reads ahead, in KiB; a larger row passes alone.
const AHEAD_KIB: u32 = 4096;

/// Limit of the batches that a session reads ahead: only the last batch of a chunk is small.
const BATCHES_AHEAD: usize = 64;

/// Settings that are set again for each table, as those of values are: a function in an index of the table before may have changed them
/// in the session.
const SAFE_SETTINGS: &str = "SET LOCAL row_security = off; SET LOCAL constraint_exclusion = off; \
     SET LOCAL standard_conforming_strings = on";

/// Time limit for the end of cancelled statements.
const CLOSE_LIMIT: Duration = Duration::from_secs(70);

const READING: &str = "reading a table";

/// Snapshot of the tables at one position, imported by several sessions.
pub struct PostgresSnapshot {
    lsn: Lsn,
    taken_at: PgTimestamp,
    sessions: Vec<SqlSession>,
    /// Session outside of the snapshot, which sees the catalog as it is now.
    server: Arc<SqlSession>,
    config: Arc<PostgresConfig>,
    /// How texts arrive.
    texts: Texts,
    /// Indexes of idle sessions.
    idle: Vec<usize>,
    /// Table that was opened last.
    opened: Option<Arc<Opening>>,
    /// Whether the sessions have the savepoint before the locks of a table.
    has_savepoint: bool,
    /// Whether its rows are selected by the condition of a request.
    is_conditional: bool,
    /// Deadline for the next rows of a request's condition, while they are awaited.
    due: Option<Instant>,
    /// Order of the rows of the table that is opened next.
    order: Option<EventOrder>,
    chunks: VecDeque<Chunk>,
    /// Chunks that are being read, in order.
    running: VecDeque<Running>,
    tasks: JoinSet<()>,
}

/// Table that was opened.
#[derive(Debug)]
struct Opening {
    name: TableName,
    reading: Reading,
}

/// Schemas in which names are looked up.
#[derive(Clone, Copy, Debug)]
enum Names {
    /// As in the stream, whose values of types such as `regclass` depend on it.
    OfRole,
    /// Only those of the server: SQL of a condition is executed as it was checked, and no object of another role is found in it.
    OfServer,
}

impl Names {
    fn search_path(self) -> &'static str {
        match self {
            Names::OfRole => "SET LOCAL search_path = DEFAULT",
            Names::OfServer => "SET LOCAL search_path = pg_catalog",
        }
    }
}

struct Running {
    session: usize,
    rows: mpsc::Receiver<Result<CopiedRows, PostgresError>>,
    /// Budget for reading ahead, in KiB.
    budget: Arc<Semaphore>,
}

/// Share of a batch of rows in the budget.
fn kib(lines: &[u8]) -> u32 {
    let kib = u32::try_from(lines.len() / 1024).unwrap_or(u32::MAX);
    kib.saturating_add(1).min(AHEAD_KIB)
}

/// Sender of a chunk's rows.
struct RowSender {
    rows: mpsc::Sender<Result<CopiedRows, PostgresError>>,
    budget: Arc<Semaphore>,
}

impl RowSender {
    /// Sends rows once the budget allows it; false when the receiver is closed.
    async fn send(&self, rows: CopiedRows) -> bool {
        let permit = tokio::select! {
            biased;
            () = self.rows.closed() => return false,
            permit = self.budget.acquire_many(kib(&rows.lines)) => permit,
        };
        // The receiver returns the permits when it takes the rows.
        let Ok(permit) = permit else { return false };
        permit.forget();
        self.rows.send(Ok(rows)).await.is_ok()
    }
}

impl PostgresSnapshot {
    pub(super) fn new(
        lsn: Lsn,
        taken_at: PgTimestamp,
        sessions: Vec<SqlSession>,
        server: Arc<SqlSession>,
        config: Arc<PostgresConfig>,
        texts: Texts,
    ) -> Self {
        Self {
            lsn,
            taken_at,
            idle: (0..sessions.len()).rev().collect(),
            sessions,
            server,
            config,
            texts,
            opened: None,
            has_savepoint: false,
            is_conditional: false,
            due: None,
            order: None,
            chunks: VecDeque::new(),
            running: VecDeque::new(),
            tasks: JoinSet::new(),
        }
    }

    fn first_client(&self) -> Result<Arc<Client>, PostgresError> {
        let first = self.sessions.first().ok_or(PostgresError::NotLeading)?;
        Ok(Arc::clone(&first.client))
    }

    /// Sets where the sessions look for names, and restores the settings of values. The row filter of a publication is printed for, and
    /// evaluated under, the same setting.
    async fn prepare_sessions(&mut self, names: Names) -> Result<(), PostgresError> {
        let mut sql = format!("{}; {SAFE_SETTINGS}", names.search_path());
        for (name, value) in VALUE_SETTINGS {
            sql.push_str(&format!("; SET LOCAL {name} = {}", literal(value)));
        }
        for session in &self.sessions {
            execute(&session.client, READING, &sql).await?;
        }
        Ok(())
    }

    /// Ends the reading of the table that was opened last, and releases its locks: statements of the application that need the table
    /// alone have to wait no longer.
    async fn close(&mut self) -> Result<(), PostgresError> {
        self.chunks.clear();
        self.due = None;
        let abandoned: Vec<usize> = self.running.drain(..).map(|chunk| chunk.session).collect();
        if !abandoned.is_empty() {
            // The rest of a chunk is discarded once its receiver is closed.
            self.cancel(&abandoned).await;
            self.idle.extend(abandoned);
        }
        let ended = tokio::time::timeout(CLOSE_LIMIT, async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Err(error) = ended {
                    debug!(%error, "the task of a chunk did not end by itself");
                }
            }
        });
        if ended.await.is_err() {
            return Err(PostgresError::NoAnswer {
                endpoint: self.server.endpoint.to_string(),
                doing: "ending the reading of a table",
                limit: CLOSE_LIMIT,
            });
        }
        if std::mem::take(&mut self.has_savepoint) {
            table_lock::roll_back(&self.sessions).await?;
        }
        Ok(())
    }

    async fn try_open(
        &mut self,
        table: &TableName,
        from: Option<NextRow>,
        rows: ChosenRows<'_>,
    ) -> Result<Opened, PostgresError> {
        self.is_conditional = rows.condition().is_some();
        let requested = rows.condition();
        let config = Arc::clone(&self.config);
        let chosen = rows;
        let rows = match (chosen, config.snapshot_filter(table)) {
            (ChosenRows::Configured | ChosenRows::Partitions(_), Some(filter)) => ChosenRows::Where(filter),
            (rows, _) => rows,
        };
        let is_sql = rows.condition().map(Condition::dialect) == Some(Dialect::Sql);
        self.prepare_sessions(if is_sql { Names::OfServer } else { Names::OfRole })
            .await?;
        table_lock::set_savepoint(&self.sessions).await?;
        self.has_savepoint = true;
        let version = self.server.server_version;
        let publication = &config.publication;
        let locked = table_lock::lock(&self.sessions, &self.server, publication, table, chosen).await?;
        let seen = match locked {
            Locked::Table(seen) => seen,
            Locked::Missing => return Ok(Opened::Missing),
            Locked::Altered => {
                // The locks of a table that is not read would be held until the next table is opened.
                self.close().await?;
                return Ok(Opened::Altered);
            }
        };
        let client = self.first_client()?;
        check_names(&client, &seen, rows.condition()).await?;
        let facts = table_metadata(&client, &seen.relation, None).await?;
        if let Some(condition) = requested
            && let Some(why) = incomparable_column(&client, &seen, condition).await?
        {
            let why =
                format!("of {table} cannot be read by a condition: {why}; request them by another condition");
            let fix = Fix::default();
            return Err(PostgresError::RowsUnreadable { why, fix });
        }
        let relation = seen.relation.clone();
        let is_filtered = rows.condition().is_some();
        let reading = Reading::new(seen, rows, version).in_order(self.order.take(), &facts);
        self.chunks = reading.chunks(from, version);
        let name = table.clone();
        self.opened = Some(Arc::new(Opening { name, reading }));
        Ok(Opened::Table(Box::new(SnapshotTable {
            bytes: self.chunks.iter().map(|chunk| chunk.bytes).sum(),
            relation,
            facts,
            is_filtered,
        })))
    }

    /// Next rows of the first chunk, or (`Some(None)`) its end; `None` when none arrived in time. Cancel-safe: the deadline is set by the
    /// first call that waits.
    async fn await_rows(&mut self) -> Option<Option<Result<CopiedRows, PostgresError>>> {
        let first = self.running.front_mut()?;
        if !self.is_conditional {
            return Some(first.rows.recv().await);
        }
        let due = *self
            .due
            .get_or_insert_with(|| Instant::now() + self.config.condition_timeout);
        tokio::time::timeout_at(due, first.rows.recv()).await.ok()
    }

    /// Cancels the running statements of sessions.
    async fn cancel(&self, sessions: &[usize]) {
        let config = self.config.reading(&self.config.connect);
        for session in sessions.iter().filter_map(|index| self.sessions.get(*index)) {
            session.cancel(&config).await;
        }
    }

    /// Cancels the statements that read by a condition.
    async fn time_out(&self) -> PostgresError {
        let running: Vec<usize> = self.running.iter().map(|chunk| chunk.session).collect();
        self.cancel(&running).await;
        let table = self.opened.as_ref().map(|opened| opened.name.to_string());
        PostgresError::ConditionTimeout {
            table: table.unwrap_or_default(),
            limit: self.config.condition_timeout,
        }
    }

    /// Starts a chunk in every idle session.
    fn read_ahead(&mut self) {
        while let Some(session) = self.idle.pop() {
            let (Some(opened), Some(chunk), Some(client)) = (
                self.opened.clone(),
                self.chunks.pop_front(),
                self.sessions
                    .get(session)
                    .map(|session| Arc::clone(&session.client)),
            ) else {
                self.idle.push(session);
                return;
            };
            let (sender, rows) = mpsc::channel(BATCHES_AHEAD);
            let budget = Arc::new(Semaphore::new(usize::try_from(AHEAD_KIB).unwrap_or(usize::MAX)));
            let outlet = RowSender {
                rows: sender,
                budget: Arc::clone(&budget),
            };
            let texts = self.texts.clone();
            self.tasks.spawn(async move {
                if let Err(error) = copy(&client, &opened.reading, &chunk, &texts, &outlet).await {
                    // The receiver is gone when reading has ended.
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

/// Error of a statement that reads rows. The server's message about a condition, a row filter or a key may hold values of rows, so it
/// is not included.
fn without_values(table: &TableName, error: PostgresError) -> PostgresError {
    match error.server_error() {
        Some(rejection) if !rejection.ends_connection() => {
            debug!(%table, error = %rejection, "the server rejected a condition");
            PostgresError::ConditionRejected {
                table: table.to_string(),
                code: rejection.code.clone(),
            }
        }
        _ => error,
    }
}

async fn copy(
    client: &Client,
    reading: &Reading,
    chunk: &Chunk,
    texts: &Texts,
    outlet: &RowSender,
) -> Result<(), PostgresError> {
    let failed = |error| match texts.ended_by(PostgresError::of_query(READING, error)) {
        error @ PostgresError::Untranslatable { .. } => error,
        error if reading.has_condition() => without_values(&chunk.part.name, error),
        error => error,
    };
    let statement = reading.statement(chunk) + texts.copy_options();
    let copied = client.copy_out(statement.as_str()).await.map_err(failed)?;
    pin_mut!(copied);
    let mut rows = CopiedRows {
        table: chunk.part.oid,
        file: chunk.part.file,
        lines: Vec::with_capacity(BATCH_BYTES),
        bytes: chunk.bytes,
    };
    while let Some(lines) = copied.next().await {
        rows.lines.extend_from_slice(&lines.map_err(failed)?);
        if rows.lines.len() >= BATCH_BYTES {
            let next = CopiedRows {
                table: chunk.part.oid,
                file: chunk.part.file,
                lines: Vec::with_capacity(BATCH_BYTES),
                bytes: 0,
            };
            let mut read = std::mem::replace(&mut rows, next);
            read.lines = texts.recode_rows(read.lines).await?;
            if !outlet.send(read).await {
                // The session takes the next statement only after the end of this one, or of its cancellation.
                while let Some(Ok(_)) = copied.next().await {}
                return Ok(());
            }
        }
    }
    if !rows.lines.is_empty() || rows.bytes > 0 {
        rows.lines = texts.recode_rows(rows.lines).await?;
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

    async fn sizes(&mut self, tables: &[TableName]) -> Result<BTreeMap<TableName, u64>, BoxedPortError> {
        match table_sizes(&self.server.client, tables).await {
            // The size is an estimate: the table that is locked now is read without one.
            Err(error) if error.is_lock_unavailable() => Ok(BTreeMap::new()),
            sizes => Ok(sizes?),
        }
    }

    fn order(&mut self, order: Option<EventOrder>) {
        self.order = order;
    }

    async fn open(
        &mut self,
        table: &TableName,
        oid: Option<Oid>,
        from: Option<NextRow>,
        rows: ChosenRows<'_>,
    ) -> Result<Opened, BoxedPortError> {
        self.close().await?;
        let Some(oid) = oid else {
            return Ok(self.try_open(table, from, rows).await?);
        };
        // The name that the table had at the position of the snapshot.
        let client = self.first_client()?;
        match table_name(&client, oid).await? {
            Some(table) => Ok(self.try_open(&table, from, rows).await?),
            None => Ok(Opened::Missing),
        }
    }

    async fn gone(&mut self, keys: Vec<FormerKey>) -> Result<Vec<FormerKey>, BoxedPortError> {
        let client = self.first_client()?;
        let Some(opened) = &self.opened else {
            return Ok(Vec::new());
        };
        let filter = opened.reading.table.filter.as_deref();
        let missing = missing_rows(&client, &opened.name, filter, keys).await;
        Ok(missing.map_err(|error| without_values(&opened.name, error))?)
    }

    async fn next(&mut self) -> Result<Option<CopiedRows>, BoxedPortError> {
        loop {
            self.read_ahead();
            if self.running.is_empty() {
                return Ok(None);
            }
            let rows = match self.await_rows().await {
                Some(rows) => rows,
                None => return Err(self.time_out().await.into()),
            };
            let Some(first) = self.running.front_mut() else {
                return Ok(None);
            };
            match rows {
                Some(rows) => {
                    self.due = None;
                    let rows = rows?;
                    let permits = usize::try_from(kib(&rows.lines)).unwrap_or(usize::MAX);
                    first.budget.add_permits(permits);
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
