use expect_test::expect;
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{
    Begin, Column, Commit, Delete, Frame, FrameBlock, Insert, Lsn, Message, Oid, OldTuple, PgTimestamp,
    Relation, RelationColumn, ReplicaIdentity, Truncate, Tuple, Update, Xid, encode,
};

use super::printer::Printer;

const ORDERS: Oid = Oid::new(16_385);

fn relation() -> Message<'static> {
    let column = |name: &str, type_oid, is_key| RelationColumn {
        is_key,
        name: name.to_owned(),
        type_oid: Oid::new(type_oid),
        type_modifier: -1,
    };
    Message::Relation(Relation {
        xid: None,
        oid: ORDERS,
        namespace: "public".to_owned(),
        name: "orders".to_owned(),
        replica_identity: ReplicaIdentity::Default,
        columns: vec![column("id", 23, true), column("note", 25, false)],
    })
}

/// Block of messages, one byte of WAL apart.
fn block(messages: &[Message<'_>]) -> FrameBlock {
    let mut bytes = Vec::new();
    for (index, message) in (0x100..).zip(messages) {
        let mut encoded = Vec::new();
        encode::message(message, &mut encoded);
        let lsn = Lsn::new(index);
        let frame = Frame::XLogData {
            wal_start: lsn,
            wal_end: lsn,
            sent_at: PgTimestamp::default(),
            message: &encoded,
        };
        encode::copy_data(&frame, &mut bytes);
    }
    FrameBlock::new(bytes.into())
}

fn keepalive(wal_end: u64) -> FrameBlock {
    let mut bytes = Vec::new();
    let frame = Frame::Keepalive {
        wal_end: Lsn::new(wal_end),
        sent_at: PgTimestamp::default(),
        reply_requested: false,
    };
    encode::copy_data(&frame, &mut bytes);
    FrameBlock::new(bytes.into())
}

fn begin() -> Message<'static> {
    Message::Begin(Begin {
        commit_lsn: Lsn::new(0x200),
        commit_time: PgTimestamp::default(),
        xid: Xid::new(742),
    })
}

fn commit() -> Message<'static> {
    Message::Commit(Commit {
        commit_lsn: Lsn::new(0x200),
        end_lsn: Lsn::new(0x230),
        commit_time: PgTimestamp::default(),
    })
}

fn tuple(bytes: &[u8]) -> Tuple<'_> {
    Tuple::read(&mut Reader::new(bytes)).unwrap()
}

fn printed(printer: &Printer) -> String {
    String::from_utf8(printer.lines().to_vec()).unwrap()
}

#[test]
fn every_change_of_a_transaction_is_one_line() {
    let old = encode::tuple(&[Column::Text(b"1"), Column::Null]);
    let new = encode::tuple(&[Column::Text(b"2"), Column::Text(b"say \"hi\"\n")]);
    let toast = encode::tuple(&[Column::Text(b"2"), Column::UnchangedToast]);
    let mut printer = Printer::default();
    let messages = [
        begin(),
        relation(),
        Message::Insert(Insert {
            xid: None,
            relation: ORDERS,
            new: tuple(&new),
        }),
        Message::Update(Update {
            xid: None,
            relation: ORDERS,
            old: Some(OldTuple::Key(tuple(&old))),
            new: tuple(&toast),
        }),
        Message::Delete(Delete {
            xid: None,
            relation: ORDERS,
            old: OldTuple::Key(tuple(&old)),
        }),
        Message::Truncate(Truncate {
            xid: None,
            cascade: false,
            restart_identity: false,
            relations: vec![ORDERS],
        }),
        commit(),
    ];
    printer.print(&block(&messages)).unwrap();
    expect![[r#"
        {"op":"insert","schema":"public","table":"orders","lsn":"0/102","commit_lsn":"0/200","xid":742,"ts":"2000-01-01T00:00:00.000000Z","ordinal":0,"before":null,"after":{"id":2,"note":"say \"hi\"\n"}}
        {"op":"update","schema":"public","table":"orders","lsn":"0/103","commit_lsn":"0/200","xid":742,"ts":"2000-01-01T00:00:00.000000Z","ordinal":1,"before":{"id":1},"after":{"id":2},"unchanged_toast":["note"]}
        {"op":"delete","schema":"public","table":"orders","lsn":"0/104","commit_lsn":"0/200","xid":742,"ts":"2000-01-01T00:00:00.000000Z","ordinal":2,"before":{"id":1},"after":null}
        {"op":"truncate","schema":"public","table":"orders","lsn":"0/105","commit_lsn":"0/200","xid":742,"ts":"2000-01-01T00:00:00.000000Z","ordinal":3}
    "#]].assert_eq(&printed(&printer));
    assert_eq!(printer.written(), Some(Lsn::new(0x230)));
    assert_eq!((printed(&printer).as_str(), printer.written()), ("", None));
}

#[test]
fn positions_are_complete_only_between_transactions() {
    let mut printer = Printer::default();
    printer.print(&block(&[begin(), relation()])).unwrap();
    printer.print(&keepalive(0x900)).unwrap();
    assert_eq!(printer.written(), None);
    printer.print(&block(&[commit()])).unwrap();
    printer.print(&keepalive(0x900)).unwrap();
    assert_eq!(printer.written(), Some(Lsn::new(0x900)));
}

#[test]
fn rejects_streams_out_of_order() {
    let row = encode::tuple(&[Column::Text(b"1")]);
    let insert = || {
        Message::Insert(Insert {
            xid: None,
            relation: ORDERS,
            new: tuple(&row),
        })
    };
    let rejection = |messages: &[Message<'_>]| {
        let error = Printer::default().print(&block(messages)).unwrap_err();
        walcast_delivery::one_line(&error)
    };
    expect!["the replication stream after 0/0 is out of order: a change stands outside of any transaction"]
        .assert_eq(&rejection(&[insert()]));
    expect![
        "the replication stream after 0/0 is out of order: a change of a relation that was never described"
    ]
    .assert_eq(&rejection(&[begin(), insert()]));
    expect![
        "the change at 0/102 cannot be printed: a row of public.orders has 1 columns where its relation has 2"
    ]
    .assert_eq(&rejection(&[begin(), relation(), insert()]));
}
