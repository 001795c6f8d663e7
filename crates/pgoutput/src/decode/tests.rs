use expect_test::{Expect, expect};

use crate::decode::Decoder;
use crate::message::Message;

/// Decodes messages, one per line of hexadecimal digits (blanks are for the reader), in one session.
fn check(session: &str, expected: &Expect) {
    let mut decoder = Decoder::new();
    let mut shown = String::new();
    for line in session.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let message = bytes(line);
        let before = decoder.clone();
        match decoder.decode(&message) {
            Ok(message) => shown.push_str(&format!("{message:?}\n")),
            Err(error) => {
                assert_eq!(decoder, before, "an error left its mark on the decoder");
                shown.push_str(&format!("error: {error}\n"));
            }
        }
    }
    expected.assert_eq(&shown);
}

/// `'x'` is the byte of the character x, everything else pairs of hexadecimal digits.
fn bytes(line: &str) -> Vec<u8> {
    let word = |word: &str| match word.strip_prefix('\'') {
        Some(text) => text.trim_end_matches('\'').as_bytes().to_vec(),
        None => (0..word.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&word[at..at + 2], 16).unwrap())
            .collect(),
    };
    line.split_ascii_whitespace().flat_map(word).collect()
}

#[test]
fn a_transaction() {
    check(
        "'B' 0000000100000002 0000000000000003 00000004
         'O' 0000000000ABCDEF 'elsewhere' 00
         'Y' 00004001 'public' 00 'mood' 00
         'R' 00004002 'public' 00 'shop' 00 'd' 0002 01 'id' 00 00000017 FFFFFFFF 00 'at' 00 00004001 00000005
         'I' 00004002 'N' 0002 't' 00000001 '7' 'n'
         'U' 00004002 'N' 0002 't' 00000001 '7' 'u'
         'U' 00004002 'K' 0002 't' 00000001 '7' 'n' 'N' 0002 't' 00000001 '8' 'b' 00000002 00FF
         'U' 00004002 'O' 0001 'n' 'N' 0001 'n'
         'D' 00004002 'K' 0001 't' 00000001 '7'
         'D' 00004002 'O' 0001 'n'
         'T' 00000002 03 00004002 00004003
         'M' 01 0000000000000009 'prefix' 00 00000002 00FF
         'C' 00 0000000100000002 0000000100000004 0000000000000003",
        &expect![[r#"
            Begin(Begin { commit_lsn: 1/2, commit_time: PgTimestamp(3), xid: Xid(4) })
            Origin(Origin { commit_lsn: 0/ABCDEF, name: "elsewhere" })
            Type(TypeMessage { xid: None, oid: Oid(16385), namespace: "public", name: "mood" })
            Relation(Relation { xid: None, oid: Oid(16386), namespace: "public", name: "shop", replica_identity: Default, columns: [RelationColumn { is_key: true, name: "id", type_oid: Oid(23), type_modifier: -1 }, RelationColumn { is_key: false, name: "at", type_oid: Oid(16385), type_modifier: 5 }] })
            Insert(Insert { xid: None, relation: Oid(16386), new: [Text("7"), Null] })
            Update(Update { xid: None, relation: Oid(16386), old: None, new: [Text("7"), UnchangedToast] })
            Update(Update { xid: None, relation: Oid(16386), old: Some(Key([Text("7"), Null])), new: [Text("8"), Binary(b"\x00\xff")] })
            Update(Update { xid: None, relation: Oid(16386), old: Some(Full([Null])), new: [Null] })
            Delete(Delete { xid: None, relation: Oid(16386), old: Key([Text("7")]) })
            Delete(Delete { xid: None, relation: Oid(16386), old: Full([Null]) })
            Truncate(Truncate { xid: None, cascade: true, restart_identity: true, relations: [Oid(16386), Oid(16387)] })
            Logical(LogicalMessage { xid: None, transactional: true, lsn: 0/9, prefix: "prefix", content: [0, 255] })
            Commit(Commit { commit_lsn: 1/2, end_lsn: 1/4, commit_time: PgTimestamp(3) })
        "#]],
    );
}

#[test]
fn inside_a_block_changes_carry_their_transaction() {
    check(
        "'S' 00000007 01
         'O' 0000000000ABCDEF 'elsewhere' 00
         'Y' 00000008 00004001 'public' 00 'mood' 00
         'R' 00000008 00004002 'public' 00 'shop' 00 'f' 0000
         'I' 00000008 00004002 'N' 0000
         'U' 00000008 00004002 'N' 0000
         'D' 00000008 00004002 'O' 0000
         'T' 00000008 00000001 00 00004002
         'M' 00000008 01 0000000000000009 00 00000000
         'E'
         'I' 00004002 'N' 0000
         'S' 00000007 00
         'E'
         'A' 00000007 00000008
         'A' 00000007 00000008 0000000000000009 000000000000000A
         'c' 00000007 00 0000000000000001 0000000000000002 0000000000000003",
        &expect![[r#"
            StreamStart(StreamStart { xid: Xid(7), first: true })
            Origin(Origin { commit_lsn: 0/ABCDEF, name: "elsewhere" })
            Type(TypeMessage { xid: Some(Xid(8)), oid: Oid(16385), namespace: "public", name: "mood" })
            Relation(Relation { xid: Some(Xid(8)), oid: Oid(16386), namespace: "public", name: "shop", replica_identity: Full, columns: [] })
            Insert(Insert { xid: Some(Xid(8)), relation: Oid(16386), new: [] })
            Update(Update { xid: Some(Xid(8)), relation: Oid(16386), old: None, new: [] })
            Delete(Delete { xid: Some(Xid(8)), relation: Oid(16386), old: Full([]) })
            Truncate(Truncate { xid: Some(Xid(8)), cascade: false, restart_identity: false, relations: [Oid(16386)] })
            Logical(LogicalMessage { xid: Some(Xid(8)), transactional: true, lsn: 0/9, prefix: "", content: [] })
            StreamStop
            Insert(Insert { xid: None, relation: Oid(16386), new: [] })
            StreamStart(StreamStart { xid: Xid(7), first: false })
            StreamStop
            StreamAbort(StreamAbort { xid: Xid(7), subxid: Xid(8), aborted: None })
            StreamAbort(StreamAbort { xid: Xid(7), subxid: Xid(8), aborted: Some((0/9, PgTimestamp(10))) })
            StreamCommit { xid: Xid(7), commit: Commit { commit_lsn: 0/1, end_lsn: 0/2, commit_time: PgTimestamp(3) } }
        "#]],
    );
}

#[test]
fn prepared_transactions() {
    check(
        "'b' 0000000000000001 0000000000000002 0000000000000003 00000004 'gid' 00
         'P' 00 0000000000000001 0000000000000002 0000000000000003 00000004 'gid' 00
         'K' 00 0000000000000001 0000000000000002 0000000000000003 00000004 'gid' 00
         'p' 00 0000000000000001 0000000000000002 0000000000000003 00000004 'gid' 00
         'r' 00 0000000000000001 0000000000000002 0000000000000003 0000000000000004 00000005 'gid' 00",
        &expect![[r#"
            BeginPrepare(Prepared { lsn: 0/1, end_lsn: 0/2, time: PgTimestamp(3), xid: Xid(4), gid: "gid" })
            Prepare(Prepared { lsn: 0/1, end_lsn: 0/2, time: PgTimestamp(3), xid: Xid(4), gid: "gid" })
            CommitPrepared(Prepared { lsn: 0/1, end_lsn: 0/2, time: PgTimestamp(3), xid: Xid(4), gid: "gid" })
            StreamPrepare(Prepared { lsn: 0/1, end_lsn: 0/2, time: PgTimestamp(3), xid: Xid(4), gid: "gid" })
            RollbackPrepared(RollbackPrepared { prepare_end_lsn: 0/1, end_lsn: 0/2, prepared_at: PgTimestamp(3), rolled_back_at: PgTimestamp(4), xid: Xid(5), gid: "gid" })
        "#]],
    );
}

#[test]
fn an_empty_schema_stands_for_the_catalog() {
    check(
        "'Y' 00000017 00 'int4' 00
         'R' 00004002 00 'pg_class' 00 'n' 0000
         'R' 00004002 'pg_catalog' 00 'pg_class' 00 'i' 0000",
        &expect![[r#"
            Type(TypeMessage { xid: None, oid: Oid(23), namespace: "pg_catalog", name: "int4" })
            Relation(Relation { xid: None, oid: Oid(16386), namespace: "pg_catalog", name: "pg_class", replica_identity: Nothing, columns: [] })
            Relation(Relation { xid: None, oid: Oid(16386), namespace: "pg_catalog", name: "pg_class", replica_identity: Index, columns: [] })
        "#]],
    );
}

#[test]
fn blocks_do_not_nest_and_end_once() {
    check(
        "'E'
         'S' 00000007 01
         'S' 00000007 00
         'B' 0000000100000002 0000000000000003 00000004
         'C' 00 0000000100000002 0000000100000004 0000000000000003
         'A' 00000007 00000008
         'c' 00000007 00 0000000000000001 0000000000000002 0000000000000003
         'b'
         'P'
         'K'
         'r'
         'p'
         'E'
         'E'",
        &expect![[r#"
            error: cannot decode message 'E': the message is not valid at this point of the stream at byte 0, wanted a message outside of a block
            StreamStart(StreamStart { xid: Xid(7), first: true })
            error: cannot decode message 'S': the message is not valid at this point of the stream at byte 0, wanted a change or the end of the block
            error: cannot decode message 'B': the message is not valid at this point of the stream at byte 0, wanted a change or the end of the block
            error: cannot decode message 'C': the message is not valid at this point of the stream at byte 0, wanted a change or the end of the block
            error: cannot decode message 'A': the message is not valid at this point of the stream at byte 0, wanted a change or the end of the block
            error: cannot decode message 'c': the message is not valid at this point of the stream at byte 0, wanted a change or the end of the block
            error: cannot decode message 'b': the message is not valid at this point of the stream at byte 0, wanted a change or the end of the block
            error: cannot decode message 'P': the message is not valid at this point of the stream at byte 0, wanted a change or the end of the block
            error: cannot decode message 'K': the message is not valid at this point of the stream at byte 0, wanted a change or the end of the block
            error: cannot decode message 'r': the message is not valid at this point of the stream at byte 0, wanted a change or the end of the block
            error: cannot decode message 'p': the message is not valid at this point of the stream at byte 0, wanted a change or the end of the block
            StreamStop
            error: cannot decode message 'E': the message is not valid at this point of the stream at byte 0, wanted a message outside of a block
        "#]],
    );
}

#[test]
fn an_abort_needs_no_block_before_it() {
    check(
        "'A' 00000007 00000008",
        &expect![[r#"
        StreamAbort(StreamAbort { xid: Xid(7), subxid: Xid(8), aborted: None })
    "#]],
    );
}

#[test]
fn an_error_inside_a_block_does_not_end_it() {
    check(
        "'S' 00000007 01
         'E' 00
         'I' 00004002 'N' 0000
         'I' 00000008 00004002 'N' 0000",
        &expect![[r#"
            StreamStart(StreamStart { xid: Xid(7), first: true })
            error: cannot decode message 'E': 1 bytes are left over at byte 1, wanted the end of the message
            error: cannot decode message 'I': the message ends at byte 5, wanted the table
            Insert(Insert { xid: Some(Xid(8)), relation: Oid(16386), new: [] })
        "#]],
    );
}

#[test]
fn unknown_values_are_rejected() {
    check(
        "'Z'
         00
         'C' 01 0000000100000002 0000000100000004 0000000000000003
         'P' 01
         'S' 00000007 02
         'T' 00000000 04
         'M' 02
         'R' 00004002 00 'x' 00 'q'
         'R' 00004002 00 'x' 00 'd' 0001 02
         'I' 00004002 'K'
         'U' 00004002 'X'
         'U' 00004002 'K' 0000 'K' 0000
         'D' 00004002 'N' 0000",
        &expect![[r#"
            error: cannot decode message 'Z': unknown value 0x5A at byte 0, wanted a known message's tag
            error: cannot decode message 0x00: unknown value 0x00 at byte 0, wanted a known message's tag
            error: cannot decode message 'C': unknown value 0x01 at byte 1, wanted no flags
            error: cannot decode message 'P': unknown value 0x01 at byte 1, wanted no flags
            error: cannot decode message 'S': unknown value 0x02 at byte 5, wanted whether it is the first block
            error: cannot decode message 'T': unknown value 0x04 at byte 5, wanted the truncation's options
            error: cannot decode message 'M': unknown value 0x02 at byte 1, wanted the logical message's flags
            error: cannot decode message 'R': unknown value 0x71 at byte 8, wanted the replica identity (d, n, f or i)
            error: cannot decode message 'R': unknown value 0x02 at byte 11, wanted a column's flags
            error: cannot decode message 'I': unknown value 0x4B at byte 5, wanted the new tuple (N)
            error: cannot decode message 'U': unknown value 0x58 at byte 5, wanted the kind of the first tuple (K, O or N)
            error: cannot decode message 'U': unknown value 0x4B at byte 8, wanted the new tuple (N)
            error: cannot decode message 'D': unknown value 0x4E at byte 5, wanted the kind of the old tuple (K or O)
        "#]],
    );
}

#[test]
fn counts_beyond_the_message_are_rejected() {
    check(
        "'T' 7FFFFFFF 00 00000001
         'T' FFFFFFFF 00
         'R' 00004002 00 'x' 00 'd' 7FFF
         'R' 00004002 00 'x' 00 'd' 8000
         'M' 00 0000000000000009 00 7FFFFFFF 00",
        &expect![[r#"
            error: cannot decode message 'T': the message ends at byte 10, wanted a truncated table
            error: cannot decode message 'T': negative length -1 at byte 1, wanted the number of tables
            error: cannot decode message 'R': the message ends at byte 11, wanted a column's flags
            error: cannot decode message 'R': negative length -32768 at byte 9, wanted the number of columns
            error: cannot decode message 'M': the message ends at byte 15, wanted the logical message's content
        "#]],
    );
}

#[test]
fn trailing_bytes_are_rejected() {
    check(
        "'B' 0000000100000002 0000000000000003 00000004 00
         'I' 00004002 'N' 0000 'N' 0000
         'A' 00000007 00000008 00
         'A' 00000007 00000008 0000000000000009 000000000000000A 00",
        &expect![[r#"
            error: cannot decode message 'B': 1 bytes are left over at byte 21, wanted the end of the message
            error: cannot decode message 'I': 3 bytes are left over at byte 8, wanted the end of the message
            error: cannot decode message 'A': the message ends at byte 9, wanted where the abort lies
            error: cannot decode message 'A': 1 bytes are left over at byte 25, wanted the end of the message
        "#]],
    );
}

#[test]
fn an_empty_message_is_an_error() {
    let error = Decoder::new().decode(b"").unwrap_err();
    expect!["cannot decode an empty message: the message ends at byte 0, wanted a message's tag"]
        .assert_eq(&error.to_string());
}

#[test]
fn text_is_not_copied() {
    let insert = bytes("'I' 00004002 'N' 0001 't' 00000003 'abc'");
    let Ok(Message::Insert(insert_message)) = Decoder::new().decode(&insert) else {
        panic!("not an insert")
    };
    let Some(crate::tuple::Column::Text(text)) = insert_message.new.columns().next() else {
        panic!("no text")
    };
    assert!(
        insert.as_ptr_range().contains(&text.as_ptr()),
        "the value lies outside of the message"
    );
}
