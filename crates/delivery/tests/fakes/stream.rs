//! A running stream of the modelled server, and what runs beside it.

use std::collections::VecDeque;
use std::rc::Rc;

use walcast_delivery::{BoxedFault, Catalog, ChangeStream, Feedback, RowsCatalog, SourceWatch, Survey};
use walcast_mapper::{TableFacts, TableName, Unsent};
use walcast_pgoutput::{FrameBlock, Lsn, Oid, Xid};

use super::kafka::Kafka;
use super::postgres::{Confirmation, Postgres, PostgresCall};
use super::script::{Act, TestFault, perform};
use super::wire::{self, Told};

/// One session of the walsender.
pub(crate) struct Stream {
    postgres: Postgres,
    /// Transactions whose commit record lies before it are not sent.
    from: Lsn,
    /// The next transaction of the log to be looked at.
    next_transaction: usize,
    told: Told,
    /// Encoded and not sent yet.
    frames: VecDeque<Vec<u8>>,
    /// The end of log that was told last.
    idle_end: Lsn,
}

impl Stream {
    pub(crate) fn new(postgres: Postgres, from: Lsn) -> Self {
        Self {
            postgres,
            from,
            next_transaction: 0,
            told: Told::new(),
            frames: VecDeque::new(),
            idle_end: Lsn::INVALID,
        }
    }

    /// Encodes until a block is full or the log ends; there a keepalive tells the end, once.
    fn fill(&mut self) {
        let mut server = self.postgres.server.borrow_mut();
        self.frames.extend(server.intruders.drain(..));
        while self.frames.len() < server.frames_per_block {
            let Some(transaction) = server.log.get(self.next_transaction) else {
                break;
            };
            self.next_transaction += 1;
            if transaction.commit_lsn >= self.from {
                let transaction = &server.published(transaction);
                let frames = wire::transaction(transaction, &mut self.told, server.keepalives_inside);
                self.frames.extend(frames);
            }
        }
        let is_at_end = self.next_transaction == server.log.len();
        if is_at_end && self.frames.is_empty() && self.idle_end < server.wal_end {
            self.idle_end = server.wal_end;
            let told = self.idle_end;
            server.idle_ends.insert(told);
            self.frames.push_back(wire::keepalive(told));
        }
    }
}

impl ChangeStream for Stream {
    async fn next(&mut self) -> Result<FrameBlock, BoxedFault> {
        let steps = self.postgres.steps.clone();
        steps.step().await;
        loop {
            self.fill();
            if !self.frames.is_empty() {
                break;
            }
            let (server, seen) = (Rc::clone(&self.postgres.server), self.idle_end);
            let known = self.next_transaction;
            steps
                .until(|| {
                    let server = server.borrow();
                    server.wal_end > seen || server.log.len() > known
                })
                .await;
        }
        // From here on nothing is awaited but what never ends: no block is lost when the caller turns away.
        let planned = self
            .postgres
            .edit(|server| server.script.take(PostgresCall::Next));
        match planned {
            Some(Act::Fail(fault) | Act::ApplyThenFail(fault)) => return Err(fault.into()),
            Some(Act::Hang) => std::future::pending().await,
            None => {}
        }
        let count = self
            .postgres
            .read(|server| server.frames_per_block)
            .min(self.frames.len());
        let block: Vec<u8> = self.frames.drain(..count).flatten().collect();
        Ok(FrameBlock::new(block.into()))
    }

    async fn stop(self) -> Result<(), BoxedFault> {
        perform(
            &self.postgres.server,
            &self.postgres.steps,
            PostgresCall::Stop,
            |_| Ok(()),
        )
        .await
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.postgres.edit(|server| {
            if let Some(slot) = &mut server.slot {
                slot.active_pid = None;
            }
        });
    }
}

/// The way back.
pub(crate) struct FeedbackClient {
    pub(crate) postgres: Postgres,
    pub(crate) kafka: Kafka,
}

impl Feedback for FeedbackClient {
    fn confirm(&self, flush: Lsn) {
        let checkpointed = self.kafka.checkpointed();
        self.postgres.edit(|server| {
            server.confirmations.push(Confirmation { flush, checkpointed });
            let slot = server.slot.as_mut().expect("streams need a slot");
            slot.confirmed_flush_lsn = slot.confirmed_flush_lsn.max(Some(flush));
            slot.restart_lsn = slot.confirmed_flush_lsn;
        });
    }
}

/// Catalog look-ups.
pub(crate) struct CatalogClient(pub(crate) Postgres);

impl Catalog for CatalogClient {
    fn captures(&self, table: &TableName) -> bool {
        self.0.read(|server| server.captured_names().contains(table))
    }

    async fn table_facts(&mut self, relation: Oid, _: Option<Xid>) -> Result<TableFacts, BoxedFault> {
        perform(
            &self.0.server,
            &self.0.steps,
            PostgresCall::TableFacts,
            |server| {
                let table = server.tables.iter().find(|table| table.oid == relation);
                Ok(table.map(|table| table.facts()).unwrap_or_default())
            },
        )
        .await
    }

    /// The log is all that is kept of a row here.
    async fn reselect(&mut self, _: &Unsent<'_>) -> Result<Option<Vec<Option<String>>>, BoxedFault> {
        Ok(None)
    }
}

impl RowsCatalog for CatalogClient {
    async fn survey(&mut self) -> Result<Survey, BoxedFault> {
        perform(&self.0.server, &self.0.steps, PostgresCall::Survey, |server| {
            Ok(server.survey())
        })
        .await
    }

    async fn refuses(&mut self, _: &TableName, filter: Option<&str>) -> Result<Option<String>, BoxedFault> {
        let is_wrong = filter.is_some_and(|filter| filter.contains("wrong"));
        Ok(is_wrong.then(|| "syntax error".to_owned()))
    }
}

/// Eyes on the server.
pub(crate) struct WatchClient(pub(crate) Postgres);

impl SourceWatch for WatchClient {
    async fn survey(&mut self) -> Result<Survey, BoxedFault> {
        perform(&self.0.server, &self.0.steps, PostgresCall::Watch, |server| {
            Ok(server.survey())
        })
        .await
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<Lsn, BoxedFault> {
        perform(&self.0.server, &self.0.steps, PostgresCall::Publish, |server| {
            server.publish(tables);
            Ok(server.wal_end)
        })
        .await
    }

    async fn lost(&mut self) -> BoxedFault {
        let lost = self.0.read(|server| Rc::clone(&server.lead_lost));
        lost.notified().await;
        TestFault::passing("leadership lost").into()
    }
}
