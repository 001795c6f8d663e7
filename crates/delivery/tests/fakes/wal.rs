//! The modelled WAL: tables, rows and committed transactions at their positions.

use std::collections::BTreeMap;
use std::rc::Rc;

use walcast_delivery::{Partition, Persistence};
use walcast_mapper::{ColumnMetadata, TableMetadata, TableName, TypeMetadata};
use walcast_pgoutput::{Lsn, Oid, PgTimestamp, Relation, RelationColumn, ReplicaIdentity, Xid};

/// A row's values in column order; `None` is null.
pub(crate) type Row = Vec<Option<String>>;

/// One change in a transaction.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Insert(Row),
    /// The old key, if it changed, and the new row.
    Update(Option<Row>, Row),
    /// The old key.
    Delete(Row),
    Truncate,
    /// `pg_logical_emit_message(true, 'walcast.context', …)`, which sets the context of the changes after it.
    Message,
}

/// A table as the catalog describes it now.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: TableName,
    pub(crate) oid: Oid,
    /// The relfilenode, which changes when the table is rewritten.
    pub(crate) file: Oid,
    /// Commits before this position were not published.
    pub(crate) published_since: Lsn,
    pub(crate) columns: Vec<ColumnMetadata>,
    pub(crate) types: BTreeMap<Oid, TypeMetadata>,
    /// Whether the configured patterns match the table.
    pub(crate) captured: bool,
    pub(crate) persistence: Persistence,
    pub(crate) identifies_rows: bool,
    pub(crate) has_key: bool,
    /// Whether the configuration names the table, and does not only select its schema.
    pub(crate) is_named: bool,
    /// Partitions, if the table is partitioned. Their rows are those of tables of their own, which are not captured.
    pub(crate) partitions: Option<Vec<Partition>>,
}

/// A change at its position, with the relation as of that position.
#[derive(Clone, Debug)]
pub(crate) struct LoggedChange {
    pub(crate) lsn: Lsn,
    pub(crate) relation: Rc<Relation>,
    pub(crate) change: Change,
}

/// A committed transaction, or a non-transactional message, which has neither begin nor commit and whose position, the end of its
/// record, is its `commit_lsn`.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) is_message: bool,
    pub(crate) xid: Xid,
    pub(crate) commit_lsn: Lsn,
    pub(crate) end_lsn: Lsn,
    pub(crate) commit_time: PgTimestamp,
    pub(crate) changes: Vec<LoggedChange>,
}

/// 2026-01-01 00:00:00 UTC, microseconds since 1970: when the first transaction is committed.
const FIRST_COMMIT_UNIX_MICROS: i64 = 1_767_225_600_000_000;

/// WAL size of a change.
const CHANGE_BYTES: u64 = 0x80;
/// WAL size of a commit record.
const COMMIT_BYTES: u64 = 0x30;

impl Table {
    /// `public.<name> (id int4 primary key, note text)`, captured.
    pub(crate) fn new(name: &str, oid: u32) -> Self {
        Self {
            name: TableName {
                namespace: "public".to_owned(),
                name: name.to_owned(),
            },
            oid: Oid::new(oid),
            file: Oid::new(oid),
            published_since: Lsn::INVALID,
            columns: vec![column("id", 23, true), column("note", 25, false)],
            types: BTreeMap::new(),
            captured: true,
            persistence: Persistence::Permanent,
            identifies_rows: true,
            has_key: true,
            is_named: true,
            partitions: None,
        }
    }

    /// `public.<name> (id text primary key, type text, data text)`, not captured.
    pub(crate) fn signal_table(name: &str, oid: u32) -> Self {
        Self {
            columns: vec![
                column("id", 25, true),
                column("type", 25, false),
                column("data", 25, false),
            ],
            captured: false,
            ..Self::new(name, oid)
        }
    }

    pub(crate) fn metadata(&self) -> TableMetadata {
        TableMetadata {
            columns: self.columns.clone(),
            key_columns: self.has_key.then(|| "id".to_owned()).into_iter().collect(),
            types: self.types.clone(),
            ..TableMetadata::default()
        }
    }

    pub(crate) fn relation(&self) -> Relation {
        let columns = self.columns.iter().map(|column| RelationColumn {
            is_key: self.has_key && column.name == "id",
            name: column.name.clone(),
            type_oid: column.type_oid,
            type_modifier: column.type_modifier,
        });
        Relation {
            xid: None,
            oid: self.oid,
            namespace: self.name.namespace.clone(),
            name: self.name.name.clone(),
            replica_identity: ReplicaIdentity::Default,
            columns: columns.collect(),
        }
    }
}

fn column(name: &str, type_oid: u32, not_null: bool) -> ColumnMetadata {
    ColumnMetadata {
        name: name.to_owned(),
        type_oid: Oid::new(type_oid),
        type_modifier: -1,
        not_null,
        default_expression: None,
        generated: false,
    }
}

impl Transaction {
    /// Writes `changes` to WAL after `wal_end`. With `together` they all have one position, like the rows of a `COPY`.
    pub(crate) fn write(
        wal_end: Lsn,
        xid: Xid,
        changes: Vec<(Rc<Relation>, Change)>,
        together: bool,
    ) -> Self {
        let begin = wal_end.as_u64();
        let mut at = begin;
        let logged = changes.into_iter().map(|(relation, change)| {
            let lsn = Lsn::new(at);
            if !together {
                at += CHANGE_BYTES;
            }
            LoggedChange {
                lsn,
                relation,
                change,
            }
        });
        let changes = logged.collect();
        let commit = at + CHANGE_BYTES;
        let commit_time_unix_micros =
            FIRST_COMMIT_UNIX_MICROS + i64::try_from(commit).expect("positions here are small");
        Self {
            is_message: false,
            xid,
            commit_lsn: Lsn::new(commit),
            end_lsn: Lsn::new(commit + COMMIT_BYTES),
            commit_time: PgTimestamp::from_unix_micros(commit_time_unix_micros),
            changes,
        }
    }
}

impl LoggedChange {
    /// Content of a message. Some are not JSON, as those of a careless application.
    pub(crate) fn message(&self) -> String {
        match (self.lsn.as_u64() / CHANGE_BYTES).is_multiple_of(4) {
            true => "{".to_owned(),
            false => format!("{{\"written_at\":\"{}\"}}", self.lsn),
        }
    }
}

impl Transaction {
    /// Headers of context that the records of a change have, as names and values: those of the last message before the change.
    pub(crate) fn context_of(&self, ordinal: usize) -> Vec<(String, String)> {
        let is_message = |logged: &&LoggedChange| matches!(logged.change, Change::Message);
        if self.is_message || self.changes.get(ordinal).as_ref().is_some_and(is_message) {
            return Vec::new();
        }
        let before = self.changes.get(..ordinal).unwrap_or_default();
        let last = before.iter().rev().find(is_message);
        let header = last
            .map(LoggedChange::message)
            .map(|content| match content.len() {
                1 => ("walcast.context.error".to_owned(), "not_json".to_owned()),
                _ => ("walcast.context".to_owned(), content),
            });
        header.into_iter().collect()
    }

    /// Writes a non-transactional message to WAL after `wal_end`. `relation` is a placeholder.
    pub(crate) fn write_message(wal_end: Lsn, relation: Rc<Relation>) -> Self {
        let end = Lsn::new(wal_end.as_u64() + CHANGE_BYTES);
        let change = LoggedChange {
            lsn: end,
            relation,
            change: Change::Message,
        };
        Self {
            is_message: true,
            xid: Xid::new(0),
            commit_lsn: end,
            end_lsn: end,
            commit_time: PgTimestamp::from_unix_micros(FIRST_COMMIT_UNIX_MICROS),
            changes: vec![change],
        }
    }

    /// Position of the next record in WAL.
    pub(crate) fn next_lsn(&self) -> Lsn {
        self.end_lsn
    }

    /// Beginning of the record of the commit, or of the message.
    pub(crate) fn record_begin(&self) -> Lsn {
        match self.is_message {
            true => Lsn::new(self.end_lsn.as_u64() - CHANGE_BYTES),
            false => self.commit_lsn,
        }
    }
}

fn row(id: i32, note: &str) -> Row {
    vec![Some(id.to_string()), Some(note.to_owned())]
}

pub(crate) fn insert(id: i32) -> Change {
    Change::Insert(row(id, "new"))
}

/// A row of a signal table.
pub(crate) fn signal(kind: &str, data: &str) -> Change {
    Change::Insert(vec![
        Some("1".to_owned()),
        Some(kind.to_owned()),
        Some(data.to_owned()),
    ])
}

/// A row of at least `bytes` bytes.
pub(crate) fn insert_padded(id: i32, bytes: usize) -> Change {
    Change::Insert(row(id, &"x".repeat(bytes)))
}

pub(crate) fn update(id: i32) -> Change {
    Change::Update(None, row(id, "changed"))
}

/// An update that changes the primary key.
pub(crate) fn update_key(from: i32, to: i32) -> Change {
    Change::Update(Some(vec![Some(from.to_string()), None]), row(to, "moved"))
}

pub(crate) fn delete(id: i32) -> Change {
    Change::Delete(vec![Some(id.to_string()), None])
}

pub(crate) fn truncate() -> Change {
    Change::Truncate
}

pub(crate) fn message() -> Change {
    Change::Message
}
