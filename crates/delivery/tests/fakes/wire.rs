//! Frames of the modelled walsender, encoded as the real one does.

use std::collections::HashMap;
use std::rc::Rc;

use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{
    Begin, Column, Commit, Delete, Frame, Insert, LogicalMessage, Lsn, Message, Oid, OldTuple, PgTimestamp,
    Relation, Truncate, Tuple, Update, encode,
};

use super::wal::{Change, LoggedChange, Row, Transaction};

/// The relations described in a session, by OID.
pub(crate) type KnownRelations = HashMap<Oid, Rc<Relation>>;

/// The frames of a transaction, complete `CopyData` messages. A relation is described before its first change of the
/// session and after it was altered. With `keepalives`, a keepalive precedes every change.
pub(crate) fn transaction(
    transaction: &Transaction,
    known_relations: &mut KnownRelations,
    keepalives: bool,
) -> Vec<Vec<u8>> {
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
        if known_relations.get(&relation.oid) != Some(relation) {
            frames.push(data(logged.lsn, &Message::Relation((**relation).clone())));
            known_relations.insert(relation.oid, Rc::clone(relation));
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

/// A pgoutput message as a `CopyData` message.
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

fn change(logged: &LoggedChange) -> Vec<u8> {
    let relation = logged.relation.oid;
    let (old, new) = match &logged.change {
        Change::Insert(new) => (Vec::new(), tuple(new)),
        Change::Update(old, new) => (old.as_ref().map(tuple).unwrap_or_default(), tuple(new)),
        Change::Delete(old) => (tuple(old), Vec::new()),
        Change::Truncate | Change::Message => (Vec::new(), Vec::new()),
    };
    let read = |bytes| Tuple::read(&mut Reader::new(bytes)).expect("the tuple was just encoded");
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

fn message(logged: &LoggedChange, transactional: bool) -> Vec<u8> {
    let content = logged.message();
    let message = LogicalMessage {
        xid: None,
        transactional,
        lsn: logged.lsn,
        prefix: "walcast.context",
        content: content.as_bytes(),
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
