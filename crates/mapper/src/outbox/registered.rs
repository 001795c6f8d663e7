//! Payloads in JSON that are written in Avro, under the schema that the registry has for the type of the event.

use serde_json::Value;
use walcast_pgoutput::{Column, RelationColumn};

use super::json_schema::{JSON_BYTES_MAX, has_large_integer};
use super::part::{Part, wrong};
use super::payload_schema::PayloadSchema;
use crate::column::ColumnContext;
use crate::config::{OutboxRule, TYPE_PLACEHOLDER};
use crate::connect::Kind;
use crate::encode::Scratch;
use crate::error::MapError;
use crate::format::{Format, Raw};
use crate::row::{Row, RowError};
use crate::serialization::Body;

/// Payloads that are written under registered schemas.
#[derive(Debug)]
pub(super) struct RegisteredPayloads {
    /// The payload as text.
    payload: Part,
    /// Column with the type of the event.
    kind: Part,
    /// Subject of the schema, with a placeholder for the type.
    subject: String,
}

const TYPE: &str = "the type of an event, which names a subject: letters, digits and . _ - $ + only";

impl RegisteredPayloads {
    /// Compiles the payloads; `None` if they are sent as they are.
    pub(super) fn compile(
        columns: &[RelationColumn],
        rule: &OutboxRule,
        around: &ColumnContext<'_>,
    ) -> Result<Option<Self>, MapError> {
        let Some(schema_by) = &rule.schema_by else {
            return Ok(None);
        };
        let text = |name: &str, problem| {
            let part = Part::compile_raw(columns, name, around)?;
            match part.field().slot.schema.kind == Kind::String {
                true => Ok(part),
                false => Err(wrong(around, name, problem)),
            }
        };
        Ok(Some(Self {
            payload: text(&rule.payload, "is written in Avro, and is not JSON")?,
            kind: text(schema_by, "chooses the schema of the payload, and is not text")?,
            subject: rule.schema_subject.clone(),
        }))
    }

    /// Subject of the schema of a row's payload.
    pub(super) fn subject(&self, row: &Row<'_>, scratch: &mut Scratch) -> Result<String, RowError> {
        let unusable = || RowError::OutboxValue {
            place: self.kind.place,
            wanted: TYPE,
        };
        let mut kind = Vec::new();
        match row.at(self.kind.place) {
            Some(Column::Text(_)) => self.kind.put::<Raw>(row, scratch, &mut kind)?,
            _ => return Err(unusable()),
        }
        // The subject is a part of a URL.
        let is_usable =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'$' | b'+');
        let is_dots = kind.iter().all(|byte| *byte == b'.');
        let kind = std::str::from_utf8(&kind)
            .ok()
            .filter(|_| !is_dots && kind.iter().all(is_usable));
        Ok(self.subject.replace(TYPE_PLACEHOLDER, kind.ok_or_else(unusable)?))
    }
}

/// Payload of a row, to be written under a schema of the registry.
pub(super) struct RegisteredBody<'r, 'a> {
    pub(super) payloads: &'r RegisteredPayloads,
    pub(super) schema: &'r PayloadSchema,
    pub(super) row: &'r Row<'a>,
}

impl Body for RegisteredBody<'_, '_> {
    /// Writes Avro in every format: only values in Avro have registered schemas.
    fn put<F: Format>(&self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        let payload = &self.payloads.payload;
        let mut text = Vec::new();
        payload.put::<Raw>(self.row, scratch, &mut text)?;
        let unfit = |path: String| RowError::OutboxPayload {
            place: payload.place,
            path: path.into(),
        };
        let json = std::str::from_utf8(&text)
            .ok()
            .filter(|json| json.len() <= JSON_BYTES_MAX && !has_large_integer(json));
        let value: Option<Value> = json.and_then(|json| serde_json::from_str(json).ok());
        let value = value.ok_or_else(|| unfit(String::new()))?;
        let put = self.schema.put(&value, out);
        put.map_err(|fault| unfit(fault.path()))
    }
}
