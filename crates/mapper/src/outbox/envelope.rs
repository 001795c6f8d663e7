//! Values of events that have further fields beside the payload.

use walcast_pgoutput::RelationColumn;

use super::expansion::Expanded;
use super::part::{Part, present};
use super::routes::EnvelopeSchema;
use crate::column::ColumnContext;
use crate::config::{MapperConfig, OutboxRule, Placement};
use crate::connect::Field;
use crate::encode::Scratch;
use crate::error::MapError;
use crate::format::Format;
use crate::names;
use crate::row::{Row, RowError};
use crate::serialization::Body;

/// Name of the field with the payload in a value that has further fields.
const PAYLOAD: &str = "payload";

/// Value with the payload and further fields.
pub(super) struct EnvelopeBody<'r, 'a> {
    pub(super) payload: &'r Part,
    /// The payload as a struct; `None` if it is sent as it is.
    pub(super) expanded: Option<&'r Expanded>,
    pub(super) fields: &'r [(String, Part)],
    pub(super) row: &'r Row<'a>,
}

impl Body for EnvelopeBody<'_, '_> {
    fn put<F: Format>(&self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        F::begin_record(out);
        F::field(PAYLOAD, out);
        match self.expanded {
            Some(expanded) => expanded.put::<F>(scratch, out)?,
            None => self.payload.put::<F>(self.row, scratch, out)?,
        }
        for (name, part) in self.fields {
            F::field(name, out);
            part.put::<F>(self.row, scratch, out)?;
        }
        F::end_record(out);
        Ok(())
    }
}

/// Columns that are placed beside the payload, with the names of their fields.
pub(super) fn fields(
    columns: &[RelationColumn],
    rule: &OutboxRule,
    around: &ColumnContext<'_>,
) -> Result<Vec<(String, Part)>, MapError> {
    let mut fields = Vec::new();
    for field in present(columns, rule, Placement::Envelope) {
        let part = Part::compile(columns, &field.column, around.config.value, around)?;
        fields.push((field.name().to_owned(), part));
    }
    check_names(rule, &fields, around)?;
    Ok(fields)
}

/// Checks the names of the fields beside the payload.
fn check_names(
    rule: &OutboxRule,
    fields: &[(String, Part)],
    around: &ColumnContext<'_>,
) -> Result<(), MapError> {
    let payload = [(rule.payload.as_str(), PAYLOAD)];
    let further = fields.iter().map(|(name, _)| (name.as_str(), name.as_str()));
    names::check_fields(
        payload.into_iter().chain(further),
        around.config.value,
        around.table,
    )
}

/// Schema of the values.
pub(super) fn schema(
    namespace: &str,
    payload: &Part,
    fields: &[(String, Part)],
    config: &MapperConfig,
) -> EnvelopeSchema {
    let named = |part: &Part, name: &str| Field {
        name: name.to_owned(),
        ..part.field()
    };
    let further = fields.iter().map(|(name, part)| named(part, name));
    EnvelopeSchema {
        namespace: namespace.to_owned(),
        adjustment: config.names.adjust_schemas,
        fields: [named(payload, PAYLOAD)].into_iter().chain(further).collect(),
        encoding: config.value,
    }
}
