//! Values outside of their bounds or rules.

use expect_test::expect;

use super::{MINIMAL, check_error, parse, with};

#[test]
fn names_follow_the_rules_of_postgres_and_kafka() {
    check_error(
        &MINIMAL.replace("\"shop\"", "\"Shop\""),
        expect![[
            r#"walcast.toml:2:1: name is "Shop"; expected up to 55 of a-z, 0-9, _ and -, beginning with a letter"#
        ]],
    );
    check_error(
        &with("postgres", "slot = \"my-slot\""),
        expect![[
            r#"walcast.toml:5:1: postgres.slot is "my-slot"; expected up to 63 of a-z, 0-9 and _, as Postgres names slots"#
        ]],
    );
    // Another connector would take the slot for one of its bookmarks.
    check_error(
        &with("postgres", "slot = \"walcast_bm_shop\""),
        expect![[
            r#"walcast.toml:5:1: postgres.slot is "walcast_bm_shop"; expected a name that does not begin with walcast_bm_, as the slots of bookmarks do"#
        ]],
    );
    check_error(
        &with("postgres", "publication = \"\""),
        expect![[
            r#"walcast.toml:5:1: postgres.publication is ""; expected a Postgres name of up to 63 bytes"#
        ]],
    );
    check_error(
        &with("kafka", "topic_prefix = \"a/b\""),
        expect![[
            r#"walcast.toml:8:1: kafka.topic_prefix is "a/b"; expected up to 120 of A-Z, a-z, 0-9, dot, _ and -, as Kafka names topics"#
        ]],
    );
    check_error(
        &with("events", "transaction_topic = \"a b\""),
        expect![[
            r#"walcast.toml:14:1: events.transaction_topic is "a b"; expected a name of A-Z, a-z, 0-9, dot, _ and -"#
        ]],
    );
}

#[test]
fn values_of_the_source_are_reported_with_the_rule() {
    check_error(
        &with("postgres", "tables = []"),
        expect![[
            r#"walcast.toml:5:1: postgres.tables is "[]"; expected at least one pattern such as "public.*""#
        ]],
    );
    check_error(
        &with("postgres", "tables = [\"orders\"]"),
        expect![[
            r#"walcast.toml:5:11: postgres.tables: "orders" is not a table pattern: write schema.table, such as public.orders or public.*"#
        ]],
    );
    check_error(
        &MINIMAL.replace(
            "shop\"\n\n[kafka",
            "shop?sslmod=require&password=hunter2\"\n\n[kafka",
        ),
        expect![[r#"walcast.toml:5:1: postgres.url: unknown connection parameter "sslmod""#]],
    );
    check_error(
        &MINIMAL.replace("postgres://walcast@", "postgresql//walcast:hunter2@"),
        expect![
            "walcast.toml:5:1: postgres.url: the connection string is malformed: neither a postgres:// URL nor key=value pairs"
        ],
    );
    check_error(
        &with("postgres", "logical_decoding_work_mem = \"256\""),
        expect![[
            r#"walcast.toml:5:1: postgres.logical_decoding_work_mem is "256"; expected a size with its unit, as in postgresql.conf, such as "256MB""#
        ]],
    );
    check_error(
        &with("postgres", "queue_bytes = 10"),
        expect!["walcast.toml:5:1: postgres.queue_bytes is 10; expected a number from 65536 to 4294967296"],
    );
}

#[test]
fn values_of_kafka_are_reported_with_the_rule() {
    for brokers in ["127.0.0.1", "kafka://b:9092", "b:9092,c", "b:0", ":9092"] {
        let error = parse(&MINIMAL.replace("\"127.0.0.1:9092\"", &format!("{brokers:?}"))).unwrap_err();
        let wanted = format!(
            "walcast.toml:8:1: kafka.brokers is {brokers:?}; expected host:port such as \"127.0.0.1:9092\", several separated by commas"
        );
        assert_eq!(error.to_string(), wanted);
    }
    for brokers in ["b:9092, c:9093", "SASL_SSL://b:9092", "[::1]:9092"] {
        parse(&MINIMAL.replace("\"127.0.0.1:9092\"", &format!("{brokers:?}"))).unwrap();
    }
    check_error(
        &with("kafka", "transaction_timeout = \"10ms\""),
        expect![[
            r#"walcast.toml:8:1: kafka.transaction_timeout is "10ms"; expected a duration from "1s" to "596h 31m 23s 647ms""#
        ]],
    );
    check_error(
        &with("kafka", "split_over_bytes = \"1kB\""),
        expect!["walcast.toml:8:1: kafka.split_over_bytes is 1024; expected a number of at least 1048576"],
    );
    check_error(
        &with("kafka.topics", "partitions = 0"),
        expect!["walcast.toml:14:1: kafka.topics.partitions is 0; expected a number from 1 to 100000"],
    );
    check_error(
        &with("kafka.topics", "cleanup_policy = \"never\""),
        expect![[
            r#"walcast.toml:14:1: kafka.topics.cleanup_policy is "never"; expected "delete", "compact" or "compact,delete""#
        ]],
    );
    check_error(
        &with(
            "kafka.topics",
            "cleanup_policy = \"compact\"\nconfig.cleanup.policy = \"delete\"",
        ),
        expect![
            "walcast.toml:14:1: kafka.topics.cleanup_policy and cleanup.policy in [kafka.topics.config] are both set; keep one of them"
        ],
    );
}

#[test]
fn other_values_are_reported_with_the_rule() {
    check_error(
        &with("replay", "history_interval = \"10ms\""),
        expect![[r#"walcast.toml:14:1: replay.history_interval is "10ms"; expected at least "1s""#]],
    );
    check_error(
        &with("slot_monitor", "wal_disk_size = 100"),
        expect![[r#"walcast.toml:14:1: slot_monitor.wal_disk_size is "100B"; expected at least "80MB""#]],
    );
    check_error(
        &with("bookmarks", "keep = 0"),
        expect!["walcast.toml:14:1: bookmarks.keep is 0; expected a number from 1 to 100"],
    );
    check_error(
        &with("bookmarks", "wal_budget = \"10kB\""),
        expect!["walcast.toml:14:1: bookmarks.wal_budget is 10240; expected a number of at least 16777216"],
    );
    check_error(
        &with("events", "heartbeat_interval = \"5ms\""),
        expect![[
            r#"walcast.toml:14:1: events.heartbeat_interval is "5ms"; expected a duration from "100ms" to "1h""#
        ]],
    );
    check_error(
        &with("events", "operations = [\"insert\"]"),
        expect![
            "walcast.toml:14:15: unknown variant `insert`, expected one of `create`, `update`, `delete`, `truncate`"
        ],
    );
    check_error(
        &with("context", "bytes_max = \"1MB\""),
        expect!["walcast.toml:14:1: context.bytes_max is 1048576; expected a number from 1 to 65536"],
    );
    check_error(
        &with("context", "clear_prefixes = [\"_bemi\"]"),
        expect![[
            r#"walcast.toml:14:19: context.clear_prefixes is "_bemi"; expected a prefix that is not in context.prefixes, whose messages set a context"#
        ]],
    );
    check_error(
        &with("retry", "backoff_min = \"1m\""),
        expect![[r#"walcast.toml:14:1: retry.backoff_min is "1m"; expected a duration from "1ms" to "30s""#]],
    );
    check_error(
        &with("admin", "listen = \"8080\""),
        expect![[
            r#"walcast.toml:14:1: admin.listen is "8080"; expected host:port such as "127.0.0.1:8080", or "off""#
        ]],
    );
    check_error(
        &with("[snapshot.filters]", "tables = \"public.*\"\nwhere = \"id = (1\""),
        expect![[
            r#"walcast.toml: snapshot.filters.where: the parentheses do not match at byte 5; write one such as "placed > '2024-01-01'""#
        ]],
    );
    check_error(
        &with("log", "level = \"verbose\""),
        expect![[
            r#"walcast.toml:14:1: log.level is "verbose"; expected error, warn, info, debug or trace, or a list as in RUST_LOG"#
        ]],
    );
    check_error(
        &with("log", "level = \"a=b=c\""),
        expect![[
            r#"walcast.toml:14:1: log.level is "a=b=c"; expected error, warn, info, debug or trace, or a list as in RUST_LOG"#
        ]],
    );
}
