//! What the modelled walsender sends: frames as the real one would write them.

use std::collections::HashMap;
use std::rc::Rc;

use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{
    Begin, Column, Commit, Delete, Frame, Insert, LogicalMessage, Lsn, Message, Oid, OldTuple, PgTimestamp,
    Relation, Truncate, Tuple, Update, encode,
};

use super::log::{Change, Logged, Row, Transaction};

/// The relations one session was told of, by their number.
pub(crate) type Told = HashMap<Oid, Rc<Relation>>;

/// The frames of a transaction, whole `CopyData` messages. A relation is described before its first change of the
/// session and whenever its shape is another. With `keepalives`, one stands before every change.
pub(crate) fn transaction(transaction: &Transaction, told: &mut Told, keepalives: bool) -> Vec<Vec<u8>> {
    if transaction.is_message {
        return transaction
            .changes
            .iter()
            .map(|logged| message(logged, false))
            .collect();
    }
    let mut frames = Vec::new();
    let begin = Begin {
        commit_lsn: transaction.commit_lsn,
        commit_time: transaction.commit_time,
        xid: transaction.xid,
    };
    let start = transaction
        .changes
        .first()
        .map_or(transaction.commit_lsn, |first| first.lsn);
    frames.push(data(start, &Message::Begin(begin)));
    for logged in &transaction.changes {
        if keepalives {
            frames.push(keepalive(logged.lsn));
        }
        let relation = &logged.relation;
        if told.get(&relation.oid) != Some(relation) {
            frames.push(data(logged.lsn, &Message::Relation((**relation).clone())));
            told.insert(relation.oid, Rc::clone(relation));
        }
        frames.push(change(logged));
    }
    let commit = Commit {
        commit_lsn: transaction.commit_lsn,
        end_lsn: transaction.end_lsn,
        commit_time: transaction.commit_time,
    };
    frames.push(data(transaction.end_lsn, &Message::Commit(commit)));
    frames
}

pub(crate) fn keepalive(wal_end: Lsn) -> Vec<u8> {
    let mut out = Vec::new();
    let frame = Frame::Keepalive {
        wal_end,
        sent_at: PgTimestamp::from_postgres_micros(0),
        reply_requested: false,
    };
    encode::copy_data(&frame, &mut out);
    out
}

/// One message as a `CopyData` message.
pub(crate) fn data(wal_start: Lsn, message: &Message<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    encode::message(message, &mut payload);
    let mut out = Vec::new();
    let frame = Frame::XLogData {
        wal_start,
        wal_end: wal_start,
        sent_at: PgTimestamp::from_postgres_micros(0),
        message: &payload,
    };
    encode::copy_data(&frame, &mut out);
    out
}

fn change(logged: &Logged) -> Vec<u8> {
    let relation = logged.relation.oid;
    let (old, new) = match &logged.change {
        Change::Insert(new) => (Vec::new(), tuple(new)),
        Change::Update(old, new) => (old.as_ref().map(tuple).unwrap_or_default(), tuple(new)),
        Change::Delete(old) => (tuple(old), Vec::new()),
        Change::Truncate | Change::Message => (Vec::new(), Vec::new()),
    };
    let read = |bytes| Tuple::read(&mut Reader::new(bytes)).expect("it was just written");
    let message = match &logged.change {
        Change::Insert(_) => Message::Insert(Insert {
            xid: None,
            relation,
            new: read(&new),
        }),
        Change::Update(moved, _) => Message::Update(Update {
            xid: None,
            relation,
            old: moved.as_ref().map(|_| OldTuple::Key(read(&old))),
            new: read(&new),
        }),
        Change::Delete(_) => Message::Delete(Delete {
            xid: None,
            relation,
            old: OldTuple::Key(read(&old)),
        }),
        Change::Truncate => Message::Truncate(Truncate {
            xid: None,
            cascade: false,
            restart_identity: false,
            relations: vec![relation],
        }),
        Change::Message => return message(logged, true),
    };
    data(logged.lsn, &message)
}

fn message(logged: &Logged, transactional: bool) -> Vec<u8> {
    let message = LogicalMessage {
        xid: None,
        transactional,
        lsn: logged.lsn,
        prefix: "test",
        content: b"hello",
    };
    data(logged.lsn, &Message::Logical(message))
}

fn tuple(row: &Row) -> Vec<u8> {
    let columns: Vec<Column<'_>> = row
        .iter()
        .map(|value| {
            value
                .as_ref()
                .map_or(Column::Null, |text| Column::Text(text.as_bytes()))
        })
        .collect();
    encode::tuple(&columns)
}
