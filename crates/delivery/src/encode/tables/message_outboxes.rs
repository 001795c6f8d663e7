//! Outboxes without a table: logical decoding messages that are events.

use walcast_mapper::{ChangeContext, RowChange};
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{LogicalMessage, Oid, Tuple};

use super::TableEncoder;
use crate::batch::builder::Records;
use crate::encode::encode_error::EncodeError;
use crate::encode::ports::EncodePorts;

impl<E: EncodePorts> TableEncoder<'_, E> {
    /// The outbox whose events are the messages with this prefix, as the OID of the table for which it stands.
    pub(crate) fn message_outbox(&self, prefix: &str) -> Option<Oid> {
        let mut outboxes = self.message_outboxes.iter();
        let outbox = outboxes.find(|outbox| outbox.prefix() == prefix)?;
        Some(outbox.relation().oid)
    }

    /// Whether an OID stands for an outbox of messages.
    pub(super) fn is_message_outbox(&self, oid: Oid) -> bool {
        self.message_outboxes
            .iter()
            .any(|outbox| outbox.relation().oid == oid)
    }

    /// Encodes a message of an outbox, or writes a dead letter. False if the message makes no record.
    pub(crate) async fn encode_message(
        &mut self,
        outbox: Oid,
        message: &LogicalMessage<'_>,
        context: &ChangeContext<'_>,
        records: &mut Records<'_>,
    ) -> Result<bool, EncodeError> {
        let mut outboxes = self.message_outboxes.iter();
        let Some(found) = outboxes.find(|found| found.relation().oid == outbox) else {
            return Err(EncodeError::UnknownRelation);
        };
        let row = found.row(message.content);
        let new = Tuple::read(&mut Reader::new(&row.tuple)).expect("the tuple was encoded by this crate");
        let change = RowChange::Insert { new };
        match row.error {
            None => self.encode(outbox, &change, context, records).await,
            Some(error) => {
                self.divert_change(outbox, &change, context, EncodeError::Map(error), records.buffer)
                    .await
            }
        }
    }
}
