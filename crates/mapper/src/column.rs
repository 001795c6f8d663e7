//! One column of a plan: its field in the schema, and the bytes its values become.

use walcast_pgoutput::{Column, RelationColumn, ReplicaIdentity};

use crate::absent;
use crate::column_type;
use crate::connect::{Field, Slot};
use crate::defaults::{self, DefaultValue};
use crate::encode::{Alteration, Encoder, Fault, Scratch};
use crate::format::{Avro, Format, Json, Nullability, Raw, written};
use crate::treatment::{self, Treatment};
use crate::{Encoding, MapError, MapperConfig, TableFacts, TableName, names};

/// How one column of a relation is written.
#[derive(Debug)]
pub(crate) struct ColumnPlan {
    name: String,
    /// What its field is called.
    field_name: String,
    /// Whether values have it.
    is_sent: bool,
    encoder: Encoder,
    /// What its schema says beyond its type.
    parameters: Vec<(&'static str, String)>,
    nullability: Nullability,
    default: Option<DefaultValue>,
    /// What a null becomes.
    null: Option<Vec<u8>>,
    /// What a value becomes that an old tuple of key columns does not hold.
    missing: Vec<u8>,
    /// What an unchanged value becomes that was stored out of line.
    unavailable: Vec<u8>,
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

/// What a column's plan is made of beside the column.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) table: &'a TableName,
    pub(crate) identity: ReplicaIdentity,
    pub(crate) facts: &'a TableFacts,
    pub(crate) config: &'a MapperConfig,
}

impl ColumnPlan {
    /// A column of values.
    pub(crate) fn of_values(column: &RelationColumn, around: &Surroundings<'_>) -> Result<Self, MapError> {
        let Surroundings {
            table, facts, config, ..
        } = around;
        let encoder = column_type::encoder(column.type_oid, column.type_modifier, facts);
        let is_sent = treatment::is_sent(&config.columns, table, &column.name);
        let treatment = if is_sent {
            treatment::of(&config.columns, table, column, encoder, facts)?
        } else {
            Treatment::untouched(encoder)
        };
        Ok(Self::compile(config.value, column, around, treatment, is_sent))
    }

    /// A column of keys: nothing is done to it on the way.
    pub(crate) fn of_keys(column: &RelationColumn, around: &Surroundings<'_>) -> Self {
        let Surroundings {
            table, facts, config, ..
        } = around;
        let encoder = column_type::encoder(column.type_oid, column.type_modifier, facts);
        let is_sent = treatment::is_sent(&config.columns, table, &column.name);
        Self::compile(config.key, column, around, Treatment::untouched(encoder), is_sent)
    }

    fn compile(
        encoding: Encoding,
        column: &RelationColumn,
        around: &Surroundings<'_>,
        treatment: Treatment,
        is_sent: bool,
    ) -> Self {
        match encoding {
            Encoding::Avro => Self::compile_as::<Avro>(column, around, treatment, is_sent),
            Encoding::Json | Encoding::JsonSchema => {
                Self::compile_as::<Json>(column, around, treatment, is_sent)
            }
        }
    }

    /// A column that is written in format `F`.
    fn compile_as<F: Format>(
        column: &RelationColumn,
        around: &Surroundings<'_>,
        treatment: Treatment,
        is_sent: bool,
    ) -> Self {
        let Surroundings {
            identity,
            facts,
            config,
            ..
        } = around;
        let Treatment { encoder, parameters } = treatment;
        // Debezium does not look up what it knows of columns that it does not send.
        let known = facts
            .columns
            .iter()
            .find(|known| is_sent && known.name == column.name);
        // What identifies a row by an index is not null, whatever the catalog says meanwhile.
        let identifies =
            is_sent && column.is_key && matches!(identity, ReplicaIdentity::Default | ReplicaIdentity::Index);
        let nullable = !identifies && !known.is_some_and(|known| known.not_null);
        let default = known
            .filter(|known| known.type_oid == column.type_oid && !known.generated)
            .filter(|known| column_type::has_readable_default(known.type_oid, facts))
            .and_then(|known| defaults::parse(known.default_expression.as_deref()?, encoder.unaltered()));
        let nullability = match (nullable, &default) {
            (false, _) => Nullability::Required,
            (true, None) => Nullability::NullFirst,
            (true, Some(_)) => Nullability::NullLast,
        };
        let absent = Absent {
            encoder: &encoder,
            nullability,
            default: default.as_ref(),
        };
        let placeholder = config.unavailable_value_placeholder.as_bytes();
        let missing = written(|out| absent.put_missing::<F>(out));
        Self {
            name: column.name.clone(),
            field_name: names::field(&column.name, config.names.adjust_fields),
            is_sent,
            null: (nullable || absent.is_masked()).then(|| missing.clone()),
            missing,
            unavailable: written(|out| absent.put_unavailable::<F>(placeholder, out)),
            encoder,
            parameters,
            nullability,
            default,
        }
    }

    /// The column's name in the table.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What its field is called.
    pub(crate) fn field_name(&self) -> &str {
        &self.field_name
    }

    /// Whether values have it.
    pub(crate) fn is_sent(&self) -> bool {
        self.is_sent
    }

    pub(crate) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Appends what is written where a former row does not hold the value.
    pub(crate) fn put_missing<F: Format>(&self, out: &mut Vec<u8>) {
        let absent = Absent {
            encoder: &self.encoder,
            nullability: self.nullability,
            default: self.default.as_ref(),
        };
        absent.put_missing::<F>(out);
    }

    /// Its field in the schema of rows and of keys.
    pub(crate) fn field(&self) -> Field {
        let mut schema = self.encoder.schema();
        schema.parameters.extend(self.parameters.iter().cloned());
        let slot = Slot {
            schema,
            optional: self.nullability != Nullability::Required,
            default: self
                .default
                .as_ref()
                .map(|default| default.literal(self.encoder.unaltered())),
        };
        slot.named(&self.field_name)
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

/// How a column's value is written where there is none.
struct Absent<'a> {
    encoder: &'a Encoder,
    nullability: Nullability,
    default: Option<&'a DefaultValue>,
}

impl Absent<'_> {
    /// Stars stand for nothing too.
    fn is_masked(&self) -> bool {
        matches!(self.encoder, Encoder::Altered(altered) if matches!(altered.alteration, Alteration::Mask(_)))
    }

    fn put_missing<F: Format>(&self, out: &mut Vec<u8>) {
        let is_optional = self.nullability != Nullability::Required;
        match (self.encoder, self.default) {
            // Debezium changes what it makes of nothing, but neither a null nor the default that Connect reads in it.
            (Encoder::Altered(altered), default) if !is_optional || self.is_masked() => {
                let value = written(|out| match default {
                    Some(default) => default.put::<Raw>(&altered.inner, out),
                    None => absent::put_fallback::<Raw>(&altered.inner, out),
                });
                F::present(self.nullability, out);
                altered.alter::<F>(&value, out);
            }
            // Connect reads a null in a field that has a default as that default, and so writes it.
            (encoder, Some(default)) => {
                F::present(self.nullability, out);
                default.put::<F>(encoder.unaltered(), out);
            }
            (_, None) if is_optional => F::absent(self.nullability, out),
            (encoder, None) => absent::put_fallback::<F>(encoder, out),
        }
    }

    fn put_unavailable<F: Format>(&self, placeholder: &[u8], out: &mut Vec<u8>) {
        F::present(self.nullability, out);
        match self.encoder {
            Encoder::Altered(altered) => {
                let value = written(|out| absent::put_unavailable::<Raw>(&altered.inner, placeholder, out));
                altered.alter::<F>(&value, out);
            }
            encoder => absent::put_unavailable::<F>(encoder, placeholder, out),
        }
    }
}
