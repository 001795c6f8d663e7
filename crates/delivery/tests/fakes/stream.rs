//! A running stream of the modelled server, with its feedback, catalog and watch.

use std::collections::VecDeque;
use std::rc::Rc;

use walcast_delivery::condition::Condition;
use walcast_delivery::{
    BoxedPortError, Catalog, ChangeStream, Feedback, Published, RowsCatalog, SourceState, SourceWatch,
};
use walcast_mapper::{ReselectRequest, TableMetadata, TableName};
use walcast_pgoutput::{FrameBlock, Lsn, Relation, Xid};

use super::kafka::Kafka;
use super::postgres::{Confirmation, Postgres, PostgresCall};
use super::script::{Act, TestFault, perform};
use super::wire::{self, KnownRelations};

/// One session of the walsender.
pub(crate) struct Stream {
    postgres: Postgres,
    /// Transactions with an earlier commit record are not sent.
    from: Lsn,
    /// Index of the next transaction in WAL.
    next_transaction: usize,
    known_relations: KnownRelations,
    /// Encoded frames that are not sent yet.
    frames: VecDeque<Vec<u8>>,
    /// The end of WAL in the last keepalive.
    idle_end: Lsn,
    /// Whether the server has stopped sending.
    hangs: bool,
}

impl Stream {
    pub(crate) fn new(postgres: Postgres, from: Lsn) -> Self {
        Self {
            postgres,
            from,
            next_transaction: 0,
            known_relations: KnownRelations::new(),
            frames: VecDeque::new(),
            idle_end: Lsn::INVALID,
            hangs: false,
        }
    }

    /// Encodes frames until a block is full or WAL ends, where one keepalive reports the end.
    fn fill(&mut self) {
        let mut server = self.postgres.server.borrow_mut();
        self.frames.extend(server.injected_frames.drain(..));
        while self.frames.len() < server.frames_per_block {
            let Some(transaction) = server.wal.get(self.next_transaction) else {
                break;
            };
            self.next_transaction += 1;
            if transaction.record_begin() >= self.from {
                let transaction = &server.published(transaction);
                let frames =
                    wire::transaction(transaction, &mut self.known_relations, server.keepalives_inside);
                self.frames.extend(frames);
            }
        }
        let is_at_end = self.next_transaction == server.wal.len();
        if is_at_end && self.frames.is_empty() && self.idle_end < server.wal_end {
            self.idle_end = server.wal_end;
            let end = self.idle_end;
            server.idle_ends.insert(end);
            self.frames.push_back(wire::keepalive(end));
        }
    }
}

impl ChangeStream for Stream {
    async fn next(&mut self) -> Result<FrameBlock, BoxedPortError> {
        if self.hangs {
            std::future::pending().await
        }
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
                    server.wal_end > seen || server.wal.len() > known
                })
                .await;
        }
        // From here on only futures that never finish are awaited: no block is lost when the caller drops this future.
        let planned = self
            .postgres
            .edit(|server| server.script.take(PostgresCall::Next));
        match planned {
            Some(Act::Fail(fault) | Act::ApplyThenFail(fault)) => return Err(fault.into()),
            Some(Act::Hang) => {
                self.hangs = true;
                std::future::pending().await
            }
            None => {}
        }
        let count = self
            .postgres
            .read(|server| server.frames_per_block)
            .min(self.frames.len());
        let block: Vec<u8> = self.frames.drain(..count).flatten().collect();
        Ok(FrameBlock::new(block.into()))
    }

    async fn stop(self) -> Result<(), BoxedPortError> {
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

/// Sends confirmations to the server.
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

    async fn table_metadata(
        &mut self,
        relation: &Relation,
        _: Option<Xid>,
    ) -> Result<TableMetadata, BoxedPortError> {
        perform(
            &self.0.server,
            &self.0.steps,
            PostgresCall::TableMetadata,
            |server| {
                let table = server.tables.iter().find(|table| table.oid == relation.oid);
                Ok(table.map(|table| table.metadata()).unwrap_or_default())
            },
        )
        .await
    }

    /// The model keeps no row outside of WAL.
    async fn reselect(
        &mut self,
        _: &ReselectRequest<'_>,
    ) -> Result<Option<Vec<Option<String>>>, BoxedPortError> {
        Ok(None)
    }
}

impl RowsCatalog for CatalogClient {
    async fn inspect(&mut self) -> Result<SourceState, BoxedPortError> {
        perform(&self.0.server, &self.0.steps, PostgresCall::Inspect, |server| {
            Ok(server.inspect())
        })
        .await
    }

    async fn refuses(
        &mut self,
        _: &TableName,
        condition: Option<&Condition>,
    ) -> Result<Option<String>, BoxedPortError> {
        let is_wrong = condition.is_some_and(|condition| condition.sql().contains("wrong"));
        Ok(is_wrong.then(|| "syntax error".to_owned()))
    }
}

/// Inspects the server while streaming.
pub(crate) struct WatchClient(pub(crate) Postgres);

impl SourceWatch for WatchClient {
    async fn inspect(&mut self) -> Result<SourceState, BoxedPortError> {
        perform(&self.0.server, &self.0.steps, PostgresCall::Watch, |server| {
            Ok(server.inspect())
        })
        .await
    }

    async fn publish(&mut self, tables: &[TableName]) -> Result<Published, BoxedPortError> {
        perform(&self.0.server, &self.0.steps, PostgresCall::Publish, |server| {
            Ok(server.publish(tables))
        })
        .await
    }

    async fn lost(&mut self) -> BoxedPortError {
        let lost = self.0.read(|server| Rc::clone(&server.leadership_lost));
        lost.notified().await;
        TestFault::transient("leadership lost").into()
    }
}
