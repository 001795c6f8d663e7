//! What the configuration does to a column on the way: whether values have it, and how its values and its schema change.

use walcast_pgoutput::RelationColumn;

use crate::connect::{DECIMAL, Kind};
use crate::encode::{Alteration, Altered, Encoder, Hash};
use crate::source_type::SourceType;
use crate::{ColumnPattern, ColumnSettings, MapError, TableFacts, TableName};

/// How a column is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Treatment {
    /// How its values are written.
    pub(crate) encoder: Encoder,
    /// What its schema says further.
    pub(crate) parameters: Vec<(&'static str, String)>,
}

impl Treatment {
    /// Nothing is done to the column.
    pub(crate) fn untouched(encoder: Encoder) -> Self {
        Self {
            encoder,
            parameters: Vec::new(),
        }
    }
}

/// Whether values have a column.
pub(crate) fn is_sent(settings: &ColumnSettings, table: &TableName, column: &str) -> bool {
    let included = settings.include.is_empty() || chosen(&settings.include, table, column);
    included && !chosen(&settings.exclude, table, column)
}

/// How a column is sent that was written by `encoder` if nothing were done to it.
///
/// As in Debezium, the first rule of a kind counts, and a column whose values are changed does not tell its type. There a
/// column is left alone that is chosen for a hash as well as to tell its type, and one chosen by two rules that change
/// values is changed by the weaker one; here the first is hashed, and the second refused.
pub(crate) fn of(
    settings: &ColumnSettings,
    table: &TableName,
    column: &RelationColumn,
    encoder: Encoder,
    facts: &TableFacts,
) -> Result<Treatment, MapError> {
    let name = column.name.as_str();
    let chooses = |patterns: &Vec<ColumnPattern>| chosen(patterns, table, name);
    let truncate = settings.truncate.iter().find(|rule| chooses(&rule.columns));
    let mask = settings.mask.iter().find(|rule| chooses(&rule.columns));
    let hash = settings.hash.iter().find(|rule| chooses(&rule.columns));
    let rules = [
        (TRUNCATE, truncate.is_some()),
        (MASK, mask.is_some()),
        (HASH, hash.is_some()),
    ];
    let mut changing = rules
        .iter()
        .filter(|(_, chosen)| *chosen)
        .map(|(setting, _)| *setting);
    if let (Some(first), Some(second)) = (changing.next(), changing.next()) {
        return Err(MapError::ColumnRules {
            table: table.clone(),
            column: name.to_owned(),
            first,
            second,
        });
    }
    let source_type = SourceType::of(column.type_oid, column.type_modifier, facts);
    let masked = |setting, alteration| {
        if !matches!(encoder, Encoder::Text | Encoder::Enum { .. }) {
            return Err(MapError::NotText {
                table: table.clone(),
                column: name.to_owned(),
                setting,
            });
        }
        Ok(Treatment {
            encoder: altered(encoder.clone(), alteration),
            parameters: vec![("masked", "true".to_owned())],
        })
    };
    if let Some(rule) = truncate {
        return Ok(truncated(rule.length, &source_type, encoder));
    }
    if let Some(rule) = mask {
        let stars = vec![b'*'; usize::from(rule.length)];
        return masked(MASK, Alteration::Mask(stars));
    }
    if let Some(rule) = hash {
        let hash = Hash {
            algorithm: rule.algorithm,
            version: rule.version,
            salt: rule.salt.clone(),
        };
        // A hash is cut off where the column ends.
        let digits_max = match usize::try_from(source_type.length) {
            Ok(length @ 1..) => length,
            Ok(0) | Err(_) => usize::MAX,
        };
        return masked(HASH, Alteration::Hash { hash, digits_max });
    }
    let told = chooses(&settings.propagate_types)
        || chosen(&settings.propagate_data_types, table, &source_type.name);
    Ok(Treatment {
        encoder,
        parameters: if told {
            told_type(&source_type, name)
        } else {
            Vec::new()
        },
    })
}

const TRUNCATE: &str = "columns.truncate";
const MASK: &str = "columns.mask";
const HASH: &str = "columns.hash";

fn chosen(patterns: &[ColumnPattern], table: &TableName, column: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(table, column))
}

/// A column that is short enough stays as it is; of one that holds neither text nor bytes, only the schema tells.
fn truncated(length: u32, source_type: &SourceType, encoder: Encoder) -> Treatment {
    if u32::try_from(source_type.length).is_ok_and(|column| column <= length) {
        return Treatment::untouched(encoder);
    }
    let schema = encoder.schema();
    let can_be_cut = match schema.kind {
        Kind::String => true,
        Kind::Bytes => schema.name.as_deref() != Some(DECIMAL),
        _ => false,
    };
    let units = usize::try_from(length).unwrap_or(usize::MAX);
    Treatment {
        encoder: if can_be_cut {
            altered(encoder, Alteration::Truncate(units))
        } else {
            encoder
        },
        parameters: vec![("truncateLength", length.to_string())],
    }
}

fn altered(inner: Encoder, alteration: Alteration) -> Encoder {
    let is_text = inner.schema().kind == Kind::String;
    Encoder::Altered(Box::new(Altered {
        inner,
        is_text,
        alteration,
    }))
}

/// The type of a column, in Debezium's words.
fn told_type(source_type: &SourceType, column: &str) -> Vec<(&'static str, String)> {
    vec![
        ("__debezium.source.column.type", source_type.name.to_uppercase()),
        ("__debezium.source.column.length", source_type.length.to_string()),
        ("__debezium.source.column.scale", source_type.scale.to_string()),
        ("__debezium.source.column.name", column.to_owned()),
    ]
}
