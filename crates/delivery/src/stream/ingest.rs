//! Ingest: reads the stream, has its events encoded, and sends them on in batches.

mod outbox_messages;

use std::future::Future;

use tokio::time::Instant;
use tracing::info;
use walcast_mapper::events::MessageContext;
use walcast_mapper::{ChangeContext, MapperConfig, RowChange, Savepoint};
use walcast_pgoutput::{DecodeError, Frame, FrameBlock, LogicalMessage, Lsn, Oid, Relation};

use crate::clock::unix_nanos;
use crate::encode::context::ContextReader;
use crate::encode::encode_error::EncodeError;
use crate::encode::messages::MessageEncoder;
use crate::encode::metadata::TransactionMetadata;
use crate::encode::output::Output;
use crate::encode::ports::EncodePorts;
use crate::error::DeliveryError;
use crate::metrics::Metrics;
use crate::port_error::BoxedPortError;
use crate::ports::snapshots::Snapshots;
use crate::ports::source::ChangeStream;
use crate::position::checkpoint::CommitPosition;
use crate::snapshot::reader::SnapshotReader;
use crate::state::positions::PositionState;
use crate::stream::explained::explained;
use crate::stream::history::VerifiedStream;
use crate::stream::interruption::Interruption;
use crate::stream::signal_table::SignalTable;
use crate::stream::transactions::Delivered;
use crate::stream::transactions::{ChangePlace, Event, Transaction, TransactionReader};

/// The reading half of a session.
pub(crate) struct Ingest<'a, E: EncodePorts, N: Snapshots> {
    reader: TransactionReader,
    /// Position from which the session continues.
    from: Lsn,
    output: Output<'a, E>,
    messages: MessageEncoder,
    context: ContextReader<'a>,
    /// `None` when transaction metadata is off.
    metadata: Option<TransactionMetadata>,
    signal_table: Option<SignalTable>,
    snapshot: SnapshotReader<'a, N>,
    metrics: &'a Metrics,
    positions: &'a PositionState,
}

impl<'a, E: EncodePorts, N: Snapshots> Ingest<'a, E, N> {
    pub(crate) fn new(
        delivered: Delivered,
        mapper: &MapperConfig,
        output: Output<'a, E>,
        snapshot: SnapshotReader<'a, N>,
        metrics: &'a Metrics,
        positions: &'a PositionState,
    ) -> Self {
        Self {
            reader: TransactionReader::new(delivered),
            from: delivered.until,
            output,
            messages: MessageEncoder::new(mapper),
            context: ContextReader::new(mapper, metrics),
            metadata: TransactionMetadata::new(mapper),
            signal_table: snapshot.signal_table().cloned().map(SignalTable::new),
            snapshot,
            metrics,
            positions,
        }
    }

    /// Reads until `stop` ends or something fails, from a stream whose history is verified: `verified` is what was read for
    /// that, `None` if the stream begins at the checkpoint. Whole transactions that were read are sent on in either case; of
    /// the open transaction nothing more is.
    pub(crate) async fn run<S: ChangeStream>(
        mut self,
        stream: &mut S,
        snapshots: &mut N,
        verified: Option<VerifiedStream>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Interruption> {
        let outcome = self.ingest(stream, snapshots, verified, stop).await;
        if !matches!(outcome, Err(Interruption::CommitterGone)) {
            self.output.batch.finish().await?;
        }
        outcome
    }

    async fn ingest<S: ChangeStream>(
        &mut self,
        stream: &mut S,
        snapshots: &mut N,
        verified: Option<VerifiedStream>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Interruption> {
        let mut stop = std::pin::pin!(stop);
        self.snapshot.publish_state();
        if verified.is_some() {
            self.output.batch.idle(self.from);
        }
        self.snapshot.reach(self.from, &mut self.output).await?;
        if let Some(verified) = verified {
            for named in verified.types {
                self.output.tables.add_type(named);
            }
            for relation in verified.relations {
                self.add_relation(relation);
            }
            self.read(verified.block.frames().skip(verified.frame)).await?;
        }
        loop {
            if self.snapshot.is_last_task_done() {
                return Ok(());
            }
            if self.snapshot.needs_snapshot() {
                if !self.take_snapshot(stream, snapshots, &mut stop).await? {
                    return Ok(());
                }
                continue;
            }
            let retry = self.snapshot.next_retry();
            // Each branch is cancel-safe: `next` by its contract, the others hold no state.
            let block: Result<FrameBlock, BoxedPortError> = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                () = self.output.batch.closed() => return Err(Interruption::CommitterGone),
                request = self.snapshot.next_request(), if !self.reader.is_in_transaction() => {
                    self.snapshot.execute(request, &mut self.output).await?;
                    continue;
                }
                () = self.output.batch.wanted() => {
                    self.output.batch.offer().await?;
                    continue;
                }
                () = tokio::time::sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => continue,
                block = stream.next() => block,
            };
            self.receive(&block.map_err(DeliveryError::Source)?).await?;
        }
    }

    /// Takes a snapshot while the stream is held, or, where that takes long, while it continues. False when `stop` has ended.
    async fn take_snapshot<S: ChangeStream>(
        &mut self,
        stream: &mut S,
        snapshots: &mut N,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<bool, Interruption> {
        self.snapshot.prepare_snapshot();
        let hold = tokio::time::sleep(snapshots.hold());
        let mut taking = std::pin::pin!(snapshots.take());
        tokio::pin!(hold);
        let mut is_held = true;
        let snapshot = loop {
            // Each branch is cancel-safe.
            let block = tokio::select! {
                biased;
                () = &mut *stop => return Ok(false),
                () = self.output.batch.closed() => return Err(Interruption::CommitterGone),
                request = self.snapshot.next_request(), if !self.reader.is_in_transaction() => {
                    self.snapshot.execute(request, &mut self.output).await?;
                    if !self.snapshot.needs_snapshot() {
                        return Ok(true);
                    }
                    continue;
                }
                taken = &mut taking => break taken.map_err(DeliveryError::Source)?,
                () = &mut hold, if is_held => {
                    info!("a snapshot waits until the running transactions have ended; changes are streamed meanwhile");
                    is_held = false;
                    continue;
                }
                () = self.output.batch.wanted() => {
                    self.output.batch.offer().await?;
                    continue;
                }
                block = stream.next(), if !is_held => block,
            };
            self.receive(&block.map_err(DeliveryError::Source)?).await?;
        };
        if self.snapshot.accept(snapshot) && !self.reader.is_in_transaction() {
            self.snapshot.reach(Lsn::INVALID, &mut self.output).await?;
        }
        Ok(true)
    }

    async fn receive(&mut self, block: &FrameBlock) -> Result<(), Interruption> {
        self.metrics
            .received_bytes
            .inc_by(u64::try_from(block.len_bytes()).unwrap_or(u64::MAX));
        self.read(block.frames()).await
    }

    /// At the end of the frames, whole transactions are sent on if the committer waits for them: frames that come later are not
    /// waited for.
    async fn read<'b>(
        &mut self,
        frames: impl Iterator<Item = Result<Frame<'b>, DecodeError>>,
    ) -> Result<(), Interruption> {
        let now_unix_nanos = unix_nanos();
        for frame in frames {
            match frame {
                Ok(Frame::Keepalive { wal_end, .. }) => self.positions.advance_server_end(wal_end),
                Ok(Frame::XLogData { sent_at, .. }) => self.output.batch.sent_at(sent_at),
                Err(_) => {}
            }
            if let Some(event) = self.reader.read(frame, now_unix_nanos)? {
                self.follow(event).await?;
            }
        }
        Ok(self.output.batch.offer().await?)
    }

    #[inline]
    async fn follow(&mut self, event: Event<'_>) -> Result<(), Interruption> {
        match event {
            Event::Row {
                place,
                relation,
                change,
            } => self.row(&place, relation, &change).await,
            Event::Begin {
                transaction,
                lsn,
                is_delivered_in_part,
            } => self.begin(&transaction, lsn, is_delivered_in_part).await,
            Event::Commit {
                transaction,
                position,
                lsn,
            } => self.commit(&transaction, position, lsn).await,
            Event::Truncate { place, relations } => self.truncate(&place, &relations).await,
            Event::Message {
                place,
                context,
                message,
            } => self.message(place.as_ref(), &context, &message).await,
            Event::Relation(relation) => {
                self.add_relation(relation);
                Ok(())
            }
            Event::Type(named) => {
                self.output.tables.add_type(named);
                Ok(())
            }
            Event::Idle(wal_end) => {
                self.output.batch.idle(wal_end);
                self.snapshot.reach(wal_end, &mut self.output).await
            }
        }
    }

    fn add_relation(&mut self, relation: Relation) {
        if let Some(table) = &mut self.signal_table {
            table.add_relation(&relation);
        }
        self.output.tables.add_relation(relation);
    }

    async fn begin(
        &mut self,
        transaction: &Transaction,
        lsn: Lsn,
        is_delivered_in_part: bool,
    ) -> Result<(), Interruption> {
        self.snapshot
            .reach_transaction(transaction.commit_lsn, &mut self.output)
            .await?;
        self.output.batch.begin(transaction);
        self.context.begin();
        // The delivered part of a transaction includes its begin event.
        if let Some(metadata) = &mut self.metadata
            && !is_delivered_in_part
        {
            metadata.begin(transaction, lsn, &mut self.output).await?;
        }
        Ok(())
    }

    async fn commit(
        &mut self,
        transaction: &Transaction,
        position: CommitPosition,
        lsn: Lsn,
    ) -> Result<(), Interruption> {
        if let Some(metadata) = &mut self.metadata {
            metadata.end(transaction, lsn, &mut self.output).await?;
        }
        // Stored with the transaction, and before the transaction counts as read: a signal is executed once.
        if let Some(signals) = self.signal_table.as_mut().map(SignalTable::take)
            && !signals.is_empty()
        {
            self.snapshot.execute_signals(signals, &mut self.output).await?;
        }
        self.output.batch.end(position);
        // A stream without a pause between two transactions would starve requests.
        while let Some(request) = self.snapshot.waiting_request() {
            self.snapshot.execute(request, &mut self.output).await?;
        }
        Ok(())
    }

    async fn row(
        &mut self,
        place: &ChangePlace,
        relation: Oid,
        change: &RowChange<'_>,
    ) -> Result<(), Interruption> {
        if let (Some(table), RowChange::Insert { new }) = (&mut self.signal_table, change) {
            table.insert(relation, new);
        }
        let tables = &self.output.tables;
        if self.is_skipped(place) || self.snapshot.holds_back(|| tables.name_of(relation)) {
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
            .encode(relation, change, &context, &mut batch.records())
            .await;
        let has_records = encoded.map_err(|fault| self.explain(place.context.lsn, fault))?;
        self.output.store_schemas();
        if !has_records {
            self.snapshot.set_aside(&mut self.output).await?;
        }
        self.appended(place, before, has_records).await
    }

    async fn truncate(&mut self, place: &ChangePlace, relations: &[Oid]) -> Result<(), Interruption> {
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
            .encode_truncate(relations, &context, &mut batch.records())
            .await;
        let has_records = encoded.map_err(|fault| self.explain(place.context.lsn, fault))?;
        self.output.store_schemas();
        self.snapshot.set_aside(&mut self.output).await?;
        self.appended(place, before, has_records).await
    }

    async fn message(
        &mut self,
        place: Option<&ChangePlace>,
        context: &MessageContext<'_>,
        message: &LogicalMessage<'_>,
    ) -> Result<(), Interruption> {
        if let Some(outbox) = self.output.tables.message_outbox(message.prefix) {
            return self.event_of_outbox(outbox, place, context, message).await;
        }
        let is_chosen = self.messages.matches(message.prefix);
        let Some(place) = place else {
            if is_chosen {
                self.messages.encode(message, context, &mut self.output).await?;
                self.output.batch.message(message.lsn);
                self.flush_if_full().await?;
            }
            return Ok(());
        };
        // Also in the delivered part of a transaction, whose other part has the same context.
        self.context.read(message);
        if !is_chosen || self.is_skipped(place) {
            self.output.batch.reach(place.context.ordinal);
            return Ok(());
        }
        let before = self.output.batch.savepoint();
        let context = MessageContext {
            origin: self.reader.origin(),
            ..*context
        };
        self.messages.encode(message, &context, &mut self.output).await?;
        self.appended(place, before, true).await
    }

    /// Whether a change is not encoded, because its records are in Kafka. Where events are counted, it is encoded to be counted.
    #[inline]
    fn is_skipped(&self, place: &ChangePlace) -> bool {
        place.is_delivered && !self.output.batch.counts_events()
    }

    /// The records of a change were appended after `before`.
    #[inline]
    async fn appended(
        &mut self,
        place: &ChangePlace,
        before: Savepoint,
        has_records: bool,
    ) -> Result<(), Interruption> {
        let batch = &mut self.output.batch;
        batch.reach(place.context.ordinal);
        if place.is_delivered {
            batch.roll_back(before);
            return Ok(());
        }
        if has_records {
            batch.has_records();
        }
        self.flush_if_full().await
    }

    #[inline]
    async fn flush_if_full(&mut self) -> Result<(), Interruption> {
        if self.output.batch.is_full() {
            self.output.batch.flush().await?;
        }
        Ok(())
    }

    fn explain(&self, lsn: Lsn, fault: EncodeError) -> Interruption {
        Interruption::Failed(explained(&self.reader, lsn, fault))
    }
}
