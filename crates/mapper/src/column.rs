//! One column of a plan: its field in the schema, and the bytes its values become.

use walcast_pgoutput::{Column, RelationColumn, ReplicaIdentity};

use crate::column_transform::{self, ColumnTransform};
use crate::column_type;
use crate::config::{Encoding, MapperConfig, MissingNotNull, NullWithDefault, UnwritableMode};
use crate::connect::{Field, Slot};
use crate::defaults::{self, DefaultValue};
use crate::encode::{Alteration, Encoder, Scratch, ValueError};
use crate::error::MapError;
use crate::format::{Avro, Format, Json, Nullability, Raw, written};
use crate::names;
use crate::table_metadata::TableMetadata;
use crate::table_name::TableName;

/// Encoding plan of one column of a relation.
#[derive(Debug)]
pub(crate) struct ColumnPlan {
    name: String,
    /// Name of the field.
    field_name: String,
    /// Whether the column is sent in values.
    is_sent: bool,
    encoder: Encoder,
    /// Parameters of the schema beyond the type.
    parameters: Vec<(&'static str, String)>,
    nullability: Nullability,
    default: Option<DefaultValue>,
    /// Encoded null; `None` for a NOT NULL column.
    null: Option<Vec<u8>>,
    /// Encoded value of a column that an old tuple of key columns does not contain.
    missing: Vec<u8>,
    /// Encoded placeholder of an unchanged TOAST value.
    unavailable: Vec<u8>,
    /// Handling of a value that cannot be written.
    unwritable: UnwritableMode,
}

/// Role of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// In the images of rows.
    Row,
    /// In keys.
    Key,
}

/// Columns whose values a tuple contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    /// All columns: a null is a null.
    Whole,
    /// The columns of the replica identity: a null elsewhere means that the value is not there.
    KeyOnly,
}

/// Reason why a column's value cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnError {
    /// A null in a NOT NULL column.
    NullInNotNull,
    /// The value is not one of the schema's.
    Value(ValueError),
}

/// Inputs of a column's plan besides the column.
#[derive(Clone, Copy)]
pub(crate) struct ColumnContext<'a> {
    pub(crate) table: &'a TableName,
    pub(crate) identity: ReplicaIdentity,
    pub(crate) metadata: &'a TableMetadata,
    pub(crate) config: &'a MapperConfig,
}

impl ColumnContext<'_> {
    /// Encoder of a column without transforms; `None` for a type that is not sent.
    fn encoder(&self, column: &RelationColumn) -> Option<Encoder> {
        column_type::encoder(
            column.type_oid,
            column.type_modifier,
            self.metadata,
            &self.config.types,
        )
    }
}

impl ColumnPlan {
    /// Compiles the plan of a column in values.
    pub(crate) fn of_values(column: &RelationColumn, around: &ColumnContext<'_>) -> Result<Self, MapError> {
        Self::of_row(column, around.config.value, around)
    }

    /// Compiles the plan of a column in a row that is written in `encoding`.
    pub(crate) fn of_row(
        column: &RelationColumn,
        encoding: Encoding,
        around: &ColumnContext<'_>,
    ) -> Result<Self, MapError> {
        let (column_transform, is_sent) = Self::in_rows(column, around)?;
        Ok(Self::compile(
            encoding,
            column,
            Role::Row,
            around,
            column_transform,
            is_sent,
        ))
    }

    /// Compiles the plan of a column in a row that is written in format `F`.
    pub(crate) fn of_row_as<F: Format>(
        column: &RelationColumn,
        around: &ColumnContext<'_>,
    ) -> Result<Self, MapError> {
        let (column_transform, is_sent) = Self::in_rows(column, around)?;
        Ok(Self::compile_as::<F>(
            column,
            Role::Row,
            around,
            column_transform,
            is_sent,
        ))
    }

    /// Encoding of a column in rows after its transform, and whether the column is sent.
    fn in_rows(
        column: &RelationColumn,
        around: &ColumnContext<'_>,
    ) -> Result<(ColumnTransform, bool), MapError> {
        let ColumnContext {
            table,
            metadata,
            config,
            ..
        } = around;
        let encoder = around.encoder(column);
        let is_known = encoder.is_some();
        let encoder = encoder.unwrap_or(Encoder::Discarded);
        let is_sent = is_known && column_transform::is_sent(&config.columns, table, &column.name);
        let column_transform = if is_sent {
            column_transform::of(&config.columns, table, column, encoder, metadata)?
        } else {
            ColumnTransform::none(encoder)
        };
        Ok((column_transform, is_sent))
    }

    /// Compiles the plan of a column in keys, where no transform applies. `None` for a type that is not sent.
    pub(crate) fn of_keys(column: &RelationColumn, around: &ColumnContext<'_>) -> Option<Self> {
        let encoder = around.encoder(column)?;
        let is_sent = column_transform::is_sent(&around.config.columns, around.table, &column.name);
        let column_transform = ColumnTransform::none(encoder);
        Some(Self::compile(
            around.config.key,
            column,
            Role::Key,
            around,
            column_transform,
            is_sent,
        ))
    }

    fn compile(
        encoding: Encoding,
        column: &RelationColumn,
        role: Role,
        around: &ColumnContext<'_>,
        column_transform: ColumnTransform,
        is_sent: bool,
    ) -> Self {
        match encoding {
            Encoding::Avro => Self::compile_as::<Avro>(column, role, around, column_transform, is_sent),
            Encoding::Json | Encoding::JsonSchema => {
                Self::compile_as::<Json>(column, role, around, column_transform, is_sent)
            }
        }
    }

    /// Compiles the plan of a column in format `F`.
    fn compile_as<F: Format>(
        column: &RelationColumn,
        role: Role,
        around: &ColumnContext<'_>,
        column_transform: ColumnTransform,
        is_sent: bool,
    ) -> Self {
        let ColumnContext {
            identity,
            metadata,
            config,
            ..
        } = around;
        let ColumnTransform { encoder, parameters } = column_transform;
        // Debezium has no metadata of columns that it does not send.
        let known = metadata
            .columns
            .iter()
            .find(|known| is_sent && known.name == column.name);
        // Columns of a replica identity index are not null, whatever the catalog says by now.
        let by_index = matches!(identity, ReplicaIdentity::Default | ReplicaIdentity::Index);
        let identifies = is_sent && column.is_key && by_index;
        let is_left_out = role == Role::Row && by_index && !column.is_key;
        let may_be_missing = is_left_out && config.missing_not_null == MissingNotNull::Null;
        let nullable = !identifies && (may_be_missing || !known.is_some_and(|known| known.not_null));
        let default = known
            .filter(|known| known.type_oid == column.type_oid && !known.generated)
            .filter(|known| column_type::has_readable_default(known.type_oid, metadata, &config.types))
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
            field_name: names::field(&column.name, config),
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

    /// Name of the field.
    pub(crate) fn field_name(&self) -> &str {
        &self.field_name
    }

    /// Whether the column is sent in values.
    pub(crate) fn is_sent(&self) -> bool {
        self.is_sent
    }

    /// Whether a null is written as another value: as asterisks, or as the default of the column.
    pub(crate) fn replaces_null(&self, config: &MapperConfig) -> bool {
        let is_masked = matches!(&self.encoder, Encoder::Altered(altered) if matches!(altered.alteration, Alteration::Mask(_)));
        is_masked || self.default.is_some() && config.null_with_default == NullWithDefault::Default
    }

    pub(crate) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Appends the value for an old row that does not contain the column.
    pub(crate) fn put_missing<F: Format>(&self, out: &mut Vec<u8>) {
        let absent = Absent {
            encoder: &self.encoder,
            nullable: self.null.is_some(),
            nullability: self.nullability,
            default: self.default.as_ref(),
        };
        absent.put::<F>(false, out);
    }

    /// The column's field in the schema of rows and of keys.
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
    ) -> Result<(), ColumnError> {
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
                    Image::Whole => self.null.as_deref().ok_or(ColumnError::NullInNotNull)?,
                    Image::KeyOnly => &self.missing,
                };
                out.extend_from_slice(bytes);
                Ok(())
            }
            Column::UnchangedToast => {
                out.extend_from_slice(&self.unavailable);
                Ok(())
            }
            Column::Binary(_) => {
                let start = out.len();
                let fault = match &self.encoder {
                    // Its stars replace any value.
                    Encoder::Altered(altered) if matches!(altered.alteration, Alteration::Mask(_)) => {
                        F::present(self.nullability, out);
                        altered.alter::<F>(b"", out);
                        return Ok(());
                    }
                    Encoder::Discarded => ValueError::Discarded,
                    _ => ValueError::Value("text: it has no equivalent in UTF-8"),
                };
                self.put_unwritable(fault, start, out)
            }
        }
    }

    /// Replaces a value that cannot be written by its substitute, if there is one; `start` is the value's start in
    /// `out`.
    #[cold]
    fn put_unwritable(&self, fault: ValueError, start: usize, out: &mut Vec<u8>) -> Result<(), ColumnError> {
        let instead = match fault {
            // Fresh metadata may help.
            ValueError::UnknownLabel(_) => None,
            ValueError::Discarded => Some(&self.missing),
            ValueError::Value(_) => match self.unwritable {
                UnwritableMode::Halt => None,
                UnwritableMode::Null => self.null.as_ref(),
            },
        };
        out.truncate(start);
        out.extend_from_slice(instead.ok_or(ColumnError::Value(fault))?);
        Ok(())
    }
}

/// Encoding of a column without a value.
struct Absent<'a> {
    encoder: &'a Encoder,
    nullable: bool,
    nullability: Nullability,
    default: Option<&'a DefaultValue>,
}

impl Absent<'_> {
    /// Whether the column is masked: the asterisks replace null too.
    fn is_masked(&self) -> bool {
        matches!(self.encoder, Encoder::Altered(altered) if matches!(altered.alteration, Alteration::Mask(_)))
    }

    /// Appends null if `is_null` and the column is nullable, else the default or the type's zero value.
    fn put<F: Format>(&self, is_null: bool, out: &mut Vec<u8>) {
        match (self.encoder, self.default) {
            _ if is_null && self.nullable && !self.is_masked() => F::absent(self.nullability, out),
            // Debezium transforms the zero value that it fills in, but neither null nor the default that Connect reads
            // as null.
            (Encoder::Altered(altered), default) if !self.nullable || self.is_masked() => {
                let value = written(|out| match default {
                    Some(default) => default.put::<Raw>(&altered.inner, out),
                    None => altered.inner.put_zero::<Raw>(out),
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
                encoder.put_zero::<F>(out);
            }
        }
    }

    fn put_unavailable<F: Format>(&self, placeholder: &[u8], out: &mut Vec<u8>) {
        F::present(self.nullability, out);
        match self.encoder {
            Encoder::Altered(altered) => {
                let value = written(|out| altered.inner.put_placeholder::<Raw>(placeholder, out));
                altered.alter::<F>(&value, out);
            }
            encoder => encoder.put_placeholder::<F>(placeholder, out),
        }
    }
}
