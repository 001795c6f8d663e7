//! Schemas of payloads in JSON, which follow from their content as in Debezium's [`JsonSchemaData`][1].
//!
//! [1]: https://github.com/debezium/debezium/blob/main/debezium-connect-plugins/src/main/java/io/debezium/transforms/outbox/JsonSchemaData.java

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::{JsonEmptyArray, JsonNull};
use crate::connect::{ConnectSchema, Field, Kind, Slot};
use crate::names;

/// Rules by which schemas follow from values.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonSchemas {
    pub(super) null: JsonNull,
    pub(super) empty_array: JsonEmptyArray,
}

/// An array whose items have no common schema. Debezium sends such a payload as it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotUniform;

impl JsonSchemas {
    /// Schema of a value; `None` if its type is not known. `key` is the name of the struct, if the value is an object.
    pub(super) fn of(self, key: Option<&str>, value: &Value) -> Result<Option<Slot>, NotUniform> {
        let plain = |kind: Kind| Ok(Some(ConnectSchema::plain(kind).optional()));
        match value {
            Value::String(_) => plain(Kind::String),
            Value::Bool(_) => plain(Kind::Boolean),
            Value::Number(number) => plain(match number.as_i64() {
                Some(number) if i32::try_from(number).is_ok() => Kind::Int32,
                Some(_) => Kind::Int64,
                None => Kind::Float64,
            }),
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
            Value::Array(items) => plain(Kind::Array(Box::new(self.of_items(key, items)?))),
            Value::Object(members) => {
                let mut fields: Vec<Field> = Vec::new();
                for (name, value) in members {
                    let key = match key.filter(|key| !key.trim().is_empty()) {
                        Some(key) => format!("{key}.{name}"),
                        None => name.clone(),
                    };
                    if let Some(slot) = self.of(Some(&key), value)? {
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
    fn of_items(self, key: Option<&str>, items: &[Value]) -> Result<Slot, NotUniform> {
        let mut present = items.iter().filter(|item| !item.is_null());
        let first = present.next().unwrap_or(&Value::Null);
        for item in present {
            let is_alike = match (first, item) {
                (Value::Number(_), Value::Number(_)) => self.of(None, first)? == self.of(None, item)?,
                _ => std::mem::discriminant(first) == std::mem::discriminant(item),
            };
            if !is_alike {
                return Err(NotUniform);
            }
        }
        if !first.is_object() {
            return self.of(None, first)?.ok_or(NotUniform);
        }
        let mut merged: Option<Slot> = None;
        for item in items.iter().filter(|item| item.is_object()) {
            let Some(slot) = self.of(key, item)? else { continue };
            match &mut merged {
                None => merged = Some(slot),
                Some(merged) => merge(merged, slot),
            }
        }
        merged.ok_or(NotUniform)
    }
}

/// Adds the fields of a struct to those of another. A field of bytes stands for a null, and gives way to any other.
fn merge(into: &mut Slot, from: Slot) {
    let (Kind::Struct(fields), Kind::Struct(further)) = (&mut into.schema.kind, from.schema.kind) else {
        return;
    };
    for field in further {
        match fields.iter_mut().find(|known| known.name == field.name) {
            None => fields.push(field),
            Some(known) if known.slot.schema.kind == Kind::Bytes => *known = field,
            Some(_) => {}
        }
    }
}

/// Whether a value has the schema: its numbers have the very types of their fields, as Connect demands.
pub(super) fn fits(value: &Value, slot: &Slot) -> bool {
    match (value, &slot.schema.kind) {
        (Value::Null, _) | (Value::String(_), Kind::String) | (Value::Bool(_), Kind::Boolean) => true,
        (Value::Number(number), Kind::Int32) => number
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_ok()),
        (Value::Number(number), Kind::Int64) => number
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_err()),
        // An integer of more than 64 bits is no number of double precision.
        (Value::Number(number), Kind::Float64) => number.is_f64(),
        (Value::Array(items), Kind::Array(of)) => items.iter().all(|item| fits(item, of)),
        (Value::Object(members), Kind::Struct(fields)) => fields.iter().all(|field| {
            let member = members.get(&field.name);
            member.is_none_or(|member| fits(member, &field.slot))
        }),
        _ => false,
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
