//! Transaction metadata: an event before the first event of a transaction, and an event after the last one, which
//! counts the events by table.
//!
//! Debezium emits both for every transaction that the server sends, including transactions without captured changes.
//! Servers before PostgreSQL 15 send Begin and Commit of all transactions.

use walcast_mapper::events::{TransactionBoundary, TransactionEvents};
use walcast_mapper::{EventCounts, MapperConfig};
use walcast_pgoutput::Lsn;

use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;
use crate::stream::transactions::Transaction;

/// Encoder of the begin and end events of transactions.
pub(crate) struct TransactionMetadata(TransactionEvents);

impl TransactionMetadata {
    /// Creates the encoder; `None` if transaction metadata is off.
    pub(crate) fn new(config: &MapperConfig) -> Option<Self> {
        config
            .events
            .transactions
            .then(|| Self(TransactionEvents::new(config)))
    }

    /// Appends the begin event of a transaction, whose record is at `lsn`.
    pub(crate) async fn begin<E: EncodePorts>(
        &mut self,
        transaction: &Transaction,
        lsn: Lsn,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        output.tables.registrar().bind_events(&mut self.0.topic).await?;
        self.0
            .begin(&context(transaction, lsn), output.batch.records().buffer);
        output.batch.has_records();
        Ok(())
    }

    /// Appends the end event of a transaction, whose record is at `lsn`.
    pub(crate) async fn end<E: EncodePorts>(
        &mut self,
        transaction: &Transaction,
        lsn: Lsn,
        output: &mut Output<'_, E>,
    ) -> Result<(), DeliveryError> {
        output.tables.registrar().bind_events(&mut self.0.topic).await?;
        let records = output.batch.records();
        let none = EventCounts::default();
        let counts = records.counts.as_deref().unwrap_or(&none);
        self.0.end(&context(transaction, lsn), counts, records.buffer);
        output.batch.has_records();
        Ok(())
    }
}

fn context(transaction: &Transaction, lsn: Lsn) -> TransactionBoundary {
    TransactionBoundary {
        xid: transaction.xid,
        commit_lsn: transaction.commit_lsn,
        commit_time: transaction.commit_time,
        lsn,
    }
}
