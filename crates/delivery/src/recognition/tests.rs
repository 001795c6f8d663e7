use expect_test::{Expect, expect};
use walcast_pgoutput::{Begin, Commit, LogicalMessage, Lsn, Message, Oid, PgTimestamp, Truncate, Xid};

use super::{Recognition, Shown};
use crate::checkpoint::tests::streaming;
use crate::{Checkpoint, CommitMark};

const LAST: (u64, i64, u32) = (0x100, 1_000, 731);
const FROM: u64 = 0x200;

fn at(lsn: u64) -> Lsn {
    Lsn::new(lsn)
}

fn checkpoint() -> Checkpoint {
    let (commit_lsn, time, xid) = LAST;
    let last_commit = CommitMark::new(
        at(commit_lsn),
        at(commit_lsn + 0x30),
        PgTimestamp::from_unix_micros(time),
        Xid::new(xid),
    );
    streaming(at(FROM), last_commit)
}

fn recognition(begins_at: u64) -> Option<Recognition> {
    Recognition::new(&checkpoint(), at(0x40), at(begins_at))
}

fn begin((commit_lsn, time, xid): (u64, i64, u32)) -> Message<'static> {
    Message::Begin(Begin {
        commit_lsn: at(commit_lsn),
        commit_time: PgTimestamp::from_unix_micros(time),
        xid: Xid::new(xid),
    })
}

fn end(commit_lsn: u64) -> Message<'static> {
    Message::Commit(Commit {
        commit_lsn: at(commit_lsn),
        end_lsn: at(commit_lsn + 0x30),
        commit_time: PgTimestamp::from_unix_micros(0),
    })
}

fn change() -> Message<'static> {
    Message::Truncate(Truncate {
        xid: None,
        cascade: false,
        restart_identity: false,
        relations: vec![Oid::new(1)],
    })
}

fn message(lsn: u64, transactional: bool) -> Message<'static> {
    Message::Logical(LogicalMessage {
        xid: None,
        transactional,
        lsn: at(lsn),
        prefix: "p",
        content: b"",
    })
}

/// What the last of these messages shows; the others lie before the checkpoint.
fn see(begins_at: u64, messages: &[Message<'_>]) -> Result<Shown, String> {
    let mut recognition = recognition(begins_at).expect("something is asked for again");
    let (last, before) = messages.split_last().expect("there is a message");
    for message in before {
        let shown = recognition.see(message).map_err(|halt| halt.to_string())?;
        assert_eq!(shown, Shown::Delivered);
    }
    recognition.see(last).map_err(|halt| halt.to_string())
}

fn halts(begins_at: u64, messages: &[Message<'_>], expected: &Expect) {
    let told = see(begins_at, messages).expect_err("another history is refused");
    let (finding, _) = told
        .split_once("; it was set back")
        .expect("what it means is said");
    expected.assert_eq(finding.split_once(": ").expect("there is a finding").1);
}

#[test]
fn nothing_is_asked_where_the_stream_begins_at_the_checkpoint_or_nothing_is_known() {
    assert!(recognition(FROM).is_none());
    let unknown = Checkpoint {
        last_commit: None,
        ..checkpoint()
    };
    assert!(Recognition::new(&unknown, at(0x40), at(0x40)).is_none());
}

#[test]
fn the_commit_delivered_last_is_recognised() {
    let messages = [begin(LAST), change(), end(LAST.0), begin((FROM, 2_000, 732))];
    assert_eq!(see(LAST.0, &messages), Ok(Shown::Recognised));
    let message_alone = [begin(LAST), change(), end(LAST.0), message(FROM, false)];
    assert_eq!(see(LAST.0, &message_alone), Ok(Shown::Recognised));
}

#[test]
fn a_message_before_the_checkpoint_shows_nothing() {
    let messages = [begin(LAST), end(LAST.0), message(FROM - 8, false)];
    assert_eq!(see(LAST.0, &messages), Ok(Shown::Delivered));
}

#[test]
fn its_end_is_enough() {
    let mut recognition = recognition(LAST.0).unwrap();
    assert!(recognition.see_keepalive(at(FROM)).is_err());
    assert_eq!(recognition.see(&begin(LAST)), Ok(Shown::Delivered));
    // Inside of a transaction a position says nothing.
    assert_eq!(recognition.see_keepalive(at(FROM)), Ok(Shown::Delivered));
    assert_eq!(recognition.see(&end(LAST.0)), Ok(Shown::Delivered));
    assert_eq!(recognition.see_keepalive(at(FROM - 1)), Ok(Shown::Delivered));
    assert_eq!(recognition.see_keepalive(at(FROM)), Ok(Shown::Recognised));
}

#[test]
fn transactions_without_a_change_can_lie_before_the_checkpoint() {
    // Servers before 15 send them; what else is sent of them depends on settings.
    let messages = [
        begin(LAST),
        end(LAST.0),
        begin((0x180, 1_500, 800)),
        message(0x170, true),
        end(0x180),
        begin((FROM, 2_000, 801)),
    ];
    assert_eq!(see(LAST.0, &messages), Ok(Shown::Recognised));
}

#[test]
fn one_with_a_change_is_another_history() {
    let known = [begin(LAST), end(LAST.0), begin((0x180, 1_500, 800)), change()];
    let refused = expect![
        "the transaction with its commit record at 0/180 changes tables there, and was never delivered"
    ];
    halts(LAST.0, &known, &refused);
    // Where the slot does not have the commit delivered last any more, it still tells what lies behind.
    halts(0x140, &[begin((0x180, 1_500, 800)), change()], &refused);
}

#[test]
fn another_transaction_in_its_place_is_another_history() {
    let refused = expect!["transaction 732 lies at 0/100, where transaction 731 was delivered from"];
    halts(LAST.0, &[begin((LAST.0, LAST.1, 732))], &refused);
    let refused =
        expect!["transaction 731 of another time lies at 0/100, where transaction 731 was delivered from"];
    halts(LAST.0, &[begin((LAST.0, 999, LAST.2))], &refused);
}

#[test]
fn a_commit_that_is_not_there_is_another_history() {
    let refused = expect!["transaction 731 (commit 0/100), which was delivered last, is not there"];
    halts(LAST.0, &[begin((0x108, 1_000, 731))], &refused);
    halts(LAST.0, &[begin((FROM, 1_000, 731))], &refused);
    halts(LAST.0, &[message(FROM, false)], &refused);
}

#[test]
fn what_to_do_is_said() {
    let told = see(LAST.0, &[begin((FROM, 1_000, 732))]).unwrap_err();
    expect!["this server's log is not the one that was delivered from: transaction 731 (commit 0/100), which was delivered last, is not there; it was set back, or is a copy that was, and has written other changes since: records from (0/40, 0/200] may describe changes that the database does not have, and changes that it has are not in Kafka; point [postgres] url at the server that was delivered from, or correct the consumers, re-read the tables, and start over with: walcast checkpoint reset"].assert_eq(&told);
}
