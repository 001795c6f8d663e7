//! Names: what a table is called in Kafka and in Avro.

use crate::{MapError, MapperConfig, TableName};

/// `<prefix>.<schema>.<table>`, with `_` for each character that a Kafka topic cannot have, as Debezium does. It is the
/// topic, and the namespace of the table's schemas.
pub(crate) fn topic(config: &MapperConfig, table: &TableName) -> String {
    let full = format!("{}.{}.{}", config.topic_prefix, table.namespace, table.name);
    full.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
                c
            } else {
                '_'
            }
        })
        .collect()
}

/// Checks that the topic can be the namespace of a schema.
pub(crate) fn check_namespace(topic: &str, table: &TableName) -> Result<(), MapError> {
    match topic.split('.').find(|part| !is_avro_name(part)) {
        None => Ok(()),
        Some(_) => Err(MapError::Name {
            table: table.clone(),
            name: topic.to_owned(),
        }),
    }
}

/// Checks that a column's name can be a field's, and that it is there once.
pub(crate) fn check_columns<'a>(
    names: impl Iterator<Item = &'a str>,
    table: &TableName,
) -> Result<(), MapError> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !is_avro_name(name) {
            return Err(MapError::Name {
                table: table.clone(),
                name: name.to_owned(),
            });
        }
        if !seen.insert(name) {
            return Err(MapError::DuplicateColumn {
                table: table.clone(),
                column: name.to_owned(),
            });
        }
    }
    Ok(())
}

/// See <https://avro.apache.org/docs/1.12.0/specification/#names>.
fn is_avro_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
