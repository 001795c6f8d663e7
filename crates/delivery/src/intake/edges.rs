//! The edges of transactions, where they are told: an event before the first of a transaction, one after the last.
//!
//! Debezium tells every transaction that the server sends, also one without a captured change. Servers before 15 send the
//! edges of all of them.

use walcast_mapper::{EdgeContext, MapperConfig, Tally, TransactionEvents};
use walcast_pgoutput::Lsn;

use super::{Intake, IntakeFault};
use crate::edge::{RowsCatalog, SchemaRegistry, Snapshots, Topics};
use crate::parcel::OpenTransaction;

/// What tells transactions, and what the open one has counted so far: one number for each table, whatever its size.
pub(super) struct ToldTransactions {
    events: TransactionEvents,
    pub(super) tally: Tally,
}

impl ToldTransactions {
    /// `None` when transactions are not told.
    pub(super) fn new(config: &MapperConfig) -> Option<Self> {
        config.events.transactions.then(|| Self {
            events: TransactionEvents::new(config),
            tally: Tally::default(),
        })
    }
}

impl<C: RowsCatalog, T: Topics, R: SchemaRegistry, N: Snapshots> Intake<'_, C, T, R, N> {
    /// A transaction has begun.
    pub(super) async fn tell_beginning(&mut self, lsn: Lsn) -> Result<(), IntakeFault> {
        let (Some(told), Some(transaction)) = (&mut self.told, &mut self.transaction) else {
            return Ok(());
        };
        told.tally.clear();
        let commit_lsn = transaction.commit_lsn;
        // Whatever part of a transaction is in Kafka begins with its beginning.
        let is_delivered = commit_lsn < self.resume.from
            || self
                .resume
                .partial
                .is_some_and(|partial| partial.commit_lsn == commit_lsn);
        if is_delivered {
            return Ok(());
        }
        let registrar = self.relations.registrar();
        registrar.bind_events(&mut told.events.topic).await?;
        told.events.begin(&edge(transaction, lsn), &mut self.parcel.batch);
        transaction.has_records = true;
        Ok(())
    }

    /// The open transaction ends; true when an event tells it.
    pub(super) async fn tell_end(&mut self, lsn: Lsn) -> Result<bool, IntakeFault> {
        let (Some(told), Some(transaction)) = (&mut self.told, &self.transaction) else {
            return Ok(false);
        };
        if transaction.commit_lsn < self.resume.from {
            return Ok(false);
        }
        let registrar = self.relations.registrar();
        registrar.bind_events(&mut told.events.topic).await?;
        told.events
            .end(&edge(transaction, lsn), &told.tally, &mut self.parcel.batch);
        Ok(true)
    }
}

fn edge(transaction: &OpenTransaction, lsn: Lsn) -> EdgeContext {
    EdgeContext {
        xid: transaction.xid,
        commit_lsn: transaction.commit_lsn,
        commit_time: transaction.commit_time,
        lsn,
    }
}
