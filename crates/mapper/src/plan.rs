//! How rows of one relation become records.

use std::fmt;
use std::sync::Arc;

use walcast_pgoutput::{OldTuple, Relation, Tuple};

use crate::column::{ColumnFault, ColumnPlan, Surroundings};
use crate::config::Routed;
use crate::connect::{ConnectSchema, Field, Kind};
use crate::encode::{Fault, Scratch};
use crate::envelope::{Envelope, KeyColumn, RowFault};
use crate::events::Operations;
use crate::format::{Avro, Json};
use crate::key::Key;
use crate::limits::Excess;
use crate::read::EventContext;
use crate::records::Records;
use crate::serialization::Serialization;
use crate::shape::ShapePlan;
use crate::source::Source;
use crate::{
    Batch, ChangeContext, Encoding, GoneContext, MapError, MapperConfig, ReadContext, RecordLimits,
    RowChange, Shape, TableFacts, TableName, Tally, UnavailableValues, Unsent,
};
use crate::{key, names, schema};

/// The number a schema registry gave a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SchemaId(u32);

impl SchemaId {
    /// Wraps the registry's number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number, for machines.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The ids of a relation's schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaIds {
    /// Of the key schema; `None` where there is none to register.
    pub key: Option<SchemaId>,
    /// Of the value schema; `None` where there is none to register.
    pub value: Option<SchemaId>,
}

/// How rows of one version of one relation become records: compiled once, used for every row.
#[derive(Debug)]
pub struct Plan {
    table: TableName,
    /// The table's name as transactions count it.
    collection: String,
    topic: Arc<str>,
    key: Option<Serialization>,
    value: Serialization,
    shape: ShapePlan,
    envelope: Envelope,
    /// The columns by which a row is asked for; empty when none are asked for.
    row_key: Vec<usize>,
    topic_prefix: String,
    tombstones_on_delete: bool,
    operations: Operations,
    /// Which records Kafka takes; `None`: that is left to Kafka.
    limits: Option<RecordLimits>,
    scratch: Scratch,
}

impl Plan {
    /// Compiles the plan of `relation`, and its schemas.
    ///
    /// # Errors
    /// The relation cannot be mapped.
    pub fn compile(relation: &Relation, facts: &TableFacts, config: &MapperConfig) -> Result<Self, MapError> {
        let table = TableName::from(relation);
        if config.shape == Shape::CloudEvents && config.value == Encoding::Avro {
            return Err(MapError::CloudEventsInAvro);
        }
        let Routed { topic, mark } = names::destination(config, &table);
        let namespace = names::namespace(&topic, config.names.adjust_schemas);
        let around = Surroundings {
            table: &table,
            identity: relation.replica_identity,
            facts,
            config,
        };
        let columns = relation.columns.iter();
        let columns: Vec<ColumnPlan> = columns
            .map(|column| ColumnPlan::of_values(column, &around))
            .collect::<Result<_, _>>()?;
        let Key { places, filled } = key::of(relation, facts, &config.keys, &table)?;
        let key: Vec<KeyColumn> = places
            .into_iter()
            .filter_map(|place| {
                let column = ColumnPlan::of_keys(relation.columns.get(place)?, &around)?;
                Some(KeyColumn { place, column })
            })
            .collect();
        let sent = || columns.iter().filter(|column| column.is_sent());
        check_fields(sent(), None, &table)?;
        // A key that no column is part of gets no mark either.
        let mark = mark.filter(|_| !key.is_empty());
        let mark_field = mark.as_ref().map(|mark| mark.field.as_str());
        check_fields(key.iter().map(|key| &key.column), mark_field, &table)?;
        let mut key_fields: Vec<Field> = key.iter().map(|key| key.column.field()).collect();
        key_fields.extend(mark_field.map(|field| ConnectSchema::from(Kind::String).required().named(field)));
        let key_serialization =
            (!key.is_empty()).then(|| Serialization::new(config.key, &schema::key(&namespace, key_fields)));
        let value_fields = sent().map(ColumnPlan::field).collect();
        let (shape, value_schema, encoding) = ShapePlan::compile(&namespace, value_fields, config);
        Ok(Self {
            key: key_serialization,
            value: Serialization::new(encoding, &value_schema),
            shape,
            topic: topic.into(),
            envelope: Envelope {
                columns,
                key,
                key_is_filled: filled,
                key_mark: mark,
                source: match config.value {
                    Encoding::Avro => Source::new::<Avro>(&table, config),
                    Encoding::Json | Encoding::JsonSchema => Source::new::<Json>(&table, config),
                },
            },
            row_key: match config.unavailable_values {
                UnavailableValues::Placeholder => Vec::new(),
                UnavailableValues::Reselect => key::of_rows(relation, &facts.key_columns),
            },
            topic_prefix: config.topic_prefix.clone(),
            tombstones_on_delete: config.tombstones_on_delete,
            operations: Operations::new(&config.events),
            limits: None,
            scratch: Scratch::default(),
            collection: table.to_string(),
            table,
        })
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// The topic its records go to.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The key's Avro schema as JSON; `None` for a table without key, and where keys need no registered schema.
    #[must_use]
    pub fn key_schema(&self) -> Option<&str> {
        self.key.as_ref()?.registered_schema()
    }

    /// The value's Avro schema as JSON; `None` where values need no registered schema.
    #[must_use]
    pub fn value_schema(&self) -> Option<&str> {
        self.value.registered_schema()
    }

    /// Tells the plan under which ids the registry knows its schemas; needed before the first [`Plan::encode`].
    pub fn bind(&mut self, ids: SchemaIds) {
        if let Some(key) = &mut self.key {
            key.bind(ids.key);
        }
        self.value.bind(ids.value);
    }

    /// Sends the records to another topic; its schemas are the same.
    pub fn move_to(&mut self, topic: String) {
        self.topic = topic.into();
    }

    /// From now on a change one of whose records is over these limits cannot be mapped.
    pub fn limit(&mut self, limits: RecordLimits) {
        self.limits = Some(limits);
    }

    /// The limits that were set.
    #[must_use]
    pub fn limits(&self) -> Option<RecordLimits> {
        self.limits
    }

    /// What has to be asked for before a change is encoded, so that no placeholder stands for it; `None` when nothing has
    /// to be, or nothing is asked for.
    #[inline]
    #[must_use]
    pub fn unsent<'a>(&'a self, change: &RowChange<'a>) -> Option<Unsent<'a>> {
        if self.row_key.is_empty() {
            return None;
        }
        Unsent::of(&self.table, &self.envelope, &self.row_key, change)
    }

    /// Writes the records of one change to the end of `batch`: one, or several for a delete with its tombstone or a
    /// moved primary key, or none where its operation makes no event. In a transaction that is told, its events are
    /// counted in `tally`.
    ///
    /// # Errors
    /// The row cannot be mapped; `batch` and `tally` are then unchanged.
    ///
    /// # Panics
    /// When [`Plan::bind`] was not called.
    pub fn encode(
        &mut self,
        change: &RowChange<'_>,
        context: &ChangeContext,
        tally: Option<&mut Tally>,
        batch: &mut Batch,
    ) -> Result<(), MapError> {
        self.write(0, context.into(), tally, batch, |records| match *change {
            RowChange::Insert { new } => records.insert(new),
            RowChange::Update { old, new } => records.update(old, new),
            RowChange::Delete { old } => records.delete(old),
        })
    }

    /// Writes the event of an emptied table; `part` is its place among the tables that were emptied together.
    ///
    /// # Errors
    /// None that is known: it holds no row.
    ///
    /// # Panics
    /// When [`Plan::bind`] was not called.
    pub fn encode_truncate(
        &mut self,
        part: u32,
        context: &ChangeContext,
        tally: Option<&mut Tally>,
        batch: &mut Batch,
    ) -> Result<(), MapError> {
        self.write(part, context.into(), tally, batch, |records| records.truncate())
    }

    /// Writes the record of a row that was read from its table.
    ///
    /// # Errors
    /// The row cannot be mapped; `batch` is then unchanged.
    ///
    /// # Panics
    /// When [`Plan::bind`] was not called.
    pub fn encode_read(
        &mut self,
        row: Tuple<'_>,
        context: &ReadContext,
        batch: &mut Batch,
    ) -> Result<(), MapError> {
        self.write(0, context.into(), None, batch, |records| records.read(row))
    }

    /// Writes what a deleted row leaves, for a key that no row has. `key` has the key's columns in their places, and null elsewhere.
    ///
    /// # Errors
    /// The key cannot be mapped; `batch` is then unchanged.
    ///
    /// # Panics
    /// When [`Plan::bind`] was not called.
    pub fn encode_gone(
        &mut self,
        key: Tuple<'_>,
        context: &GoneContext,
        batch: &mut Batch,
    ) -> Result<(), MapError> {
        self.write(0, context.into(), None, batch, |records| {
            records.delete(OldTuple::Key(key))
        })
    }

    fn write(
        &mut self,
        part: u32,
        context: EventContext,
        tally: Option<&mut Tally>,
        batch: &mut Batch,
        write: impl FnOnce(&mut Records<'_>) -> Result<(), RowFault>,
    ) -> Result<(), MapError> {
        let (mark, limits) = (batch.mark(), self.limits);
        let mut records = Records {
            topic: &self.topic,
            collection: &self.collection,
            topic_prefix: &self.topic_prefix,
            envelope: &self.envelope,
            shape: &self.shape,
            key: self.key.as_ref(),
            value: &self.value,
            tombstones_on_delete: self.tombstones_on_delete,
            operations: self.operations,
            context: &context,
            scratch: &mut self.scratch,
            batch,
            tally,
            counted: 0,
            part,
        };
        let failure = match write(&mut records) {
            Ok(()) => match limits.and_then(|limits| limits.exceeded(records.batch, mark)) {
                None => return Ok(()),
                Some(excess) => Failure::TooLarge(excess),
            },
            Err(fault) => Failure::Row(fault),
        };
        let (counted, tally) = (records.counted, records.tally);
        if let Some(tally) = tally {
            tally.take_back(&self.collection, counted);
        }
        batch.rewind(mark);
        Err(match failure {
            Failure::Row(fault) => self.explain(fault),
            Failure::TooLarge(excess) => self.too_large(excess),
        })
    }

    #[cold]
    fn too_large(&self, excess: Excess) -> MapError {
        MapError::TooLarge {
            topic: self.topic.to_string(),
            bytes: excess.bytes,
            limit: excess.limit,
        }
    }

    #[cold]
    fn explain(&self, fault: RowFault) -> MapError {
        let table = self.table.clone();
        let (place, fault) = match fault {
            RowFault::ColumnCount { found } => {
                return MapError::ColumnCount {
                    table,
                    found,
                    wanted: self.envelope.columns.len(),
                };
            }
            RowFault::Column { place, fault } => (place, fault),
        };
        let column = self
            .envelope
            .columns
            .get(place)
            .map(|column| column.name().to_owned())
            .unwrap_or_default();
        match fault {
            ColumnFault::NullInNotNull => MapError::NullInNotNull { table, column },
            ColumnFault::Value(Fault::UnknownLabel(type_oid)) => MapError::UnknownEnumLabel {
                table,
                column,
                type_oid,
            },
            ColumnFault::Value(Fault::Value(wanted)) => MapError::Value {
                table,
                column,
                wanted,
            },
            ColumnFault::Value(Fault::Discarded) => MapError::Value {
                table,
                column,
                wanted: "anything: such values are not sent",
            },
        }
    }
}

/// Why a change makes no record.
enum Failure {
    Row(RowFault),
    TooLarge(Excess),
}

/// Checks that columns and a further field can be the fields of a record.
fn check_fields<'a>(
    columns: impl Iterator<Item = &'a ColumnPlan>,
    further: Option<&'a str>,
    table: &TableName,
) -> Result<(), MapError> {
    let columns = columns.map(|column| (column.name(), column.field_name()));
    names::check_fields(columns.chain(further.map(|field| (field, field))), table)
}
