//! One column of a plan: its field in the schema, and the bytes its values become.

use walcast_pgoutput::{Column, RelationColumn, ReplicaIdentity};

use crate::absent;
use crate::column_type;
use crate::connect::{Field, Slot};
use crate::defaults::{self, DefaultValue};
use crate::encode::{Alteration, Encoder, Fault, Scratch};
use crate::format::{Avro, Format, Json, Nullability, Raw, written};
use crate::treatment::{self, Treatment};
use crate::{
    Encoding, MapError, MapperConfig, MissingNotNull, NullWithDefault, TableFacts, TableName, UnwritableMode,
    names,
};

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
    /// What is done with a value that cannot be written.
    unwritable: UnwritableMode,
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

/// What a column's plan is made of beside the column.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) table: &'a TableName,
    pub(crate) identity: ReplicaIdentity,
    pub(crate) facts: &'a TableFacts,
    pub(crate) config: &'a MapperConfig,
}

impl Surroundings<'_> {
    /// How a column is written as it is; `None` where its type is left out.
    fn encoder(&self, column: &RelationColumn) -> Option<Encoder> {
        column_type::encoder(
            column.type_oid,
            column.type_modifier,
            self.facts,
            &self.config.types,
        )
    }
}

impl ColumnPlan {
    /// A column of values.
    pub(crate) fn of_values(column: &RelationColumn, around: &Surroundings<'_>) -> Result<Self, MapError> {
        let Surroundings {
            table, facts, config, ..
        } = around;
        let encoder = around.encoder(column);
        let is_known = encoder.is_some();
        let encoder = encoder.unwrap_or(Encoder::Discarded);
        let is_sent = is_known && treatment::is_sent(&config.columns, table, &column.name);
        let treatment = if is_sent {
            treatment::of(&config.columns, table, column, encoder, facts)?
        } else {
            Treatment::untouched(encoder)
        };
        Ok(Self::compile(
            config.value,
            column,
            Role::Row,
            around,
            treatment,
            is_sent,
        ))
    }

    /// A column of keys: nothing is done to it on the way. `None` for a type that is left out.
    pub(crate) fn of_keys(column: &RelationColumn, around: &Surroundings<'_>) -> Option<Self> {
        let encoder = around.encoder(column)?;
        let is_sent = treatment::is_sent(&around.config.columns, around.table, &column.name);
        let treatment = Treatment::untouched(encoder);
        Some(Self::compile(
            around.config.key,
            column,
            Role::Key,
            around,
            treatment,
            is_sent,
        ))
    }

    fn compile(
        encoding: Encoding,
        column: &RelationColumn,
        role: Role,
        around: &Surroundings<'_>,
        treatment: Treatment,
        is_sent: bool,
    ) -> Self {
        match encoding {
            Encoding::Avro => Self::compile_as::<Avro>(column, role, around, treatment, is_sent),
            Encoding::Json | Encoding::JsonSchema => {
                Self::compile_as::<Json>(column, role, around, treatment, is_sent)
            }
        }
    }

    /// A column that is written in format `F`.
    fn compile_as<F: Format>(
        column: &RelationColumn,
        role: Role,
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
        let by_index = matches!(identity, ReplicaIdentity::Default | ReplicaIdentity::Index);
        let identifies = is_sent && column.is_key && by_index;
        let is_left_out = role == Role::Row && by_index && !column.is_key;
        let may_be_missing = is_left_out && config.missing_not_null == MissingNotNull::Null;
        let nullable = !identifies && (may_be_missing || !known.is_some_and(|known| known.not_null));
        let default = known
            .filter(|known| known.type_oid == column.type_oid && !known.generated)
            .filter(|known| column_type::has_readable_default(known.type_oid, facts, &config.types))
            .and_then(|known| defaults::parse(known.default_expression.as_deref()?, encoder.unaltered()));
        let nullability = match (nullable || encoder.is_always_optional(), &default) {
            (false, _) => Nullability::Required,
            (true, None) => Nullability::NullFirst,
            (true, Some(_)) => Nullability::NullLast,
        };
        let absent = Absent {
            encoder: &encoder,
            nullable,
            nullability,
            default: default.as_ref(),
        };
        let placeholder = config.unavailable_value_placeholder.as_bytes();
        let stays_null = config.null_with_default == NullWithDefault::Null;
        Self {
            name: column.name.clone(),
            field_name: names::field(&column.name, config.names.adjust_fields),
            is_sent,
            null: (nullable || absent.is_masked()).then(|| written(|out| absent.put::<F>(stays_null, out))),
            missing: written(|out| absent.put::<F>(stays_null || may_be_missing, out)),
            unavailable: written(|out| absent.put_unavailable::<F>(placeholder, out)),
            unwritable: config.types.unwritable,
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
            nullable: self.null.is_some(),
            nullability: self.nullability,
            default: self.default.as_ref(),
        };
        absent.put::<F>(false, out);
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

/// How a column's value is written where there is none.
struct Absent<'a> {
    encoder: &'a Encoder,
    nullable: bool,
    nullability: Nullability,
    default: Option<&'a DefaultValue>,
}

impl Absent<'_> {
    /// Stars stand for nothing too.
    fn is_masked(&self) -> bool {
        matches!(self.encoder, Encoder::Altered(altered) if matches!(altered.alteration, Alteration::Mask(_)))
    }

    /// `is_null` asks for a null where there can be one.
    fn put<F: Format>(&self, is_null: bool, out: &mut Vec<u8>) {
        match (self.encoder, self.default) {
            _ if is_null && self.nullable && !self.is_masked() => F::absent(self.nullability, out),
            // Debezium changes what it makes of nothing, but neither a null nor the default that Connect reads in it.
            (Encoder::Altered(altered), default) if !self.nullable || self.is_masked() => {
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
            (_, None) if self.nullable => F::absent(self.nullability, out),
            (encoder, None) => {
                F::present(self.nullability, out);
                absent::put_fallback::<F>(encoder, out);
            }
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
