//! The messages of pgoutput, protocol versions 1 to 4.
//!
//! See <https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>.

use crate::identity::{Oid, Xid};
use crate::lsn::Lsn;
use crate::relation::Relation;
use crate::timestamp::PgTimestamp;
use crate::tuple::Tuple;

/// One message of the stream; it borrows row data and text from the frame it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// `B`: a transaction begins.
    Begin(Begin),
    /// `C`: a transaction ends.
    Commit(Commit),
    /// `O`: the origin of a replicated transaction.
    Origin(Origin<'a>),
    /// `R`: the columns of a table, before its first change of a session and after each alteration.
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
        /// Its commit.
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
    /// Position of the commit record, by which transactions are ordered.
    pub commit_lsn: Lsn,
    /// Commit time.
    pub commit_time: PgTimestamp,
    /// The transaction.
    pub xid: Xid,
}

/// A transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Start of the commit record.
    pub commit_lsn: Lsn,
    /// End of the commit record: the only position of a transaction that may be confirmed.
    pub end_lsn: Lsn,
    /// Commit time.
    pub commit_time: PgTimestamp,
}

/// The server a transaction was first committed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Position of the commit on that server.
    pub commit_lsn: Lsn,
    /// The replication origin's name.
    pub name: &'a str,
}

/// A type that is not built in. The message identifies the type; labels and base types come from the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeMessage {
    /// The transaction, when streamed.
    pub xid: Option<Xid>,
    /// The type.
    pub oid: Oid,
    /// Schema of the type.
    pub namespace: String,
    /// Name of the type.
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
    /// Old row, as far as the replica identity covers it; `None` when the key did not change.
    pub old: Option<OldTuple<'a>>,
    /// New row.
    pub new: Tuple<'a>,
}

/// A row was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delete<'a> {
    /// The transaction, when streamed.
    pub xid: Option<Xid>,
    /// The table.
    pub relation: Oid,
    /// Old row, as far as the replica identity covers it.
    pub old: OldTuple<'a>,
}

/// Old state of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldTuple<'a> {
    /// `K`: only the columns of the replica identity have values; the others read as null, which means nothing.
    Key(Tuple<'a>),
    /// `O`: the whole row (`REPLICA IDENTITY FULL`).
    Full(Tuple<'a>),
}

/// Tables were truncated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncate {
    /// The transaction, when streamed.
    pub xid: Option<Xid>,
    /// Whether `CASCADE` was specified.
    pub cascade: bool,
    /// Whether `RESTART IDENTITY` was specified.
    pub restart_identity: bool,
    /// The tables.
    pub relations: Vec<Oid>,
}

/// `pg_logical_emit_message` was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogicalMessage<'a> {
    /// The transaction, when streamed.
    pub xid: Option<Xid>,
    /// Whether the message is transactional; a non-transactional message lies between transactions.
    pub transactional: bool,
    /// Position of the message.
    pub lsn: Lsn,
    /// Prefix of the message.
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
    /// Subtransaction that is rolled back; equal to `xid` for the whole transaction.
    pub subxid: Xid,
    /// Position and time of the abort, with parallel streaming (version 4).
    pub aborted: Option<(Lsn, PgTimestamp)>,
}

/// A prepared transaction: `BeginPrepare`, `Prepare`, `CommitPrepared` and `StreamPrepare` share this body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared<'a> {
    /// Start of the prepare (or commit) record.
    pub lsn: Lsn,
    /// End of the record.
    pub end_lsn: Lsn,
    /// Time of the record.
    pub time: PgTimestamp,
    /// The transaction.
    pub xid: Xid,
    /// The name given to `PREPARE TRANSACTION`.
    pub gid: &'a str,
}

/// A prepared transaction is rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackPrepared<'a> {
    /// End of the prepare record.
    pub prepare_end_lsn: Lsn,
    /// End of the rollback record.
    pub end_lsn: Lsn,
    /// Time of the prepare.
    pub prepared_at: PgTimestamp,
    /// Time of the rollback.
    pub rolled_back_at: PgTimestamp,
    /// The transaction.
    pub xid: Xid,
    /// The name given to `PREPARE TRANSACTION`.
    pub gid: &'a str,
}
