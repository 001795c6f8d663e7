//! Rows of the source, in the form of the records that the connector makes of them.

use std::collections::BTreeMap;

use walcast_mapper::config::{ColumnSettings, Encoding, NullWithDefault, Shape};
use walcast_mapper::{
    MapperConfig, Plan, ReadContext, RecordBuffer, RowId, SchemaId, SchemaIds, SnapshotMarker, TableMetadata,
    TableName, names,
};
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{Column, Lsn, PgTimestamp, Relation, Tuple, encode};

use crate::columns::{ComparedColumn, ComparedColumns};
use crate::datum::{AvroSchema, DatumError, decode_json, defaults, split};
use crate::error::VerifyError;
use crate::plain::PlainType;
use crate::record::{RecordedChange, recorded_change};
use crate::row_key::{self, RowKey};
use crate::value::Value;

/// Table of the source, whose rows are encoded as the connector encodes them, and decoded again.
#[derive(Debug)]
pub struct SourceTable {
    /// Name of the table.
    pub name: TableName,
    relation: Relation,
    plan: Plan,
    key: Option<Decoding>,
    value: Decoding,
    shape: Shape,
    /// Columns of the table's key, from the catalog.
    catalog_key: Vec<String>,
    /// Columns that identify a row.
    identifying: Vec<String>,
    /// Field of each column that is compared, by its place in the relation.
    fields: BTreeMap<usize, String>,
    /// Types of these columns, if they are compared with the text of Postgres.
    plain: BTreeMap<usize, PlainType>,
    /// Whether a null is sent as the default of its column.
    sends_defaults: bool,
    defaults: BTreeMap<String, Value>,
    left_out: Vec<String>,
    columns: ComparedColumns,
    has_columns: bool,
    buffer: RecordBuffer,
}

/// What the rows of the source are compared as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// The records that the connector makes of them.
    #[default]
    Mapped,
    /// The text of Postgres, without the code that encodes records. Only types are compared whose text has one exact counterpart.
    Independent,
}

/// Row of the source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRow {
    /// Key of its records; `None` if they have none.
    pub key: Option<Value>,
    /// The row.
    pub row: Value,
}

#[derive(Debug)]
enum Decoding {
    Avro(AvroSchema),
    Json { has_schema: bool },
}

impl Decoding {
    fn new(schema: Option<&str>, encoding: Encoding) -> Result<Self, DatumError> {
        Ok(match schema {
            Some(schema) => Self::Avro(AvroSchema::parse(schema)?),
            None => Self::Json {
                has_schema: encoding == Encoding::JsonSchema,
            },
        })
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value, DatumError> {
        match self {
            Self::Avro(schema) => schema.decode(split(bytes)?.1),
            Self::Json { has_schema } => decode_json(bytes, *has_schema),
        }
    }
}

/// Id in records that are decoded with the schema at hand.
const OWN_SCHEMA: SchemaIds = SchemaIds {
    key: Some(SchemaId::new(0)),
    value: Some(SchemaId::new(0)),
};

/// Memory of the buffer that is kept between rows.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Setting that keeps the value of a column from being compared.
fn setting_of(settings: &ColumnSettings, table: &TableName, column: &str) -> Option<&'static str> {
    let matches = |patterns: &[walcast_mapper::pattern::ColumnPattern]| {
        patterns.iter().any(|pattern| pattern.matches(table, column))
    };
    if settings.mask.iter().any(|rule| matches(&rule.columns)) {
        return Some("masked");
    }
    if settings.hash.iter().any(|rule| matches(&rule.columns)) {
        return Some("hashed");
    }
    let is_truncated = settings.truncate.iter().any(|rule| matches(&rule.columns));
    is_truncated.then_some("truncated")
}

impl SourceTable {
    /// Prepares a table.
    ///
    /// # Errors
    /// The table cannot be mapped to records.
    pub fn new(
        relation: Relation,
        metadata: &TableMetadata,
        config: &MapperConfig,
        method: Method,
    ) -> Result<Self, VerifyError> {
        let name = TableName::from(&relation);
        let mut plan = Plan::compile(&relation, metadata, config).map_err(VerifyError::Map)?;
        plan.bind(OWN_SCHEMA);
        let own = |source| VerifyError::OwnRecord {
            table: name.clone(),
            source,
        };
        let key = match plan.has_key() {
            true => Some(Decoding::new(plan.key_schema(), config.key).map_err(own)?),
            false => None,
        };
        let value = Decoding::new(plan.value_schema(), config.value).map_err(own)?;
        let path = match config.shape {
            Shape::Debezium => Some("before"),
            Shape::Flat | Shape::CloudEvents => None,
        };
        let defaults = plan.value_schema().map(|schema| defaults(schema, path));
        let (mut fields, mut plain, mut left_out) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (place, column) in relation.columns.iter().enumerate() {
            if let Some(how) = setting_of(&config.columns, &name, &column.name) {
                left_out.push(format!("{} ({how})", column.name));
                continue;
            }
            if method == Method::Independent {
                let Some(found) = PlainType::of(column, config) else {
                    left_out.push(format!("{} (no exact text)", column.name));
                    continue;
                };
                plain.insert(place, found);
            }
            fields.insert(place, names::field(&column.name, config));
        }
        let has_unsent_columns = !metadata.unsent_key_columns.is_empty();
        let identifying = row_key::identifying_columns(&relation, &metadata.key_columns, has_unsent_columns);
        Ok(Self {
            relation,
            plan,
            key,
            value,
            shape: config.shape,
            catalog_key: metadata.key_columns.clone(),
            identifying,
            fields,
            plain,
            sends_defaults: config.null_with_default == NullWithDefault::Default,
            defaults: defaults.into_iter().flatten().collect(),
            left_out,
            columns: ComparedColumns::default(),
            has_columns: false,
            buffer: RecordBuffer::new(),
            name,
        })
    }

    /// Whether the records have a key.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Topic of the records.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.plan.topic()
    }

    /// The columns that are compared, known after the first row.
    #[must_use]
    pub fn columns(&self) -> &ComparedColumns {
        &self.columns
    }

    /// Columns that are not compared, each with the reason.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Key by which a row of the source is found again; `None` if the table has none, or if its values are not sent.
    #[must_use]
    pub fn row_key(&self, row: Tuple<'_>) -> Option<RowKey> {
        row_key::of_row(&self.relation, &self.identifying, row)
    }

    /// Key of a row that no longer exists, from the key of its records; `None` if that does not give it for certain.
    #[must_use]
    pub fn former_key(&self, key: &Value, config: &MapperConfig) -> Option<RowKey> {
        let found = row_key::of_record(&self.relation, &self.catalog_key, config, key)?;
        // Records have another value than the row.
        let is_altered = |column: &String| setting_of(&config.columns, &self.name, column).is_some();
        (!found.keys().any(is_altered)).then_some(found)
    }

    /// Encodes a row and decodes its record.
    ///
    /// # Errors
    /// The row cannot be mapped, or its record cannot be decoded.
    pub fn row(&mut self, id: RowId, tuple: Tuple<'_>) -> Result<SourceRow, VerifyError> {
        let mut row = self.encoded(id, tuple)?;
        if !self.has_columns {
            self.has_columns = true;
            self.find_columns(id, tuple, &row.row);
        }
        if !self.plain.is_empty() {
            row.row = self.plain_row(tuple);
        }
        Ok(row)
    }

    /// The row as Postgres prints it.
    fn plain_row(&self, tuple: Tuple<'_>) -> Value {
        let values: Vec<Column<'_>> = tuple.columns().collect();
        let fields = self.plain.iter().filter_map(|(place, plain)| {
            let value = match values.get(*place)? {
                Column::Text(text) => plain.of_source(&String::from_utf8_lossy(text)),
                _ => Value::Null,
            };
            Some((self.fields.get(place)?.clone(), value))
        });
        Value::Record(fields.collect())
    }

    fn encoded(&mut self, id: RowId, tuple: Tuple<'_>) -> Result<SourceRow, VerifyError> {
        let context = ReadContext {
            lsn: Lsn::new(0),
            fixed_at: PgTimestamp::from_unix_micros(0),
            marker: SnapshotMarker::Row,
            row: id,
            processed_at_unix_nanos: 0,
        };
        self.buffer.clear(BUFFER_BYTES);
        self.plan
            .encode_read(tuple, &context, &mut self.buffer)
            .map_err(VerifyError::Map)?;
        let decoded = self.decoded();
        decoded.map_err(|source| VerifyError::OwnRecord {
            table: self.name.clone(),
            source,
        })
    }

    fn decoded(&self) -> Result<SourceRow, DatumError> {
        let record = self.buffer.records().next().ok_or(DatumError::NotAvro)?;
        let key = match (&self.key, record.key) {
            (Some(decoding), Some(bytes)) => Some(decoding.decode(bytes)?),
            _ => None,
        };
        let value = record.value.map(|bytes| self.value.decode(bytes)).transpose()?;
        let row = match recorded_change(value, self.shape) {
            RecordedChange::Row { after, .. } => after,
            _ => Value::Record(BTreeMap::new()),
        };
        Ok(SourceRow { key, row })
    }

    /// Finds the columns that are compared: those with a field. Each column in turn is left out of the row, to see what its record
    /// has in place of a value that was not sent.
    fn find_columns(&mut self, id: RowId, tuple: Tuple<'_>, row: &Value) {
        let Value::Record(present) = row else { return };
        let present: Vec<String> = present.keys().cloned().collect();
        let values: Vec<Column<'_>> = tuple.columns().collect();
        let mut columns = Vec::new();
        for (place, field) in self.fields.clone() {
            let plain = self.plain.get(&place).copied();
            let has_default = self.defaults.contains_key(&field);
            let why = match (present.contains(&field), plain) {
                (false, _) => Some("not sent"),
                (true, Some(_)) if has_default && self.sends_defaults => Some("null is sent as the default"),
                _ => None,
            };
            if let Some(why) = why {
                let column = self.relation.columns.get(place);
                let name = column.map_or(field.as_str(), |column| column.name.as_str());
                self.left_out.push(format!("{name} ({why})"));
                continue;
            }
            let mut without = values.clone();
            if let Some(value) = without.get_mut(place) {
                *value = Column::UnchangedToast;
            }
            let bytes = encode::tuple(&without);
            let placeholder = Tuple::read(&mut Reader::new(&bytes))
                .ok()
                .and_then(|tuple| self.encoded(id, tuple).ok())
                .and_then(|encoded| encoded.row.get(&field).cloned())
                .filter(is_placeholder);
            let column = ComparedColumn {
                default: self.defaults.get(&field).cloned(),
                placeholder,
                plain,
            };
            columns.push((field, column));
        }
        self.columns = ComparedColumns::new(columns);
    }
}

/// Whether a value can be a placeholder: values of the other types are too short to be stored outside of their row.
fn is_placeholder(value: &Value) -> bool {
    matches!(
        value,
        Value::Text(_) | Value::Bytes(_) | Value::List(_) | Value::Record(_)
    )
}

#[cfg(test)]
mod tests {
    use walcast_mapper::config::MaskRule;
    use walcast_pgoutput::{Oid, RelationColumn, ReplicaIdentity, Tid};

    use super::*;

    fn relation() -> Relation {
        let column = |name: &str, oid, is_key| RelationColumn {
            is_key,
            name: name.to_owned(),
            type_oid: Oid::new(oid),
            type_modifier: -1,
        };
        Relation {
            xid: None,
            oid: Oid::new(16_384),
            namespace: "public".to_owned(),
            name: "items".to_owned(),
            replica_identity: ReplicaIdentity::Default,
            columns: vec![
                column("id", 23, true),
                column("note", 25, false),
                column("secret", 25, false),
            ],
        }
    }

    fn read(table: &mut SourceTable, columns: &[Column<'_>]) -> SourceRow {
        let id = RowId {
            table: Oid::new(16_384),
            tid: "(0,1)".parse::<Tid>().unwrap(),
        };
        let bytes = encode::tuple(columns);
        let tuple = Tuple::read(&mut Reader::new(&bytes)).unwrap();
        table.row(id, tuple).unwrap()
    }

    #[test]
    fn a_row_is_decoded_from_its_own_record() {
        for encoding in [Encoding::Avro, Encoding::Json, Encoding::JsonSchema] {
            for shape in [Shape::Debezium, Shape::Flat] {
                let mut config = MapperConfig::new("shop", "shop");
                (config.key, config.value, config.shape) = (encoding, encoding, shape);
                config.columns.mask = vec![MaskRule {
                    columns: vec!["public.items.secret".parse().unwrap()],
                    length: 3,
                }];
                let mut table =
                    SourceTable::new(relation(), &TableMetadata::default(), &config, Method::Mapped).unwrap();
                let row = read(
                    &mut table,
                    &[Column::Text(b"7"), Column::Text(b"seven"), Column::Text(b"x")],
                );
                let key = row.key.unwrap();
                assert_eq!(key.get("id"), Some(&Value::Int(7)), "{encoding:?} {shape:?}");
                assert_eq!(row.row.get("note"), Some(&Value::Text("seven".to_owned())));
                assert_eq!(table.columns().names().collect::<Vec<_>>(), ["id", "note"]);
                assert_eq!(table.left_out(), ["secret (masked)"]);
                let record = Value::Record(
                    [
                        ("id".to_owned(), Value::Int(7)),
                        (
                            "note".to_owned(),
                            Value::Text("__debezium_unavailable_value".to_owned()),
                        ),
                    ]
                    .into(),
                );
                assert_eq!(table.columns().of_record(&record).unsent.len(), 1);
                let former = table.former_key(&key, &config);
                assert_eq!(former, Some([("id".to_owned(), "7".to_owned())].into()));
                // The key in a record is not that of the row.
                config.columns.mask[0].columns = vec!["public.items.id".parse().unwrap()];
                assert_eq!(table.former_key(&key, &config), None);
            }
        }
    }

    #[test]
    fn an_independent_row_is_the_text_of_postgres() {
        let config = MapperConfig::new("shop", "shop");
        let mut relation = relation();
        relation.columns[2].type_oid = Oid::new(1114);
        let mut table =
            SourceTable::new(relation, &TableMetadata::default(), &config, Method::Independent).unwrap();
        let values = [
            Column::Text(b"7"),
            Column::Null,
            Column::Text(b"2024-01-01 00:00:00"),
        ];
        let row = read(&mut table, &values);
        assert_eq!(row.key.unwrap().get("id"), Some(&Value::Int(7)));
        assert_eq!(row.row.get("id"), Some(&Value::Int(7)));
        assert_eq!(row.row.get("note"), None);
        assert_eq!(table.columns().names().collect::<Vec<_>>(), ["id", "note"]);
        assert_eq!(table.left_out(), ["secret (no exact text)"]);
    }
}
