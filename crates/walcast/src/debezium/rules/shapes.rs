//! Names of topics, schemas and fields.

use crate::debezium::rule::Translate::{Text, Words};
use crate::debezium::rule::{Rule, becomes, not_needed, not_yet};

const ADJUST: &[(&str, &str)] = &[
    ("none", "none"),
    ("avro", "avro"),
    ("avro_unicode", "avro_unicode"),
];
/// Debezium's `none` adjusts the names of columns too, if the converter is one of Avro.
const ADJUST_FIELDS: &[(&str, &str)] = &[
    ("none", "valid"),
    ("avro", "avro"),
    ("avro_unicode", "avro_unicode"),
];
const SCHEMA_TOPICS: &str = "io.debezium.schema.SchemaTopicNamingStrategy";

pub(super) const RULES: &[Rule] = &[
    becomes("topic.prefix", "kafka.topic_prefix", Text),
    becomes("topic.delimiter", "names.delimiter", Text).default("."),
    not_yet("topic.naming.strategy", "a Java class cannot be loaded").default(SCHEMA_TOPICS),
    becomes("topic.transaction", "events.transaction_topic", Text).default("transaction"),
    becomes("topic.heartbeat.prefix", "events.heartbeat_topic_prefix", Text).default("__debezium-heartbeat"),
    not_yet(
        "topic.heartbeat.name",
        "the topic of heartbeats is named by its prefix",
    )
    .default(""),
    not_needed(
        "topic.cache.size",
        "the topic name is computed once for each version of a table",
    ),
    becomes(
        "schema.name.adjustment.mode",
        "names.adjust_schemas",
        Words(ADJUST),
    )
    .default("none"),
    becomes(
        "field.name.adjustment.mode",
        "names.adjust_fields",
        Words(ADJUST_FIELDS),
    )
    .default("none"),
    not_yet("include.schema.comments", "schemas contain no comments").default("false"),
    not_needed(
        "include.schema.changes",
        "the Postgres connector has no topic of schema changes either",
    ),
    not_yet("sourceinfo.struct.maker", "a Java class cannot be loaded")
        .default("io.debezium.connector.postgresql.PostgresSourceInfoStructMaker"),
];
