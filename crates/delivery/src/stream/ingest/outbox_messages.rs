//! Messages that are events of an outbox.

use walcast_mapper::ChangeContext;
use walcast_mapper::events::MessageContext;
use walcast_pgoutput::{LogicalMessage, Lsn, Oid, Xid};

use super::Ingest;
use crate::batch::builder::Records;
use crate::encode::encode_error::EncodeError;
use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;
use crate::ports::snapshots::Snapshots;
use crate::stream::interruption::Interruption;
use crate::stream::transactions::ChangePlace;

impl<E: EncodePorts, N: Snapshots> Ingest<'_, E, N> {
    /// Follows a message that is an event of an outbox.
    pub(super) async fn event_of_outbox(
        &mut self,
        outbox: Oid,
        place: Option<&ChangePlace>,
        context: &MessageContext<'_>,
        message: &LogicalMessage<'_>,
    ) -> Result<(), Interruption> {
        let Some(place) = place else {
            let Output { tables, batch } = &mut self.output;
            // An event of no transaction, whose position is that of the message.
            let context = ChangeContext {
                xid: Xid::new(0),
                commit_lsn: context.id.commit_lsn,
                commit_time: context.commit_time,
                lsn: context.lsn,
                ordinal: context.id.ordinal,
                previous_commit_end: context.previous_commit_end,
                origin: None,
                transaction_context: None,
                processed_at_unix_nanos: context.processed_at_unix_nanos,
            };
            let buffer = batch.records().buffer;
            let mut records = Records { buffer, counts: None };
            let encoded = tables
                .encode_message(outbox, message, &context, &mut records)
                .await;
            let has_records = encoded.map_err(|fault| self.explain_message(context.lsn, fault))?;
            if has_records {
                self.output.batch.message(message.lsn);
            }
            return self.flush_if_full().await;
        };
        if self.is_skipped(place) {
            self.output.batch.reach(place.context.ordinal);
            return Ok(());
        }
        let before = self.output.batch.savepoint();
        let context = ChangeContext {
            transaction_context: self.context.current(),
            ..self.reader.context(place)
        };
        let Output { tables, batch } = &mut self.output;
        let encoded = tables
            .encode_message(outbox, message, &context, &mut batch.records())
            .await;
        let has_records = encoded.map_err(|fault| self.explain(place.context.lsn, fault))?;
        self.appended(place, before, has_records).await
    }

    /// Error of a message outside of transactions.
    fn explain_message(&self, lsn: Lsn, fault: EncodeError) -> Interruption {
        match fault {
            EncodeError::Map(source) => Interruption::Failed(DeliveryError::MapMessage {
                after: self.reader.position(),
                lsn,
                source: Box::new(source),
            }),
            fault => self.explain(lsn, fault),
        }
    }
}
