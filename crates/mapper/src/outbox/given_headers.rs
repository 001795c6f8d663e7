//! Headers that an event names itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use walcast_pgoutput::RelationColumn;

use super::part::{Part, wrong};
use crate::column::ColumnContext;
use crate::connect::Kind;
use crate::encode::Scratch;
use crate::error::MapError;
use crate::format::Raw;
use crate::record_buffer::RecordBuffer;
use crate::row::{Row, RowError};

/// Column with an object in JSON whose members are headers.
#[derive(Debug)]
pub(super) struct GivenHeaders {
    part: Part,
}

/// Header with the id of the event.
pub(super) const ID: &str = "id";

const WANTED: &str = "headers: an object in JSON of texts, numbers, booleans and nulls, without the names id, walcast.* and __debezium.*";

impl GivenHeaders {
    pub(super) fn compile(
        columns: &[RelationColumn],
        name: &str,
        around: &ColumnContext<'_>,
    ) -> Result<Self, MapError> {
        let part = Part::compile_raw(columns, name, around)?;
        match part.field().slot.schema.kind == Kind::String {
            true => Ok(Self { part }),
            false => Err(wrong(around, name, "has headers, and is not JSON")),
        }
    }

    /// Adds the headers to the next record, in the order of their names.
    pub(super) fn push(
        &self,
        row: &Row<'_>,
        scratch: &mut Scratch,
        buffer: &mut RecordBuffer,
    ) -> Result<(), RowError> {
        if self.part.is_null(row) {
            return Ok(());
        }
        let mut json = Vec::new();
        self.part.put::<Raw>(row, scratch, &mut json)?;
        let unusable = || RowError::OutboxValue {
            place: self.part.place,
            wanted: WANTED,
        };
        let members: BTreeMap<String, &RawValue> = serde_json::from_slice(&json).map_err(|_| unusable())?;
        for (name, value) in members {
            // Such headers are what consumers trust the connector for.
            if name == ID || name.starts_with("walcast.") || name.starts_with("__debezium.") {
                return Err(unusable());
            }
            let name: Arc<str> = name.into();
            match text_of(value).ok_or_else(unusable)? {
                Some(text) => buffer.push_header(name, |out| out.extend_from_slice(text.as_bytes())),
                None => buffer.push_null_header(name),
            }
        }
        Ok(())
    }
}

/// Text of a value that is no array and no object; `Some(None)` of null.
pub(super) fn text_of(value: &RawValue) -> Option<Option<String>> {
    match value.get() {
        "null" => Some(None),
        json if json.starts_with('"') => serde_json::from_str(json).ok().map(Some),
        json if json.starts_with(['{', '[']) => None,
        json => Some(Some(json.to_owned())),
    }
}
