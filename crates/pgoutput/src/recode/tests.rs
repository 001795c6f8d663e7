use expect_test::{Expect, expect};

use super::{Converted, ReadableNames, TextConversion, is_unreadable, readable_name};
use crate::decode::Decoder;
use crate::encode;
use crate::frame::{Frame, FrameBlock};
use crate::lsn::Lsn;
use crate::timestamp::PgTimestamp;

/// Conversion of Latin-1, in which `0xFF` has no equivalent.
struct Latin1(Vec<u8>);

impl TextConversion for Latin1 {
    fn keeps_values(&self) -> bool {
        false
    }

    fn convert<'t>(&'t mut self, text: &'t [u8]) -> Converted<'t> {
        if text.contains(&0xFF) {
            return Converted::NotText;
        }
        let converted: String = text.iter().map(|byte| char::from(*byte)).collect();
        self.0 = converted.into();
        Converted::Text(&self.0)
    }
}

/// Block of these messages, with a keepalive behind each.
fn block(messages: &[&[u8]]) -> FrameBlock {
    let mut bytes = Vec::new();
    for message in messages {
        let data = Frame::XLogData {
            wal_start: Lsn::new(7),
            wal_end: Lsn::new(7),
            sent_at: PgTimestamp::from_postgres_micros(-1),
            message,
        };
        encode::copy_data(&data, &mut bytes);
        let keepalive = Frame::Keepalive {
            wal_end: Lsn::new(8),
            sent_at: PgTimestamp::from_postgres_micros(1),
            reply_requested: false,
        };
        encode::copy_data(&keepalive, &mut bytes);
    }
    FrameBlock::new(bytes.into())
}

fn bytes_of(block: &FrameBlock) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in block.frames() {
        encode::copy_data(&frame.unwrap(), &mut bytes);
    }
    bytes
}

fn check(block: &FrameBlock, expected: &Expect) {
    let mut decoder = Decoder::new();
    let mut shown = String::new();
    for frame in block.frames() {
        if let Frame::XLogData { message, .. } = frame.unwrap() {
            match decoder.decode(message) {
                Ok(message) => shown.push_str(&format!("{message:?}\n")),
                Err(error) => shown.push_str(&format!("error: {error}\n")),
            }
        }
    }
    expected.assert_eq(&shown);
}

const RELATION: &[u8] = b"R\0\0\x40\x02caf\xE9\0t\xFFst\0d\0\x02\x01id\0\0\0\0\x17\xFF\xFF\xFF\xFF\0na\xEFve\0\0\0\0\x19\xFF\xFF\xFF\xFF";
const INSERT: &[u8] = b"I\0\0\x40\x02N\0\x04t\0\0\0\x011t\0\0\0\x02\xFCbt\0\0\0\x02\xFFbn";
const UPDATE: &[u8] = b"U\0\0\x40\x02K\0\x01t\0\0\0\x01\xE9N\0\x02t\0\0\0\x01\xE8u";
const DELETE: &[u8] = b"D\0\0\x40\x02O\0\x01t\0\0\0\x01\xE9";
const TYPE: &[u8] = b"Y\0\0\x40\x01public\0h\xF6he\0";
const ORIGIN: &[u8] = b"O\0\0\0\0\0\xAB\xCD\xEF\xE9\0";
const LOGICAL: &[u8] = b"M\x01\0\0\0\0\0\0\0\x09pr\xE9\0\0\0\0\x02\xE9\xFF";
const COMMIT: &[u8] = b"C\0\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\0\0\xE9\0\0\0\0\0\0\0\xFF";

#[test]
fn texts_are_converted_and_everything_else_stays() {
    let messages = [RELATION, TYPE, ORIGIN, INSERT, UPDATE, DELETE, LOGICAL, COMMIT];
    let recoded = block(&messages).recode(&mut Latin1(Vec::new()));
    check(
        &recoded,
        &expect![[r#"
            Relation(Relation { xid: None, oid: Oid(16386), namespace: "café", name: "t�st", replica_identity: Default, columns: [RelationColumn { is_key: true, name: "id", type_oid: Oid(23), type_modifier: -1 }, RelationColumn { is_key: false, name: "naïve", type_oid: Oid(25), type_modifier: -1 }] })
            Type(TypeMessage { xid: None, oid: Oid(16385), namespace: "public", name: "höhe" })
            Origin(Origin { commit_lsn: 0/ABCDEF, name: "é" })
            Insert(Insert { xid: None, relation: Oid(16386), new: [Text("1"), Text("üb"), Binary(b"\xffb"), Null] })
            Update(Update { xid: None, relation: Oid(16386), old: Some(Key([Text("é")])), new: [Text("è"), UnchangedToast] })
            Delete(Delete { xid: None, relation: Oid(16386), old: Full([Text("é")]) })
            Logical(LogicalMessage { xid: None, transactional: true, lsn: 0/9, prefix: "pré", content: [233, 255] })
            Commit(Commit { commit_lsn: 1/2, end_lsn: 1/E9, commit_time: PgTimestamp(255) })
        "#]],
    );
    let keepalives = recoded
        .frames()
        .filter(|frame| matches!(frame, Ok(Frame::Keepalive { wal_end, .. }) if *wal_end == Lsn::new(8)));
    assert_eq!(keepalives.count(), messages.len());
}

#[test]
fn values_of_unknown_encoding_stay_and_names_become_readable() {
    check(
        &block(&[RELATION, INSERT]).recode(&mut ReadableNames),
        &expect![[r#"
            Relation(Relation { xid: None, oid: Oid(16386), namespace: "caf�", name: "t�st", replica_identity: Default, columns: [RelationColumn { is_key: true, name: "id", type_oid: Oid(23), type_modifier: -1 }, RelationColumn { is_key: false, name: "na�ve", type_oid: Oid(25), type_modifier: -1 }] })
            Insert(Insert { xid: None, relation: Oid(16386), new: [Text("1"), Text(b"\xfcb"), Text(b"\xffb"), Null] })
        "#]],
    );
    assert_eq!(readable_name("naïve".as_bytes()), "naïve");
    assert!(is_unreadable(&readable_name(b"na\xEFve")));
    assert!(!is_unreadable("naïve"));
}

#[test]
fn block_without_texts_to_convert_stays_as_it_is() {
    let plain = block(&[
        b"Y\0\0\x40\x01public\0mood\0",
        COMMIT,
        b"I\0\0\x40\x02N\0\x01t\0\0\0\x011",
    ]);
    assert_eq!(bytes_of(&plain.recode(&mut Latin1(Vec::new()))), bytes_of(&plain));
    assert_eq!(bytes_of(&plain.recode(&mut ReadableNames)), bytes_of(&plain));
}

#[test]
fn malformed_messages_are_left_to_the_decoder() {
    let malformed = block(&[
        b"I\0\0\x40\x02N\0\x02t\0\0\0\x01\xE9",
        b"Y\0\0\x40\x01\xE9",
        b"",
        DELETE,
    ]);
    check(
        &malformed.recode(&mut Latin1(Vec::new())),
        &expect![[r#"
            error: cannot decode message 'I': the message ends at byte 14, wanted a column's kind
            error: cannot decode message 'Y': the message ends at byte 5, wanted the type's schema
            error: cannot decode an empty message: the message ends at byte 0, wanted a message's tag
            Delete(Delete { xid: None, relation: Oid(16386), old: Full([Text("é")]) })
        "#]],
    );
}
