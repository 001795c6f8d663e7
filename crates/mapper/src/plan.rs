//! Plans: the encoding of the rows of one relation as records.

mod event_store;
mod fields;
mod limited;
mod named_topics;
mod payload_schema;

use walcast_pgoutput::{OldTuple, Relation, Tuple};

use self::fields::check_fields;
use crate::change::{ChangeContext, RowChange};
use crate::column::{ColumnContext, ColumnError, ColumnPlan};
use crate::config::Routed;
use crate::config::{Encoding, InvalidUpdate, MapperConfig, Shape, UnavailableValues};
use crate::connect::{ConnectSchema, Field, Kind};
use crate::destination::Destinations;
use crate::encode::{Scratch, ValueError};
use crate::envelope::Envelope;
use crate::error::MapError;
use crate::event_context::EventContext;
use crate::event_counts::EventCounts;
use crate::events::Operations;
use crate::format::{Avro, Json};
use crate::key::{Key, KeyColumn};
use crate::limits::Excess;
use crate::limits::RecordLimits;
use crate::outbox::OutboxPlan;
use crate::outbox::event_store::EventStorePlan;
use crate::read::{MissingRowContext, ReadContext};
use crate::record_buffer::RecordBuffer;
use crate::records::Records;
use crate::reselect::ReselectRequest;
use crate::row::RowError;
use crate::schema_id::SchemaIds;
use crate::serialization::Serialization;
use crate::shape::ShapePlan;
use crate::source::Source;
use crate::table_metadata::TableMetadata;
use crate::table_name::TableName;
use crate::{key, names, schema};

/// Encoding of the rows of one version of one relation as records. A plan is compiled once and used for every row.
#[derive(Debug)]
pub struct Plan {
    table: TableName,
    /// Name of the table in the counts of transactions.
    collection: String,
    destinations: Destinations,
    key: Option<Serialization>,
    value: Serialization,
    shape: ShapePlan,
    envelope: Envelope,
    /// Plan of an outbox table, whose rows are events; `None` for other tables.
    outbox: Option<Box<OutboxPlan>>,
    /// Plan of the streams of an event store; `None` for other tables.
    event_store: Option<Box<EventStorePlan>>,
    /// Columns that identify a row for a reselect; empty when unchanged TOAST values are not reselected.
    row_key: Vec<usize>,
    topic_prefix: String,
    tombstones_on_delete: bool,
    context_headers: bool,
    operations: Operations,
    /// Limits of records; `None`: not checked.
    limits: Option<RecordLimits>,
    scratch: Scratch,
}

impl Plan {
    /// Compiles the plan of `relation` with its schemas.
    ///
    /// # Errors
    /// The relation cannot be mapped.
    pub fn compile(
        relation: &Relation,
        metadata: &TableMetadata,
        config: &MapperConfig,
    ) -> Result<Self, MapError> {
        let table = TableName::from(relation);
        if config.shape == Shape::CloudEvents && config.value == Encoding::Avro {
            return Err(MapError::CloudEventsInAvro);
        }
        let Routed { topic, key_field } = names::destination(config, &table);
        names::check_not_reserved(config, &table, &topic)?;
        let namespace = names::namespace(&topic, config.names.adjust_schemas);
        let around = ColumnContext {
            table: &table,
            identity: relation.replica_identity,
            metadata,
            config,
        };
        let columns = relation.columns.iter();
        let columns: Vec<ColumnPlan> = columns
            .map(|column| ColumnPlan::of_values(column, &around))
            .collect::<Result<_, _>>()?;
        let Key { places, filled } = key::of(relation, metadata, &config.keys, &table)?;
        let key: Vec<KeyColumn> = places
            .into_iter()
            .filter_map(|place| {
                let column = ColumnPlan::of_keys(relation.columns.get(place)?, &around)?;
                Some(KeyColumn { place, column })
            })
            .collect();
        let sent = || columns.iter().filter(|column| column.is_sent());
        check_fields(sent(), None, config.value, &table)?;
        // A key without columns has no field for the table either.
        let key_field = key_field.filter(|_| !key.is_empty());
        let key_field_name = key_field.as_ref().map(|key_field| key_field.field.as_str());
        let key_columns = key.iter().map(|key| &key.column);
        check_fields(key_columns, key_field_name, config.key, &table)?;
        let mut key_fields: Vec<Field> = key.iter().map(|key| key.column.field()).collect();
        key_fields
            .extend(key_field_name.map(|field| ConnectSchema::from(Kind::String).required().named(field)));
        let key_serialization =
            (!key.is_empty()).then(|| Serialization::new(config.key, &schema::key(&namespace, key_fields)));
        let value_fields = sent().map(ColumnPlan::field).collect();
        let event_store = match config.event_store_of(&table) {
            Some(rule) => Some(Box::new(EventStorePlan::compile(
                &relation.columns,
                rule,
                &around,
            )?)),
            None => None,
        };
        let records = config.event_store_of(&table).map(|rule| {
            rule.records(&topic, |name| {
                relation.columns.iter().any(|column| column.name == name)
            })
        });
        let destinations = Destinations::compile(topic, relation, &table, &config.destinations)?;
        let outbox = match records.as_ref().or(config.outbox_of(&table)) {
            Some(rule) => Some(Box::new(OutboxPlan::compile(
                &relation.columns,
                rule,
                &namespace,
                &around,
            )?)),
            None => None,
        };
        let (shape, value_schema, encoding) = ShapePlan::compile(&namespace, value_fields, config);
        Ok(Self {
            key: key_serialization,
            value: Serialization::new(encoding, &value_schema),
            shape,
            destinations,
            outbox,
            event_store,
            envelope: Envelope {
                columns,
                key,
                key_is_filled: filled,
                topic_key_field: key_field,
                source: match config.value {
                    Encoding::Avro => Source::new::<Avro>(&table, config),
                    Encoding::Json | Encoding::JsonSchema => Source::new::<Json>(&table, config),
                },
            },
            row_key: match config.unavailable_values {
                UnavailableValues::Placeholder => Vec::new(),
                UnavailableValues::Reselect => key::of_rows(
                    relation,
                    &metadata.key_columns,
                    !metadata.unsent_key_columns.is_empty(),
                ),
            },
            topic_prefix: config.topic_prefix.clone(),
            tombstones_on_delete: config.tombstones_on_delete,
            context_headers: config.context_headers,
            operations: Operations::new(&config.events),
            limits: None,
            scratch: Scratch::default(),
            collection: table.to_string(),
            table,
        })
    }

    /// Name of the table.
    #[must_use]
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// Topic of the records, unless their rows name others.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.destinations.of_table.topic
    }

    /// Whether the records of rows have a key. The event of a truncation never has one, and an event of an outbox has none if its
    /// column is null.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.outbox.is_some() || self.key.is_some()
    }

    /// Handling of updates of an outbox table, whose rows are events for topics that they name; `None` for other tables.
    #[must_use]
    pub fn outbox_updates(&self) -> Option<InvalidUpdate> {
        self.outbox.as_ref().map(|outbox| outbox.on_update)
    }

    /// The key's Avro schema as JSON; `None` for a table without key, and where keys need no registered schema.
    #[must_use]
    pub fn key_schema(&self) -> Option<&str> {
        match &self.outbox {
            Some(outbox) => outbox.key_schema(),
            None => self.key.as_ref()?.registered_schema(),
        }
    }

    /// The value's Avro schema as JSON; `None` where values need no registered schema. Of an outbox whose topics have schemas of their
    /// own, it is that of the topic which the latest row has named and which is not bound yet.
    #[must_use]
    pub fn value_schema(&self) -> Option<&str> {
        match &self.outbox {
            Some(outbox) => outbox.value_schema(),
            None => self.value.registered_schema(),
        }
    }

    /// Sets the registry's ids of the schemas; required before the first [`Plan::encode`].
    pub fn bind(&mut self, ids: SchemaIds) {
        self.destinations.of_table.ids = ids;
    }

    /// The registry's ids of the schemas, once they are set.
    #[must_use]
    pub fn schema_ids(&self) -> SchemaIds {
        self.destinations.of_table.ids
    }

    /// Adds a topic that rows name, which exists, with the registry's ids of the schemas under its subjects. The records of such
    /// rows cannot be mapped before: [`MapError::UnknownTopic`].
    pub fn bind_topic(&mut self, topic: &str, ids: SchemaIds) {
        match &mut self.outbox {
            Some(outbox) => outbox.bind(topic, ids),
            None => self.destinations.add_topic(topic, ids),
        }
    }

    /// Changes the topic of the records; the schemas stay the same.
    pub fn move_to(&mut self, topic: String) {
        self.destinations.of_table.topic = topic.into();
    }

    /// Request for the unchanged TOAST values of a change, to be read from the table before the change is encoded;
    /// `None` when there are none, or when the placeholder is sent.
    #[inline]
    #[must_use]
    pub fn reselect_request<'a>(&'a self, change: &RowChange<'a>) -> Option<ReselectRequest<'a>> {
        // Without an old row the key did not change, and such an update of an outbox makes no record.
        let is_skipped = self.outbox.is_some() && matches!(change, RowChange::Update { old: None, .. });
        if self.row_key.is_empty() || is_skipped {
            return None;
        }
        ReselectRequest::of(&self.table, &self.envelope, &self.row_key, change)
    }

    /// Appends the records of one change to `buffer`: one, several for a delete with its tombstone or a changed
    /// primary key, or none where the operation produces no event. With transaction metadata, the events are counted
    /// in `counts`.
    ///
    /// # Errors
    /// The row cannot be mapped; `buffer` and `counts` are then unchanged.
    ///
    /// # Panics
    /// When [`Plan::bind`] was not called.
    pub fn encode(
        &mut self,
        change: &RowChange<'_>,
        context: &ChangeContext<'_>,
        counts: Option<&mut EventCounts>,
        buffer: &mut RecordBuffer,
    ) -> Result<(), MapError> {
        self.write(0, context.into(), counts, buffer, |records| match *change {
            RowChange::Insert { new } => records.insert(new),
            RowChange::Update { old, new } => records.update(old, new),
            RowChange::Delete { old } => records.delete(old),
        })
    }

    /// Appends the event of a truncate; `part` is the table's place among the truncated tables.
    ///
    /// # Errors
    /// None: a truncate has no row.
    ///
    /// # Panics
    /// When [`Plan::bind`] was not called.
    pub fn encode_truncate(
        &mut self,
        part: u32,
        context: &ChangeContext<'_>,
        counts: Option<&mut EventCounts>,
        buffer: &mut RecordBuffer,
    ) -> Result<(), MapError> {
        self.write(part, context.into(), counts, buffer, |records| records.truncate())
    }

    /// Appends the record of a row that was read from its table.
    ///
    /// # Errors
    /// The row cannot be mapped; `buffer` is then unchanged.
    ///
    /// # Panics
    /// When [`Plan::bind`] was not called.
    pub fn encode_read(
        &mut self,
        row: Tuple<'_>,
        context: &ReadContext,
        buffer: &mut RecordBuffer,
    ) -> Result<(), MapError> {
        self.write(0, context.into(), None, buffer, |records| records.read(row))
    }

    /// Appends the records of a delete for a key that no row has. `key` has the values of the key's columns, and null
    /// elsewhere.
    ///
    /// # Errors
    /// The key cannot be mapped; `buffer` is then unchanged.
    ///
    /// # Panics
    /// When [`Plan::bind`] was not called.
    pub fn encode_delete_of_missing_row(
        &mut self,
        key: Tuple<'_>,
        context: &MissingRowContext,
        buffer: &mut RecordBuffer,
    ) -> Result<(), MapError> {
        self.write(0, context.into(), None, buffer, |records| {
            records.delete(OldTuple::Key(key))
        })
    }

    fn write(
        &mut self,
        part: u32,
        context: EventContext<'_>,
        mut counts: Option<&mut EventCounts>,
        buffer: &mut RecordBuffer,
        write: impl Fn(&mut Records<'_>) -> Result<(), RowError>,
    ) -> Result<(), MapError> {
        let written = self.try_write(part, &context, counts.as_deref_mut(), buffer, &write);
        let Err(mut failure) = written else { return Ok(()) };
        // What an application says about a transaction costs no change its record.
        if let (Failure::TooLarge(_), Some(given)) = (&failure, context.transaction_context)
            && let Some(none) = given.without_room()
        {
            let context = EventContext {
                transaction_context: Some(none),
                ..context
            };
            match self.try_write(part, &context, counts, buffer, &write) {
                Ok(()) => return Ok(()),
                Err(without) => failure = without,
            }
        }
        Err(match failure {
            Failure::Row(fault) => self.explain(fault),
            Failure::TooLarge(excess) => self.too_large(excess),
        })
    }

    fn try_write(
        &mut self,
        part: u32,
        context: &EventContext<'_>,
        counts: Option<&mut EventCounts>,
        buffer: &mut RecordBuffer,
        write: &impl Fn(&mut Records<'_>) -> Result<(), RowError>,
    ) -> Result<(), Failure> {
        let savepoint = buffer.savepoint();
        let has_given_context = context
            .transaction_context
            .is_some_and(|given| given.error().is_none());
        let mut records = Records {
            destinations: &mut self.destinations,
            collection: &self.collection,
            topic_prefix: &self.topic_prefix,
            envelope: &self.envelope,
            shape: &self.shape,
            outbox: self.outbox.as_deref_mut(),
            key: self.key.as_ref(),
            value: &self.value,
            tombstones_on_delete: self.tombstones_on_delete,
            context_headers: self.context_headers,
            operations: self.operations,
            context,
            scratch: &mut self.scratch,
            buffer,
            counts,
            counted: 0,
            part,
        };
        let failure = match write(&mut records) {
            Ok(()) => {
                let limits = match &records.outbox {
                    Some(outbox) => outbox.limits(),
                    None => self.limits,
                };
                match limits.and_then(|limits| limits.exceeded(records.buffer, savepoint, has_given_context))
                {
                    None => return Ok(()),
                    Some(excess) => Failure::TooLarge(excess),
                }
            }
            Err(fault) => Failure::Row(fault),
        };
        let (counted, counts) = (records.counted, records.counts);
        if let Some(counts) = counts {
            counts.take_back(&self.collection, counted);
        }
        buffer.rewind(savepoint);
        Err(failure)
    }

    #[cold]
    fn too_large(&self, excess: Excess) -> MapError {
        MapError::TooLarge {
            topic: self.limited_topic().to_owned(),
            bytes: excess.bytes,
            limit: excess.limit,
        }
    }

    fn column_name(&self, place: usize) -> String {
        let column = self.envelope.columns.get(place);
        column.map(|column| column.name().to_owned()).unwrap_or_default()
    }

    #[cold]
    fn explain(&self, fault: RowError) -> MapError {
        let table = self.table.clone();
        let (place, fault) = match fault {
            RowError::ColumnCount { found } => {
                return MapError::ColumnCount {
                    table,
                    found,
                    wanted: self.envelope.columns.len(),
                };
            }
            RowError::UnknownTopic(topic) => return MapError::UnknownTopic { topic: topic.into() },
            RowError::OutboxUpdate => return MapError::OutboxUpdate { table },
            RowError::Upcast(fault) => return MapError::EventStoreUpcast { table, fault },
            RowError::OutboxValue { place, wanted } => {
                let column = self.column_name(place);
                if self.event_store.is_some() {
                    return MapError::EventStoreValue {
                        table,
                        column,
                        wanted,
                    };
                }
                return MapError::OutboxValue {
                    table,
                    column,
                    wanted,
                };
            }
            RowError::OutboxPayload { place, path } => {
                let column = self.column_name(place);
                return MapError::OutboxPayload {
                    table,
                    column,
                    path: path.into(),
                };
            }
            RowError::Column { place, fault } => (place, fault),
        };
        let column = self.column_name(place);
        match fault {
            ColumnError::NullInNotNull => MapError::NullInNotNull { table, column },
            ColumnError::Value(ValueError::UnknownLabel(type_oid)) => MapError::UnknownEnumLabel {
                table,
                column,
                type_oid,
            },
            ColumnError::Value(ValueError::Value(wanted)) => MapError::Value {
                table,
                column,
                wanted,
            },
            ColumnError::Value(ValueError::Discarded) => MapError::Value {
                table,
                column,
                wanted: "anything: such values are not sent",
            },
        }
    }
}

/// Reason why a change makes no record.
enum Failure {
    Row(RowError),
    TooLarge(Excess),
}
