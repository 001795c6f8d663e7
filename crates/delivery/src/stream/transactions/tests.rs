//! Replication origins of transactions.

use walcast_mapper::ReplicationOrigin;
use walcast_pgoutput::{
    Begin, Commit, LogicalMessage, Lsn, Message, Oid, Origin, PgTimestamp, Truncate, Xid,
};

use super::{Delivered, Event, TransactionReader};

fn at(lsn: u64) -> Lsn {
    Lsn::new(lsn)
}

struct Read {
    reader: TransactionReader,
}

impl Read {
    fn after(delivered: u64) -> Self {
        Self {
            reader: TransactionReader::new(Delivered::until(at(delivered))),
        }
    }

    fn read<'b>(&mut self, message: Message<'b>) -> Option<Event<'b>> {
        self.reader
            .follow(at(0x90), message, 0)
            .expect("the order is right")
    }

    fn begin(&mut self, commit_lsn: u64) {
        self.read(Message::Begin(Begin {
            commit_lsn: at(commit_lsn),
            commit_time: PgTimestamp::from_unix_micros(0),
            xid: Xid::new(700),
        }));
    }

    fn origin(&mut self, name: &str, lsn: u64) {
        let origin = Origin {
            commit_lsn: at(lsn),
            name,
        };
        assert!(self.read(Message::Origin(origin)).is_none());
    }

    fn end(&mut self, commit_lsn: u64) {
        self.read(Message::Commit(Commit {
            commit_lsn: at(commit_lsn),
            end_lsn: at(commit_lsn + 8),
            commit_time: PgTimestamp::from_unix_micros(0),
        }));
    }

    /// Origin of the next change: its name and position.
    fn change(&mut self) -> Option<(String, Lsn)> {
        let truncate = Message::Truncate(Truncate {
            xid: None,
            cascade: false,
            restart_identity: false,
            relations: vec![Oid::new(16_384)],
        });
        let Some(Event::Truncate { place, .. }) = self.read(truncate) else {
            panic!("the change was not delivered before");
        };
        let ReplicationOrigin { name, lsn } = self.reader.context(&place).origin?;
        Some((name.clone(), *lsn))
    }
}

#[test]
fn each_change_has_the_replication_origin_of_its_transaction() {
    let mut read = Read::after(0);
    read.begin(0x100);
    assert_eq!(read.change(), None);
    read.end(0x100);

    read.begin(0x200);
    read.origin("elsewhere", 0xABCD);
    let elsewhere = Some(("elsewhere".to_owned(), at(0xABCD)));
    assert_eq!([read.change(), read.change()], [elsewhere.clone(), elsewhere]);
    read.end(0x200);
    assert_eq!(read.reader.origin(), None);

    read.begin(0x300);
    assert_eq!(read.change(), None);
    read.end(0x300);

    read.begin(0x400);
    read.origin("without position", 0);
    assert_eq!(read.change(), Some(("without position".to_owned(), at(0))));
}

#[test]
fn a_message_outside_of_transactions_has_no_replication_origin() {
    let mut read = Read::after(0);
    read.begin(0x100);
    read.origin("elsewhere", 0xABCD);
    read.end(0x100);
    let message = Message::Logical(LogicalMessage {
        xid: None,
        transactional: false,
        lsn: at(0x180),
        prefix: "app",
        content: b"",
    });
    let Some(Event::Message { place, context, .. }) = read.read(message) else {
        panic!("the message was not delivered before");
    };
    assert!(place.is_none() && context.origin.is_none() && read.reader.origin().is_none());
}

/// The origin of a transaction that was delivered is not kept.
#[test]
fn delivered_transactions_have_no_replication_origin() {
    let mut read = Read::after(0x180);
    read.begin(0x100);
    read.origin("elsewhere", 0xABCD);
    assert_eq!(read.reader.origin(), None);
    read.end(0x100);
    read.begin(0x200);
    assert_eq!(read.change(), None);
}
