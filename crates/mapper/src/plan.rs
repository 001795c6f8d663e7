//! How rows of one relation become records.

use std::fmt;
use std::sync::Arc;

use walcast_pgoutput::Relation;

use crate::column::{ColumnFault, ColumnPlan, Role};
use crate::encode::{Fault, Scratch};
use crate::envelope::{Envelope, KeyColumn, RowFault};
use crate::events::Operations;
use crate::format::Avro;
use crate::records::Records;
use crate::source::Source;
use crate::{Batch, ChangeContext, MapError, MapperConfig, RowChange, TableFacts, TableName, Tally};
use crate::{connect, key, names, schema};

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
    /// Of the key schema; `None` for a table without key.
    pub key: Option<SchemaId>,
    /// Of the value schema.
    pub value: SchemaId,
}

/// How rows of one version of one relation become records: compiled once, used for every row.
#[derive(Debug)]
pub struct Plan {
    table: TableName,
    /// The table's name as transactions count it.
    collection: String,
    topic: Arc<str>,
    key_schema: Option<String>,
    value_schema: String,
    envelope: Envelope,
    ids: Option<SchemaIds>,
    topic_prefix: String,
    tombstones_on_delete: bool,
    operations: Operations,
    scratch: Scratch,
}

impl Plan {
    /// Compiles the plan of `relation`, and its schemas.
    ///
    /// # Errors
    /// The relation cannot be mapped.
    pub fn compile(relation: &Relation, facts: &TableFacts, config: &MapperConfig) -> Result<Self, MapError> {
        let table = TableName {
            namespace: relation.namespace.clone(),
            name: relation.name.clone(),
        };
        let topic = names::topic(config, &table);
        let namespace = names::namespace(&topic);
        names::check_columns(relation.columns.iter().map(|column| column.name.as_str()), &table)?;
        let identity = relation.replica_identity;
        let columns: Vec<ColumnPlan> = relation
            .columns
            .iter()
            .map(|column| ColumnPlan::compile::<Avro>(column, Role::Row, identity, facts, config))
            .collect();
        let key: Vec<KeyColumn> = key::columns(relation, facts)
            .into_iter()
            .filter_map(|place| {
                let column = relation.columns.get(place)?;
                let column = ColumnPlan::compile::<Avro>(column, Role::Key, identity, facts, config);
                Some(KeyColumn { place, column })
            })
            .collect();
        let to_avro = |schema| connect::to_avro(&schema).to_string();
        let key_fields = key.iter().map(|key| key.column.field()).collect();
        let value_fields = columns.iter().map(ColumnPlan::field).collect();
        Ok(Self {
            key_schema: (!key.is_empty()).then(|| to_avro(schema::key(&namespace, key_fields))),
            value_schema: to_avro(schema::value(&namespace, value_fields)),
            topic: topic.into(),
            envelope: Envelope {
                columns,
                key,
                source: Source::new::<Avro>(&table, config),
            },
            ids: None,
            topic_prefix: config.topic_prefix.clone(),
            tombstones_on_delete: config.tombstones_on_delete,
            operations: Operations::new(&config.events),
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

    /// The key's Avro schema as JSON; `None` for a table without key.
    #[must_use]
    pub fn key_schema(&self) -> Option<&str> {
        self.key_schema.as_deref()
    }

    /// The value's Avro schema as JSON.
    #[must_use]
    pub fn value_schema(&self) -> &str {
        &self.value_schema
    }

    /// Tells the plan under which ids the registry knows its schemas; needed before the first [`Plan::encode`].
    pub fn bind(&mut self, ids: SchemaIds) {
        self.ids = Some(ids);
    }

    /// Sends the records to another topic; its schemas are the same.
    pub fn move_to(&mut self, topic: String) {
        self.topic = topic.into();
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
        self.write(0, context, tally, batch, |records| match *change {
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
        self.write(part, context, tally, batch, |records| records.truncate())
    }

    fn write(
        &mut self,
        part: u32,
        context: &ChangeContext,
        tally: Option<&mut Tally>,
        batch: &mut Batch,
        write: impl FnOnce(&mut Records<'_>) -> Result<(), RowFault>,
    ) -> Result<(), MapError> {
        let mark = batch.mark();
        let mut records = Records {
            topic: &self.topic,
            collection: &self.collection,
            topic_prefix: &self.topic_prefix,
            envelope: &self.envelope,
            ids: self
                .ids
                .expect("a plan is bound to its schemas' ids before rows are encoded"),
            tombstones_on_delete: self.tombstones_on_delete,
            operations: self.operations,
            context,
            scratch: &mut self.scratch,
            batch,
            tally,
            counted: 0,
            part,
        };
        let Err(fault) = write(&mut records) else {
            return Ok(());
        };
        let (counted, tally) = (records.counted, records.tally);
        if let Some(tally) = tally {
            tally.take_back(&self.collection, counted);
        }
        batch.rewind(mark);
        Err(self.explain(fault))
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
        }
    }
}
