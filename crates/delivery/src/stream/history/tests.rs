use expect_test::{Expect, expect};
use walcast_pgoutput::{Begin, Commit, Frame, LogicalMessage, Lsn, Message, Oid, PgTimestamp, Truncate, Xid};

use crate::position::checkpoint::tests::streaming;
use crate::position::checkpoint::{Checkpoint, CommitPosition};
use crate::stream::history::{HistoryCheck, Verdict};
use crate::stream::transactions::TransactionReader;

const LAST: (u64, i64, u32) = (0x100, 1_000, 731);
const FROM: u64 = 0x200;

fn at(lsn: u64) -> Lsn {
    Lsn::new(lsn)
}

fn checkpoint() -> Checkpoint {
    let (commit_lsn, time, xid) = LAST;
    let last_commit = CommitPosition::new(
        at(commit_lsn),
        at(commit_lsn + 0x30),
        PgTimestamp::from_unix_micros(time),
        Xid::new(xid),
    );
    streaming(at(FROM), last_commit)
}

/// A check, and the reader before it.
struct Checked {
    check: HistoryCheck,
    reader: TransactionReader,
}

impl Checked {
    fn new(begins_at: u64) -> Self {
        let check = check(begins_at).expect("the server sends something again");
        let reader = check.reader();
        Self { check, reader }
    }

    fn see(&mut self, message: Message<'_>) -> Result<Verdict, String> {
        let event = self.reader.follow(at(0), message, 0).expect("the order is right");
        let event = event.expect("nothing is skipped");
        self.check.see(&event).map_err(|halt| halt.to_string())
    }

    /// `None` when the position of the keepalive is meaningless.
    fn see_keepalive(&mut self, wal_end: u64) -> Option<Result<Verdict, String>> {
        let keepalive = Frame::Keepalive {
            wal_end: at(wal_end),
            sent_at: PgTimestamp::from_unix_micros(0),
            reply_requested: false,
        };
        let event = self.reader.read(Ok(keepalive), 0).expect("it can be read")?;
        Some(self.check.see(&event).map_err(|halt| halt.to_string()))
    }
}

fn check(begins_at: u64) -> Option<HistoryCheck> {
    HistoryCheck::new(&checkpoint(), at(0x40), at(begins_at))
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

/// Verdict about the last of these messages; the others lie before the checkpoint.
fn see(begins_at: u64, messages: &[Message<'static>]) -> Result<Verdict, String> {
    let mut checked = Checked::new(begins_at);
    let (last, before) = messages.split_last().expect("there is a message");
    for message in before {
        assert_eq!(checked.see(message.clone())?, Verdict::Replayed);
    }
    checked.see(last.clone())
}

fn halts(begins_at: u64, messages: &[Message<'static>], expected: &Expect) {
    let error = see(begins_at, messages).expect_err("the history has diverged");
    let (finding, _) = error
        .split_once("; the server was restored")
        .expect("the consequence is named");
    expected.assert_eq(finding.split_once(": ").expect("there is a finding").1);
}

#[test]
fn no_check_where_the_stream_begins_at_the_checkpoint_or_the_last_commit_is_unknown() {
    assert!(check(FROM).is_none());
    let unknown = Checkpoint {
        last_commit: None,
        ..checkpoint()
    };
    assert!(HistoryCheck::new(&unknown, at(0x40), at(0x40)).is_none());
}

#[test]
fn the_commit_delivered_last_verifies_the_history() {
    let messages = [begin(LAST), change(), end(LAST.0), begin((FROM, 2_000, 732))];
    assert_eq!(see(LAST.0, &messages), Ok(Verdict::Verified));
    let message_alone = [begin(LAST), change(), end(LAST.0), message(FROM, false)];
    assert_eq!(see(LAST.0, &message_alone), Ok(Verdict::Verified));
}

#[test]
fn a_message_before_the_checkpoint_shows_nothing() {
    let messages = [begin(LAST), end(LAST.0), message(FROM - 8, false)];
    assert_eq!(see(LAST.0, &messages), Ok(Verdict::Replayed));
}

#[test]
fn the_end_of_wal_behind_the_checkpoint_verifies_the_history() {
    assert!(Checked::new(LAST.0).see_keepalive(FROM).unwrap().is_err());
    let mut checked = Checked::new(LAST.0);
    assert_eq!(checked.see(begin(LAST)), Ok(Verdict::Replayed));
    assert_eq!(checked.see_keepalive(FROM), None);
    assert_eq!(checked.see(end(LAST.0)), Ok(Verdict::Replayed));
    assert_eq!(checked.see_keepalive(FROM - 1), Some(Ok(Verdict::Replayed)));
    assert_eq!(checked.see_keepalive(FROM), Some(Ok(Verdict::Verified)));
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
    assert_eq!(see(LAST.0, &messages), Ok(Verdict::Verified));
}

#[test]
fn an_undelivered_change_before_the_checkpoint_is_a_diverged_history() {
    let known = [begin(LAST), end(LAST.0), begin((0x180, 1_500, 800)), change()];
    let expected = expect![
        "the transaction with its commit record at 0/180 changes tables there, and was never delivered"
    ];
    halts(LAST.0, &known, &expected);
    // The slot no longer retains the commit delivered last, but still sends the transactions after it.
    halts(0x140, &[begin((0x180, 1_500, 800)), change()], &expected);
}

#[test]
fn another_transaction_in_its_place_is_another_history() {
    let expected = expect!["transaction 732 lies at 0/100, where transaction 731 was delivered from"];
    halts(LAST.0, &[begin((LAST.0, LAST.1, 732))], &expected);
    let expected =
        expect!["transaction 731 of another time lies at 0/100, where transaction 731 was delivered from"];
    halts(LAST.0, &[begin((LAST.0, 999, LAST.2))], &expected);
}

#[test]
fn a_commit_that_is_not_there_is_another_history() {
    let expected = expect!["transaction 731 (commit 0/100), which was delivered last, is not there"];
    halts(LAST.0, &[begin((0x108, 1_000, 731))], &expected);
    halts(LAST.0, &[begin((FROM, 1_000, 731))], &expected);
    halts(LAST.0, &[message(FROM, false)], &expected);
}

#[test]
fn the_error_names_the_range_and_the_command() {
    let error = see(LAST.0, &[begin((FROM, 1_000, 732))]).unwrap_err();
    expect!["this server's history is not the one that was delivered: transaction 731 (commit 0/100), which was delivered last, is not there; the server was restored to an earlier state, or is a copy of one that was, and has written other changes since: records from (0/40, 0/200] may describe changes that the database does not have, and changes that it has are not in Kafka"].assert_eq(&error);
}
