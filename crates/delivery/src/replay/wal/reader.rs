//! Reader of a window: events of the stream become records.

use std::collections::{BTreeSet, HashMap};

use walcast_mapper::events::{MessageContext, MessageEvents};
use walcast_mapper::{ChangeContext, EventCounts, MapperConfig, RecordBuffer, RowChange, TableName};
use walcast_pgoutput::{DecodeError, Frame, LogicalMessage, Oid, Relation};

use crate::batch::builder::Records;
use crate::encode::context::ContextReader;
use crate::encode::dead_letters::config::DeadLetterConfig;
use crate::encode::dead_letters::rejected_changes::RejectedChanges;
use crate::encode::dead_letters::writer::DeadLetters;
use crate::encode::registrar::Registrar;
use crate::encode::tables::TableEncoder;
use crate::error::DeliveryError;
use crate::metrics::Metrics;
use crate::ports::catalog::RowsCatalog;
use crate::ports::registry::SchemaRegistry;
use crate::ports::topics::Topics;
use crate::replay::wal::place::ReplayPlace;
use crate::replay::wal::request::{WalWindow, WindowReplay};
use crate::schema_history::{ChangePosition, SchemaHistory};
use crate::stream::explained::explained;
use crate::stream::transactions::{ChangePlace, Event, TransactionReader};

/// Memory that is kept for the next records.
const KEEP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a frame leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The window continues.
    Continue,
    /// Everything of the window was read.
    End,
}

/// Parts of the encoder that outlive the reader.
pub(super) struct EncoderParts<'a, C, T, R> {
    pub(super) catalog: C,
    pub(super) topics: &'a mut T,
    pub(super) registry: &'a mut R,
    pub(super) metrics: &'a Metrics,
    pub(super) rejected: &'a RejectedChanges,
    pub(super) dead_letters: &'a DeadLetterConfig,
}

/// Reader of one window.
pub(super) struct WindowReader<'a, C: RowsCatalog, T: Topics, R: SchemaRegistry> {
    reader: TransactionReader,
    window: WalWindow,
    place: ReplayPlace,
    selected: Option<BTreeSet<TableName>>,
    mapper: &'a MapperConfig,
    tables: TableEncoder<'a, (C, T, R)>,
    messages: MessageEvents,
    context: ContextReader<'a>,
    records: RecordBuffer,
    /// Events of the open transaction by table; `None` without transaction metadata.
    counts: Option<EventCounts>,
    /// By mapped table, the change with which another schema begins.
    mapped_until: HashMap<Oid, Option<ChangePosition>>,
    processed_at_unix_nanos: i64,
}

impl<'a, C: RowsCatalog, T: Topics, R: SchemaRegistry> WindowReader<'a, C, T, R> {
    pub(super) fn new(replay: WindowReplay<'a>, parts: EncoderParts<'a, C, T, R>) -> Self {
        let mapper = replay.mapper;
        let registrar = Registrar::new(parts.topics, parts.registry, replay.on_incompatible);
        let dead_letters = DeadLetters::new(
            parts.dead_letters,
            mapper,
            parts.metrics,
            parts.rejected,
            replay.describe,
        );
        Self {
            reader: TransactionReader::new(replay.place.delivered()),
            window: replay.window,
            place: replay.place,
            selected: replay.tables,
            mapper,
            tables: TableEncoder::new(
                parts.catalog,
                registrar,
                mapper,
                parts.metrics,
                dead_letters,
                SchemaHistory::of_delivered(replay.schemas),
                replay.describe,
            ),
            messages: MessageEvents::new(mapper),
            context: ContextReader::new(mapper, parts.metrics),
            records: RecordBuffer::new(),
            counts: mapper.events.transactions.then(EventCounts::default),
            mapped_until: HashMap::new(),
            processed_at_unix_nanos: replay.processed_at_unix_nanos,
        }
    }

    /// Records that were read and not sent.
    pub(super) fn records(&self) -> &RecordBuffer {
        &self.records
    }

    /// Size of these records.
    pub(super) fn len_bytes(&self) -> usize {
        self.records.len_bytes()
    }

    /// Place behind these records.
    pub(super) fn place(&self) -> ReplayPlace {
        self.place
    }

    /// Marks the records as sent.
    pub(super) fn sent(&mut self) {
        self.records.clear(KEEP_BYTES_MAX);
    }

    /// Reads the next frame.
    pub(super) async fn read(
        &mut self,
        frame: Result<Frame<'_>, DecodeError>,
    ) -> Result<Step, DeliveryError> {
        let Some(event) = self.reader.read(frame, self.processed_at_unix_nanos)? else {
            return Ok(Step::Continue);
        };
        let reached = match event {
            Event::Relation(relation) => {
                self.add_relation(relation);
                return Ok(Step::Continue);
            }
            Event::Type(named) => {
                self.tables.add_type(named);
                return Ok(Step::Continue);
            }
            Event::Begin { transaction, .. } => {
                self.context.begin();
                if let Some(counts) = &mut self.counts {
                    counts.clear();
                }
                transaction.commit_lsn
            }
            Event::Row {
                place,
                relation,
                change,
            } => {
                self.row(&place, relation, &change).await?;
                self.pass(&place);
                return Ok(Step::Continue);
            }
            Event::Truncate { place, relations } => {
                self.truncate(&place, &relations).await?;
                self.pass(&place);
                return Ok(Step::Continue);
            }
            Event::Message {
                place: Some(place),
                context,
                message,
            } => {
                self.message(&place, &context, &message).await?;
                self.pass(&place);
                return Ok(Step::Continue);
            }
            Event::Message {
                place: None, message, ..
            } => {
                self.place.pass_message(message.lsn);
                message.lsn
            }
            Event::Commit { position, .. } => {
                self.place.pass_transaction(position);
                position.end_lsn
            }
            Event::Idle(wal_end) => {
                self.place.reach(wal_end);
                wal_end
            }
        };
        Ok(match reached >= self.window.end {
            true => Step::End,
            false => Step::Continue,
        })
    }

    /// The stream describes a table before its first change, and after each change of its definition.
    fn add_relation(&mut self, relation: Relation) {
        self.mapped_until.remove(&relation.oid);
        self.tables.add_relation(relation);
    }

    fn pass(&mut self, place: &ChangePlace) {
        self.place
            .pass_change(place.context.commit_lsn, place.context.ordinal);
    }

    /// Whether a change makes no record. Where events are counted, a change that was sent is encoded to be counted.
    fn is_skipped(&self, place: &ChangePlace) -> bool {
        let is_outside = place.context.commit_lsn < self.window.from;
        is_outside || place.is_delivered && self.counts.is_none()
    }

    /// Whether rows of a table are encoded: those of other tables are only counted, where events are counted.
    fn encodes(&self, relation: Oid) -> bool {
        self.counts.is_some() || self.is_replayed(relation)
    }

    /// Whether records of a table are sent. Those of outboxes and event stores are in topics that their rows name.
    fn is_replayed(&self, relation: Oid) -> bool {
        let Some(name) = self.tables.name_of(relation) else {
            return true;
        };
        let is_selected = self
            .selected
            .as_ref()
            .is_none_or(|selected| selected.contains(&name));
        is_selected && !self.mapper.sends_events(&name)
    }

    async fn row(
        &mut self,
        place: &ChangePlace,
        relation: Oid,
        change: &RowChange<'_>,
    ) -> Result<(), DeliveryError> {
        if self.is_skipped(place) || !self.encodes(relation) {
            return Ok(());
        }
        self.renew(relation, place);
        let before = self.records.savepoint();
        let context = ChangeContext {
            transaction_context: self.context.current(),
            ..self.reader.context(place)
        };
        let mut records = Records {
            buffer: &mut self.records,
            counts: self.counts.as_mut(),
        };
        let encoded = self.tables.encode(relation, change, &context, &mut records).await;
        encoded.map_err(|fault| explained(&self.reader, place.context.lsn, fault))?;
        // A record that is only counted must not reach a topic: a row of an outbox can name the topic of a table.
        if place.is_delivered || !self.is_replayed(relation) {
            self.records.rewind(before);
        }
        Ok(())
    }

    async fn truncate(&mut self, place: &ChangePlace, relations: &[Oid]) -> Result<(), DeliveryError> {
        if self.is_skipped(place) || !relations.iter().any(|relation| self.encodes(*relation)) {
            return Ok(());
        }
        for relation in relations {
            self.renew(*relation, place);
        }
        let before = self.records.savepoint();
        let context = ChangeContext {
            transaction_context: self.context.current(),
            ..self.reader.context(place)
        };
        let mut records = Records {
            buffer: &mut self.records,
            counts: self.counts.as_mut(),
        };
        let encoded = self
            .tables
            .encode_truncate(relations, &context, &mut records)
            .await;
        encoded.map_err(|fault| explained(&self.reader, place.context.lsn, fault))?;
        if place.is_delivered {
            self.records.rewind(before);
        }
        Ok(())
    }

    /// Messages are not replayed, also those that are events of outboxes. The others set the context of the changes behind them, and all
    /// that make records are counted like changes.
    async fn message(
        &mut self,
        place: &ChangePlace,
        context: &MessageContext<'_>,
        message: &LogicalMessage<'_>,
    ) -> Result<(), DeliveryError> {
        let outbox = self.tables.message_outbox(message.prefix);
        if outbox.is_none() {
            self.context.read(message);
        }
        let is_outside = place.context.commit_lsn < self.window.from;
        if is_outside || self.counts.is_none() {
            return Ok(());
        }
        if let Some(outbox) = outbox {
            return self.count_event(outbox, place, message).await;
        }
        if !self.messages.matches(message.prefix) {
            return Ok(());
        }
        self.tables
            .registrar()
            .bind_events(&mut self.messages.topic)
            .await?;
        let before = self.records.savepoint();
        self.messages
            .encode(message, context, self.counts.as_mut(), &mut self.records);
        self.records.rewind(before);
        Ok(())
    }

    /// Counts a message that is an event of an outbox.
    async fn count_event(
        &mut self,
        outbox: Oid,
        place: &ChangePlace,
        message: &LogicalMessage<'_>,
    ) -> Result<(), DeliveryError> {
        let before = self.records.savepoint();
        let context = ChangeContext {
            transaction_context: self.context.current(),
            ..self.reader.context(place)
        };
        let mut records = Records {
            buffer: &mut self.records,
            counts: self.counts.as_mut(),
        };
        let encoded = self
            .tables
            .encode_message(outbox, message, &context, &mut records)
            .await;
        encoded.map_err(|fault| explained(&self.reader, place.context.lsn, fault))?;
        self.records.rewind(before);
        Ok(())
    }

    /// Has a table mapped again where rows were delivered with another schema, although the stream does not describe the table again:
    /// the connector had started again, and found another definition in the catalog.
    fn renew(&mut self, table: Oid, place: &ChangePlace) {
        let at = ChangePosition::from(&place.context);
        let is_over = match self.mapped_until.get(&table) {
            None => true,
            Some(until) => until.is_some_and(|until| at >= until),
        };
        if is_over {
            self.tables.forget_plan(table);
            let next = self.tables.next_schema_after(table, at);
            self.mapped_until.insert(table, next);
        }
    }
}
