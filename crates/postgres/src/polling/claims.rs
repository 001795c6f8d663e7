//! Session of a worker: claims rows, and marks them when their events are in Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use walcast_delivery::{
    BoxedPortError, ClaimedRow, ClaimedRows, HashRange, PolledClaims, PolledTable, RowKey,
};
use walcast_mapper::RowId;
use walcast_pgoutput::{Column, Lsn, Oid, PgTimestamp, encode};

use super::gate::Gate;
use super::statements::Statements;
use super::transaction::{self, Texts};
use crate::connect::SqlSession;
use crate::error::PostgresError;

const DOING: &str = "claiming rows of an outbox";

/// Size of the payloads of one claim, as they are stored; a larger one is claimed alone.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// Size of the keys of one claim. They are one record in JSON, which may have six bytes for one, and brokers take 1 MB by default.
const KEY_BYTES: usize = 128 * 1024;

/// Session of a worker.
pub struct PostgresClaims {
    session: SqlSession,
    statements: Arc<BTreeMap<Oid, Statements>>,
    gates: BTreeMap<Oid, Gate>,
}

impl PostgresClaims {
    pub(super) fn new(session: SqlSession, statements: Arc<BTreeMap<Oid, Statements>>) -> Self {
        Self {
            session,
            statements,
            gates: BTreeMap::new(),
        }
    }

    fn of(&self, table: &PolledTable) -> Result<&Statements, PostgresError> {
        self.statements
            .get(&table.relation.oid)
            .ok_or(PostgresError::NotLeading)
    }

    pub(super) fn session(&self) -> &SqlSession {
        &self.session
    }

    /// Statements of an outbox.
    pub(super) fn statements(&self, table: &PolledTable) -> Result<Statements, PostgresError> {
        self.of(table).cloned()
    }

    /// Begins a transaction and locks rows, up to the first one that is locked by another session or is not to be sent any more. The
    /// transaction is open afterwards if there are rows.
    pub(super) async fn lock(
        &self,
        table: &PolledTable,
        keys: &[RowKey],
    ) -> Result<Vec<ClaimedRow>, PostgresError> {
        let statements = self.of(table)?;
        transaction::begin(&self.session).await?;
        let rows = locked(&self.session, statements, keys).await?;
        if rows.is_empty() {
            transaction::roll_back(&self.session).await?;
        }
        Ok(rows)
    }

    /// Whether a row is still to be sent.
    pub(super) async fn is_pending(&self, table: &PolledTable, key: &RowKey) -> Result<bool, PostgresError> {
        let statements = self.of(table)?;
        transaction::begin(&self.session).await?;
        let sql = statements.unsent(std::slice::from_ref(key));
        let found = transaction::texts(&self.session.client, DOING, &sql).await?;
        transaction::roll_back(&self.session).await?;
        Ok(!found.is_empty())
    }

    async fn try_claim(
        &mut self,
        table: &PolledTable,
        range: HashRange,
    ) -> Result<ClaimedRows, PostgresError> {
        let statements = Arc::clone(&self.statements);
        let statements = statements
            .get(&table.relation.oid)
            .ok_or(PostgresError::NotLeading)?;
        let gate = self.gates.entry(table.relation.oid).or_default();
        transaction::begin(&self.session).await?;
        let claiming = Claiming {
            session: &self.session,
            statements,
            gate,
        };
        let claimed = claiming.rows(range).await?;
        if claimed.rows.is_empty() {
            transaction::roll_back(&self.session).await?;
        }
        Ok(claimed)
    }
}

/// One attempt to claim rows, in an open transaction.
struct Claiming<'a> {
    session: &'a SqlSession,
    statements: &'a Statements,
    gate: &'a mut Gate,
}

impl Claiming<'_> {
    async fn texts(&self, sql: &str) -> Result<Vec<Texts>, PostgresError> {
        transaction::texts(&self.session.client, DOING, sql).await
    }

    async fn rows(self, range: HashRange) -> Result<ClaimedRows, PostgresError> {
        let mut claimed = ClaimedRows {
            lsn: Lsn::INVALID,
            read_at: PgTimestamp::now(),
            rows: Vec::new(),
            is_waiting: false,
        };
        // Rows that came meanwhile are beyond the bound, and their notifications are over.
        let has_waited = self.gate.is_waiting();
        if !has_waited {
            // The order of these statements is what the gate depends on.
            let Some(newest) = self.texts(&self.statements.newest()).await?.pop() else {
                // A sequence may begin again before the next row.
                *self.gate = Gate::default();
                return Ok(claimed);
            };
            let newest = present(newest)?;
            let writers = self.writers().await?;
            self.gate.begin(newest, writers);
        } else {
            let writers = self.writers().await?;
            self.gate.observe(&writers);
        }
        claimed.is_waiting = has_waited || self.gate.is_waiting();
        let Some(bound) = self.gate.bound() else {
            return Ok(claimed);
        };
        self.texts(&self.statements.announce()).await?;
        let candidates = self.texts(&self.statements.candidates(range, bound)).await?;
        // The statements name the table; the gate and the claim in Kafka have its OID.
        let oid = self.statements.oid.as_u32().to_string();
        if candidates
            .iter()
            .any(|row| row.last() != Some(&Some(oid.clone())))
        {
            return Err(PostgresError::TableReplaced {
                table: self.statements.table.clone(),
            });
        }
        let (wanted, lsn) = wanted(candidates, self.statements.key_columns())?;
        if wanted.is_empty() {
            return Ok(claimed);
        }
        claimed.lsn = lsn;
        claimed.rows = locked(self.session, self.statements, &wanted).await?;
        claimed.is_waiting |= claimed.rows.len() < wanted.len();
        Ok(claimed)
    }

    async fn writers(&self) -> Result<BTreeSet<String>, PostgresError> {
        let found = self.texts(&self.statements.writers()).await?;
        Ok(found.into_iter().flatten().flatten().collect())
    }
}

/// Locks rows, up to the first one that is locked by another session or is not to be sent any more.
async fn locked(
    session: &SqlSession,
    statements: &Statements,
    keys: &[RowKey],
) -> Result<Vec<ClaimedRow>, PostgresError> {
    let locked = transaction::texts(&session.client, DOING, &statements.locked(keys)).await?;
    let locked = locked.into_iter().map(|row| claimed_row(row, statements));
    let locked: Vec<ClaimedRow> = locked.collect::<Result<_, _>>()?;
    Ok(up_to_first_missing(keys, locked))
}

/// Keys of the rows to be locked, without digests, as many as one claim may have, and the end of WAL.
pub(super) fn wanted(
    candidates: Vec<Texts>,
    key_columns: usize,
) -> Result<(Vec<RowKey>, Lsn), PostgresError> {
    let (mut wanted, mut bytes, mut key_bytes, mut end) = (Vec::new(), 0_u64, 0_usize, Lsn::INVALID);
    for row in candidates {
        let mut values = present(row)?;
        let (size, lsn) = match values.get(key_columns..) {
            Some([size, lsn, _]) => (size.parse().ok(), lsn.parse().ok()),
            _ => (None, None),
        };
        let (Some(size), Some(lsn)) = (size, lsn) else {
            return Err(unexpected(&values));
        };
        bytes = bytes.saturating_add(size);
        values.truncate(key_columns);
        key_bytes = key_bytes.saturating_add(values.iter().map(String::len).sum());
        if (bytes > BATCH_BYTES || key_bytes > KEY_BYTES) && !wanted.is_empty() {
            break;
        }
        end = lsn;
        wanted.push(RowKey(values));
    }
    Ok((wanted, end))
}

/// Rows in the order of their keys, up to the first one that another session has locked, or that is not to be sent any more: what comes
/// after it must not overtake it.
fn up_to_first_missing(wanted: &[RowKey], locked: Vec<ClaimedRow>) -> Vec<ClaimedRow> {
    let columns = wanted.first().map_or(0, |key| key.0.len());
    let without_digest = |row: &ClaimedRow| row.key.0.iter().take(columns).cloned().collect();
    let mut by_key: BTreeMap<Vec<String>, ClaimedRow> = locked
        .into_iter()
        .map(|row| (without_digest(&row), row))
        .collect();
    wanted.iter().map_while(|key| by_key.remove(&key.0)).collect()
}

/// Row of [`Statements::locked`].
fn claimed_row(row: Texts, statements: &Statements) -> Result<ClaimedRow, PostgresError> {
    let mut fields = row.into_iter();
    let (table, tid) = (fields.next().flatten(), fields.next().flatten());
    let digest = fields.next().flatten();
    let values: Texts = fields.collect();
    let key = statements
        .key_places
        .iter()
        .map(|place| values.get(*place).cloned().flatten())
        .chain([digest]);
    let key: Option<Vec<String>> = key.collect();
    let table = table.and_then(|table| table.parse::<u32>().ok());
    let tid = tid.and_then(|tid| tid.parse().ok());
    let (Some(table), Some(tid), Some(key)) = (table, tid, key) else {
        return Err(unexpected(&[]));
    };
    let columns = values.iter().map(|value| match value {
        Some(text) => Column::Text(text.as_bytes()),
        None => Column::Null,
    });
    let columns: Vec<Column<'_>> = columns.collect();
    Ok(ClaimedRow {
        key: RowKey(key),
        id: RowId {
            table: Oid::new(table),
            tid,
        },
        tuple: encode::tuple(&columns),
    })
}

/// Values of a row that has no null.
fn present(row: Texts) -> Result<Vec<String>, PostgresError> {
    let values: Option<Vec<String>> = row.into_iter().collect();
    values.ok_or_else(|| unexpected(&[]))
}

/// The values of keys may be data of the application, so that only their number is shown.
fn unexpected(values: &[String]) -> PostgresError {
    PostgresError::UnexpectedAnswer {
        doing: DOING,
        answer: format!("{} values", values.len()),
    }
}

/// Number of times that the locks of rows are awaited, each up to `lock_timeout`. A process that was killed leaves a transaction behind
/// that ends soon, because the server ends what waits and what is idle.
const LOCK_ATTEMPTS: u32 = 35;

/// Marks rows in a transaction of its own. Returns the number of rows.
pub(super) async fn mark_alone(
    session: &SqlSession,
    statements: &Statements,
    keys: &[RowKey],
) -> Result<u64, PostgresError> {
    if keys.is_empty() {
        return Ok(0);
    }
    let mut attempt = 1;
    loop {
        transaction::begin(session).await?;
        match mark(session, statements, keys).await {
            Ok(marked) => {
                transaction::commit(session).await?;
                return Ok(marked);
            }
            Err(error) if error.is_lock_unavailable() && attempt < LOCK_ATTEMPTS => {
                transaction::roll_back(session).await?;
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn mark(session: &SqlSession, statements: &Statements, keys: &[RowKey]) -> Result<u64, PostgresError> {
    const DOING: &str = "marking rows of an outbox";
    let client = &session.client;
    let marked = transaction::changed(client, DOING, &statements.mark(keys)).await?;
    if usize::try_from(marked).is_ok_and(|marked| marked < keys.len()) {
        // The others are marked or gone already, unless a trigger keeps them as they are: their events would be sent again and again.
        let left = transaction::texts(client, DOING, &statements.left(keys)).await?;
        let left = left.into_iter().flatten().flatten().next();
        if left.as_deref() != Some("0") {
            return Err(PostgresError::UnexpectedAnswer {
                doing: DOING,
                answer: "rows that stay as they are; is there a trigger?".to_owned(),
            });
        }
    }
    Ok(marked)
}

impl PolledClaims for PostgresClaims {
    async fn claim(&mut self, table: &PolledTable, range: HashRange) -> Result<ClaimedRows, BoxedPortError> {
        Ok(self.try_claim(table, range).await?)
    }

    async fn mark(&mut self, table: &PolledTable, keys: &[RowKey]) -> Result<(), BoxedPortError> {
        mark(&self.session, self.of(table)?, keys).await?;
        Ok(transaction::commit(&self.session).await?)
    }
}

impl fmt::Debug for PostgresClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresClaims")
            .field("gates", &self.gates)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use walcast_delivery::{ClaimedRow, RowKey};
    use walcast_mapper::RowId;
    use walcast_pgoutput::{Oid, Tid};

    use super::{up_to_first_missing, wanted};

    fn key(text: &str) -> RowKey {
        RowKey(vec![text.to_owned()])
    }

    fn row(text: &str) -> ClaimedRow {
        ClaimedRow {
            key: key(text),
            id: RowId {
                table: Oid::new(16_400),
                tid: Tid { block: 0, offset: 1 },
            },
            tuple: Vec::new(),
        }
    }

    #[test]
    fn a_row_that_is_locked_elsewhere_is_not_overtaken() {
        let keys = |rows: Vec<ClaimedRow>| rows.into_iter().map(|row| row.key).collect::<Vec<_>>();
        let all = [key("1"), key("2"), key("3")];
        let mut with_digest = row("1");
        with_digest.key.0.push("-7".to_owned());
        let claimed = up_to_first_missing(&all, vec![with_digest]);
        assert_eq!(keys(claimed), [RowKey(vec!["1".to_owned(), "-7".to_owned()])]);
        let claimed = up_to_first_missing(&all, vec![row("3"), row("1")]);
        assert_eq!(keys(claimed), [key("1")]);
        let claimed = up_to_first_missing(&all, vec![row("3"), row("1"), row("2")]);
        assert_eq!(keys(claimed), all);
        assert!(up_to_first_missing(&all, vec![row("2")]).is_empty());
    }

    #[test]
    fn a_claim_holds_as_much_as_memory_allows() {
        let candidate = |key: &str, bytes: u64| {
            vec![
                Some(key.to_owned()),
                Some(bytes.to_string()),
                Some("0/2A".to_owned()),
                Some("16400".to_owned()),
            ]
        };
        let large = 7 * 1024 * 1024;
        let (keys, end) = wanted(vec![candidate("1", large), candidate("2", large)], 1).unwrap();
        assert_eq!((keys, end.to_string().as_str()), (vec![key("1")], "0/2A"));
        let (keys, _) = wanted(vec![candidate("1", 3 * large), candidate("2", 1)], 1).unwrap();
        assert_eq!(keys, [key("1")]);
        let (keys, _) = wanted(vec![candidate("1", 10), candidate("2", 10)], 1).unwrap();
        assert_eq!(keys, [key("1"), key("2")]);
        let long = ["1", "2"].map(|key| key.repeat(100_000));
        let (keys, _) = wanted(long.iter().map(|key| candidate(key, 10)).collect(), 1).unwrap();
        assert_eq!(keys, [key(&long[0])]);
        assert!(wanted(vec![vec![Some("1".to_owned())]], 1).is_err());
    }
}
