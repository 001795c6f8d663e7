//! A stream that violates the protocol ends the connector: guessing would lose or duplicate changes.

use expect_test::{Expect, expect};
use walcast_pgoutput::{
    Begin, Commit, Insert, Lsn, Message, Oid, PgTimestamp, Prepared, Tuple, Xid, encode, reader::Reader,
};

use crate::fakes::{World, data_frame, delivered_ids, insert};

const TIME: PgTimestamp = PgTimestamp::from_postgres_micros(0);
const AT: Lsn = Lsn::new(0x0200_0000);

fn begin() -> Message<'static> {
    Message::Begin(Begin {
        commit_lsn: AT,
        commit_time: TIME,
        xid: Xid::new(900),
    })
}

fn commit(commit_lsn: Lsn) -> Message<'static> {
    Message::Commit(Commit {
        commit_lsn,
        end_lsn: Lsn::new(AT.as_u64() + 0x30),
        commit_time: TIME,
    })
}

/// Sends invalid frames after a valid transaction.
async fn check_frames(frames: Vec<Vec<u8>>, expected: &Expect) {
    let world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world
        .postgres
        .edit(|server| server.injected_frames.extend(frames));
    let error = world.run_to_end().await;
    assert!(!error.is_retryable());
    assert_eq!(error.origin(), "delivery");
    assert_eq!(delivered_ids(&world).len(), 1);
    expected.assert_eq(&error.to_string());
}

async fn check(messages: &[Message<'_>], expected: &Expect) {
    check_frames(
        messages.iter().map(|message| data_frame(AT, message)).collect(),
        expected,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn transactions_begin_and_end_in_turn() {
    check(
        &[begin(), begin()],
        &expect![
            "the replication stream after 0/1000130 is out of order: a transaction begins inside another"
        ],
    )
    .await;
    check(
        &[commit(AT)],
        &expect![
            "the replication stream after 0/1000130 is out of order: a transaction ends that never began"
        ],
    )
    .await;
    check(&[begin(), commit(Lsn::new(5))], &expect!["the replication stream after 0/1000130 is out of order: a transaction ends with another commit position than it began with"]).await;
}

#[tokio::test(start_paused = true)]
async fn changes_need_a_transaction_and_a_known_relation() {
    let row = encode::tuple(&[]);
    let insert = || {
        Message::Insert(Insert {
            xid: None,
            relation: Oid::new(5),
            new: Tuple::read(&mut Reader::new(&row)).unwrap(),
        })
    };
    check(&[insert()], &expect!["the replication stream after 0/1000130 is out of order: a change stands outside of any transaction"]).await;
    check(&[begin(), insert()], &expect!["the replication stream after 0/1000130 is out of order: a change of a relation that was never described"]).await;
}

#[tokio::test(start_paused = true)]
async fn rejects_messages_of_later_protocol_versions() {
    let prepared = Prepared {
        lsn: AT,
        end_lsn: AT,
        time: TIME,
        xid: Xid::new(900),
        gid: "two phases",
    };
    check(&[Message::BeginPrepare(prepared)], &expect!["the replication stream after 0/1000130 is out of order: a message of protocol version 2 or later came in a session of version 1"]).await;
    check(&[Message::StreamStop], &expect!["the replication stream after 0/1000130 cannot be read: cannot decode message 'E': the message is not valid at this point of the stream at byte 0, wanted a message outside of a block"]).await;
}

#[tokio::test(start_paused = true)]
async fn names_the_message_that_cannot_be_decoded() {
    check_frames(vec![b"d\0\0\0\x05?".to_vec()], &expect!["the replication stream after 0/1000130 cannot be read: cannot decode message '?': unknown value 0x3F at byte 0, wanted a replication frame's tag (w or k)"]).await;
}

#[tokio::test(start_paused = true)]
async fn message_that_cannot_be_decoded_ends_the_connector() {
    let mut frame = data_frame(AT, &begin());
    let tag = frame.iter().rposition(|byte| *byte == b'B').expect("a tag");
    frame[tag] = b'?';
    let world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world
        .postgres
        .edit(|server| server.injected_frames.push_back(frame));
    let error = world.run_to_end().await;
    assert!(
        matches!(error, walcast_delivery::DeliveryError::Decode { .. }),
        "{error}"
    );
    assert_eq!(delivered_ids(&world).len(), 1);
}
