//! Transforms of columns: whether a column is sent, and how its values and its schema change.

use walcast_pgoutput::RelationColumn;

use crate::config::ColumnSettings;
use crate::connect::{DECIMAL, Kind};
use crate::encode::{Alteration, Altered, Encoder, Hash};
use crate::error::MapError;
use crate::pattern::ColumnPattern;
use crate::source_type::SourceType;
use crate::table_metadata::TableMetadata;
use crate::table_name::TableName;

/// Encoding of a column after its transform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnTransform {
    /// Encoder of the values.
    pub(crate) encoder: Encoder,
    /// Additional parameters of the schema.
    pub(crate) parameters: Vec<(&'static str, String)>,
}

impl ColumnTransform {
    /// The column without a transform.
    pub(crate) fn none(encoder: Encoder) -> Self {
        Self {
            encoder,
            parameters: Vec::new(),
        }
    }
}

/// Whether the column is sent in values.
pub(crate) fn is_sent(settings: &ColumnSettings, table: &TableName, column: &str) -> bool {
    let included = settings.include.is_empty() || chosen(&settings.include, table, column);
    included && !chosen(&settings.exclude, table, column)
}

/// Applies the configured transform to a column with the encoder `encoder`.
///
/// As in Debezium, the first rule of a kind applies, and a column with a transform does not propagate its type. In
/// Debezium a column that matches a hash rule and a type propagation is not hashed, and of two matching transforms the
/// weaker one applies; here the column is hashed, and two transforms are an error.
pub(crate) fn of(
    settings: &ColumnSettings,
    table: &TableName,
    column: &RelationColumn,
    encoder: Encoder,
    metadata: &TableMetadata,
) -> Result<ColumnTransform, MapError> {
    let name = column.name.as_str();
    let matches = |patterns: &Vec<ColumnPattern>| chosen(patterns, table, name);
    let truncate = settings.truncate.iter().find(|rule| matches(&rule.columns));
    let mask = settings.mask.iter().find(|rule| matches(&rule.columns));
    let hash = settings.hash.iter().find(|rule| matches(&rule.columns));
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
    let source_type = SourceType::of(column.type_oid, column.type_modifier, metadata);
    let masked = |setting, alteration| {
        if !matches!(encoder, Encoder::Text | Encoder::Enum { .. }) {
            return Err(MapError::NotText {
                table: table.clone(),
                column: name.to_owned(),
                setting,
            });
        }
        Ok(ColumnTransform {
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
        // A hash is truncated to the column's length.
        let digits_max = match usize::try_from(source_type.length) {
            Ok(length @ 1..) => length,
            Ok(0) | Err(_) => usize::MAX,
        };
        return masked(HASH, Alteration::Hash { hash, digits_max });
    }
    let propagates_type = matches(&settings.propagate_types)
        || chosen(&settings.propagate_data_types, table, &source_type.name);
    Ok(ColumnTransform {
        encoder,
        parameters: if propagates_type {
            source_type_parameters(&source_type, name)
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

/// A column that cannot exceed the length stays unchanged; for one that is neither text nor bytes, only the schema has
/// the length.
fn truncated(length: u32, source_type: &SourceType, encoder: Encoder) -> ColumnTransform {
    if u32::try_from(source_type.length).is_ok_and(|column| column <= length) {
        return ColumnTransform::none(encoder);
    }
    let schema = encoder.schema();
    let can_be_cut = match schema.kind {
        Kind::String => true,
        Kind::Bytes => schema.name.as_deref() != Some(DECIMAL),
        _ => false,
    };
    let units = usize::try_from(length).unwrap_or(usize::MAX);
    ColumnTransform {
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

/// Parameters that propagate the column's type, as Debezium names them.
fn source_type_parameters(source_type: &SourceType, column: &str) -> Vec<(&'static str, String)> {
    vec![
        ("__debezium.source.column.type", source_type.name.to_uppercase()),
        ("__debezium.source.column.length", source_type.length.to_string()),
        ("__debezium.source.column.scale", source_type.scale.to_string()),
        ("__debezium.source.column.name", column.to_owned()),
    ]
}
