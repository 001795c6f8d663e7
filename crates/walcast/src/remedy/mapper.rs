//! Remedies for errors of mapping.

use std::error::Error;

use walcast_delivery::{shell, sql};
use walcast_mapper::{MapError, TableName, WithoutKey};

/// What keeps one event of an outbox from stopping the others.
const KEEP_AS_DEAD_LETTER: &str = "set on_error = \"dead_letter\" for the table in [[dead_letters.rules]], which keeps such a row as a \
     dead letter and delivers the rest";

/// What keeps the rows of a table apart from the events of an outbox.
pub(super) const APART_FROM_OUTBOX: &str = "send the events of the outbox to other topics with route_topic in [[outbox]], or leave the \
     table out with [postgres] exclude";

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
        MapError::KeyMissing { topic, of, .. } => return Some(key_missing(topic, Some(*of))),
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
        MapError::TopicOfOutbox { .. } => APART_FROM_OUTBOX,
        MapError::Name { .. } => {
            "set names.adjust_fields = \"valid\", which adjusts such names, or leave the column out with [columns] exclude"
        }
        MapError::KeyColumn { .. } => "correct [[keys]]",
        MapError::NullInNotNull { .. } => {
            "start again, which reads the catalog again; until rows without a null are reached, run: ALTER TABLE … ALTER COLUMN … DROP NOT NULL"
        }
        MapError::UnknownEnumLabel { .. } => "name the type in [types] as_text to send its labels as text",
        MapError::Value { .. } => {
            "[types] has other forms of the values of a type: as_text for the text of the server, unwritable = \"null\" for null in a \
             column that allows it"
        }
        MapError::ColumnCount { .. } => {
            "start again, which reads the row again; no proxy that changes messages may be in between"
        }
        MapError::CloudEventsInAvro => "set value = \"json\" or \"json_schema\" in [format]",
        MapError::ColumnRules { .. } => "take the column out of one of them",
        MapError::DestinationColumn { .. } => {
            "add the column to the table, or correct the rule that names it"
        }
        MapError::OutboxColumn { .. } => "correct [[outbox]], whose keys name the columns of the table",
        MapError::OutboxValue { .. } | MapError::OutboxMessage { .. } => KEEP_AS_DEAD_LETTER,
        MapError::OutboxPayload { .. } => {
            return Some(format!(
                "register a schema that it fits, or {KEEP_AS_DEAD_LETTER}"
            ));
        }
        MapError::OutboxSchema { .. } => {
            return Some(format!(
                "register an Avro schema under it, which the next attempt reads, or {KEEP_AS_DEAD_LETTER}"
            ));
        }
        MapError::OutboxUpdate { .. } => {
            "set on_update = \"warn\", which skips updates, or on_error = \"dead_letter\" for the table in [[dead_letters.rules]]"
        }
        MapError::EventStoreColumn { .. } => {
            "correct [[event_store]], whose preset and keys name the columns of the table"
        }
        MapError::EventStoreValue { .. } => {
            "set on_error = \"dead_letter\" for the table in [[dead_letters.rules]], which keeps such a row as a dead letter and delivers \
             the rest"
        }
        MapError::EventStoreCompacted { topic, .. } => {
            return Some(format!(
                "end the compaction with: kafka-configs.sh --bootstrap-server BROKERS --alter {} --add-config cleanup.policy=delete (for \
                 topics that are created: cleanup_policy of [kafka.topics]), then start again",
                shell::option("--topic", topic)
            ));
        }
        MapError::EventStoreUnordered { table } => {
            return Some(format!(
                "name a column in sequence of [[event_store]] that numbers the events in the order in which they were appended, after: CREATE UNIQUE INDEX \
                 CONCURRENTLY ON {} (COLUMN); or leave these rows unread with [snapshot] tables",
                sql::table(table)
            ));
        }
        MapError::EventStoreViolation { .. } => {
            "the transaction with this xid has written it, see docs/event-stores.md; where it was intended, set on_violation = \"warn\" in \
             [[event_store]] and start again"
        }
        MapError::EventStoreUpcast { .. } => {
            "correct its upcasters in [[event_store]], add a test with such a payload, and run: walcast upcast test"
        }
        MapError::UnknownTopic { .. } => {
            "start again, which creates the topic or reports why it cannot be created"
        }
        MapError::UnknownKey { .. } => {
            "name its key columns in [[keys]], or give up these rows with [postgres] exclude"
        }
        MapError::KeyNotSent { table, .. } => return Some(send_key(table)),
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

/// Remedy for a record without a key in a compacted topic; `None` if it is not known what the record is of.
pub(super) fn key_missing(topic: &str, of: Option<WithoutKey>) -> String {
    let settings = match of {
        Some(WithoutKey::Truncation) => "take \"truncate\" out of [events] operations",
        Some(WithoutKey::Row) => "give the table a primary key, or a key in [[keys]]",
        None => {
            "take \"truncate\" out of [events] operations, or give the table a key in [[keys]], whichever the record is of"
        }
    };
    format!(
        "{settings}, or end the compaction with: kafka-configs.sh --bootstrap-server BROKERS --alter {} --add-config \
         cleanup.policy=delete (for topics that are created: cleanup_policy of [kafka.topics]), then start again",
        shell::option("--topic", topic)
    )
}

/// Remedy for a table whose key is not sent.
pub(super) fn send_key(table: &TableName) -> String {
    format!(
        "name other columns that identify a row in [[keys]], and run: ALTER TABLE {} REPLICA IDENTITY FULL, so that the server sends them for \
         deleted rows (from version 18 on, a publication with publish_generated_columns = stored sends the key); or exclude the table",
        sql::table(table)
    )
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use walcast_mapper::{MapError, TableName, WithoutKey};

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
        for of in [WithoutKey::Truncation, WithoutKey::Row] {
            check(
                &MapError::KeyMissing {
                    table: table("items"),
                    topic: "shop.public.items".to_owned(),
                    of,
                },
                match of {
                    WithoutKey::Truncation => &expect![[
                        r#"topic shop.public.items is compacted and takes no record without a key, but the event of a TRUNCATE of public.items has none; take "truncate" out of [events] operations, or end the compaction with: kafka-configs.sh --bootstrap-server BROKERS --alter --topic 'shop.public.items' --add-config cleanup.policy=delete (for topics that are created: cleanup_policy of [kafka.topics]), then start again"#
                    ]],
                    WithoutKey::Row => &expect![[
                        r#"topic shop.public.items is compacted and takes no record without a key, but a record of public.items has none; give the table a primary key, or a key in [[keys]], or end the compaction with: kafka-configs.sh --bootstrap-server BROKERS --alter --topic 'shop.public.items' --add-config cleanup.policy=delete (for topics that are created: cleanup_policy of [kafka.topics]), then start again"#
                    ]],
                },
            );
        }
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
            &MapError::KeyNotSent {
                table: table("items"),
                columns: vec!["code".to_owned()],
            },
            &expect![[
                r#"the key of public.items contains generated columns (code) that the server does not send: records of different rows would have the same key; name other columns that identify a row in [[keys]], and run: ALTER TABLE "public"."items" REPLICA IDENTITY FULL, so that the server sends them for deleted rows (from version 18 on, a publication with publish_generated_columns = stored sends the key); or exclude the table"#
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
