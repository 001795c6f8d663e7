//! From Avro values, as the independent library decodes them, to cells.

use std::collections::HashMap;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::RecordSchema;
use apache_avro::types::Value;
use apache_avro::{Decimal, Schema};

use crate::cell::{Cell, Cells, UNAVAILABLE};

/// A schema with its records by name, so that a second use of a record by its name alone is understood.
#[derive(Debug)]
pub(crate) struct ParsedSchema {
    pub(crate) schema: Schema,
    records: HashMap<String, RecordSchema>,
}

impl ParsedSchema {
    pub(crate) fn parse(text: &str) -> Result<ParsedSchema, apache_avro::Error> {
        let schema = Schema::parse_str(text)?;
        let mut records = HashMap::new();
        collect_records(&schema, &mut records);
        Ok(ParsedSchema { schema, records })
    }

    /// Reads one datum and moves the reader behind it.
    pub(crate) fn read(&self, bytes: &mut &[u8]) -> Result<Value, apache_avro::Error> {
        GenericDatumReader::builder(&self.schema)
            .build()?
            .read_value(bytes)
    }

    /// A field of the outermost record.
    pub(crate) fn field<'v>(&self, value: &'v Value, name: &str) -> Option<(&'v Value, &Schema)> {
        let (Value::Record(fields), Schema::Record(record)) = (value, &self.schema) else {
            return None;
        };
        let (_, value) = fields.iter().find(|(field, _)| field == name)?;
        let field = record.fields.iter().find(|field| field.name == name)?;
        Some((value, &field.schema))
    }

    /// A record's fields as cells; `None` if the value is null or no record.
    pub(crate) fn cells(&self, value: &Value, schema: &Schema) -> Option<Cells> {
        match (value, schema) {
            (Value::Union(index, value), Schema::Union(union)) => {
                self.cells(value, union.variants().get(usize::try_from(*index).ok()?)?)
            }
            (Value::Record(fields), _) => {
                let record = self.record(schema)?;
                let named = fields.iter().zip(&record.fields);
                Some(
                    named
                        .map(|((name, value), field)| (name.clone(), self.cell(value, &field.schema)))
                        .collect(),
                )
            }
            _ => None,
        }
    }

    fn record<'s>(&'s self, schema: &'s Schema) -> Option<&'s RecordSchema> {
        match schema {
            Schema::Record(record) => Some(record),
            Schema::Ref { name } => self.records.get(name.name()),
            _ => None,
        }
    }

    fn cell(&self, value: &Value, schema: &Schema) -> Cell {
        match value {
            Value::Union(index, value) => {
                let Schema::Union(union) = schema else {
                    return Cell::Other(format!("{value:?}"));
                };
                let variant = usize::try_from(*index)
                    .ok()
                    .and_then(|index| union.variants().get(index));
                variant.map_or(Cell::Null, |variant| self.cell(value, variant))
            }
            Value::Null => Cell::Null,
            Value::Boolean(value) => Cell::Boolean(*value),
            Value::Int(number) | Value::Date(number) | Value::TimeMillis(number) => {
                Cell::Integer(i64::from(*number))
            }
            Value::Long(number)
            | Value::TimeMicros(number)
            | Value::TimestampMillis(number)
            | Value::TimestampMicros(number)
            | Value::TimestampNanos(number)
            | Value::LocalTimestampMillis(number)
            | Value::LocalTimestampMicros(number)
            | Value::LocalTimestampNanos(number) => Cell::Integer(*number),
            Value::Float(number) => Cell::Float(f64::from(*number)),
            Value::Double(number) => Cell::Float(*number),
            Value::String(text) | Value::Enum(_, text) if text == UNAVAILABLE => Cell::Unavailable,
            Value::String(text) | Value::Enum(_, text) => Cell::Text(text.clone()),
            Value::Uuid(uuid) => Cell::Text(uuid.to_string()),
            Value::Bytes(bytes) if bytes == UNAVAILABLE.as_bytes() => Cell::Unavailable,
            Value::Bytes(bytes) | Value::Fixed(_, bytes) => Cell::Bytes(bytes.clone()),
            Value::Decimal(decimal) => decimal_cell(decimal, schema),
            other => Cell::Other(format!("{other:?}")),
        }
    }
}

fn collect_records(schema: &Schema, records: &mut HashMap<String, RecordSchema>) {
    match schema {
        Schema::Record(record) => {
            records.insert(record.name.name().to_owned(), record.clone());
            record
                .fields
                .iter()
                .for_each(|field| collect_records(&field.schema, records));
        }
        Schema::Union(union) => union
            .variants()
            .iter()
            .for_each(|variant| collect_records(variant, records)),
        Schema::Array(array) => collect_records(&array.items, records),
        _ => {}
    }
}

fn decimal_cell(decimal: &Decimal, schema: &Schema) -> Cell {
    let Schema::Decimal(schema) = schema else {
        return Cell::Other(format!("{decimal:?}"));
    };
    let bytes = Vec::<u8>::try_from(decimal).unwrap_or_default();
    match integer(&bytes) {
        Some(unscaled) => Cell::Decimal(decimal_text(unscaled, schema.scale)),
        None => Cell::Other(format!("{bytes:x?}")),
    }
}

/// A big-endian two's complement number; `None` if it needs more than 128 bits.
fn integer(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if negative { 0xFF } else { 0 }; 16];
    let start = wide.len().checked_sub(bytes.len())?;
    wide.get_mut(start..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

fn decimal_text(unscaled: i128, scale: usize) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_sign_and_scale() {
        let text = |bytes: &[u8], scale| decimal_text(integer(bytes).unwrap(), scale);
        assert_eq!(text(&[0x04, 0xCE], 2), "12.30");
        assert_eq!(text(&[0xFB, 0x32], 2), "-12.30");
        assert_eq!(text(&[5], 2), "0.05");
        assert_eq!(text(&[0xFB], 2), "-0.05");
        assert_eq!(text(&[], 0), "0");
        assert_eq!(integer(&[1; 17]), None);
    }

    #[test]
    fn a_record_named_again_is_understood() {
        let parsed = ParsedSchema::parse(
            r#"{"type":"record","name":"Envelope","namespace":"a.b","fields":[
                {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
                    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}}]}]},
                {"name":"after","type":["null","Value"]}]}"#,
        )
        .unwrap();
        let bytes = [0, 2, 4, 0x04, 0xCE];
        let value = parsed.read(&mut bytes.as_slice()).unwrap();
        let (after, schema) = parsed.field(&value, "after").unwrap();
        assert_eq!(
            parsed.cells(after, schema).unwrap()["price"],
            Cell::Decimal("12.30".into())
        );
        let (before, schema) = parsed.field(&value, "before").unwrap();
        assert_eq!(parsed.cells(before, schema), None);
    }
}
