//! Logical decoding messages.
//!
//! One that belongs to a transaction is a change of it like any other. One that does not stands between transactions: the
//! server sends it when it comes to it in the log, which is after every transaction that was committed before it and
//! before every one that was committed after it. Its position is its place in that order, and the checkpoint keeps the
//! last one that was delivered.

use walcast_mapper::{MessageContext, Ordinal, RecordId};
use walcast_pgoutput::{LogicalMessage, PgTimestamp};

use super::{Intake, IntakeFault};
use crate::edge::{RowsCatalog, SchemaRegistry, Snapshots, Topics};
use crate::parcel::PARCEL_BYTES;

impl<C: RowsCatalog, T: Topics, R: SchemaRegistry, N: Snapshots> Intake<'_, C, T, R, N> {
    pub(super) async fn message(&mut self, message: &LogicalMessage<'_>) -> Result<(), IntakeFault> {
        if message.transactional {
            self.message_in_transaction(message).await
        } else {
            self.message_alone(message).await
        }
    }

    async fn message_in_transaction(&mut self, message: &LogicalMessage<'_>) -> Result<(), IntakeFault> {
        let Some(place) = self.next_place(message.lsn)? else {
            return Ok(());
        };
        if !self.messages.chooses(message.prefix) {
            return Ok(());
        }
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
            processed_at_unix_nanos: self.now_unix_nanos,
        };
        let before = self.parcel.batch.mark();
        self.encode_message(message, &context).await?;
        self.encoded(&place, before, true).await
    }

    async fn message_alone(&mut self, message: &LogicalMessage<'_>) -> Result<(), IntakeFault> {
        if self.transaction.is_some() {
            return Err(self.out_of_order("a message outside of any transaction stands inside one"));
        }
        let is_delivered = message.lsn < self.resume.from
            || self.resume.last_message.is_some_and(|last| message.lsn <= last);
        if is_delivered {
            return Ok(());
        }
        // As Debezium has it: such a message is its own commit, also one that is not sent.
        self.previous_end = Some(message.lsn);
        if !self.messages.chooses(message.prefix) {
            return Ok(());
        }
        let last_commit_time = self
            .last_commit
            .map(|commit| commit.commit_time_unix_micros)
            .unwrap_or(self.now_unix_nanos / 1000);
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
            processed_at_unix_nanos: self.now_unix_nanos,
        };
        self.encode_message(message, &context).await?;
        self.parcel.message = Some(message.lsn);
        self.whole = self.parcel.batch.mark();
        if self.parcel.batch.len_bytes() >= PARCEL_BYTES {
            self.hand_on().await?;
        }
        Ok(())
    }

    async fn encode_message(
        &mut self,
        message: &LogicalMessage<'_>,
        context: &MessageContext,
    ) -> Result<(), IntakeFault> {
        let registrar = self.relations.registrar();
        registrar.bind_events(&mut self.messages.topic).await?;
        let tally = self.told.as_mut().map(|told| &mut told.tally);
        let tally = tally.filter(|_| context.xid.is_some());
        self.messages
            .encode(message, context, tally, &mut self.parcel.batch);
        Ok(())
    }
}
