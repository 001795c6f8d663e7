//! Rows of outbox tables as events, in the records that Debezium's `EventRouter` makes of them.

mod envelope;
pub(crate) mod event_store;
mod expansion;
mod given_headers;
mod json_schema;
pub(crate) mod message;
mod part;
mod payload_schema;
mod registered;
mod routes;
mod timestamp;
mod trace_context;
pub(crate) mod upcasts;

use std::ops::Range;
use std::sync::Arc;

use walcast_pgoutput::{Column, RelationColumn};

use self::envelope::EnvelopeBody;
use self::expansion::{Expanded, Expansion, WholeValue};
use self::given_headers::{GivenHeaders, ID};
use self::part::{HeaderPart, Part, Single, present, wrong};
use self::payload_schema::PayloadSchema;
use self::registered::{RegisteredBody, RegisteredPayloads};
use self::routes::{PayloadForm, Routes, Target, ValueSchema};
use self::timestamp::Timestamp;
use self::trace_context::TraceContext;
use self::upcasts::Upcasts;
use crate::column::ColumnContext;
use crate::config::{DefaultTimestamp, Encoding, InvalidUpdate, OutboxRule, Placement};
use crate::connect::Kind;
use crate::encode::Scratch;
use crate::error::MapError;
use crate::format::Raw;
use crate::limits::RecordLimits;
use crate::record_buffer::RecordBuffer;
use crate::row::{Row, RowError};
use crate::schema_id::{SchemaId, SchemaIds};
use crate::serialization::Serialization;
use crate::transaction_context::Trace;

/// Encoding of the rows of an outbox table as events.
#[derive(Debug)]
pub(crate) struct OutboxPlan {
    key: Part,
    key_serialization: Serialization,
    key_is_avro: bool,
    value_is_avro: bool,
    payload: Part,
    /// The payload as text, to find out whether it is blank; `None` if it is not text, or if it does not matter.
    payload_text: Option<Part>,
    /// Fields of the value beside the payload; empty: the value is the payload.
    fields: Vec<(String, Part)>,
    id: HeaderPart,
    headers: Vec<(Arc<str>, HeaderPart)>,
    given_headers: Option<GivenHeaders>,
    trace_context: Option<TraceContext>,
    /// Expansion of payloads in JSON; `None` if payloads are sent as they are.
    expansion: Option<Expansion>,
    /// Payloads that are written under schemas of the registry.
    registered: Option<RegisteredPayloads>,
    timestamp: Option<Timestamp>,
    default_timestamp: DefaultTimestamp,
    /// Place of the column with the partition.
    partition: Option<usize>,
    /// Whether the latest row names a partition that its topic is not known to have.
    lacks_partition: bool,
    routes: Routes,
    tombstone_on_empty_payload: bool,
    pub(crate) on_update: InvalidUpdate,
    /// Upcasters of an event store; `None`: events are sent as they are stored.
    pub(crate) upcasts: Option<Box<Upcasts>>,
    /// Whether the records of each topic are to have limits.
    pub(crate) limits_topics: bool,
}

/// Event in a buffer, without its headers.
pub(crate) struct OutboxEvent {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<Range<usize>>,
    pub(crate) value: Option<Range<usize>>,
}

impl OutboxPlan {
    /// Compiles the plan of the table with `columns`; `namespace` is the namespace of its schemas.
    pub(crate) fn compile(
        columns: &[RelationColumn],
        rule: &OutboxRule,
        namespace: &str,
        around: &ColumnContext<'_>,
    ) -> Result<Self, MapError> {
        let config = around.config;
        let key = Part::compile(columns, &rule.key, config.key, around)?;
        let payload = Part::compile(columns, &rule.payload, config.value, around)?;
        let payload_slot = payload.field().slot;
        let fields = envelope::fields(columns, rule, around)?;
        let schema = if fields.is_empty() {
            let value = Serialization::of_slot(config.value, &payload_slot);
            ValueSchema::Payload(Arc::new(value), config.value)
        } else {
            ValueSchema::Envelope(envelope::schema(namespace, &payload, &fields, config))
        };
        let mut headers = Vec::new();
        for field in present(columns, rule, Placement::Header) {
            let part = HeaderPart::compile(columns, &field.column, around)?;
            headers.push((Arc::from(field.name()), part));
        }
        let is_text = payload_slot.schema.kind == Kind::String;
        let payload_text = match rule.tombstone_on_empty_payload && is_text {
            true => Some(Part::compile_raw(columns, &rule.payload, around)?),
            false => None,
        };
        Ok(Self {
            key_serialization: Serialization::of_slot(config.key, &key.field().slot),
            key,
            key_is_avro: config.key == Encoding::Avro,
            value_is_avro: config.value == Encoding::Avro,
            payload,
            payload_text,
            fields,
            id: HeaderPart::compile(columns, &rule.id, around)?,
            headers,
            given_headers: match rule.headers_column() {
                Some(name) => Some(GivenHeaders::compile(columns, name, around)?),
                None => None,
            },
            trace_context: match &rule.trace_context {
                Some(name) => Some(TraceContext::compile(columns, name, around)?),
                None => None,
            },
            expansion: Expansion::compile(columns, rule, around)?,
            registered: RegisteredPayloads::compile(columns, rule, around)?,
            timestamp: match rule.timestamp_column() {
                Some(name) => {
                    let is_of_message = rule.message_prefix().is_some();
                    Some(Timestamp::compile(columns, name, is_of_message, around)?)
                }
                None => None,
            },
            default_timestamp: rule.default_timestamp,
            partition: partition(columns, rule, around)?,
            lacks_partition: false,
            routes: Routes::compile(columns, rule, schema, around)?,
            tombstone_on_empty_payload: rule.tombstone_on_empty_payload,
            on_update: rule.on_update,
            upcasts: match config.event_store_of(around.table) {
                Some(store) => Upcasts::compile(columns, store, around)?,
                None => None,
            },
            limits_topics: false,
        })
    }

    pub(crate) fn key_schema(&self) -> Option<&str> {
        self.key_serialization.registered_schema()
    }

    /// Schema of the values in the topic that is to be bound.
    pub(crate) fn value_schema(&self) -> Option<&str> {
        self.routes.value_schema()
    }

    /// Adds a topic, which the latest row has named.
    pub(crate) fn bind(&mut self, topic: &str, ids: SchemaIds) {
        self.routes.bind(topic, ids);
    }

    /// Subject of the schema of the registry that the topic to be bound needs.
    pub(crate) fn pending_subject(&self) -> Option<&str> {
        self.routes.pending_subject()
    }

    /// Sets the schema of that subject; false if it is not Avro.
    pub(crate) fn set_pending_schema(&mut self, id: SchemaId, schema: &str) -> bool {
        let parsed = PayloadSchema::parse(id, schema);
        let is_avro = parsed.is_some();
        if let Some(parsed) = parsed {
            self.routes.set_pending_schema(parsed);
        }
        is_avro
    }

    /// Subject and id of the schema of the registry under which the payload of the latest row is written.
    pub(crate) fn payload_schema(&self) -> Option<(&str, SchemaId)> {
        let (subject, schema) = self.routes.last()?.payload.as_ref()?;
        Some((subject, schema.id))
    }

    /// Replaces that schema by a later one of its subject; false if that is not Avro.
    pub(crate) fn replace_payload_schema(&mut self, id: SchemaId, schema: &str) -> bool {
        let parsed = PayloadSchema::parse(id, schema);
        let is_avro = parsed.is_some();
        if let Some(parsed) = parsed {
            self.routes.replace_schema(parsed);
        }
        is_avro
    }

    /// Place of the payload, or of the column by which its schema is chosen.
    pub(crate) fn payload_place(&self) -> usize {
        self.payload.place
    }

    /// Topic of the latest row.
    pub(crate) fn topic(&self) -> Option<&str> {
        self.routes.last().map(|target| &*target.topic)
    }

    /// Limits of the records of the latest row's topic.
    pub(crate) fn limits(&self) -> Option<RecordLimits> {
        self.routes.last()?.limits
    }

    pub(crate) fn limit(&mut self, limits: RecordLimits) {
        self.routes.limit(limits);
    }

    /// Place of the column by whose value the topic is chosen.
    pub(crate) fn route_place(&self) -> usize {
        self.routes.place()
    }

    /// Whether rows name partitions.
    pub(crate) fn names_partitions(&self) -> bool {
        self.partition.is_some()
    }

    /// Whether the latest row names a partition that its topic is not known to have.
    pub(crate) fn lacks_partition(&self) -> bool {
        self.lacks_partition
    }

    /// Number of partitions of the latest row's topic; `None`: not checked.
    pub(crate) fn partitions(&self) -> Option<i32> {
        self.routes.last()?.partitions
    }

    pub(crate) fn set_partitions(&mut self, partitions: i32) {
        self.routes.set_partitions(partitions);
    }

    /// Writes key and value of the event that a row is. `committed_at` is its commit time in milliseconds since 1970.
    pub(crate) fn event(
        &mut self,
        row: &Row<'_>,
        committed_at: i64,
        scratch: &mut Scratch,
        buffer: &mut RecordBuffer,
    ) -> Result<OutboxEvent, RowError> {
        self.lacks_partition = false;
        let expanded = match &mut self.expansion {
            Some(expansion) => expansion.of(row, scratch)?,
            None => None,
        };
        let subject = match &self.registered {
            Some(registered) if !self.payload.is_null(row) => Some(registered.subject(row, scratch)?),
            Some(_) | None => None,
        };
        let form = match (&expanded, &subject) {
            (Some(expanded), _) => PayloadForm::Expanded(expanded),
            (None, Some(subject)) => PayloadForm::Registered(subject),
            (None, None) if self.has_no_value(row) => PayloadForm::Absent,
            (None, None) => PayloadForm::Column,
        };
        let target = self.routes.of(row, form, scratch)?;
        let partition = self.partition_of(row)?;
        if let (Some(place), Some(number), Some(count)) = (self.partition, partition, target.partitions)
            && number >= count
        {
            self.lacks_partition = true;
            return Err(RowError::OutboxValue {
                place,
                wanted: "the number of a partition: the topic has fewer",
            });
        }
        if self.id.is_null(row) {
            return Err(RowError::OutboxValue {
                place: self.id.place(),
                wanted: "the id of an event",
            });
        }
        let timestamp = match &self.timestamp {
            Some(timestamp) => timestamp.of(row, scratch)?,
            None => None,
        };
        // librdkafka takes zero for the current time, and Kafka has no times before 1970.
        let by_default =
            (self.default_timestamp == DefaultTimestamp::Commit && committed_at > 0).then_some(committed_at);
        let timestamp = timestamp.or(by_default);
        let key = match self.key_is_avro && self.key.is_null(row) {
            // The Avro converter makes no bytes of null, whatever its schema; the JSON converter does.
            true => None,
            false => {
                let body = Single { part: &self.key, row };
                let key = &self.key_serialization;
                Some(buffer.part(|out| key.put(&body, target.ids.key, scratch, out))?)
            }
        };
        Ok(OutboxEvent {
            partition,
            timestamp,
            key,
            value: self.value(row, &target, expanded.as_ref(), scratch, buffer)?,
            topic: target.topic,
        })
    }

    fn value(
        &self,
        row: &Row<'_>,
        target: &Target,
        expanded: Option<&Expanded>,
        scratch: &mut Scratch,
        buffer: &mut RecordBuffer,
    ) -> Result<Option<Range<usize>>, RowError> {
        if self.tombstone_on_empty_payload && self.is_empty(row, scratch)? {
            return Ok(None);
        }
        let id = target.ids.value;
        if let (Some(payloads), Some((_, schema))) = (&self.registered, &target.payload) {
            let body = RegisteredBody {
                payloads,
                schema,
                row,
            };
            return buffer
                .part(|out| target.value.put(&body, Some(schema.id), scratch, out))
                .map(Some);
        }
        if let (Some(expanded), true) = (expanded, self.fields.is_empty()) {
            return buffer
                .part(|out| target.value.put(&WholeValue(expanded), id, scratch, out))
                .map(Some);
        }
        if self.fields.is_empty() {
            if self.value_is_avro && self.payload.is_null(row) {
                return Ok(None);
            }
            let part = &self.payload;
            let body = Single { part, row };
            return buffer
                .part(|out| target.value.put(&body, id, scratch, out))
                .map(Some);
        }
        let body = EnvelopeBody {
            payload: &self.payload,
            expanded,
            fields: &self.fields,
            row,
        };
        buffer
            .part(|out| target.value.put(&body, id, scratch, out))
            .map(Some)
    }

    /// Whether an event has no value, where the schema of values depends on the payload.
    fn has_no_value(&self, row: &Row<'_>) -> bool {
        let has_schemas = self.expansion.is_some() || self.registered.is_some();
        has_schemas && self.value_is_avro && self.fields.is_empty() && self.payload.is_null(row)
    }

    /// Whether the payload is null or blank, as Java's `trim` sees it.
    fn is_empty(&self, row: &Row<'_>, scratch: &mut Scratch) -> Result<bool, RowError> {
        if self.payload.is_null(row) {
            return Ok(true);
        }
        let Some(text) = &self.payload_text else {
            return Ok(false);
        };
        let mut payload = Vec::new();
        text.put::<Raw>(row, scratch, &mut payload)?;
        Ok(payload.iter().all(|byte| *byte <= b' '))
    }

    fn partition_of(&self, row: &Row<'_>) -> Result<Option<i32>, RowError> {
        let Some(place) = self.partition else {
            return Ok(None);
        };
        let number = match row.at(place) {
            Some(Column::Null) => return Ok(None),
            Some(Column::Text(text)) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
            Some(Column::UnchangedToast | Column::Binary(_)) | None => None,
        };
        let number = number.filter(|number: &i32| *number >= 0);
        number.map(Some).ok_or(RowError::OutboxValue {
            place,
            wanted: "the number of a partition",
        })
    }

    /// Trace context of a row, to be sent in headers.
    pub(crate) fn trace(&self, row: &Row<'_>, scratch: &mut Scratch) -> Result<Option<Trace>, RowError> {
        match &self.trace_context {
            Some(trace_context) => trace_context.of(row, scratch),
            None => Ok(None),
        }
    }

    /// Adds the headers of the event to the next record.
    pub(crate) fn push_headers(
        &self,
        row: &Row<'_>,
        trace: Option<&Trace>,
        scratch: &mut Scratch,
        buffer: &mut RecordBuffer,
    ) -> Result<(), RowError> {
        if let Some(trace) = trace {
            trace_context::push(trace, buffer);
        }
        self.id.push(ID, row, scratch, buffer)?;
        for (name, part) in &self.headers {
            part.push(Arc::clone(name), row, scratch, buffer)?;
        }
        match &self.given_headers {
            Some(given) => given.push(row, scratch, buffer),
            None => Ok(()),
        }
    }
}

fn partition(
    columns: &[RelationColumn],
    rule: &OutboxRule,
    around: &ColumnContext<'_>,
) -> Result<Option<usize>, MapError> {
    let Some(field) = present(columns, rule, Placement::Partition).last() else {
        return Ok(None);
    };
    let part = Part::compile_raw(columns, &field.column, around)?;
    if part.field().slot.schema.kind != Kind::Int32 {
        return Err(wrong(
            around,
            &field.column,
            "is the partition, and not an integer of 32 bits",
        ));
    }
    Ok(Some(part.place))
}
