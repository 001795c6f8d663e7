//! Topics of the events of an outbox table.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use walcast_pgoutput::{Column, RelationColumn};

use super::expansion::{Expanded, WholeValue};
use super::part::{Part, wrong};
use super::payload_schema::PayloadSchema;
use crate::column::ColumnContext;
use crate::config::{Encoding, OutboxRule, SchemaAdjustment};
use crate::connect::{ConnectSchema, Field, Kind};
use crate::encode::Scratch;
use crate::error::MapError;
use crate::events;
use crate::format::Raw;
use crate::limits::RecordLimits;
use crate::names;
use crate::row::{Row, RowError};
use crate::schema_id::SchemaIds;
use crate::serialization::Serialization;

/// Topic of an event, with what its records need.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Name among the topics that exist.
    name: Arc<str>,
    pub(super) topic: Arc<str>,
    pub(super) ids: SchemaIds,
    pub(super) value: Arc<Serialization>,
    /// Schema of the registry under which payloads are written, with its subject; `None` if the schema is that of the columns.
    pub(super) payload: Option<(Arc<str>, Arc<PayloadSchema>)>,
    pub(super) limits: Option<RecordLimits>,
    /// Number of partitions; `None`: not checked.
    pub(super) partitions: Option<i32>,
}

/// Schema of values that are structs: the payload and further columns. Each value of the routing column has a schema of its own.
#[derive(Debug)]
pub(super) struct EnvelopeSchema {
    pub(super) namespace: String,
    pub(super) adjustment: SchemaAdjustment,
    pub(super) fields: Vec<Field>,
    pub(super) encoding: Encoding,
}

impl EnvelopeSchema {
    /// Serialization of the values with a routing value.
    fn of(&self, routed: &str, version: Option<u32>, expanded: Option<&Expanded>) -> Serialization {
        let namespace = &self.namespace;
        let routed = names::namespace(routed, self.adjustment);
        let mut fields = self.fields.clone();
        if let (Some(expanded), Some(payload)) = (expanded, fields.first_mut()) {
            payload.slot = expanded.slot.clone();
        }
        let schema = ConnectSchema::record(format!("{namespace}.{routed}.Value"), fields);
        let schema = match version {
            Some(version) => schema.with_version(version),
            None => schema,
        };
        Serialization::new(self.encoding, &schema)
    }
}

/// Schema of values.
#[derive(Debug)]
pub(super) enum ValueSchema {
    /// The payload's schema, whatever the topic, unless the payload is a struct.
    Payload(Arc<Serialization>, Encoding),
    /// A struct.
    Envelope(EnvelopeSchema),
}

impl ValueSchema {
    fn of(&self, routed: &str, version: Option<u32>, expanded: Option<&Expanded>) -> Arc<Serialization> {
        match (self, expanded) {
            (ValueSchema::Payload(value, _), None) => Arc::clone(value),
            (ValueSchema::Payload(_, encoding), Some(expanded)) => {
                Arc::new(WholeValue(expanded).serialization(*encoding))
            }
            (ValueSchema::Envelope(schema), expanded) => Arc::new(schema.of(routed, version, expanded)),
        }
    }
}

/// Topics of the events of a table.
#[derive(Debug)]
pub(super) struct Routes {
    rule: OutboxRule,
    route_by: Part,
    schema_version: Option<Part>,
    schema: ValueSchema,
    /// Topics that events must not reach.
    reserved: Vec<String>,
    /// Topics that exist: by topic, or by routing value and schema version where each has a schema of its own.
    bound: HashMap<Arc<str>, Target>,
    /// Topics that rows have named: as many as the rule allows. One is created even if the registry then rejects the schema of its values.
    topics: HashSet<Arc<str>>,
    /// Topics whose values have a schema that was registered.
    described: HashSet<Arc<str>>,
    /// Schemas of values that were registered, each as the digest of its topic and its text: beside one for each topic, as many as the
    /// rule allows.
    schemas: HashSet<u64>,
    /// Those of the latest rows, by routing value and schema version.
    recent: HashMap<String, Target>,
    /// Bytes of the schemas of these targets.
    bound_bytes: usize,
    /// Target that is not bound yet.
    pending: Option<Pending>,
    /// Name in `bound` of the latest target.
    last: Option<Arc<str>>,
    /// Serialization of values before the first row.
    first: Arc<Serialization>,
    /// Memory for a routing value.
    text: Vec<u8>,
}

/// Target that is not bound yet.
#[derive(Debug)]
struct Pending {
    /// Name in `bound`.
    name: Arc<str>,
    /// Serialization of its values.
    value: Arc<Serialization>,
    /// Subject of the schema of the registry under which payloads are written, and the schema once it is known.
    payload: Option<(Arc<str>, Option<Arc<PayloadSchema>>)>,
}

/// Form of a payload.
#[derive(Clone, Copy)]
pub(super) enum PayloadForm<'r> {
    /// The value of the column.
    Column,
    /// A struct.
    Expanded(&'r Expanded),
    /// Avro under the schema of this subject.
    Registered(&'r str),
    /// Nothing: the record has no value, and so no schema of values.
    Absent,
}

impl PayloadForm<'_> {
    /// Distinction of the values of one form from others of the same topic.
    fn distinction(self) -> Option<String> {
        match self {
            PayloadForm::Column => None,
            PayloadForm::Expanded(expanded) => Some(expanded.digest.to_string()),
            PayloadForm::Registered(subject) => Some(subject.to_owned()),
            PayloadForm::Absent => Some(String::new()),
        }
    }
}

/// Number of routing values that are remembered with their topics.
const RECENT_MAX: usize = 1024;
/// Bytes of a routing value that is remembered.
const RECENT_NAME_BYTES_MAX: usize = 1024;
/// Number of targets that are remembered. One that was forgotten is bound again when a row names it.
const BOUND_MAX: usize = 16_384;
/// See <https://github.com/apache/kafka/blob/trunk/clients/src/main/java/org/apache/kafka/common/internals/Topic.java>.
const TOPIC_BYTES_MAX: usize = 249;
/// Topics of Kafka itself: brokers reject records for them, and would create a missing one with other settings.
const INTERNAL: [&str; 4] = [
    "__cluster_metadata",
    "__consumer_offsets",
    "__share_group_state",
    "__transaction_state",
];
/// Bytes of schemas that are remembered: those of structs follow from payloads, which may have any number of fields.
const BOUND_BYTES_MAX: usize = 64 << 20;
/// Separates a routing value from a schema version and the form of the payload. No text of Postgres contains it; a message may.
const SEPARATOR: u8 = 0;

const TOPIC: &str = "the name of a topic";
const RESERVED: &str = "the name of a topic: the connector uses this topic for another purpose";
const OF_KAFKA: &str = "the name of a topic: Kafka uses this topic itself";
const TOO_MANY: &str =
    "the name of a topic: rows of the table have named as many topics as topics_max allows";
const TOO_MANY_SCHEMAS: &str =
    "the cause of a further schema: values of the table have as many schemas as schemas_max allows";
const VERSION: &str = "the version of a schema";

impl Routes {
    pub(super) fn compile(
        columns: &[RelationColumn],
        rule: &OutboxRule,
        schema: ValueSchema,
        around: &ColumnContext<'_>,
    ) -> Result<Self, MapError> {
        let route_by = Part::compile_raw(columns, &rule.route_by, around)?;
        if route_by.field().slot.schema.kind != Kind::String {
            return Err(wrong(
                around,
                &rule.route_by,
                "chooses the topic, and is not text",
            ));
        }
        let schema_version = match &rule.schema_version {
            Some(name) => {
                let part = Part::compile_raw(columns, name, around)?;
                if part.field().slot.schema.kind != Kind::Int32 {
                    return Err(wrong(
                        around,
                        name,
                        "is the version of a schema, and not an integer of 32 bits",
                    ));
                }
                Some(part)
            }
            None => None,
        };
        let reserved = around.config.reserved_topics.iter();
        let reserved = reserved.map(|reserved| reserved.topic.clone());
        let of_events = events::used_topics(around.config);
        Ok(Self {
            rule: rule.clone(),
            route_by,
            schema_version,
            reserved: reserved.chain(of_events).collect(),
            bound: HashMap::new(),
            bound_bytes: 0,
            topics: HashSet::new(),
            described: HashSet::new(),
            schemas: HashSet::new(),
            recent: HashMap::new(),
            pending: None,
            last: None,
            first: schema.of("", None, None),
            schema,
            text: Vec::new(),
        })
    }

    /// Topic of the event that a row is.
    pub(super) fn of(
        &mut self,
        row: &Row<'_>,
        form: PayloadForm<'_>,
        scratch: &mut Scratch,
    ) -> Result<Target, RowError> {
        let place = self.route_by.place;
        let unusable = |wanted| RowError::OutboxValue { place, wanted };
        self.text.clear();
        match row.at(place) {
            Some(Column::Text(_)) => self.route_by.put::<Raw>(row, scratch, &mut self.text)?,
            Some(Column::Null) if !self.route_by.is_null(row) => {
                self.route_by.put::<Raw>(row, scratch, &mut self.text)?;
            }
            Some(Column::Null | Column::UnchangedToast | Column::Binary(_)) | None => {
                return Err(unusable(TOPIC));
            }
        }
        let length = self.text.len();
        if self.text.contains(&SEPARATOR) {
            return Err(unusable(TOPIC));
        }
        let version = self.version(row)?;
        if let Some(version) = version {
            self.text.push(SEPARATOR);
            self.text.extend_from_slice(version.to_string().as_bytes());
        }
        let distinction = form.distinction();
        if let Some(distinction) = &distinction {
            self.text.push(SEPARATOR);
            self.text.extend_from_slice(distinction.as_bytes());
        }
        let Ok(name) = std::str::from_utf8(&self.text) else {
            return Err(unusable(TOPIC));
        };
        if let Some(target) = self.recent.get(name) {
            self.last = Some(Arc::clone(&target.name));
            return Ok(target.clone());
        }
        let routed = name.get(..length).unwrap_or_default();
        let topic = self.rule.topic_of(routed);
        if !is_topic(&topic) {
            return Err(unusable(TOPIC));
        }
        if INTERNAL.contains(&topic.as_str()) {
            return Err(unusable(OF_KAFKA));
        }
        if self.reserved.contains(&topic) {
            return Err(unusable(RESERVED));
        }
        let binding = match &self.schema {
            ValueSchema::Payload(..) if distinction.is_none() => topic.as_str(),
            ValueSchema::Payload(..) | ValueSchema::Envelope(_) => name,
        };
        let Some(target) = self.bound.get(binding) else {
            let topics_max = usize::try_from(self.rule.topics_max).unwrap_or(usize::MAX);
            if self.topics.len() >= topics_max && !self.topics.contains(topic.as_str()) {
                return Err(unusable(TOO_MANY));
            }
            let (value, subject) = match form {
                PayloadForm::Column => (self.schema.of(routed, version, None), None),
                PayloadForm::Expanded(expanded) => (self.schema.of(routed, version, Some(expanded)), None),
                PayloadForm::Registered(subject) => (self.schema.of(routed, version, None), Some(subject)),
                PayloadForm::Absent => (Arc::new(Serialization::Json), None),
            };
            let cause = match (form, &self.schema_version) {
                (PayloadForm::Expanded(expanded), _) => expanded.place,
                (_, Some(version)) => version.place,
                (_, None) => place,
            };
            if subject.is_none() && !self.takes_schema(&topic, &value) {
                return Err(RowError::OutboxValue {
                    place: cause,
                    wanted: TOO_MANY_SCHEMAS,
                });
            }
            self.topics.insert(topic.as_str().into());
            self.pending = Some(Pending {
                name: binding.into(),
                value,
                payload: subject.map(|subject| (subject.into(), None)),
            });
            return Err(RowError::UnknownTopic(topic.into()));
        };
        if self.recent.len() >= RECENT_MAX {
            self.recent.clear();
        }
        if name.len() <= RECENT_NAME_BYTES_MAX {
            self.recent.insert(name.to_owned(), target.clone());
        }
        self.last = Some(Arc::clone(&target.name));
        Ok(target.clone())
    }

    /// Whether a topic takes values with a schema: the first of the topic, one that was registered, or one that the rule allows.
    fn takes_schema(&self, topic: &str, value: &Serialization) -> bool {
        let Some(schema) = value.registered_schema() else {
            return true;
        };
        let schemas_max = usize::try_from(self.rule.schemas_max).unwrap_or(usize::MAX);
        !self.described.contains(topic)
            || self.schemas.len().saturating_sub(self.described.len()) < schemas_max
            || self.schemas.contains(&digest(topic, schema))
    }

    fn version(&self, row: &Row<'_>) -> Result<Option<u32>, RowError> {
        let Some(part) = &self.schema_version else {
            return Ok(None);
        };
        match row.at(part.place) {
            Some(Column::Null) => Ok(None),
            Some(Column::Text(text)) => {
                let version = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                let unusable = RowError::OutboxValue {
                    place: part.place,
                    wanted: VERSION,
                };
                version.map(Some).ok_or(unusable)
            }
            Some(Column::UnchangedToast | Column::Binary(_)) | None => Err(RowError::OutboxValue {
                place: part.place,
                wanted: VERSION,
            }),
        }
    }

    /// Adds a topic, which the latest row has named.
    pub(super) fn bind(&mut self, topic: &str, ids: SchemaIds) {
        let Pending { name, value, payload } = match self.pending.take() {
            Some(pending) => pending,
            None => Pending {
                name: topic.into(),
                value: Arc::clone(&self.first),
                payload: None,
            },
        };
        let topic: Arc<str> = topic.into();
        if let (None, Some(schema)) = (&payload, value.registered_schema()) {
            self.schemas.insert(digest(&topic, schema));
            self.described.insert(Arc::clone(&topic));
        }
        self.topics.insert(Arc::clone(&topic));
        let target = Target {
            name: Arc::clone(&name),
            topic,
            ids,
            value,
            payload: payload.and_then(|(subject, schema)| Some((subject, schema?))),
            limits: None,
            partitions: None,
        };
        let of_payload = target.payload.as_ref().map_or(0, |(_, schema)| schema.bytes);
        let bytes = name.len() + target.value.schema_bytes() + of_payload;
        if self.bound.len() >= BOUND_MAX || self.bound_bytes + bytes > BOUND_BYTES_MAX {
            self.bound.clear();
            self.bound_bytes = 0;
            self.recent.clear();
        }
        self.bound_bytes += bytes;
        self.last = Some(Arc::clone(&name));
        self.bound.insert(name, target);
    }

    /// Schema of the values in the topic that is to be bound.
    pub(super) fn value_schema(&self) -> Option<&str> {
        match &self.pending {
            // The registry has it already, under a subject of its own.
            Some(pending) if pending.payload.is_some() => None,
            Some(pending) => pending.value.registered_schema(),
            None => self.first.registered_schema(),
        }
    }

    /// Subject of the schema of the registry that the topic to be bound needs.
    pub(super) fn pending_subject(&self) -> Option<&str> {
        let (subject, _) = self.pending.as_ref()?.payload.as_ref()?;
        Some(subject)
    }

    /// Sets the schema of that subject.
    pub(super) fn set_pending_schema(&mut self, schema: PayloadSchema) {
        if let Some((_, pending)) = self.pending.as_mut().and_then(|pending| pending.payload.as_mut()) {
            *pending = Some(Arc::new(schema));
        }
    }

    /// Replaces the schema of the registry under which payloads of the latest row's target are written.
    pub(super) fn replace_schema(&mut self, schema: PayloadSchema) {
        let last = self.last.as_ref().and_then(|last| self.bound.get_mut(last));
        if let Some((_, known)) = last.and_then(|target| target.payload.as_mut()) {
            *known = Arc::new(schema);
            self.recent.clear();
        }
    }

    /// Target of the latest row.
    pub(super) fn last(&self) -> Option<&Target> {
        self.bound.get(self.last.as_ref()?)
    }

    /// Place of the column with the routing value.
    pub(super) fn place(&self) -> usize {
        self.route_by.place
    }

    /// Sets the limits of the records of the latest row's topic.
    pub(super) fn limit(&mut self, limits: RecordLimits) {
        if let Some(target) = self.last.as_ref().and_then(|last| self.bound.get_mut(last)) {
            target.limits = Some(limits);
            self.recent.clear();
        }
    }

    /// Sets the number of partitions of the latest row's topic.
    pub(super) fn set_partitions(&mut self, partitions: i32) {
        if let Some(target) = self.last.as_ref().and_then(|last| self.bound.get_mut(last)) {
            target.partitions = Some(partitions);
            self.recent.clear();
        }
    }
}

/// Digest of a topic and a schema of its values.
fn digest(topic: &str, schema: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (topic, schema).hash(&mut hasher);
    hasher.finish()
}

/// Whether Kafka accepts the name of a topic.
fn is_topic(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=TOPIC_BYTES_MAX).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(is_legal)
}
