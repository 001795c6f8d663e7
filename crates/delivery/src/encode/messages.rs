//! Logical decoding messages as records.

use walcast_mapper::MapperConfig;
use walcast_mapper::events::{MessageContext, MessageEvents};
use walcast_pgoutput::LogicalMessage;

use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;

/// Encoder of the messages whose prefix is configured.
pub(crate) struct MessageEncoder(MessageEvents);

impl MessageEncoder {
    pub(crate) fn new(config: &MapperConfig) -> Self {
        Self(MessageEvents::new(config))
    }

    /// Whether messages with this prefix are delivered.
    pub(crate) fn matches(&self, prefix: &str) -> bool {
        self.0.matches(prefix)
    }

    /// Appends the record of a message.
    pub(crate) async fn encode<E: EncodePorts>(
        &mut self,
        message: &LogicalMessage<'_>,
        context: &MessageContext<'_>,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        output.tables.registrar().bind_events(&mut self.0.topic).await?;
        let records = output.batch.records();
        // A non-transactional message is not an event of any transaction.
        let counts = records.counts.filter(|_| context.xid.is_some());
        self.0.encode(message, context, counts, records.buffer);
        Ok(())
    }
}
