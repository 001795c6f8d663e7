//! A table for a test.

use apache_avro::Schema;
use apache_avro::types::Value;
use walcast_mapper::{
    ChangeContext, ColumnMetadata, MapError, MapperConfig, Ordinal, Plan, RecordBuffer, RowChange, SchemaId,
    SchemaIds, TableMetadata,
};
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{
    Column, Lsn, Oid, OldTuple, PgTimestamp, Relation, RelationColumn, ReplicaIdentity, Tuple, Xid, encode,
};

use crate::shown;

/// Relation message and catalog metadata of a table, which a test may change before the plan is compiled.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) relation: Relation,
    pub(crate) metadata: TableMetadata,
    pub(crate) config: MapperConfig,
}

pub(crate) const INT4: u32 = 23;
pub(crate) const TEXT: u32 = 25;

impl Table {
    /// Creates a table with columns of name, type and modifier; the first is the primary key, the others are nullable.
    pub(crate) fn new(columns: &[(&str, u32, i32)]) -> Self {
        let relation_columns = columns
            .iter()
            .enumerate()
            .map(|(index, (name, oid, type_modifier))| RelationColumn {
                is_key: index == 0,
                name: (*name).to_owned(),
                type_oid: Oid::new(*oid),
                type_modifier: *type_modifier,
            });
        let metadata = columns
            .iter()
            .enumerate()
            .map(|(index, (name, oid, type_modifier))| ColumnMetadata {
                name: (*name).to_owned(),
                type_oid: Oid::new(*oid),
                type_modifier: *type_modifier,
                not_null: index == 0,
                default_expression: None,
                generated: false,
            });
        Self {
            relation: Relation {
                xid: None,
                oid: Oid::new(16_384),
                namespace: "public".to_owned(),
                name: "t".to_owned(),
                replica_identity: ReplicaIdentity::Default,
                columns: relation_columns.collect(),
            },
            metadata: TableMetadata {
                columns: metadata.collect(),
                key_columns: columns
                    .iter()
                    .take(1)
                    .map(|(name, ..)| (*name).to_owned())
                    .collect(),
                ..TableMetadata::default()
            },
            config: MapperConfig::new("p", "db"),
        }
    }

    pub(crate) fn compile(&self) -> Result<Plan, MapError> {
        let mut plan = Plan::compile(&self.relation, &self.metadata, &self.config)?;
        plan.bind(SchemaIds {
            key: Some(SchemaId::new(1)),
            value: Some(SchemaId::new(2)),
        });
        Ok(plan)
    }

    /// Encodes one change and decodes its records.
    pub(crate) fn records(&self, change: &Change<'_>) -> Result<Vec<Decoded>, MapError> {
        let mut plan = self.compile()?;
        let mut buffer = RecordBuffer::new();
        encode_change(&mut plan, change, &mut buffer)?;
        let value_schema = Schema::parse_str(plan.value_schema().unwrap()).unwrap();
        let key_schema = plan.key_schema().map(|schema| Schema::parse_str(schema).unwrap());
        let records = buffer.records().map(|record| Decoded {
            key: record
                .key
                .map(|key| shown::decode(key_schema.as_ref().unwrap(), key)),
            value: record.value.map(|value| shown::decode(&value_schema, value)),
            headers: record
                .headers()
                .map(|header| {
                    (
                        header.name.to_owned(),
                        String::from_utf8(header.value.unwrap().to_vec()).unwrap(),
                    )
                })
                .collect(),
        });
        Ok(records.collect())
    }

    /// The field `name` of `after` of an inserted row.
    pub(crate) fn inserted(&self, row: &[Column<'_>], name: &str) -> Result<Value, MapError> {
        let records = self.records(&Change::Insert(row))?;
        Ok(shown::field(shown::field(records[0].value.as_ref().unwrap(), "after"), name).clone())
    }
}

/// A record as an independent decoder reads it.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) key: Option<Value>,
    pub(crate) value: Option<Value>,
    pub(crate) headers: Vec<(String, String)>,
}

/// A change by the columns of its tuples.
pub(crate) enum Change<'a> {
    Insert(&'a [Column<'a>]),
    UpdateOnly(&'a [Column<'a>]),
    UpdateKey(&'a [Column<'a>], &'a [Column<'a>]),
    UpdateFull(&'a [Column<'a>], &'a [Column<'a>]),
    DeleteKey(&'a [Column<'a>]),
    DeleteFull(&'a [Column<'a>]),
}

pub(crate) fn context() -> ChangeContext<'static> {
    ChangeContext {
        xid: Xid::new(4_000_000_000),
        commit_lsn: Lsn::new(0x16B_3748),
        commit_time: PgTimestamp::from_unix_micros(1_709_168_523_456_789),
        lsn: Lsn::new(0x16B_3700),
        ordinal: Ordinal::new(7),
        previous_commit_end: Some(Lsn::new(0x16B_3600)),
        origin: None,
        transaction_context: None,
        processed_at_unix_nanos: 1_709_168_523_999_888_777,
    }
}

/// Passes the change, as it is on the wire, to `use_change`.
pub(crate) fn with_change<T>(change: &Change<'_>, use_change: impl FnOnce(&RowChange<'_>) -> T) -> T {
    let (old, new) = match change {
        Change::Insert(new) | Change::UpdateOnly(new) => (None, Some(*new)),
        Change::UpdateKey(old, new) | Change::UpdateFull(old, new) => (Some(*old), Some(*new)),
        Change::DeleteKey(old) | Change::DeleteFull(old) => (Some(*old), None),
    };
    let old = encode::tuple(old.unwrap_or_default());
    let new = encode::tuple(new.unwrap_or_default());
    let old = Tuple::read(&mut Reader::new(&old)).unwrap();
    let new = Tuple::read(&mut Reader::new(&new)).unwrap();
    use_change(&match change {
        Change::Insert(_) => RowChange::Insert { new },
        Change::UpdateOnly(_) => RowChange::Update { old: None, new },
        Change::UpdateKey(..) => RowChange::Update {
            old: Some(OldTuple::Key(old)),
            new,
        },
        Change::UpdateFull(..) => RowChange::Update {
            old: Some(OldTuple::Full(old)),
            new,
        },
        Change::DeleteKey(_) => RowChange::Delete {
            old: OldTuple::Key(old),
        },
        Change::DeleteFull(_) => RowChange::Delete {
            old: OldTuple::Full(old),
        },
    })
}

pub(crate) fn encode_change(
    plan: &mut Plan,
    change: &Change<'_>,
    buffer: &mut RecordBuffer,
) -> Result<(), MapError> {
    with_change(change, |change| plan.encode(change, &context(), None, buffer))
}
