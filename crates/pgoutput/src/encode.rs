//! From messages to bytes: what a walsender would send. For tests, simulations and captures.
//!
//! Nothing here is checked against the stream's state: whether a message carries its transaction's number is told
//! by its `xid` being `Some`, so that wrong streams can be written too.

use crate::wire;
use crate::{
    Begin, Column, Commit, Frame, LogicalMessage, Lsn, Message, Oid, OldTuple, PgTimestamp, Prepared,
    Relation, ReplicaIdentity, Truncate, Tuple, Xid,
};

/// Appends `message` as the server writes it.
///
/// # Panics
/// A text holds a zero byte, or a count or length is more than the wire can carry.
pub fn message(message: &Message<'_>, out: &mut Vec<u8>) {
    match message {
        Message::Begin(begin) => put_begin(begin, out),
        Message::Commit(commit) => {
            out.push(b'C');
            put_commit(commit, out);
        }
        Message::Origin(origin) => {
            out.push(b'O');
            put_lsn(origin.commit_lsn, out);
            put_text(origin.name, out);
        }
        Message::Relation(relation) => put_relation(relation, out),
        Message::Type(type_message) => {
            change(b'Y', type_message.xid, Some(type_message.oid), out);
            put_namespace(&type_message.namespace, out);
            put_text(&type_message.name, out);
        }
        Message::Insert(insert) => {
            change(b'I', insert.xid, Some(insert.relation), out);
            put_tuple(b'N', &insert.new, out);
        }
        Message::Update(update) => {
            change(b'U', update.xid, Some(update.relation), out);
            if let Some(old) = &update.old {
                put_old(old, out);
            }
            put_tuple(b'N', &update.new, out);
        }
        Message::Delete(delete) => {
            change(b'D', delete.xid, Some(delete.relation), out);
            put_old(&delete.old, out);
        }
        Message::Truncate(truncate) => put_truncate(truncate, out),
        Message::Logical(logical) => put_logical(logical, out),
        Message::StreamStart(start) => {
            change(b'S', Some(start.xid), None, out);
            out.push(u8::from(start.first));
        }
        Message::StreamStop => out.push(b'E'),
        Message::StreamCommit { xid, commit } => {
            change(b'c', Some(*xid), None, out);
            put_commit(commit, out);
        }
        Message::StreamAbort(abort) => {
            change(b'A', Some(abort.xid), None, out);
            out.extend(abort.subxid.as_u32().to_be_bytes());
            if let Some((lsn, time)) = abort.aborted {
                put_lsn(lsn, out);
                put_time(time, out);
            }
        }
        Message::BeginPrepare(prepared) => {
            out.push(b'b');
            put_prepared(prepared, out);
        }
        Message::Prepare(prepared) => flagged(b'P', prepared, out),
        Message::CommitPrepared(prepared) => flagged(b'K', prepared, out),
        Message::StreamPrepare(prepared) => flagged(b'p', prepared, out),
        Message::RollbackPrepared(rollback) => {
            out.extend([b'r', NO_FLAGS]);
            put_lsn(rollback.prepare_end_lsn, out);
            put_lsn(rollback.end_lsn, out);
            put_time(rollback.prepared_at, out);
            put_time(rollback.rolled_back_at, out);
            out.extend(rollback.xid.as_u32().to_be_bytes());
            put_text(rollback.gid, out);
        }
    }
}

/// Appends the payload of a `CopyData` message.
pub fn frame(frame: &Frame<'_>, out: &mut Vec<u8>) {
    match frame {
        Frame::XLogData {
            wal_start,
            wal_end,
            sent_at,
            message,
        } => {
            out.push(b'w');
            put_lsn(*wal_start, out);
            put_lsn(*wal_end, out);
            put_time(*sent_at, out);
            out.extend_from_slice(message);
        }
        Frame::Keepalive {
            wal_end,
            sent_at,
            reply_requested,
        } => {
            out.push(b'k');
            put_lsn(*wal_end, out);
            put_time(*sent_at, out);
            out.push(u8::from(*reply_requested));
        }
    }
}

/// Appends a whole `CopyData` message: header and payload.
///
/// # Panics
/// The payload is more than a message can carry.
pub fn copy_data(data: &Frame<'_>, out: &mut Vec<u8>) {
    let mut payload = Vec::new();
    frame(data, &mut payload);
    out.push(b'd');
    put_length(payload.len() + size_of::<u32>(), out);
    out.append(&mut payload);
}

/// A tuple's bytes; [`Tuple::read`] makes a tuple of them.
///
/// ```
/// use walcast_pgoutput::{Column, Tuple, encode, reader::Reader};
///
/// let bytes = encode::tuple(&[Column::Text(b"42"), Column::Null]);
/// let tuple = Tuple::read(&mut Reader::new(&bytes))?;
/// assert_eq!(tuple.columns().next(), Some(Column::Text(b"42")));
/// # Ok::<(), walcast_pgoutput::DecodeError>(())
/// ```
///
/// # Panics
/// There are more columns, or a value has more bytes, than the wire can carry.
#[must_use]
pub fn tuple(columns: &[Column<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    put_columns(columns.iter().copied(), &mut out);
    out
}

/// A byte that the protocol keeps for later use.
const NO_FLAGS: u8 = 0;

fn change(tag: u8, xid: Option<Xid>, oid: Option<Oid>, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend(xid.map(|xid| xid.as_u32().to_be_bytes()).into_iter().flatten());
    out.extend(oid.map(|oid| oid.as_u32().to_be_bytes()).into_iter().flatten());
}

fn put_begin(begin: &Begin, out: &mut Vec<u8>) {
    out.push(b'B');
    put_lsn(begin.commit_lsn, out);
    put_time(begin.commit_time, out);
    out.extend(begin.xid.as_u32().to_be_bytes());
}

fn put_commit(commit: &Commit, out: &mut Vec<u8>) {
    out.push(NO_FLAGS);
    put_lsn(commit.commit_lsn, out);
    put_lsn(commit.end_lsn, out);
    put_time(commit.commit_time, out);
}

fn put_relation(relation: &Relation, out: &mut Vec<u8>) {
    change(b'R', relation.xid, Some(relation.oid), out);
    put_namespace(&relation.namespace, out);
    put_text(&relation.name, out);
    out.push(match relation.replica_identity {
        ReplicaIdentity::Default => b'd',
        ReplicaIdentity::Nothing => b'n',
        ReplicaIdentity::Full => b'f',
        ReplicaIdentity::Index => b'i',
    });
    put_count(relation.columns.len(), out);
    for column in &relation.columns {
        out.push(if column.is_key { wire::COLUMN_IS_KEY } else { 0 });
        put_text(&column.name, out);
        out.extend(column.type_oid.as_u32().to_be_bytes());
        out.extend(column.type_modifier.to_be_bytes());
    }
}

fn put_truncate(truncate: &Truncate, out: &mut Vec<u8>) {
    change(b'T', truncate.xid, None, out);
    put_length(truncate.relations.len(), out);
    let cascade = if truncate.cascade {
        wire::TRUNCATE_CASCADE
    } else {
        0
    };
    let restart_identity = if truncate.restart_identity {
        wire::TRUNCATE_RESTART_IDENTITY
    } else {
        0
    };
    out.push(cascade | restart_identity);
    out.extend(
        truncate
            .relations
            .iter()
            .flat_map(|oid| oid.as_u32().to_be_bytes()),
    );
}

fn put_logical(logical: &LogicalMessage<'_>, out: &mut Vec<u8>) {
    change(b'M', logical.xid, None, out);
    out.push(if logical.transactional {
        wire::MESSAGE_TRANSACTIONAL
    } else {
        0
    });
    put_lsn(logical.lsn, out);
    put_text(logical.prefix, out);
    put_length(logical.content.len(), out);
    out.extend_from_slice(logical.content);
}

fn flagged(tag: u8, prepared: &Prepared<'_>, out: &mut Vec<u8>) {
    out.extend([tag, NO_FLAGS]);
    put_prepared(prepared, out);
}

fn put_prepared(prepared: &Prepared<'_>, out: &mut Vec<u8>) {
    put_lsn(prepared.lsn, out);
    put_lsn(prepared.end_lsn, out);
    put_time(prepared.time, out);
    out.extend(prepared.xid.as_u32().to_be_bytes());
    put_text(prepared.gid, out);
}

fn put_old(old: &OldTuple<'_>, out: &mut Vec<u8>) {
    match old {
        OldTuple::Key(tuple) => put_tuple(b'K', tuple, out),
        OldTuple::Full(tuple) => put_tuple(b'O', tuple, out),
    }
}

fn put_tuple(kind: u8, tuple: &Tuple<'_>, out: &mut Vec<u8>) {
    out.push(kind);
    put_columns(tuple.columns(), out);
}

fn put_columns<'a>(columns: impl ExactSizeIterator<Item = Column<'a>>, out: &mut Vec<u8>) {
    put_count(columns.len(), out);
    for column in columns {
        let (kind, value) = match column {
            Column::Null => (b'n', None),
            Column::UnchangedToast => (b'u', None),
            Column::Text(text) => (b't', Some(text)),
            Column::Binary(binary) => (b'b', Some(binary)),
        };
        out.push(kind);
        if let Some(value) = value {
            put_length(value.len(), out);
            out.extend_from_slice(value);
        }
    }
}

fn put_namespace(namespace: &str, out: &mut Vec<u8>) {
    put_text(
        if namespace == wire::CATALOG_NAMESPACE {
            ""
        } else {
            namespace
        },
        out,
    );
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    assert!(
        !text.contains('\0'),
        "a zero byte would end the text {text:?} early"
    );
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    out.extend(
        i16::try_from(count)
            .expect("no more columns than the wire can count")
            .to_be_bytes(),
    );
}

fn put_length(length: usize, out: &mut Vec<u8>) {
    out.extend(
        i32::try_from(length)
            .expect("no more bytes than the wire can count")
            .to_be_bytes(),
    );
}

fn put_lsn(lsn: Lsn, out: &mut Vec<u8>) {
    out.extend(lsn.as_u64().to_be_bytes());
}

fn put_time(time: PgTimestamp, out: &mut Vec<u8>) {
    out.extend(time.postgres_micros().to_be_bytes());
}
