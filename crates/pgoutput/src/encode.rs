//! Encoding of messages as a walsender sends them, for tests, simulations and captures.
//!
//! Messages are not checked against the state of the stream: a message has its transaction's id when its `xid` is
//! `Some`, so that invalid streams can be written too.

mod put;

use crate::frame::Frame;
use crate::identity::{Oid, Xid};
use crate::message::{Begin, Commit, LogicalMessage, Message, OldTuple, Prepared, Truncate};
use crate::relation::{Relation, ReplicaIdentity};
use crate::tuple::{Column, Tuple};
use crate::wire;

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
            put::lsn(origin.commit_lsn, out);
            put::text(origin.name, out);
        }
        Message::Relation(relation) => put_relation(relation, out),
        Message::Type(type_message) => {
            head(b'Y', type_message.xid, Some(type_message.oid), out);
            put::namespace(&type_message.namespace, out);
            put::text(&type_message.name, out);
        }
        Message::Insert(insert) => {
            head(b'I', insert.xid, Some(insert.relation), out);
            put_tuple(b'N', &insert.new, out);
        }
        Message::Update(update) => {
            head(b'U', update.xid, Some(update.relation), out);
            if let Some(old) = &update.old {
                put_old(old, out);
            }
            put_tuple(b'N', &update.new, out);
        }
        Message::Delete(delete) => {
            head(b'D', delete.xid, Some(delete.relation), out);
            put_old(&delete.old, out);
        }
        Message::Truncate(truncate) => put_truncate(truncate, out),
        Message::Logical(logical) => put_logical(logical, out),
        Message::StreamStart(start) => {
            head(b'S', Some(start.xid), None, out);
            out.push(u8::from(start.first));
        }
        Message::StreamStop => out.push(b'E'),
        Message::StreamCommit { xid, commit } => {
            head(b'c', Some(*xid), None, out);
            put_commit(commit, out);
        }
        Message::StreamAbort(abort) => {
            head(b'A', Some(abort.xid), None, out);
            put::xid(abort.subxid, out);
            if let Some((lsn, time)) = abort.aborted {
                put::lsn(lsn, out);
                put::time(time, out);
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
            put::lsn(rollback.prepare_end_lsn, out);
            put::lsn(rollback.end_lsn, out);
            put::time(rollback.prepared_at, out);
            put::time(rollback.rolled_back_at, out);
            put::xid(rollback.xid, out);
            put::text(rollback.gid, out);
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
            put::lsn(*wal_start, out);
            put::lsn(*wal_end, out);
            put::time(*sent_at, out);
            out.extend_from_slice(message);
        }
        Frame::Keepalive {
            wal_end,
            sent_at,
            reply_requested,
        } => {
            out.push(b'k');
            put::lsn(*wal_end, out);
            put::time(*sent_at, out);
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
    put::length(payload.len() + size_of::<u32>(), out);
    out.append(&mut payload);
}

/// Encodes a tuple, which [`Tuple::read`] reads back.
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
    put::columns(columns.iter().copied(), &mut out);
    out
}

/// Flags that the protocol reserves.
const NO_FLAGS: u8 = 0;

/// Appends the tag and the ids that may follow it.
fn head(tag: u8, xid: Option<Xid>, oid: Option<Oid>, out: &mut Vec<u8>) {
    out.push(tag);
    if let Some(xid) = xid {
        put::xid(xid, out);
    }
    if let Some(oid) = oid {
        put::oid(oid, out);
    }
}

fn put_begin(begin: &Begin, out: &mut Vec<u8>) {
    out.push(b'B');
    put::lsn(begin.commit_lsn, out);
    put::time(begin.commit_time, out);
    put::xid(begin.xid, out);
}

fn put_commit(commit: &Commit, out: &mut Vec<u8>) {
    out.push(NO_FLAGS);
    put::lsn(commit.commit_lsn, out);
    put::lsn(commit.end_lsn, out);
    put::time(commit.commit_time, out);
}

fn put_relation(relation: &Relation, out: &mut Vec<u8>) {
    head(b'R', relation.xid, Some(relation.oid), out);
    put::namespace(&relation.namespace, out);
    put::text(&relation.name, out);
    out.push(match relation.replica_identity {
        ReplicaIdentity::Default => b'd',
        ReplicaIdentity::Nothing => b'n',
        ReplicaIdentity::Full => b'f',
        ReplicaIdentity::Index => b'i',
    });
    put::count(relation.columns.len(), out);
    for column in &relation.columns {
        out.push(if column.is_key { wire::COLUMN_IS_KEY } else { 0 });
        put::text(&column.name, out);
        put::oid(column.type_oid, out);
        out.extend(column.type_modifier.to_be_bytes());
    }
}

fn put_truncate(truncate: &Truncate, out: &mut Vec<u8>) {
    head(b'T', truncate.xid, None, out);
    put::length(truncate.relations.len(), out);
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
    for oid in &truncate.relations {
        put::oid(*oid, out);
    }
}

fn put_logical(logical: &LogicalMessage<'_>, out: &mut Vec<u8>) {
    head(b'M', logical.xid, None, out);
    out.push(if logical.transactional {
        wire::MESSAGE_TRANSACTIONAL
    } else {
        0
    });
    put::lsn(logical.lsn, out);
    put::text(logical.prefix, out);
    put::length(logical.content.len(), out);
    out.extend_from_slice(logical.content);
}

fn flagged(tag: u8, prepared: &Prepared<'_>, out: &mut Vec<u8>) {
    out.extend([tag, NO_FLAGS]);
    put_prepared(prepared, out);
}

fn put_prepared(prepared: &Prepared<'_>, out: &mut Vec<u8>) {
    put::lsn(prepared.lsn, out);
    put::lsn(prepared.end_lsn, out);
    put::time(prepared.time, out);
    put::xid(prepared.xid, out);
    put::text(prepared.gid, out);
}

fn put_old(old: &OldTuple<'_>, out: &mut Vec<u8>) {
    match old {
        OldTuple::Key(tuple) => put_tuple(b'K', tuple, out),
        OldTuple::Full(tuple) => put_tuple(b'O', tuple, out),
    }
}

fn put_tuple(kind: u8, tuple: &Tuple<'_>, out: &mut Vec<u8>) {
    out.push(kind);
    put::columns(tuple.columns(), out);
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use crate::encode;
    use crate::frame::Frame;
    use crate::lsn::Lsn;
    use crate::message::{Message, Origin};
    use crate::timestamp::PgTimestamp;
    use crate::tuple::Column;

    fn check(write: impl FnOnce(&mut Vec<u8>), expected: &Expect) {
        let mut out = b"before ".to_vec();
        write(&mut out);
        expected.assert_eq(&out.escape_ascii().to_string());
    }

    #[test]
    fn messages_and_frames_are_appended() {
        let data = Frame::XLogData {
            wal_start: Lsn::new(1),
            wal_end: Lsn::new(2),
            sent_at: PgTimestamp::from_postgres_micros(3),
            message: b"E",
        };
        let keepalive = Frame::Keepalive {
            wal_end: Lsn::new(2),
            sent_at: PgTimestamp::from_postgres_micros(-3),
            reply_requested: true,
        };
        check(
            |out| encode::message(&Message::StreamStop, out),
            &expect!["before E"],
        );
        check(
            |out| encode::frame(&data, out),
            &expect![[
                r#"before w\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03E"#
            ]],
        );
        check(
            |out| encode::copy_data(&data, out),
            &expect![[
                r#"before d\x00\x00\x00\x1ew\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03E"#
            ]],
        );
        check(
            |out| encode::copy_data(&keepalive, out),
            &expect![[
                r#"before d\x00\x00\x00\x16k\x00\x00\x00\x00\x00\x00\x00\x02\xff\xff\xff\xff\xff\xff\xff\xfd\x01"#
            ]],
        );
    }

    #[test]
    fn a_tuple_is_its_columns() {
        let columns = [
            Column::Null,
            Column::UnchangedToast,
            Column::Text(b"hi"),
            Column::Binary(b"\0"),
        ];
        check(
            |out| out.extend(encode::tuple(&columns)),
            &expect![[r#"before \x00\x04nut\x00\x00\x00\x02hib\x00\x00\x00\x01\x00"#]],
        );
    }

    #[test]
    #[should_panic(expected = "a zero byte would end the text")]
    fn text_with_a_zero_byte_is_rejected() {
        let origin = Origin {
            commit_lsn: Lsn::new(1),
            name: "a\0b",
        };
        encode::message(&Message::Origin(origin), &mut Vec::new());
    }

    #[test]
    #[should_panic(expected = "no more columns than the wire can count")]
    fn more_columns_than_the_wire_can_count_are_rejected() {
        drop(encode::tuple(&[Column::Null; 1 << 15]));
    }
}
