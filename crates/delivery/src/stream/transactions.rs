//! The transactions of a replication stream, event by event.
//!
//! Every follower of a stream reads it through a [`TransactionReader`]: the connector, the check of the delivered history, the
//! import of another connector's offset, and `tail`. The reader alone numbers the changes of a transaction, so an
//! [`Ordinal`] means the same change to all of them, and alone decides which transactions were delivered before.

use walcast_mapper::events::MessageContext;
use walcast_mapper::{ChangeContext, Ordinal, RecordId, ReplicationOrigin, RowChange};
use walcast_pgoutput::{
    Begin, Commit, DecodeError, Decoder, Frame, LogicalMessage, Lsn, Message, Oid, Origin, PgTimestamp,
    Relation, TypeMessage, Xid,
};

use crate::error::DeliveryError;
use crate::position::checkpoint::{CommitPosition, Partial};
use crate::schema_history::ChangePosition;

/// Part of the stream that was delivered before, and is not delivered again.
#[derive(Clone, Copy, Debug)]
pub struct Delivered {
    /// Transactions whose commit record begins before this position were delivered.
    pub until: Lsn,
    /// Transaction delivered last, for `source.sequence`.
    pub last_commit: Option<CommitPosition>,
    /// Last non-transactional message delivered after that transaction.
    pub last_message: Option<Lsn>,
    /// Delivered part of the first transaction that was not delivered whole.
    pub partial: Option<Partial>,
}

impl Delivered {
    /// Nothing but the transactions whose commit record begins before `lsn`.
    #[must_use]
    pub fn until(lsn: Lsn) -> Self {
        Self {
            until: lsn,
            last_commit: None,
            last_message: None,
            partial: None,
        }
    }

    /// Whether a change was delivered, or skipped.
    pub(crate) fn passes(&self, change: ChangePosition) -> bool {
        let covers = |partial: Partial| partial.covers(change.commit_lsn, change.ordinal);
        change.commit_lsn < self.until || self.partial.is_some_and(covers)
    }
}

/// Transaction as its Begin message describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its ID.
    pub xid: Xid,
    /// Start of its commit record.
    pub commit_lsn: Lsn,
    /// Commit time.
    pub commit_time: PgTimestamp,
}

/// Change of a transaction: its position and its number.
#[derive(Clone, Copy, Debug)]
pub struct ChangePlace {
    /// Position, number and transaction. The replication origin is with the reader ([`TransactionReader::context`]).
    pub context: ChangeContext<'static>,
    /// Whether the records of the change are in Kafka, in the delivered part of a split transaction.
    pub is_delivered: bool,
}

/// Step of a stream.
#[derive(Debug)]
pub enum Event<'b> {
    /// Description of a table, before its first change and after each `ALTER TABLE`.
    Relation(Relation),
    /// Name of a type that is not built in, before the first relation that uses it.
    Type(TypeMessage),
    /// Start of a transaction that was not delivered whole.
    Begin {
        /// The transaction.
        transaction: Transaction,
        /// Position of its first record.
        lsn: Lsn,
        /// Whether a part of the transaction was delivered.
        is_delivered_in_part: bool,
    },
    /// Change of a row.
    Row {
        /// Position and number.
        place: ChangePlace,
        /// Table.
        relation: Oid,
        /// Old and new row.
        change: RowChange<'b>,
    },
    /// `TRUNCATE` of one or more tables.
    Truncate {
        /// Position and number.
        place: ChangePlace,
        /// Tables.
        relations: Vec<Oid>,
    },
    /// Logical decoding message: part of a transaction, or, with no `place`, between two transactions.
    Message {
        /// Position and number, if it is part of a transaction.
        place: Option<ChangePlace>,
        /// Context of its record. The replication origin is with the reader ([`TransactionReader::origin`]).
        context: MessageContext<'static>,
        /// Message as the server sent it.
        message: LogicalMessage<'b>,
    },
    /// End of a transaction that was not delivered whole.
    Commit {
        /// The transaction.
        transaction: Transaction,
        /// Its position, as a checkpoint holds it.
        position: CommitPosition,
        /// Position of the record.
        lsn: Lsn,
    },
    /// The server has sent everything committed before this position; no transaction is open.
    Idle(Lsn),
}

/// Reads the messages of a stream in protocol version 1 and checks their order.
#[derive(Debug)]
pub struct TransactionReader {
    decoder: Decoder,
    delivered: Delivered,
    open: Option<Open>,
    /// Replication origin of the open transaction.
    origin: Option<ReplicationOrigin>,
    last_commit: Option<CommitPosition>,
    /// End of the last transaction, or position of the message after it, for `source.sequence`.
    previous_end: Option<Lsn>,
}

/// Transaction whose end has not been read.
#[derive(Clone, Copy, Debug)]
struct Open {
    transaction: Transaction,
    next_ordinal: Ordinal,
    is_delivered: bool,
}

impl TransactionReader {
    /// Reader of a stream of which a part was delivered before.
    #[must_use]
    pub fn new(delivered: Delivered) -> Self {
        let last_commit = delivered.last_commit;
        Self {
            decoder: Decoder::new(),
            delivered,
            open: None,
            origin: None,
            last_commit,
            previous_end: delivered
                .last_message
                .or(last_commit.map(|commit| commit.end_lsn)),
        }
    }

    /// Whether a transaction has begun and not ended.
    #[must_use]
    pub fn is_in_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// Transaction that has begun and not ended.
    #[must_use]
    pub fn transaction(&self) -> Option<Transaction> {
        self.open.map(|open| open.transaction)
    }

    /// Replication origin of the transaction that has begun and not ended; `None` if it is a transaction of this server.
    #[must_use]
    pub fn origin(&self) -> Option<&ReplicationOrigin> {
        self.origin.as_ref()
    }

    /// Context of a change of the open transaction, with the replication origin.
    #[inline]
    #[must_use]
    pub fn context(&self, place: &ChangePlace) -> ChangeContext<'_> {
        ChangeContext {
            origin: self.origin(),
            ..place.context
        }
    }

    /// End of the last transaction that was read without error.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.last_commit
            .map_or(self.delivered.until, |commit| commit.end_lsn)
    }

    /// Event of the next frame; `None` when the frame is part of a delivered transaction or carries nothing for followers.
    /// `now_unix_nanos`: clock of this process.
    ///
    /// # Errors
    /// The frame cannot be decoded, or its message must not follow the one before it.
    #[inline]
    pub fn read<'b>(
        &mut self,
        frame: Result<Frame<'b>, DecodeError>,
        now_unix_nanos: i64,
    ) -> Result<Option<Event<'b>>, DeliveryError> {
        match frame.map_err(|error| self.unreadable(error))? {
            Frame::XLogData {
                wal_start, message, ..
            } => {
                let message = self
                    .decoder
                    .decode(message)
                    .map_err(|error| self.unreadable(error))?;
                self.follow(wal_start, message, now_unix_nanos)
            }
            // Inside a transaction the position lies before its end.
            Frame::Keepalive { wal_end, .. } => Ok(self.open.is_none().then_some(Event::Idle(wal_end))),
        }
    }

    #[inline]
    pub(super) fn follow<'b>(
        &mut self,
        lsn: Lsn,
        message: Message<'b>,
        now_unix_nanos: i64,
    ) -> Result<Option<Event<'b>>, DeliveryError> {
        let (relation, change) = match message {
            Message::Begin(begin) => return self.begin(lsn, &begin),
            Message::Commit(commit) => return self.commit(lsn, &commit),
            Message::Relation(relation) => return Ok(Some(Event::Relation(relation))),
            Message::Type(named) => return Ok(Some(Event::Type(named))),
            Message::Insert(insert) => (insert.relation, RowChange::Insert { new: insert.new }),
            Message::Update(update) => {
                let (old, new) = (update.old, update.new);
                (update.relation, RowChange::Update { old, new })
            }
            Message::Delete(delete) => (delete.relation, RowChange::Delete { old: delete.old }),
            Message::Truncate(truncate) => {
                let relations = truncate.relations;
                let place = self.next_place(lsn, now_unix_nanos)?;
                return Ok(place.map(|place| Event::Truncate { place, relations }));
            }
            Message::Logical(message) if message.transactional => {
                return self.message_in_transaction(message, now_unix_nanos);
            }
            Message::Logical(message) => return self.message_alone(message, now_unix_nanos),
            Message::Origin(origin) => {
                self.name_origin(&origin);
                return Ok(None);
            }
            // PostgreSQL 18 can send a stray abort of a stream that never began.
            Message::StreamAbort(_) => return Ok(None),
            Message::StreamStart(_)
            | Message::StreamStop
            | Message::StreamCommit { .. }
            | Message::BeginPrepare(_)
            | Message::Prepare(_)
            | Message::CommitPrepared(_)
            | Message::RollbackPrepared(_)
            | Message::StreamPrepare(_) => {
                return Err(self.out_of_order(
                    "a message of protocol version 2 or later came in a session of version 1",
                ));
            }
        };
        let place = self.next_place(lsn, now_unix_nanos)?;
        Ok(place.map(|place| Event::Row {
            place,
            relation,
            change,
        }))
    }

    fn begin<'b>(&mut self, lsn: Lsn, begin: &Begin) -> Result<Option<Event<'b>>, DeliveryError> {
        if self.open.is_some() {
            return Err(self.out_of_order("a transaction begins inside another"));
        }
        let transaction = Transaction {
            xid: begin.xid,
            commit_lsn: begin.commit_lsn,
            commit_time: begin.commit_time,
        };
        let is_delivered = begin.commit_lsn < self.delivered.until;
        self.origin = None;
        self.open = Some(Open {
            transaction,
            next_ordinal: Ordinal::default(),
            is_delivered,
        });
        let partial = self.delivered.partial;
        let is_delivered_in_part = partial.is_some_and(|partial| partial.commit_lsn == begin.commit_lsn);
        Ok((!is_delivered).then_some(Event::Begin {
            transaction,
            lsn,
            is_delivered_in_part,
        }))
    }

    /// The server names the origin after the begin of a transaction, before its changes.
    fn name_origin(&mut self, origin: &Origin<'_>) {
        if self.open.is_some_and(|open| !open.is_delivered) {
            self.origin = Some(ReplicationOrigin {
                name: origin.name.to_owned(),
                lsn: origin.commit_lsn,
            });
        }
    }

    fn commit<'b>(&mut self, lsn: Lsn, commit: &Commit) -> Result<Option<Event<'b>>, DeliveryError> {
        let Some(open) = self.open else {
            return Err(self.out_of_order("a transaction ends that never began"));
        };
        let transaction = open.transaction;
        if transaction.commit_lsn != commit.commit_lsn {
            return Err(
                self.out_of_order("a transaction ends with another commit position than it began with")
            );
        }
        self.open = None;
        self.origin = None;
        if open.is_delivered {
            return Ok(None);
        }
        let position = CommitPosition::new(
            commit.commit_lsn,
            commit.end_lsn,
            commit.commit_time,
            transaction.xid,
        );
        self.last_commit = Some(position);
        self.previous_end = Some(position.end_lsn);
        Ok(Some(Event::Commit {
            transaction,
            position,
            lsn,
        }))
    }

    /// Numbers the next change; `None` when its transaction was delivered.
    #[inline]
    fn next_place(&mut self, lsn: Lsn, now_unix_nanos: i64) -> Result<Option<ChangePlace>, DeliveryError> {
        let Some(open) = &mut self.open else {
            return Err(self.out_of_order("a change stands outside of any transaction"));
        };
        let ordinal = open.next_ordinal;
        open.next_ordinal = ordinal.next();
        if open.is_delivered {
            return Ok(None);
        }
        let Transaction {
            xid,
            commit_lsn,
            commit_time,
        } = open.transaction;
        let partial = self.delivered.partial;
        Ok(Some(ChangePlace {
            context: ChangeContext {
                xid,
                commit_lsn,
                commit_time,
                lsn,
                ordinal,
                previous_commit_end: self.previous_end,
                origin: None,
                transaction_context: None,
                processed_at_unix_nanos: now_unix_nanos,
            },
            is_delivered: partial.is_some_and(|partial| partial.covers(commit_lsn, ordinal)),
        }))
    }

    /// A message of a transaction is numbered like its changes.
    fn message_in_transaction<'b>(
        &mut self,
        message: LogicalMessage<'b>,
        now_unix_nanos: i64,
    ) -> Result<Option<Event<'b>>, DeliveryError> {
        let Some(place) = self.next_place(message.lsn, now_unix_nanos)? else {
            return Ok(None);
        };
        let context = MessageContext {
            id: RecordId {
                commit_lsn: place.context.commit_lsn,
                ordinal: place.context.ordinal,
                part: 0,
            },
            xid: Some(place.context.xid),
            lsn: message.lsn,
            commit_time: place.context.commit_time,
            previous_commit_end: self.previous_end,
            origin: None,
            processed_at_unix_nanos: now_unix_nanos,
        };
        Ok(Some(Event::Message {
            place: Some(place),
            context,
            message,
        }))
    }

    /// The server sends a non-transactional message when it decodes its record: after every transaction committed before it,
    /// and before every transaction committed after it. Its position is its place in that order.
    fn message_alone<'b>(
        &mut self,
        message: LogicalMessage<'b>,
        now_unix_nanos: i64,
    ) -> Result<Option<Event<'b>>, DeliveryError> {
        if self.open.is_some() {
            return Err(self.out_of_order("a message outside of any transaction stands inside one"));
        }
        let last_message = self.delivered.last_message;
        if message.lsn <= self.delivered.until || last_message.is_some_and(|last| message.lsn <= last) {
            return Ok(None);
        }
        // Debezium treats the message as its own commit, even when the message is filtered out.
        self.previous_end = Some(message.lsn);
        let last_commit_time = self
            .last_commit
            .map(|commit| commit.commit_time_unix_micros)
            .unwrap_or(now_unix_nanos / 1000);
        let context = MessageContext {
            id: RecordId {
                commit_lsn: message.lsn,
                ordinal: Ordinal::default(),
                part: 0,
            },
            xid: None,
            lsn: message.lsn,
            commit_time: PgTimestamp::from_unix_micros(last_commit_time),
            previous_commit_end: self.previous_end,
            origin: None,
            processed_at_unix_nanos: now_unix_nanos,
        };
        Ok(Some(Event::Message {
            place: None,
            context,
            message,
        }))
    }

    fn unreadable(&self, source: DecodeError) -> DeliveryError {
        DeliveryError::Decode {
            after: self.position(),
            source,
        }
    }

    /// Error of a message that the protocol excludes here.
    #[must_use]
    pub fn out_of_order(&self, what: &'static str) -> DeliveryError {
        DeliveryError::OutOfOrder {
            after: self.position(),
            what,
        }
    }
}

#[cfg(test)]
mod tests;
