//! The source's own account of what was committed, kept by triggers and independent of the WAL.
//!
//! An `AFTER` row trigger writes each change into `walcast_journal.changes`, in the transaction of the change: what is rolled back is
//! not in the journal, and what is committed is. The trigger runs while the row is locked, so for one key the order of `seq` is the
//! order of commits; between keys it is not. The schema is outside `public`, so a publication of `public.*` does not carry it.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row as SqlRow};

use crate::error::{Error, Result};

/// A row by column name, each value in Postgres's text form, `None` for null.
pub type Row = BTreeMap<String, Option<String>>;

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// It was inserted.
    Create,
    /// It was changed.
    Update,
    /// It was removed.
    Delete,
}

/// One row change as the source recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Position in the journal. Rises in commit order for one key.
    pub seq: i64,
    /// Transaction that made the change (with epoch).
    pub xid: i64,
    /// Table with its schema: `public.orders`.
    pub table: String,
    /// What happened.
    pub operation: Operation,
    /// Key columns after the change; before it for a delete.
    pub key: Row,
    /// Key columns before the change, if an update altered them.
    pub old_key: Option<Row>,
    /// The row after the change; `None` for a delete.
    pub new: Option<Row>,
}

const INSTALL: &str = "
CREATE SCHEMA IF NOT EXISTS walcast_journal;
CREATE TABLE IF NOT EXISTS walcast_journal.changes (
    seq bigserial PRIMARY KEY,
    xid bigint NOT NULL,
    table_name text NOT NULL,
    op \"char\" NOT NULL,
    key jsonb NOT NULL,
    old_key jsonb,
    new jsonb
);
CREATE OR REPLACE FUNCTION walcast_journal.texts(row_value jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_object_agg(name, value) FROM jsonb_each_text(row_value) AS each(name, value)
$$;
CREATE OR REPLACE FUNCTION walcast_journal.pick(row_value jsonb, names text[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT coalesce(jsonb_object_agg(name, row_value -> name), '{}') FROM unnest(names) AS name
$$;
CREATE OR REPLACE FUNCTION walcast_journal.record() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    key_names text[] := TG_ARGV;
    before jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE walcast_journal.texts(to_jsonb(OLD)) END;
    after jsonb := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE walcast_journal.texts(to_jsonb(NEW)) END;
    key_before jsonb := CASE WHEN before IS NULL THEN NULL ELSE walcast_journal.pick(before, key_names) END;
    key_after jsonb := CASE WHEN after IS NULL THEN NULL ELSE walcast_journal.pick(after, key_names) END;
BEGIN
    INSERT INTO walcast_journal.changes (xid, table_name, op, key, old_key, new) VALUES (
        txid_current(),
        TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME,
        CASE TG_OP WHEN 'INSERT' THEN 'c' WHEN 'UPDATE' THEN 'u' ELSE 'd' END,
        coalesce(key_after, key_before),
        CASE WHEN TG_OP = 'UPDATE' AND key_before <> key_after THEN key_before END,
        after
    );
    RETURN NULL;
END
$$;";

/// Starts the journal of a table (`schema.table`) with its key columns. Rows that are there already are not in it.
///
/// # Errors
/// What the server says.
pub async fn install(client: &Client, table: &str, key: &[&str]) -> Result<()> {
    let arguments: Vec<String> = key.iter().map(|column| format!("'{column}'")).collect();
    // One statement at a time per database: two loads may be set up side by side.
    let sql = format!(
        "BEGIN; SELECT pg_advisory_xact_lock(7210001); {INSTALL}
         DROP TRIGGER IF EXISTS walcast_journal ON {table};
         CREATE TRIGGER walcast_journal AFTER INSERT OR UPDATE OR DELETE ON {table}
             FOR EACH ROW EXECUTE FUNCTION walcast_journal.record({});
         COMMIT;",
        arguments.join(", ")
    );
    client
        .batch_execute(&sql)
        .await
        .map_err(|source| refused(format!("the journal of {table}"), source))
}

/// Reads the whole journal in the order of `seq`.
///
/// # Errors
/// What the server says, for example that no journal was installed.
pub async fn read(client: &Client) -> Result<Vec<JournalEntry>> {
    let sql = "SELECT seq, xid, table_name, op, key::text, old_key::text, new::text \
               FROM walcast_journal.changes ORDER BY seq";
    let rows = client
        .query(sql, &[])
        .await
        .map_err(|source| refused("reading the journal".to_owned(), source))?;
    rows.iter().map(entry).collect()
}

/// Number of changes in the journal, as a consumer sees them: an altered key is a delete and a create.
///
/// # Errors
/// What the server says, for example that no journal was installed.
pub async fn changes(client: &Client) -> Result<u64> {
    let row = client
        .query_one(
            "SELECT count(*) + count(old_key) FROM walcast_journal.changes",
            &[],
        )
        .await;
    let count = row.and_then(|row| row.try_get::<_, i64>(0));
    count
        .map(i64::unsigned_abs)
        .map_err(|source| refused("counting the journal".to_owned(), source))
}

fn entry(row: &SqlRow) -> Result<JournalEntry> {
    let failed = |source| refused("reading the journal".to_owned(), source);
    let operation: i8 = row.try_get(3).map_err(failed)?;
    let texts = |index| -> Result<Option<Row>> {
        let text: Option<&str> = row.try_get(index).map_err(failed)?;
        Ok(text.map(row_from_json))
    };
    Ok(JournalEntry {
        seq: row.try_get(0).map_err(failed)?,
        xid: row.try_get(1).map_err(failed)?,
        table: row.try_get(2).map_err(failed)?,
        operation: match u8::try_from(operation) {
            Ok(b'c') => Operation::Create,
            Ok(b'u') => Operation::Update,
            _ => Operation::Delete,
        },
        key: texts(4)?.unwrap_or_default(),
        old_key: texts(5)?,
        new: texts(6)?,
    })
}

fn row_from_json(text: &str) -> Row {
    serde_json::from_str(text).expect("the journal's function makes objects of texts only")
}

fn refused(action: String, source: tokio_postgres::Error) -> Error {
    Error::Postgres { action, source }
}
