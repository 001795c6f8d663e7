//! Payloads in JSON that are sent as structs (Debezium's `table.expand.json.payload`).

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use walcast_pgoutput::RelationColumn;

use super::json_schema::{JSON_BYTES_MAX, JsonSchemas, NoSchema, fits, has_large_integer, is_valid_in_avro};
use super::part::Part;
use crate::column::ColumnContext;
use crate::config::{Encoding, OutboxRule};
use crate::connect::{Kind, Slot};
use crate::encode::Scratch;
use crate::error::MapError;
use crate::format::{Format, Nullability, Raw};
use crate::row::{Row, RowError};
use crate::serialization::{Body, Serialization};

/// Expansion of the payloads of an outbox.
#[derive(Debug)]
pub(super) struct Expansion {
    /// The payload as text.
    payload: Part,
    /// Name of the struct.
    name: String,
    schemas: JsonSchemas,
    encoding: Encoding,
    /// Schema of the latest payload, and its digest.
    last: Option<(Slot, Arc<str>)>,
}

/// Payload as a struct.
#[derive(Debug)]
pub(super) struct Expanded {
    /// Place of the payload.
    pub(super) place: usize,
    pub(super) value: Value,
    pub(super) slot: Slot,
    /// Digest of the schema, by which it differs from others.
    pub(super) digest: Arc<str>,
}

/// Error of a payload that Debezium's task would end at.
const WANTED: &str = "JSON that is sent as a struct: it has to be an object, its integers have at most 64 bits, the same field has one \
                      type in all items of an array, and Avro takes its names";

/// Error of a payload that would take memory without bounds.
const TOO_LARGE: &str =
    "JSON that is sent as a struct: it has more than 16 MiB, or a schema of more than 512 KiB";

impl Expansion {
    /// Compiles the expansion; `None` if the payload is not text, and so is sent as it is.
    pub(super) fn compile(
        columns: &[RelationColumn],
        rule: &OutboxRule,
        around: &ColumnContext<'_>,
    ) -> Result<Option<Self>, MapError> {
        if !rule.expand_json {
            return Ok(None);
        }
        let payload = Part::compile_raw(columns, &rule.payload, around)?;
        if payload.field().slot.schema.kind != Kind::String {
            return Ok(None);
        }
        Ok(Some(Self {
            payload,
            name: rule.payload.clone(),
            schemas: JsonSchemas {
                null: rule.json_null,
                empty_array: rule.json_empty_array,
            },
            encoding: around.config.value,
            last: None,
        }))
    }

    /// The payload of a row as a struct; `None` if it is sent as it is: it is null, is not JSON, or has an array of different types.
    pub(super) fn of(&mut self, row: &Row<'_>, scratch: &mut Scratch) -> Result<Option<Expanded>, RowError> {
        if self.payload.is_null(row) {
            return Ok(None);
        }
        let mut text = Vec::new();
        self.payload.put::<Raw>(row, scratch, &mut text)?;
        let place = self.payload.place;
        let unusable = |wanted| RowError::OutboxValue { place, wanted };
        let Some(json) = std::str::from_utf8(&text)
            .ok()
            .filter(|text| text.starts_with(['{', '[']))
        else {
            return Ok(None);
        };
        if json.len() > JSON_BYTES_MAX {
            return Err(unusable(TOO_LARGE));
        }
        // As Jackson does it, what follows the value is not read.
        let Some(Ok(value)) = serde_json::Deserializer::from_str(json)
            .into_iter::<Value>()
            .next()
        else {
            return Ok(None);
        };
        let slot = match self.schemas.of(Some(&self.name), &value) {
            Ok(slot) => slot,
            Err(NoSchema::NotUniform) => return Ok(None),
            Err(NoSchema::TooLarge) => return Err(unusable(TOO_LARGE)),
        };
        let slot = slot.filter(|slot| value.is_object() && fits(&value, slot) && !has_large_integer(json));
        let slot = slot.ok_or(unusable(WANTED))?;
        if self.encoding == Encoding::Avro && !is_valid_in_avro(&slot) {
            return Err(unusable(WANTED));
        }
        let digest = match &self.last {
            Some((known, digest)) if *known == slot => Arc::clone(digest),
            _ => {
                let digest = digest_of(&slot);
                self.last = Some((slot.clone(), Arc::clone(&digest)));
                digest
            }
        };
        Ok(Some(Expanded {
            place,
            value,
            slot,
            digest,
        }))
    }
}

fn digest_of(slot: &Slot) -> Arc<str> {
    let digest = Sha256::digest(format!("{slot:?}"));
    let mut text = String::new();
    for byte in digest {
        write!(text, "{byte:02x}").expect("a string takes any text");
    }
    text.into()
}

/// Payload as a struct that is the whole value. The Avro converter makes no union of the schema of such a struct, though it is optional.
pub(super) struct WholeValue<'r>(pub(super) &'r Expanded);

impl WholeValue<'_> {
    /// Serialization of values with the schema of the struct.
    pub(super) fn serialization(&self, encoding: Encoding) -> Serialization {
        let slot = &self.0.slot;
        let is_optional = slot.optional && encoding != Encoding::Avro;
        let slot = Slot {
            optional: is_optional,
            ..slot.clone()
        };
        Serialization::of_slot(encoding, &slot)
    }
}

impl Body for WholeValue<'_> {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        put_present::<F>(&self.0.value, &self.0.slot, out);
        Ok(())
    }
}

impl Body for Expanded {
    fn put<F: Format>(&self, _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        put::<F>(Some(&self.value), &self.slot, out);
        Ok(())
    }
}

/// Appends a value that fits its schema.
fn put<F: Format>(value: Option<&Value>, slot: &Slot, out: &mut Vec<u8>) {
    let nullability = match slot.optional {
        true => Nullability::NullFirst,
        false => Nullability::Required,
    };
    let Some(value) = value.filter(|value| !value.is_null()) else {
        F::absent(nullability, out);
        return;
    };
    F::present(nullability, out);
    put_present::<F>(value, slot, out);
}

/// Appends a value that is not null, without saying so.
fn put_present<F: Format>(value: &Value, slot: &Slot, out: &mut Vec<u8>) {
    match (value, &slot.schema.kind) {
        (Value::Object(members), Kind::Struct(fields)) => {
            F::begin_record(out);
            for field in fields {
                F::field(&field.name, out);
                put::<F>(members.get(&field.name), &field.slot, out);
            }
            F::end_record(out);
        }
        (Value::Array(items), Kind::Array(of)) => {
            F::begin_array(items.len(), out);
            for item in items {
                F::item(out);
                put::<F>(Some(item), of, out);
            }
            F::end_array(out);
        }
        (Value::String(text), _) => F::string(text.as_bytes(), out),
        (Value::Bool(value), _) => F::boolean(*value, out),
        (Value::Number(number), Kind::Float64) => F::double(number.as_f64().unwrap_or_default(), out),
        (Value::Number(number), _) => F::integer(number.as_i64().unwrap_or_default(), out),
        (Value::Null | Value::Array(_) | Value::Object(_), _) => {
            debug_assert!(
                false,
                "values are compared with their schema before they are written"
            );
        }
    }
}
