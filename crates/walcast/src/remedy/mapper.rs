//! Remedies for errors of mapping.

use std::error::Error;

use walcast_delivery::sql;
use walcast_mapper::MapError;

/// Remedy for one error of the chain, if it has one.
pub(super) fn remedy(error: &(dyn Error + 'static)) -> Option<String> {
    error.downcast_ref().and_then(mapping)
}

fn mapping(error: &MapError) -> Option<String> {
    let remedy = match error {
        MapError::TooLarge { .. } => {
            "raise message.max.bytes of [kafka.properties] and max.message.bytes of the topic (message.max.bytes of the broker) \
             above it"
        }
        MapError::FieldCollision { .. } => {
            "rename one of them, or leave one out with [columns] exclude; names.adjust_fields = \"avro_unicode\" keeps them apart, but \
             renames the fields of every column with _"
        }
        MapError::SharedTopic { tables, .. } => {
            return Some(format!(
                "rename {:?}, or leave it out with [postgres] exclude",
                tables.0.to_string()
            ));
        }
        MapError::Name { .. } => {
            "set names.adjust_fields = \"valid\", which adjusts such names, or leave the column out with [columns] exclude"
        }
        MapError::KeyColumn { .. } => "correct [[keys]]",
        MapError::UnknownKey { .. } => {
            "name its key columns in [[keys]], or give up these rows with [postgres] exclude"
        }
        MapError::UnknownType { .. } => {
            "name the type in [types] as_text to send such values as text, or give up these rows with [postgres] exclude"
        }
        MapError::KeyNotInIdentity { table, .. } => {
            return Some(format!(
                "run: ALTER TABLE {} REPLICA IDENTITY FULL (or USING INDEX with a unique index over the key); or set missing = \"fill\" in \
                 [[keys]]",
                sql::table(table)
            ));
        }
        _ => return None,
    };
    Some(remedy.to_owned())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use walcast_mapper::{MapError, TableName};

    use crate::remedy::describe;

    fn table(name: &str) -> TableName {
        TableName {
            namespace: "public".to_owned(),
            name: name.to_owned(),
        }
    }

    fn check(error: &MapError, expected: &Expect) {
        expected.assert_eq(&describe(error));
    }

    #[test]
    fn errors_of_mapping_are_shown_with_their_remedies() {
        check(
            &MapError::TooLarge {
                topic: "shop.public.items".to_owned(),
                bytes: 2_000_000,
                limit: 1_000_000,
            },
            &expect![
                "a record of 2000000 bytes for topic shop.public.items is larger than the 1000000 bytes that Kafka takes; raise message.max.bytes of [kafka.properties] and max.message.bytes of the topic (message.max.bytes of the broker) above it"
            ],
        );
        check(
            &MapError::FieldCollision {
                table: table("items"),
                columns: ["a b".to_owned(), "a-b".to_owned()],
                field: "a_b".to_owned(),
            },
            &expect![[
                r#"columns "a b" and "a-b" of public.items would both be field a_b; rename one of them, or leave one out with [columns] exclude; names.adjust_fields = "avro_unicode" keeps them apart, but renames the fields of every column with _"#
            ]],
        );
        check(
            &MapError::SharedTopic {
                tables: Box::new((table("a b"), table("a_b"))),
                topic: "shop.public.a_b".to_owned(),
            },
            &expect![[
                r#""public.a b" and "public.a_b" would share topic shop.public.a_b, which would mix their rows: a topic has _ for each character that it cannot have; rename "public.a b", or leave it out with [postgres] exclude"#
            ]],
        );
        check(
            &MapError::Name {
                table: table("items"),
                name: "prix é".to_owned(),
            },
            &expect![[
                r#"column "prix é" of public.items cannot be an Avro name: letters, digits and _ only, not beginning with a digit; set names.adjust_fields = "valid", which adjusts such names, or leave the column out with [columns] exclude"#
            ]],
        );
        check(
            &MapError::KeyColumn {
                table: table("items"),
                pattern: "region*".to_owned(),
            },
            &expect![[
                r#"public.items has no column for "region*", which is configured as part of its key; correct [[keys]]"#
            ]],
        );
        check(
            &MapError::KeyNotInIdentity {
                table: table("items"),
                columns: vec!["tenant".to_owned(), "name".to_owned()],
            },
            &expect![[
                r#"columns tenant, name of public.items is part of its configured key, but the WAL does not contain it for a deleted row; run: ALTER TABLE "public"."items" REPLICA IDENTITY FULL (or USING INDEX with a unique index over the key); or set missing = "fill" in [[keys]]"#
            ]],
        );
    }
}
