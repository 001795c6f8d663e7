//! Rows of outbox tables as events, in the records that Debezium's `EventRouter` makes of them.

mod envelope;
pub(crate) mod event_store;
mod part;
mod routes;
mod timestamp;

use std::ops::Range;
use std::sync::Arc;

use walcast_pgoutput::{Column, RelationColumn};

use self::envelope::EnvelopeBody;
use self::part::{HeaderPart, Part, Single, present, wrong};
use self::routes::{Routes, Target, ValueSchema};
use self::timestamp::Timestamp;
use crate::column::ColumnContext;
use crate::config::{Encoding, InvalidUpdate, OutboxRule, Placement};
use crate::connect::Kind;
use crate::encode::Scratch;
use crate::error::MapError;
use crate::format::Raw;
use crate::limits::RecordLimits;
use crate::record_buffer::RecordBuffer;
use crate::row::{Row, RowError};
use crate::schema_id::SchemaIds;
use crate::serialization::Serialization;

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
    timestamp: Option<Timestamp>,
    /// Place of the column with the partition.
    partition: Option<usize>,
    /// Whether the latest row names a partition that its topic is not known to have.
    lacks_partition: bool,
    routes: Routes,
    tombstone_on_empty_payload: bool,
    pub(crate) on_update: InvalidUpdate,
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

/// Name of the header with the id of the event.
const ID: &str = "id";

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
            ValueSchema::Payload(Arc::new(value))
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
            timestamp: match &rule.timestamp {
                Some(name) => Some(Timestamp::compile(columns, name, around)?),
                None => None,
            },
            partition: partition(columns, rule, around)?,
            lacks_partition: false,
            routes: Routes::compile(columns, rule, schema, around)?,
            tombstone_on_empty_payload: rule.tombstone_on_empty_payload,
            on_update: rule.on_update,
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

    /// Writes key and value of the event that a row is.
    pub(crate) fn event(
        &mut self,
        row: &Row<'_>,
        scratch: &mut Scratch,
        buffer: &mut RecordBuffer,
    ) -> Result<OutboxEvent, RowError> {
        self.lacks_partition = false;
        let target = self.routes.of(row, scratch)?;
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
            value: self.value(row, &target, scratch, buffer)?,
            topic: target.topic,
        })
    }

    fn value(
        &self,
        row: &Row<'_>,
        target: &Target,
        scratch: &mut Scratch,
        buffer: &mut RecordBuffer,
    ) -> Result<Option<Range<usize>>, RowError> {
        if self.tombstone_on_empty_payload && self.is_empty(row, scratch)? {
            return Ok(None);
        }
        let id = target.ids.value;
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
            fields: &self.fields,
            row,
        };
        buffer
            .part(|out| target.value.put(&body, id, scratch, out))
            .map(Some)
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

    /// Adds the headers of the event to the next record.
    pub(crate) fn push_headers(
        &self,
        row: &Row<'_>,
        scratch: &mut Scratch,
        buffer: &mut RecordBuffer,
    ) -> Result<(), RowError> {
        self.id.push(ID, row, scratch, buffer)?;
        for (name, part) in &self.headers {
            part.push(Arc::clone(name), row, scratch, buffer)?;
        }
        Ok(())
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
