//! One column of a plan: its field in the schema, and the bytes its values become.

use walcast_pgoutput::{Column, RelationColumn, ReplicaIdentity};

use crate::absent;
use crate::column_type;
use crate::connect::{Field, Slot};
use crate::defaults::{self, DefaultValue};
use crate::encode::{Encoder, Fault, Scratch};
use crate::format::{Format, Nullability, written};
use crate::{MapperConfig, MissingNotNull, NullWithDefault, TableFacts};

/// How one column of a relation is written.
#[derive(Debug)]
pub(crate) struct ColumnPlan {
    name: String,
    encoder: Encoder,
    nullability: Nullability,
    default: Option<DefaultValue>,
    /// What a null becomes.
    null: Option<Vec<u8>>,
    /// What a value becomes that an old tuple of key columns does not hold.
    missing: Vec<u8>,
    /// What an unchanged value becomes that was stored out of line.
    unavailable: Vec<u8>,
}

/// Where a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// In the images of rows.
    Row,
    /// In keys.
    Key,
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
        role: Role,
        identity: ReplicaIdentity,
        facts: &TableFacts,
        config: &MapperConfig,
    ) -> Self {
        let known = facts.columns.iter().find(|known| known.name == column.name);
        let encoder = column_type::encoder(column.type_oid, column.type_modifier, facts);
        // What identifies a row by an index is not null, whatever the catalog says meanwhile.
        let by_index = matches!(identity, ReplicaIdentity::Default | ReplicaIdentity::Index);
        let identifies = column.is_key && by_index;
        let is_left_out = role == Role::Row && by_index && !column.is_key;
        let may_be_missing = is_left_out && config.missing_not_null == MissingNotNull::Null;
        let nullable = !identifies && (may_be_missing || !known.is_some_and(|known| known.not_null));
        let default = known
            .filter(|known| known.type_oid == column.type_oid && !known.generated)
            .filter(|known| column_type::has_readable_default(known.type_oid, facts))
            .and_then(|known| defaults::parse(known.default_expression.as_deref()?, &encoder));
        let nullability = match (nullable, &default) {
            (false, _) => Nullability::Required,
            (true, None) => Nullability::NullFirst,
            (true, Some(_)) => Nullability::NullLast,
        };
        let stays_null = config.null_with_default == NullWithDefault::Null;
        let put_absent = |is_null: bool, out: &mut Vec<u8>| match &default {
            _ if is_null && nullable => F::absent(nullability, out),
            // Connect reads a null in a field that has a default as that default, and so writes it.
            Some(default) => {
                F::present(nullability, out);
                default.put::<F>(&encoder, out);
            }
            None if nullable => F::absent(nullability, out),
            None => absent::put_fallback::<F>(&encoder, out),
        };
        let unavailable = written(|out| {
            F::present(nullability, out);
            absent::put_unavailable::<F>(&encoder, config.unavailable_value_placeholder.as_bytes(), out);
        });
        Self {
            name: column.name.clone(),
            null: nullable.then(|| written(|out| put_absent(stays_null, out))),
            missing: written(|out| put_absent(stays_null || may_be_missing, out)),
            unavailable,
            encoder,
            nullability,
            default,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
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
                F::present(self.nullability, out);
                self.encoder
                    .put::<F>(text, scratch, out)
                    .map_err(ColumnFault::Value)
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
}
