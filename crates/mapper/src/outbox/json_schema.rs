//! Schemas of payloads in JSON, which follow from their content as in Debezium's [`JsonSchemaData`][1].
//!
//! [1]: https://github.com/debezium/debezium/blob/main/debezium-connect-plugins/src/main/java/io/debezium/transforms/outbox/JsonSchemaData.java

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use crate::config::{JsonEmptyArray, JsonNull};
use crate::connect::{ConnectSchema, Field, Kind, Slot};
use crate::names;

/// Rules by which schemas follow from values.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonSchemas {
    pub(super) null: JsonNull,
    pub(super) empty_array: JsonEmptyArray,
}

/// Payload without a schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoSchema {
    /// The items of an array have no common schema. Debezium sends such a payload as it is.
    NotUniform,
    /// The schema would be larger than a registry takes.
    TooLarge,
}

/// Bytes of a payload in JSON. Parsed, it takes a multiple of them.
pub(super) const JSON_BYTES_MAX: usize = 16 << 20;
/// Bytes of a schema. A registry stores each in a record of Kafka, by default of 1 MiB with its JSON in quotes.
const SCHEMA_BYTES_MAX: usize = 512 << 10;
/// Bytes of a struct or a field in a schema, beside its name.
const PART_BYTES: usize = 64;
/// Bytes of names that are copied, and names that are compared.
const STEPS_MAX: usize = 100_000_000;
/// Bytes of the fields that are missing in the objects of arrays, each of which has every field of its array.
const MISSING_BYTES_MAX: usize = 16 << 20;

/// What a schema may still take. The writers of payloads choose the names, the depth and the number of fields.
struct Room {
    bytes: usize,
    steps: usize,
}

impl Room {
    fn take_bytes(&mut self, bytes: usize) -> Result<(), NoSchema> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(NoSchema::TooLarge)?;
        Ok(())
    }

    fn take_steps(&mut self, steps: usize) -> Result<(), NoSchema> {
        self.steps = self.steps.checked_sub(steps).ok_or(NoSchema::TooLarge)?;
        Ok(())
    }
}

/// Bytes of a struct in a schema: its full name is in it as the name and as a property.
fn struct_bytes(name: Option<&str>) -> usize {
    2 * name.map_or(0, str::len) + PART_BYTES
}

fn field_bytes(name: &str) -> usize {
    name.len() + PART_BYTES
}

/// Bytes of a schema.
fn bytes_of(slot: &Slot) -> usize {
    match &slot.schema.kind {
        Kind::Struct(fields) => {
            let fields = fields.iter();
            let of_fields = fields.map(|field| field_bytes(&field.name) + bytes_of(&field.slot));
            struct_bytes(slot.schema.name.as_deref()) + of_fields.sum::<usize>()
        }
        Kind::Array(items) => bytes_of(items),
        _ => 0,
    }
}

impl JsonSchemas {
    /// Schema of a value; `None` if its type is not known. `key` is the name of the struct, if the value is an object.
    pub(super) fn of(self, key: Option<&str>, value: &Value) -> Result<Option<Slot>, NoSchema> {
        let mut room = Room {
            bytes: SCHEMA_BYTES_MAX,
            steps: STEPS_MAX,
        };
        self.slot(key, value, &mut room)
    }

    fn slot(self, key: Option<&str>, value: &Value, room: &mut Room) -> Result<Option<Slot>, NoSchema> {
        let plain = |kind: Kind| Ok(Some(ConnectSchema::plain(kind).optional()));
        match value {
            Value::String(_) => plain(Kind::String),
            Value::Bool(_) => plain(Kind::Boolean),
            Value::Number(number) => plain(of_number(number)),
            Value::Null => match self.null {
                JsonNull::Ignore => Ok(None),
                JsonNull::OptionalBytes => plain(Kind::Bytes),
            },
            Value::Array(items) if items.is_empty() => match self.empty_array {
                JsonEmptyArray::Ignore => Ok(None),
                JsonEmptyArray::OptionalString => {
                    let text = ConnectSchema::plain(Kind::String).optional();
                    plain(Kind::Array(Box::new(text)))
                }
            },
            Value::Array(items) => plain(Kind::Array(Box::new(self.of_items(key, items, room)?))),
            Value::Object(members) => {
                room.take_bytes(struct_bytes(key))?;
                room.take_steps(key.map_or(0, str::len))?;
                let mut fields: Vec<Field> = Vec::new();
                for (name, value) in members {
                    room.take_bytes(field_bytes(name))?;
                    room.take_steps(name.len() + key.map_or(0, str::len))?;
                    let key = match key.filter(|key| !key.trim().is_empty()) {
                        Some(key) => format!("{key}.{name}"),
                        None => name.clone(),
                    };
                    if let Some(slot) = self.slot(Some(&key), value, room)? {
                        fields.push(slot.named(name.clone()));
                    }
                }
                let schema = ConnectSchema {
                    name: key.map(str::to_owned),
                    ..ConnectSchema::plain(Kind::Struct(fields))
                };
                Ok(Some(schema.optional()))
            }
        }
    }

    /// Schema of the items of an array: of objects, all their fields; else that of the first item which is not null.
    fn of_items(self, key: Option<&str>, items: &[Value], room: &mut Room) -> Result<Slot, NoSchema> {
        let mut present = items.iter().filter(|item| !item.is_null());
        let first = present.next().unwrap_or(&Value::Null);
        for item in present {
            let is_alike = match (first, item) {
                (Value::Number(first), Value::Number(item)) => of_number(first) == of_number(item),
                _ => std::mem::discriminant(first) == std::mem::discriminant(item),
            };
            if !is_alike {
                return Err(NoSchema::NotUniform);
            }
        }
        if !first.is_object() {
            return self.slot(None, first, room)?.ok_or(NoSchema::NotUniform);
        }
        let mut merged: Option<Slot> = None;
        let mut has_null = false;
        let before = room.bytes;
        for item in items {
            let untouched = room.bytes;
            has_null |= item.is_null();
            let Some(slot) = item
                .is_object()
                .then(|| self.slot(key, item, room))
                .transpose()?
                .flatten()
            else {
                continue;
            };
            match &mut merged {
                None => merged = Some(slot),
                Some(merged) if *merged == slot => room.bytes = untouched,
                Some(merged) => {
                    merge(merged, slot, room)?;
                    // As Debezium does it: the schema of objects of different forms is required.
                    merged.optional = false;
                    room.bytes = before;
                    room.take_bytes(bytes_of(merged))?;
                }
            }
        }
        let mut merged = merged.ok_or(NoSchema::NotUniform)?;
        merged.optional |= has_null;
        Ok(merged)
    }
}

fn of_number(number: &Number) -> Kind {
    match number.as_i64() {
        Some(number) if i32::try_from(number).is_ok() => Kind::Int32,
        Some(_) => Kind::Int64,
        None => Kind::Float64,
    }
}

/// Adds the fields of a struct to those of another. A field of bytes stands for a null, and gives way to any other. Debezium does not
/// add those of structs within, and so leaves out their values.
fn merge(into: &mut Slot, from: Slot, room: &mut Room) -> Result<(), NoSchema> {
    into.optional |= from.optional;
    match (&mut into.schema.kind, from.schema.kind) {
        (Kind::Array(items), Kind::Array(further)) => merge(items, *further, room),
        (Kind::Struct(fields), Kind::Struct(further)) => {
            for field in further {
                room.take_steps(fields.len())?;
                match fields.iter_mut().find(|known| known.name == field.name) {
                    None => fields.push(field),
                    Some(known) if known.slot.schema.kind == Kind::Bytes => *known = field,
                    Some(known) => merge(&mut known.slot, field.slot, room)?,
                }
            }
            Ok(())
        }
        // The values are compared with the schema.
        _ => Ok(()),
    }
}

/// Whether a value has the schema: its numbers have the very types of their fields, as Connect demands, and each member of an object
/// that has a type has a field.
pub(super) fn fits(value: &Value, slot: &Slot) -> bool {
    fits_within(value, slot, &mut { MISSING_BYTES_MAX })
}

fn fits_within(value: &Value, slot: &Slot, missing_bytes: &mut usize) -> bool {
    match (value, &slot.schema.kind) {
        (Value::Null, _) => slot.optional,
        (Value::String(_), Kind::String) | (Value::Bool(_), Kind::Boolean) => true,
        // An integer of more than 64 bits is no number of double precision.
        (Value::Number(number), Kind::Float64) => number.is_f64(),
        (Value::Number(number), kind) => !number.is_f64() && of_number(number) == *kind,
        (Value::Array(items), Kind::Array(of)) => {
            items.iter().all(|item| fits_within(item, of, missing_bytes))
        }
        (Value::Object(members), Kind::Struct(fields)) => {
            let mut typed = 0;
            for field in fields {
                let does_fit = match members.get(&field.name) {
                    Some(member) => {
                        typed += usize::from(has_type(member));
                        fits_within(member, &field.slot, missing_bytes)
                    }
                    None => match missing_bytes.checked_sub(field.name.len() + MISSING_BYTES) {
                        Some(left) => {
                            *missing_bytes = left;
                            true
                        }
                        None => false,
                    },
                };
                if !does_fit {
                    return false;
                }
            }
            typed == members.values().filter(|member| has_type(member)).count()
        }
        _ => false,
    }
}

/// Bytes of a missing field in JSON, beside its name.
const MISSING_BYTES: usize = 8;

/// Whether a value has a field whatever the settings.
fn has_type(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// Whether Avro can express a schema: each name is valid, and no name stands for two structs.
pub(super) fn is_valid_in_avro(slot: &Slot) -> bool {
    is_valid(slot, &mut BTreeMap::new())
}

fn is_valid<'s>(slot: &'s Slot, structs: &mut BTreeMap<&'s str, &'s [Field]>) -> bool {
    match &slot.schema.kind {
        Kind::Struct(fields) => {
            // Connect gives every struct without a name the same one.
            let name = slot.schema.name.as_deref().unwrap_or_default();
            let is_named = name.is_empty() || name.split('.').all(names::is_avro_name);
            let is_only_one = structs
                .insert(name, fields)
                .is_none_or(|known| known == fields.as_slice());
            let mut fields = fields.iter();
            is_named
                && is_only_one
                && fields.all(|field| names::is_avro_name(&field.name) && is_valid(&field.slot, structs))
        }
        Kind::Array(items) => is_valid(items, structs),
        _ => true,
    }
}

/// Whether a text in JSON contains an integer of more than 64 bits, which the parser would round.
pub(super) fn has_large_integer(json: &str) -> bool {
    let mut rest = json.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = match byte {
            b'"' => after_string(after),
            b'-' | b'0'..=b'9' => {
                let is_of_number = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let length = rest.iter().take_while(|byte| is_of_number(byte)).count();
                let (number, after) = rest.split_at(length);
                let is_integer = !number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
                let number = std::str::from_utf8(number).unwrap_or_default();
                if is_integer && number.parse::<i64>().is_err() {
                    return true;
                }
                after
            }
            _ => after,
        };
    }
    false
}

/// What follows a string whose opening quote was read.
fn after_string(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match rest {
            [] => return rest,
            [b'"', after @ ..] => return after,
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
        };
    }
}

#[cfg(test)]
mod tests;
