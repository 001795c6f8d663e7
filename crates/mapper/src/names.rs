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

/// The namespace of the schemas of a topic: the topic, with `_` in place of what an Avro name cannot have, and before a
/// digit that begins a part. Two topics may come to share one; their subjects stay apart.
pub(crate) fn namespace(topic: &str) -> String {
    let mut namespace = String::with_capacity(topic.len());
    let mut begins_part = true;
    for c in topic.chars() {
        if begins_part && c.is_ascii_digit() {
            namespace.push('_');
        }
        namespace.push(if c == '-' { '_' } else { c });
        begins_part = c == '.';
    }
    namespace
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

#[cfg(test)]
mod tests {
    use super::namespace;

    #[test]
    fn a_namespace_has_only_what_avro_names_may_have() {
        assert_eq!(namespace("shop.public.orders"), "shop.public.orders");
        assert_eq!(namespace("my-shop.public.2nd"), "my_shop.public._2nd");
    }
}
