//! Names of topics, schemas and fields.

use std::collections::BTreeMap;

use crate::config::{Encoding, FieldAdjustment, MapperConfig, ReservedTopic, Routed, SchemaAdjustment};
use crate::error::MapError;
use crate::table_name::TableName;

/// Destination of a table's records: [`unrouted_topic`], or the topic to which a route sends it.
pub(crate) fn destination(config: &MapperConfig, table: &TableName) -> Routed {
    let topic = unrouted_topic(config, table);
    let routed = config.names.routes.iter().find_map(|route| route.of(&topic));
    routed.unwrap_or(Routed {
        topic,
        key_field: None,
    })
}

/// Checks that the records of `table` reach no topic that is reserved for another purpose.
pub(crate) fn check_not_reserved(
    config: &MapperConfig,
    table: &TableName,
    topic: &str,
) -> Result<(), MapError> {
    let mut reserved = config.reserved_topics.iter();
    match reserved.find(|reserved| reserved.topic == topic) {
        None => Ok(()),
        Some(ReservedTopic { topic, purpose }) => Err(MapError::ReservedTopic {
            table: table.clone(),
            topic: topic.clone(),
            purpose: *purpose,
        }),
    }
}

/// Topic of the records of `table`.
#[must_use]
pub fn topic(config: &MapperConfig, table: &TableName) -> String {
    destination(config, table).topic
}

/// Field that identifies `table` in the keys of a topic that several tables share, and its value; `None` for a table whose keys have no
/// such field.
#[must_use]
pub fn table_key(config: &MapperConfig, table: &TableName) -> Option<(String, String)> {
    let key_field = destination(config, table).key_field?;
    Some((key_field.field, key_field.identifier))
}

/// Topic of the records of `table` before any route applies. No route can separate two tables with the same unrouted
/// topic.
///
/// `<prefix>.<schema>.<table>`, with `_` for each character that a Kafka topic cannot have, as Debezium does.
#[must_use]
pub fn unrouted_topic(config: &MapperConfig, table: &TableName) -> String {
    let delimiter = config.names.delimiter.as_str();
    let full = [&config.topic_prefix, &table.namespace, &table.name].map(String::as_str);
    let mut topic = String::new();
    push_topic_characters(&full.join(delimiter), &mut topic);
    topic
}

/// Appends a text to the name of a topic, with `_` for each character that a Kafka topic cannot have.
pub(crate) fn push_topic_characters(text: &str, topic: &mut String) {
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-') {
            topic.push(character);
        } else {
            // Java counts one beyond U+FFFF as two.
            (0..character.len_utf16()).for_each(|_| topic.push('_'));
        }
    }
}

/// Namespace of the schemas of a topic. Two topics may share a namespace; their subjects differ.
pub(crate) fn namespace(topic: &str, adjustment: SchemaAdjustment) -> String {
    match adjustment {
        SchemaAdjustment::None => topic.to_owned(),
        SchemaAdjustment::Avro => underscored(topic, true),
        SchemaAdjustment::AvroUnicode => escaped(topic, true),
        SchemaAdjustment::Valid => {
            let parts: Vec<String> = topic.split('.').map(|part| underscored(part, true)).collect();
            parts.join(".")
        }
    }
}

/// Field name of a column.
#[must_use]
pub fn field(column: &str, config: &MapperConfig) -> String {
    match config.field_adjustment() {
        FieldAdjustment::None | FieldAdjustment::Valid => column.to_owned(),
        FieldAdjustment::Avro => underscored(column, false),
        FieldAdjustment::AvroUnicode => escaped(column, false),
    }
}

/// Checks that field names are distinct, and valid in their encoding: JSON takes any name.
pub(crate) fn check_fields<'a>(
    columns: impl Iterator<Item = (&'a str, &'a str)>,
    encoding: Encoding,
    table: &TableName,
) -> Result<(), MapError> {
    let mut seen = BTreeMap::new();
    for (column, field) in columns {
        if encoding == Encoding::Avro && !is_avro_name(field) {
            return Err(MapError::Name {
                table: table.clone(),
                name: column.to_owned(),
            });
        }
        if let Some(other) = seen.insert(field, column) {
            return Err(MapError::FieldCollision {
                table: table.clone(),
                columns: [other.to_owned(), column.to_owned()],
                field: field.to_owned(),
            });
        }
    }
    Ok(())
}

/// Replaces each character that is invalid in an Avro name by `_`, and puts `_` before a leading digit.
fn underscored(name: &str, dots: bool) -> String {
    let mut adjusted = String::with_capacity(name.len());
    for (place, character) in name.char_indices() {
        match character {
            '0'..='9' if place == 0 => {
                adjusted.push('_');
                adjusted.push(character);
            }
            'A'..='Z' | 'a'..='z' | '0'..='9' | '_' => adjusted.push(character),
            '.' if dots && place > 0 => adjusted.push(character),
            other => (0..other.len_utf16()).for_each(|_| adjusted.push('_')),
        }
    }
    adjusted
}

/// Replaces each character that is invalid in an Avro name by `_u` and Debezium's hexadecimal digits: short numbers
/// get two zeros.
fn escaped(name: &str, dots: bool) -> String {
    let mut adjusted = String::with_capacity(name.len());
    for (place, character) in name.char_indices() {
        match character {
            'A'..='Z' | 'a'..='z' => adjusted.push(character),
            '0'..='9' if place > 0 => adjusted.push(character),
            '.' if dots && place > 0 => adjusted.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let zeros = if *unit <= 0xFF { "00" } else { "" };
                    adjusted.push_str(&format!("_u{zeros}{unit:x}"));
                }
            }
        }
    }
    adjusted
}

/// See <https://avro.apache.org/docs/1.12.0/specification/#names>.
pub(crate) fn is_avro_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::namespace;
    use crate::config::{Encoding, FieldAdjustment, MapperConfig, SchemaAdjustment};
    use crate::table_name::TableName;

    fn field(column: &str, adjust_fields: FieldAdjustment) -> String {
        let mut config = MapperConfig::new("p", "d");
        config.names.adjust_fields = adjust_fields;
        super::field(column, &config)
    }

    #[test]
    fn namespaces_are_valid_avro_names() {
        let valid = |topic| namespace(topic, SchemaAdjustment::Valid);
        assert_eq!(valid("shop.public.orders"), "shop.public.orders");
        assert_eq!(valid("my-shop.public.2nd"), "my_shop.public._2nd");
    }

    /// The cases of Debezium's `SchemaNameAdjusterTest`, and those that its code decides.
    #[test]
    fn other_adjustments_equal_debeziums() {
        for (name, none, avro, avro_unicode) in [
            ("a.b-c.2d", "a.b-c.2d", "a.b_c.2d", "a.b_u002dc.2d"),
            ("1shop.a_b", "1shop.a_b", "_1shop.a_b", "_u0031shop.a_u005fb"),
            ("-x.y", "-x.y", "_x.y", "_u002dx.y"),
        ] {
            assert_eq!(namespace(name, SchemaAdjustment::None), none);
            assert_eq!(namespace(name, SchemaAdjustment::Avro), avro);
            assert_eq!(namespace(name, SchemaAdjustment::AvroUnicode), avro_unicode);
        }
        for (name, avro, avro_unicode) in [
            ("plain_Name2", "plain_Name2", "plain_u005fName2"),
            ("with space", "with_space", "with_u0020space"),
            ("a.b", "a_b", "a_u002eb"),
            ("2nd", "_2nd", "_u0032nd"),
            ("größe", "gr__e", "gr_u00f6_u00dfe"),
            ("\t\u{101}", "__", "_u009_u101"),
            ("名前", "__", "_u540d_u524d"),
            ("a😀", "a__", "a_ud83d_ude00"),
        ] {
            assert_eq!(field(name, FieldAdjustment::None), name);
            assert_eq!(field(name, FieldAdjustment::Avro), avro);
            assert_eq!(field(name, FieldAdjustment::AvroUnicode), avro_unicode);
            assert_eq!(field(name, FieldAdjustment::Valid), avro);
        }
    }

    #[test]
    fn keys_of_a_shared_topic_identify_their_table() {
        let mut config = MapperConfig::new("p", "d");
        let routes = serde_json::json!([
            {"pattern": r"p\.public\.orders_(\d+)", "topic": "orders", "key_field": "year",
             "key_pattern": r".*_(\d+)", "key_value": "$1"},
            {"pattern": r"p\.public\.items_\d+", "topic": "items"},
            {"pattern": r"p\.public\.notes_\d+", "topic": "notes", "unique_keys": false},
        ]);
        config.names.routes = serde_json::from_value(routes).unwrap();
        let table_key = |name: &str| {
            let table = TableName {
                namespace: "public".to_owned(),
                name: name.to_owned(),
            };
            super::table_key(&config, &table)
        };
        let pair = |field: &str, table: &str| Some((field.to_owned(), table.to_owned()));
        assert_eq!(table_key("orders_2024"), pair("year", "2024"));
        assert_eq!(
            table_key("items_7"),
            pair("__dbz__physicalTableIdentifier", "p.public.items_7")
        );
        assert_eq!(table_key("notes_7"), None);
        assert_eq!(table_key("orders"), None);
    }

    #[test]
    fn fields_are_adjusted_where_keys_or_values_are_avro() {
        let field = |key, value| {
            let mut config = MapperConfig::new("p", "d");
            (config.key, config.value) = (key, value);
            super::field("2 b", &config)
        };
        assert_eq!(field(Encoding::Json, Encoding::JsonSchema), "2 b");
        assert_eq!(field(Encoding::Avro, Encoding::Json), "_2_b");
        assert_eq!(field(Encoding::Json, Encoding::Avro), "_2_b");
    }
}
