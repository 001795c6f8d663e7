//! One column of a plan: its field in the schema, and the bytes its values become.

use walcast_pgoutput::{Column, RelationColumn, ReplicaIdentity};

use crate::absent;
use crate::avro;
use crate::column_type;
use crate::defaults;
use crate::encode::{Encoder, Fault, Scratch};
use crate::{MapperConfig, TableFacts};

/// How one column of a relation is written.
#[derive(Debug)]
pub(crate) struct ColumnPlan {
    name: String,
    encoder: Encoder,
    nullable: bool,
    default: Option<Vec<u8>>,
    /// The union's branch that a value lies in; nothing before a value that cannot be null.
    branch: Option<u8>,
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

impl ColumnPlan {
    pub(crate) fn compile(
        column: &RelationColumn,
        identity: ReplicaIdentity,
        facts: &TableFacts,
        config: &MapperConfig,
    ) -> Self {
        let known = facts.columns.iter().find(|known| known.name == column.name);
        let encoder = column_type::encoder(column.type_oid, column.type_modifier, facts);
        // What identifies a row by an index is not null, whatever the catalog says meanwhile.
        let identifies =
            column.is_key && matches!(identity, ReplicaIdentity::Default | ReplicaIdentity::Index);
        let nullable = !identifies && !known.is_some_and(|known| known.not_null);
        let default = known
            .filter(|known| known.type_oid == column.type_oid && !known.generated)
            .filter(|known| column_type::has_readable_default(known.type_oid, facts))
            .and_then(|known| defaults::parse(known.default_expression.as_deref()?, &encoder));
        let branch = match (nullable, &default) {
            (false, _) => None,
            (true, None) => Some(avro::SECOND_BRANCH),
            (true, Some(_)) => Some(avro::FIRST_BRANCH),
        };
        let in_branch = |value: &[u8]| branch.iter().chain(value).copied().collect::<Vec<u8>>();
        // Connect reads a null in a field that has a default as that default, and so writes it.
        let null = nullable.then(|| default.as_deref().map_or(vec![avro::FIRST_BRANCH], in_branch));
        let missing = null
            .clone()
            .or_else(|| default.clone())
            .unwrap_or_else(|| absent::fallback(&encoder));
        let unavailable = in_branch(&absent::unavailable(
            &encoder,
            &config.unavailable_value_placeholder,
        ));
        Self {
            name: column.name.clone(),
            encoder,
            nullable,
            default,
            branch,
            null,
            missing,
            unavailable,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    pub(crate) fn is_nullable(&self) -> bool {
        self.nullable
    }

    pub(crate) fn default_bytes(&self) -> Option<&[u8]> {
        self.default.as_deref()
    }

    /// Appends one value.
    #[inline]
    pub(crate) fn put(
        &self,
        value: Column<'_>,
        image: Image,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), ColumnFault> {
        match value {
            Column::Text(text) => {
                if let Some(branch) = self.branch {
                    out.push(branch);
                }
                self.encoder.put(text, scratch, out).map_err(ColumnFault::Value)
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
