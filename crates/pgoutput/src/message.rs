//! The messages of pgoutput, protocol versions 1 to 4.
//!
//! See <https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>.

use crate::{Lsn, Oid, PgTimestamp, Relation, Tuple, Xid};

/// One message of the stream; it borrows row data and text from the frame it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// `B`: a transaction begins.
    Begin(Begin),
    /// `C`: a transaction ends.
    Commit(Commit),
    /// `O`: where a replicated transaction was first committed.
    Origin(Origin<'a>),
    /// `R`: the shape of a table, before its first change of a session and after each alteration.
    Relation(Relation),
    /// `Y`: a type that is not built in, before the relation that uses it.
    Type(TypeMessage),
    /// `I`: a row was inserted.
    Insert(Insert<'a>),
    /// `U`: a row was updated.
    Update(Update<'a>),
    /// `D`: a row was deleted.
    Delete(Delete<'a>),
    /// `T`: tables were truncated.
    Truncate(Truncate),
    /// `M`: `pg_logical_emit_message` was called.
    Logical(LogicalMessage<'a>),
    /// `S`: a block of a transaction in progress begins (version 2).
    StreamStart(StreamStart),
    /// `E`: a block of a transaction in progress ends (version 2).
    StreamStop,
    /// `c`: a streamed transaction is committed (version 2).
    StreamCommit {
        /// The transaction.
        xid: Xid,
        /// Where it ended.
        commit: Commit,
    },
    /// `A`: a streamed transaction or one of its subtransactions is rolled back (version 2).
    StreamAbort(StreamAbort),
    /// `b`: a transaction that will be prepared begins (version 3).
    BeginPrepare(Prepared<'a>),
    /// `P`: a transaction is prepared (version 3).
    Prepare(Prepared<'a>),
    /// `K`: a prepared transaction is committed (version 3).
    CommitPrepared(Prepared<'a>),
    /// `r`: a prepared transaction is rolled back (version 3).
    RollbackPrepared(RollbackPrepared<'a>),
    /// `p`: a streamed transaction is prepared (version 3).
    StreamPrepare(Prepared<'a>),
}

/// A transaction begins; version 1 sends only transactions that are committed, so its end is already known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Where the commit record lies: the transaction's place in the order.
    pub commit_lsn: Lsn,
    /// When it was committed.
    pub commit_time: PgTimestamp,
    /// The transaction.
    pub xid: Xid,
}

/// A transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Where the commit record begins.
    pub commit_lsn: Lsn,
    /// Where the commit record ends: the only position of a transaction that may be confirmed.
    pub end_lsn: Lsn,
    /// When it was committed.
    pub commit_time: PgTimestamp,
}

/// The server a transaction was first committed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Where it was committed there.
    pub commit_lsn: Lsn,
    /// The replication origin's name.
    pub name: &'a str,
}

/// A type that is not built in. It says which type, not what it is: labels and base types come from the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeMessage {
    /// The transaction, when streamed.
    pub xid: Option<Xid>,
    /// The type.
    pub oid: Oid,
    /// Its schema.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A row was inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insert<'a> {
    /// The transaction, when streamed.
    pub xid: Option<Xid>,
    /// The table.
    pub relation: Oid,
    /// The row.
    pub new: Tuple<'a>,
}

/// A row was updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    /// The transaction, when streamed.
    pub xid: Option<Xid>,
    /// The table.
    pub relation: Oid,
    /// What the row was, as far as the replica identity tells; absent when the key did not change.
    pub old: Option<OldTuple<'a>>,
    /// What the row is.
    pub new: Tuple<'a>,
}

/// A row was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delete<'a> {
    /// The transaction, when streamed.
    pub xid: Option<Xid>,
    /// The table.
    pub relation: Oid,
    /// What the row was, as far as the replica identity tells.
    pub old: OldTuple<'a>,
}

/// The former state of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldTuple<'a> {
    /// `K`: only the columns of the replica identity have values; the others read as null and mean nothing.
    Key(Tuple<'a>),
    /// `O`: the whole row (`REPLICA IDENTITY FULL`).
    Full(Tuple<'a>),
}

/// Tables were truncated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncate {
    /// The transaction, when streamed.
    pub xid: Option<Xid>,
    /// `CASCADE` was said.
    pub cascade: bool,
    /// `RESTART IDENTITY` was said.
    pub restart_identity: bool,
    /// The tables.
    pub relations: Vec<Oid>,
}

/// `pg_logical_emit_message` was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogicalMessage<'a> {
    /// The transaction, when streamed.
    pub xid: Option<Xid>,
    /// Whether it belongs to a transaction; if not, it stands between transactions.
    pub transactional: bool,
    /// Where it lies.
    pub lsn: Lsn,
    /// The sender's prefix.
    pub prefix: &'a str,
    /// The content.
    pub content: &'a [u8],
}

/// A block of a transaction in progress begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamStart {
    /// The transaction.
    pub xid: Xid,
    /// Whether this is the first block of it.
    pub first: bool,
}

/// A streamed transaction or subtransaction is rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamAbort {
    /// The transaction.
    pub xid: Xid,
    /// What is rolled back; equal to `xid` when it is the whole.
    pub subxid: Xid,
    /// Where and when, with parallel streaming (version 4).
    pub aborted: Option<(Lsn, PgTimestamp)>,
}

/// A prepared transaction: `BeginPrepare`, `Prepare`, `CommitPrepared` and `StreamPrepare` share this body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared<'a> {
    /// Where the prepare (or commit) record begins.
    pub lsn: Lsn,
    /// Where it ends.
    pub end_lsn: Lsn,
    /// When.
    pub time: PgTimestamp,
    /// The transaction.
    pub xid: Xid,
    /// The name given to `PREPARE TRANSACTION`.
    pub gid: &'a str,
}

/// A prepared transaction is rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackPrepared<'a> {
    /// Where the prepare record ends.
    pub prepare_end_lsn: Lsn,
    /// Where the rollback record ends.
    pub end_lsn: Lsn,
    /// When it was prepared.
    pub prepared_at: PgTimestamp,
    /// When it was rolled back.
    pub rolled_back_at: PgTimestamp,
    /// The transaction.
    pub xid: Xid,
    /// The name given to `PREPARE TRANSACTION`.
    pub gid: &'a str,
}
