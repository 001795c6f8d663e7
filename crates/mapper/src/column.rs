//! One column of a plan: its field in the schema, and the bytes its values become.

use walcast_pgoutput::{Column, Relation, RelationColumn, ReplicaIdentity};

use crate::absent;
use crate::column_type;
use crate::connect::{Field, Slot};
use crate::defaults::{self, DefaultValue};
use crate::encode::{Encoder, Fault, Scratch};
use crate::format::{Format, Nullability, written};
use crate::{MapperConfig, TableFacts, UnwritableMode};

/// How one column of a relation is written.
#[derive(Debug)]
pub(crate) struct ColumnPlan {
    name: String,
    /// Whether records have no such field.
    is_left_out: bool,
    encoder: Encoder,
    nullability: Nullability,
    default: Option<DefaultValue>,
    /// What a null becomes.
    null: Option<Vec<u8>>,
    /// What a value becomes that an old tuple of key columns does not hold.
    missing: Vec<u8>,
    /// What an unchanged value becomes that was stored out of line.
    unavailable: Vec<u8>,
    /// What is done with a value that cannot be written.
    unwritable: UnwritableMode,
}

/// Which values a tuple has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    /// All of them: a null is a null.
    Whole,
    /// Those of the replica identity: elsewhere a null means nothing.
    KeyOnly,
}

/// Why a column cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnFault {
    /// A null in a NOT NULL column.
    NullInNotNull,
    /// The value does not fit.
    Value(Fault),
}

impl ColumnPlan {
    /// A column whose values are written in format `F`.
    pub(crate) fn compile<F: Format>(
        column: &RelationColumn,
        relation: &Relation,
        facts: &TableFacts,
        config: &MapperConfig,
    ) -> Self {
        let known = facts.columns.iter().find(|known| known.name == column.name);
        let found = column_type::encoder(column.type_oid, column.type_modifier, facts, &config.types);
        let is_left_out = found.is_none();
        let encoder = found.unwrap_or(Encoder::Discarded);
        // What identifies a row by an index is not null, whatever the catalog says meanwhile.
        let identifies = column.is_key
            && matches!(
                relation.replica_identity,
                ReplicaIdentity::Default | ReplicaIdentity::Index
            );
        let nullable = !identifies && !known.is_some_and(|known| known.not_null);
        let default = known
            .filter(|known| known.type_oid == column.type_oid && !known.generated)
            .filter(|known| column_type::has_readable_default(known.type_oid, facts, &config.types))
            .and_then(|known| defaults::parse(known.default_expression.as_deref()?, &encoder));
        let nullability = match (nullable || encoder.is_always_optional(), &default) {
            (false, _) => Nullability::Required,
            (true, None) => Nullability::NullFirst,
            (true, Some(_)) => Nullability::NullLast,
        };
        let put_default = |out: &mut Vec<u8>| match &default {
            // Connect reads a null in a field that has a default as that default, and so writes it.
            Some(default) => {
                F::present(nullability, out);
                default.put::<F>(&encoder, out);
            }
            None if nullable => F::absent(nullability, out),
            None => {
                F::present(nullability, out);
                absent::put_fallback::<F>(&encoder, out);
            }
        };
        let unavailable = written(|out| {
            F::present(nullability, out);
            absent::put_unavailable::<F>(&encoder, config.unavailable_value_placeholder.as_bytes(), out);
        });
        Self {
            name: column.name.clone(),
            null: nullable.then(|| written(put_default)),
            missing: written(put_default),
            unavailable,
            unwritable: config.types.unwritable,
            is_left_out,
            encoder,
            nullability,
            default,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether records have no such field.
    pub(crate) fn is_left_out(&self) -> bool {
        self.is_left_out
    }

    pub(crate) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Its field in the schema of rows and of keys.
    pub(crate) fn field(&self) -> Field {
        let slot = Slot {
            schema: self.encoder.schema(),
            optional: self.nullability != Nullability::Required,
            default: self
                .default
                .as_ref()
                .map(|default| default.literal(&self.encoder)),
        };
        slot.named(&self.name)
    }

    /// Appends one value.
    #[inline]
    pub(crate) fn put<F: Format>(
        &self,
        value: Column<'_>,
        image: Image,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), ColumnFault> {
        match value {
            Column::Text(text) => {
                let start = out.len();
                F::present(self.nullability, out);
                self.encoder
                    .put::<F>(text, scratch, out)
                    .or_else(|fault| self.put_unwritable(fault, start, out))
            }
            Column::Null => {
                let bytes = match image {
                    Image::Whole => self.null.as_deref().ok_or(ColumnFault::NullInNotNull)?,
                    Image::KeyOnly => &self.missing,
                };
                out.extend_from_slice(bytes);
                Ok(())
            }
            Column::UnchangedToast => {
                out.extend_from_slice(&self.unavailable);
                Ok(())
            }
            Column::Binary(_) => Err(ColumnFault::Value(Fault::Value(
                "anything: the server sent its binary form",
            ))),
        }
    }

    /// Puts in the place of a value what is sent when it cannot be written; `start` is where it began.
    #[cold]
    fn put_unwritable(&self, fault: Fault, start: usize, out: &mut Vec<u8>) -> Result<(), ColumnFault> {
        let instead = match fault {
            // Fresh facts may help.
            Fault::UnknownLabel(_) => None,
            Fault::Discarded => Some(&self.missing),
            Fault::Value(_) => match self.unwritable {
                UnwritableMode::Halt => None,
                UnwritableMode::Null => self.null.as_ref(),
            },
        };
        out.truncate(start);
        out.extend_from_slice(instead.ok_or(ColumnFault::Value(fault))?);
        Ok(())
    }
}
