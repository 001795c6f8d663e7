//! The source: runs the application's transactions and keeps their journal. Each statement also runs in a second database that has
//! no publication: a statement that fails in the source alone is refused because of walcast.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, Row as SqlRow};
use walcast_testbed::Postgres;

use super::journal::{Entry, Event, Journal, Row};
use super::refusal::{Refusal, identified_tables, judge};
use super::step::{Effect, Publication, Statement, Write};
use crate::lsn;

/// Prepares a session of the application: names are printed with their schemas, and no lock is waited for longer than any lock of
/// walcast may be held.
const SESSION: &str = "SET search_path = pg_catalog; SET lock_timeout = '10s'; SET statement_timeout = '40s'";

/// Columns that describe a row `t`: OID and topic of its table, its persistence, identity and key, its id and its values.
const DESCRIBED: &str = "t.tableoid::int8, \
     (SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
      WHERE c.oid = CASE WHEN {by_root} THEN coalesce(pg_partition_root(t.tableoid)::oid, t.tableoid) ELSE t.tableoid END), \
     (SELECT relpersistence = 'p' FROM pg_class WHERE oid = t.tableoid), \
     (SELECT relreplident = 'f' FROM pg_class WHERE oid = t.tableoid), \
     EXISTS (SELECT FROM pg_index WHERE indrelid = t.tableoid AND indisprimary), \
     t.id::int8, \
     (SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(to_jsonb(t)))::text";

/// What became of a transaction.
#[derive(Debug)]
pub(super) enum Played {
    /// It was committed.
    Committed,
    /// It was rolled back as intended.
    RolledBack,
    /// It fails without a publication too, with this error.
    Impossible(String),
    /// It fails in the source alone, because its tables are published.
    Refused(Refusal),
}

/// Connections to both databases, and the journal.
pub(super) struct Source {
    application: Client,
    twin: Client,
    control: Client,
    described: String,
    is_published_by_operator: bool,
    /// Tables that were published while they had a replica identity.
    identified: BTreeSet<i64>,
    epochs: BTreeMap<i64, u32>,
    /// What was written.
    pub(super) journal: Journal,
}

impl Source {
    /// Connects to the two databases.
    pub(super) async fn of(
        postgres: &Postgres,
        database: &str,
        twin: &str,
        publication: Publication,
    ) -> Source {
        let by_root = match publication {
            Publication::AllTables => "false",
            Publication::Own | Publication::AllTablesByRoot => "true",
        };
        let source = Source {
            application: postgres.client_of(database).await.unwrap(),
            twin: postgres.client_of(twin).await.unwrap(),
            control: postgres.client_of(database).await.unwrap(),
            described: DESCRIBED.replace("{by_root}", by_root),
            is_published_by_operator: publication != Publication::Own,
            identified: BTreeSet::new(),
            epochs: BTreeMap::new(),
            journal: Journal::default(),
        };
        for client in [&source.application, &source.twin, &source.control] {
            client.batch_execute(SESSION).await.unwrap();
        }
        source
    }

    /// Runs a statement in both databases; it must succeed.
    pub(super) async fn set_up(&self, sql: &str) {
        for client in [&self.application, &self.twin] {
            let done = client.batch_execute(sql).await;
            done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
    }

    /// Runs a statement of an operator in the source.
    pub(super) async fn operate(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.control.batch_execute(sql).await
    }

    /// Ends the connection over which the connector streams.
    pub(super) async fn end_stream(&self, slot: &str) {
        let sql = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active";
        self.control.query(sql, &[&slot]).await.unwrap();
    }

    /// Whether an operator created the publication, with every table in it.
    pub(super) fn is_published_by_operator(&self) -> bool {
        self.is_published_by_operator
    }

    /// End of WAL.
    pub(super) async fn position(&self) -> u64 {
        let row = self
            .control
            .query_one("SELECT pg_current_wal_insert_lsn()::text", &[])
            .await;
        lsn(row.unwrap().get(0))
    }

    /// Runs a transaction in both databases.
    pub(super) async fn transaction(&mut self, statements: &[Statement], commits: bool) -> Played {
        self.twin.batch_execute("BEGIN").await.unwrap();
        for statement in statements {
            if let Err(error) = self.twin.batch_execute(&statement.sql).await {
                self.twin.batch_execute("ROLLBACK").await.unwrap();
                return Played::Impossible(format!("{}: {}", statement.sql, message(&error)));
            }
        }
        self.identified.extend(identified_tables(&self.control).await);
        let begin = self.position().await;
        self.application.batch_execute("BEGIN").await.unwrap();
        let mut entries = Vec::new();
        let mut renewed = Vec::new();
        for statement in statements {
            let played = self.statement(statement, &mut entries, &mut renewed).await;
            if let Err(error) = played {
                for client in [&self.application, &self.twin] {
                    client.batch_execute("ROLLBACK").await.unwrap();
                }
                let is_known = self.is_published_by_operator;
                let refusal = judge(&self.control, &statement.sql, &error, &self.identified, is_known);
                return Played::Refused(refusal.await);
            }
        }
        let row = self
            .application
            .query_one("SELECT coalesce(txid_current_if_assigned(), 0)", &[])
            .await;
        let xid: i64 = row.unwrap().get(0);
        let end = if commits { "COMMIT" } else { "ROLLBACK" };
        self.application.batch_execute(end).await.unwrap();
        self.twin.batch_execute(end).await.unwrap();
        if !commits {
            return Played::RolledBack;
        }
        let end = self.position().await;
        for oid in renewed {
            *self.epochs.entry(oid).or_default() += 1;
        }
        let entries = entries.into_iter().map(|entry| Entry {
            xid,
            begin,
            end,
            ..entry
        });
        self.journal.entries.extend(entries);
        Played::Committed
    }

    /// Runs a statement within the transaction; the epochs of the tables in `renewed` end with it.
    async fn statement(
        &self,
        statement: &Statement,
        entries: &mut Vec<Entry>,
        renewed: &mut Vec<i64>,
    ) -> Result<(), tokio_postgres::Error> {
        if let Some(write) = statement.writes {
            let sql = format!("{} RETURNING {}", statement.sql, self.described);
            for row in self.application.query(&sql, &[]).await? {
                let event = match write {
                    Write::Insert => Event::Inserted,
                    Write::Update => Event::Updated,
                    Write::Delete => Event::Deleted,
                    Write::Rekey(from) => Event::Rekeyed(from),
                };
                entries.push(self.entry(&row, event, renewed));
            }
            return Ok(());
        }
        for effect in &statement.effects {
            let (table, event) = match effect {
                Effect::Departs(table) => (table, Event::Departed),
                Effect::Gone(table) => (table, Event::Gone),
                Effect::Arrives(_) | Effect::Reshapes(_) => continue,
            };
            self.observe(table, event, entries, renewed).await?;
        }
        self.application.batch_execute(&statement.sql).await?;
        for effect in &statement.effects {
            let (table, event) = match effect {
                Effect::Arrives(table) => (table, Event::Arrived),
                Effect::Reshapes(table) => (table, Event::Reshaped),
                Effect::Departs(_) | Effect::Gone(_) => continue,
            };
            self.observe(table, event, entries, renewed).await?;
        }
        Ok(())
    }

    /// Notes an event of all rows of a table.
    async fn observe(
        &self,
        table: &str,
        event: Event,
        entries: &mut Vec<Entry>,
        renewed: &mut Vec<i64>,
    ) -> Result<(), tokio_postgres::Error> {
        if matches!(event, Event::Arrived | Event::Departed) {
            let sql = "SELECT coalesce(relid, $1::text::regclass)::oid::int8 \
                 FROM (SELECT 1) one LEFT JOIN pg_partition_tree($1::text::regclass) ON true";
            let tables = self.application.query(sql, &[&table]).await?;
            renewed.extend(tables.iter().map(|row| row.get::<_, i64>(0)));
        }
        let sql = format!("SELECT {} FROM {table} AS t ORDER BY t.id", self.described);
        for row in self.application.query(&sql, &[]).await? {
            entries.push(self.entry(&row, event, renewed));
        }
        Ok(())
    }

    /// An entry of a transaction that is not committed yet.
    fn entry(&self, row: &SqlRow, event: Event, renewed: &[i64]) -> Entry {
        let oid = row.get::<_, Option<i64>>(0).unwrap_or_default();
        let values: Option<String> = row.get(6);
        let values = values.unwrap_or_else(|| "{}".to_owned());
        let row_of: Row = serde_json::from_str(&values).expect("an object of texts");
        let within = renewed.iter().filter(|one| **one == oid).count();
        let epoch = self.epochs.get(&oid).copied().unwrap_or_default();
        Entry {
            xid: 0,
            begin: 0,
            end: 0,
            oid,
            epoch: epoch + u32::try_from(within).unwrap_or(u32::MAX),
            table: row.get::<_, Option<String>>(1).unwrap_or_default(),
            is_logged: row.get::<_, Option<bool>>(2).unwrap_or_default(),
            has_full_identity: row.get::<_, Option<bool>>(3).unwrap_or_default(),
            has_key: row.get(4),
            id: row.get(5),
            event,
            row: row_of,
        }
    }
}

/// What the server said.
pub(super) fn message(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned())
}
