//! Schemas of the registry, under which payloads in JSON are written in Avro.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{Name, UnionSchema, UuidSchema};
use serde_json::{Map, Number, Value};

use crate::avro;
use crate::schema_id::SchemaId;

/// Schema of the registry.
#[derive(Debug)]
pub(super) struct PayloadSchema {
    pub(super) id: SchemaId,
    /// Bytes of the schema as text.
    pub(super) bytes: usize,
    schema: Schema,
    /// Schemas with a name, which others refer to.
    named: HashMap<Name, Schema>,
}

/// Value that the schema does not take: the place in the payload. It names fields of the schema only, and no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unfit(Vec<String>);

impl Unfit {
    fn below(mut self, step: impl Into<String>) -> Self {
        self.0.push(step.into());
        self
    }

    /// The place, such as `.lines[0].sku`; empty for the whole payload.
    pub(super) fn path(&self) -> String {
        self.0.iter().rev().map(String::as_str).collect()
    }
}

/// What writing a payload may still take. Where branches of unions are records that refer to each other, a payload that fits none of
/// them has more ways to be read than can be tried; and a record may be its own default.
struct Effort {
    steps: u32,
    depth: u32,
}

/// Values, each in each branch of a union.
const STEPS_MAX: u32 = 1 << 22;
/// A level of JSON, of which the parser takes 128, is at most a union, a reference and a record here.
const DEPTH_MAX: u32 = 512;

impl Effort {
    fn begin(&mut self) -> Result<(), Unfit> {
        let left = self.steps.checked_sub(1).zip(self.depth.checked_sub(1));
        (self.steps, self.depth) = left.ok_or_else(Unfit::default)?;
        Ok(())
    }
}

impl PayloadSchema {
    /// Parses a schema; `None` if it is not Avro.
    pub(super) fn parse(id: SchemaId, schema: &str) -> Option<Self> {
        let bytes = schema.len();
        let schema = Schema::parse_str(schema).ok()?;
        let mut named = HashMap::new();
        collect(&schema, &mut named);
        Some(Self {
            id,
            bytes,
            schema,
            named,
        })
    }

    /// Appends a value in Avro.
    pub(super) fn put(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let mut effort = Effort {
            steps: STEPS_MAX,
            depth: DEPTH_MAX,
        };
        self.put_as(value, &self.schema, &mut effort, out)
    }

    fn put_as(
        &self,
        value: &Value,
        schema: &Schema,
        effort: &mut Effort,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        effort.begin()?;
        let put = self.put_kind(value, schema, effort, out);
        effort.depth += 1;
        put
    }

    fn put_kind(
        &self,
        value: &Value,
        schema: &Schema,
        effort: &mut Effort,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        let unfit = Unfit::default;
        match (schema, value) {
            (Schema::Null, Value::Null) => {}
            (Schema::Boolean, Value::Bool(value)) => out.push(u8::from(*value)),
            (Schema::Int | Schema::Date | Schema::TimeMillis, Value::Number(number)) => {
                let number = number.as_i64().and_then(|number| i32::try_from(number).ok());
                avro::put_long(number.ok_or_else(unfit)?.into(), out);
            }
            (
                Schema::Long
                | Schema::TimeMicros
                | Schema::TimestampMillis
                | Schema::TimestampMicros
                | Schema::TimestampNanos
                | Schema::LocalTimestampMillis
                | Schema::LocalTimestampMicros
                | Schema::LocalTimestampNanos,
                Value::Number(number),
            ) => avro::put_long(number.as_i64().ok_or_else(unfit)?, out),
            (Schema::Float, Value::Number(number)) => {
                let number = single(number).ok_or_else(unfit)?;
                out.extend_from_slice(&number.to_le_bytes());
            }
            (Schema::Double, Value::Number(number)) => {
                let number = double(number).ok_or_else(unfit)?;
                out.extend_from_slice(&number.to_le_bytes());
            }
            (Schema::String | Schema::Uuid(UuidSchema::String), Value::String(text)) => {
                avro::put_bytes(text.as_bytes(), out);
            }
            (Schema::Bytes, Value::String(text)) => avro::put_bytes(&bytes(text).ok_or_else(unfit)?, out),
            (Schema::Fixed(fixed), Value::String(text)) => {
                let bytes = bytes(text).filter(|bytes| bytes.len() == fixed.size);
                out.extend_from_slice(&bytes.ok_or_else(unfit)?);
            }
            (Schema::Enum(labels), Value::String(text)) => {
                let place = labels.symbols.iter().position(|symbol| symbol == text);
                avro::put_length(place.ok_or_else(unfit)?, out);
            }
            (Schema::Array(array), Value::Array(items)) => {
                put_count(items.len(), out);
                for (place, item) in items.iter().enumerate() {
                    let put = self.put_as(item, &array.items, effort, out);
                    put.map_err(|unfit| unfit.below(format!("[{place}]")))?;
                }
                out.push(avro::BLOCKS_END);
            }
            (Schema::Map(map), Value::Object(members)) => {
                put_count(members.len(), out);
                for (name, member) in members {
                    avro::put_bytes(name.as_bytes(), out);
                    let put = self.put_as(member, &map.types, effort, out);
                    put.map_err(|unfit| unfit.below("[]"))?;
                }
                out.push(avro::BLOCKS_END);
            }
            (Schema::Record(record), Value::Object(members)) => {
                let fields = record.fields.iter();
                let fields = fields.map(|field| (field.name.as_str(), &field.schema, field.default.as_ref()));
                self.put_fields(members, fields, effort, out)?;
            }
            (Schema::Union(union), value) => self.put_union(value, union, effort, out)?,
            (Schema::Ref { name }, value) => {
                self.put_as(value, self.named.get(name).ok_or_else(unfit)?, effort, out)?;
            }
            _ => return Err(unfit()),
        }
        Ok(())
    }

    /// Appends the fields of a record: a member that is missing has the default of its field, and a member without a field would be
    /// lost.
    fn put_fields<'f>(
        &self,
        members: &Map<String, Value>,
        fields: impl Iterator<Item = (&'f str, &'f Schema, Option<&'f Value>)>,
        effort: &mut Effort,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        let mut found = 0;
        for (name, schema, default) in fields {
            let below = |unfit: Unfit| unfit.below(format!(".{name}"));
            let member = members.get(name);
            found += usize::from(member.is_some());
            let value = member.or(default).ok_or_else(|| below(Unfit::default()))?;
            self.put_as(value, schema, effort, out).map_err(below)?;
        }
        match found == members.len() {
            true => Ok(()),
            false => Err(Unfit::default()),
        }
    }

    /// Appends a value as the first branch that takes it.
    fn put_union(
        &self,
        value: &Value,
        union: &UnionSchema,
        effort: &mut Effort,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        let start = out.len();
        let mut faults = Vec::new();
        for (place, branch) in union.variants().iter().enumerate() {
            avro::put_length(place, out);
            match self.put_as(value, branch, effort, out) {
                Ok(()) => return Ok(()),
                Err(_) if matches!(branch, Schema::Null) => {}
                Err(fault) => faults.push(fault),
            }
            out.truncate(start);
        }
        // The place of the fault is known where there is only one way to read the value.
        match (faults.pop(), faults.is_empty()) {
            (Some(only), true) => Err(only),
            _ => Err(Unfit::default()),
        }
    }
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    if count > 0 {
        avro::put_length(count, out);
    }
}

/// A number of double precision that equals the one in JSON, as far as that was written with as many digits.
fn double(number: &Number) -> Option<f64> {
    let double = number.as_f64().filter(|double| double.is_finite())?;
    let is_exact = match (number.as_i64(), number.as_u64()) {
        (None, None) => true,
        _ => number
            .as_i64()
            .is_some_and(|integer| integer.unsigned_abs() <= EXACT_MAX),
    };
    is_exact.then_some(double)
}

/// Integers up to 2 to the power of 53 are exact in double precision.
const EXACT_MAX: u64 = 1 << 53;

/// A number of single precision that is written with the same digits.
fn single(number: &Number) -> Option<f32> {
    let text = double(number)?.to_string();
    let single = text.parse().ok();
    single.filter(|single: &f32| single.is_finite() && single.to_string() == text)
}

/// Bytes as Avro writes them in JSON: a character for each.
fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect()
}

fn collect(schema: &Schema, named: &mut HashMap<Name, Schema>) {
    match schema {
        Schema::Record(record) => {
            named.insert(record.name.clone(), schema.clone());
            for field in &record.fields {
                collect(&field.schema, named);
            }
        }
        Schema::Enum(labels) => {
            named.insert(labels.name.clone(), schema.clone());
        }
        Schema::Fixed(fixed) => {
            named.insert(fixed.name.clone(), schema.clone());
        }
        Schema::Array(array) => collect(&array.items, named),
        Schema::Map(map) => collect(&map.types, named),
        Schema::Union(union) => union.variants().iter().for_each(|branch| collect(branch, named)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
