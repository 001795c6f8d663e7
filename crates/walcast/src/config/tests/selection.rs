//! `[names]`, `[columns]`, `[[keys]]`, `[[outbox]]`, and patterns.

use expect_test::expect;
use walcast_mapper::TableName;
use walcast_mapper::config::FieldAdjustment;

use super::{check_error, parse, with};

#[test]
fn patterns_may_be_regular_expressions() {
    let config = parse(&with(
        "postgres",
        r"tables = ['/public\.orders_[0-9]+/', 'sales.*']",
    ))
    .unwrap();
    let table = |name: &str| TableName {
        namespace: "public".to_owned(),
        name: name.to_owned(),
    };
    let chosen = |name| config.postgres.tables.iter().any(|one| one.matches(&table(name)));
    assert!(chosen("orders_7") && !chosen("orders_x"));
}

#[test]
fn an_invalid_pattern_is_reported_with_its_line() {
    check_error(
        &with("postgres", "tables = [\n  \"public.*\",\n  '/public\\.(a/',\n]"),
        expect![[
            r#"walcast.toml:7:3: postgres.tables: "/public\\.(a/" is not a regular expression: unclosed group"#
        ]],
    );
    check_error(
        &with("columns", "exclude = [\n  \"*.*.a\",\n  \"users.email\"]"),
        expect![[
            r#"walcast.toml:16:3: "users.email" is not a column pattern: write schema.table.column, such as public.users.email or *.*.email"#
        ]],
    );
    check_error(
        &with("[keys]", "tables = \"orders\"\ncolumns = [\"id\"]"),
        expect![[
            r#"walcast.toml:14:10: "orders" is not a table pattern: write schema.table, such as public.orders or public.*"#
        ]],
    );
}

#[test]
fn an_error_in_a_repeated_table_names_the_line() {
    let two = "tables = \"a.b\"\ncolumns = [\"id\"]\n[[keys]]\ntables = \"a.c\"";
    check_error(
        &with("[keys]", &format!("{two}\ncolums = [\"x\"]")),
        expect![[r#"walcast.toml:18:1: unknown key "colums" in [[keys]]; did you mean "columns"?"#]],
    );
    check_error(
        &with("[keys]", two),
        expect!["walcast.toml:16:1: missing field `columns`"],
    );
    let first_empty = two.replace("[\"id\"]", "[]") + "\ncolumns = [\"id\"]";
    check_error(
        &with("[keys]", &first_empty),
        expect![[r#"walcast.toml:15:1: keys.columns is "[]"; expected at least one column"#]],
    );
}

#[test]
fn column_rules_are_checked() {
    check_error(
        &with("[columns.mask]", "columns = []\nlength = 3"),
        expect![[
            r#"walcast.toml:14:1: columns.mask.columns is "[]"; expected at least one pattern such as "public.users.email""#
        ]],
    );
    check_error(
        &with("[columns.mask]", "columns = [\"*.*.a\"]\nlength = 100000"),
        expect!["walcast.toml:15:10: invalid value: integer `100000`, expected u16"],
    );
    check_error(
        &with(
            "[columns.hash]",
            "columns = [\"*.*.a\"]\nalgorithm = \"md2\"\nsalt = \"hunter2\"",
        ),
        expect![
            "walcast.toml:15:13: unknown variant `md2`, expected one of `md5`, `sha1`, `sha224`, `sha256`, `sha384`, `sha512`, `sha512_224`, `sha512_256`, `sha3_224`, `sha3_256`, `sha3_384`, `sha3_512`"
        ],
    );
}

#[test]
fn a_salt_is_never_shown() {
    let salted = |salt: &str| {
        let rule = format!("columns = [\"*.*.a\"]\nalgorithm = \"md5\"\nsalt = {salt}");
        with("[columns.hash]", &rule)
    };
    let config = parse(&salted("\"${PASSWORD}\"")).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    check_error(
        &salted("1234"),
        expect!["walcast.toml:16:8: invalid type: number, expected a string in quotes"],
    );
}

#[test]
fn names_are_checked() {
    let config = parse(&with(
        "names",
        "delimiter = \"-\"\nadjust_fields = \"avro_unicode\"",
    ))
    .unwrap();
    assert_eq!(config.mapper.names.adjust_fields, FieldAdjustment::AvroUnicode);
    check_error(
        &with("names", "delimiter = \"\""),
        expect![[
            r#"walcast.toml:14:1: names.delimiter is ""; expected up to 4 of A-Z, a-z, 0-9, dot, _ and -, as Kafka names topics"#
        ]],
    );
    check_error(
        &with("names", "adjust_schemas = \"ascii\""),
        expect![
            "walcast.toml:14:18: unknown variant `ascii`, expected one of `none`, `avro`, `avro_unicode`, `valid`"
        ],
    );
    check_error(
        &with("[names.routes]", "pattern = '(a)'\ntopic = \"$2\""),
        expect![[
            r#"walcast.toml:13:1: "$2" refers to a group that "(a)" does not have; groups are $1 or ${name}, \$ is a dollar"#
        ]],
    );
    // Named groups have the syntax of environment variables.
    let named = with("[names.routes]", "pattern = '(?<n>a)'\ntopic = \"$${n}\"");
    assert_eq!(parse(&named).unwrap().mapper.names.routes.len(), 1);
}

#[test]
fn outboxes_are_checked() {
    let config = parse(&with(
        "[outbox]",
        "tables = \"public.outbox\"\nroute_topic = \"events.$${routedByValue}\"",
    ))
    .unwrap();
    assert_eq!(config.mapper.outboxes[0].route_topic, "events.${routedByValue}");
    assert!(config.outbox_cleanup.is_off());
    for (lines, expected) in [
        (
            "route_topic = \"events.$${kind}\"",
            "\"events.${kind}\" refers to a group that \"(?<routedByValue>.*)\" does not have",
        ),
        ("route_pattern = \"(\"", "\"(\" is not a regular expression"),
        (
            "additional = [\"type:body\"]",
            "\"type:body\" is not column:placement or column:placement:name",
        ),
        ("key = \"\"", "outbox.key is \"\"; expected the name of a column"),
        (
            "topics_max = 0",
            "outbox.topics_max is \"0\"; expected at least one topic",
        ),
        (
            "schema_version = \"v\"",
            "outbox.additional is \"without one\"; expected an entry column:envelope",
        ),
        (
            "additional = [\"a:partition\", \"b:partition\"]",
            "outbox.additional is \"with several\"; expected at most one column as the partition",
        ),
        (
            "route_topic = \"shop.dead-letters\"",
            "outbox.route_topic is \"shop.dead-letters\"; expected a topic that the connector does not use",
        ),
        (
            "cleanup = \"delete\"\ncleanup_after = \"long\"",
            "outbox.cleanup_after is \"long\"; expected a duration with its unit",
        ),
        (
            "cleanup = \"mark\"",
            "expected \"ignore\" where cleanup is mark, which updates rows",
        ),
        (
            "cleanup = \"archive\"\narchive_table = \"old\"",
            "outbox.archive_table is \"old\"; expected schema.table where cleanup is archive",
        ),
        (
            "cleanup = \"archive\"\narchive_table = \"public.outbox\"",
            "outbox.archive_table is \"public.outbox\"; expected a table that no [[outbox]] selects: its rows would be events again",
        ),
        (
            "cleanup = \"delete\"\ncleanup_interval = \"2h\"",
            "outbox.cleanup_interval is \"2h\"; expected a duration between \"100ms\" and \"1h\"",
        ),
        (
            "schema_by = \"type\"\nexpand_json = true",
            "outbox.schema_by is \"type\"; expected no schema where expand_json is true",
        ),
        (
            "schema_by = \"type\"\nadditional = [\"a:envelope\"]",
            "outbox.schema_by is \"type\"; expected no schema where a column is placed in the envelope",
        ),
        (
            "source = \"message:events\"",
            "tables and a source of messages exclude each other",
        ),
        (
            "payloud = \"x\"",
            "unknown key \"payloud\" in [[outbox]]; did you mean \"payload\"?",
        ),
    ] {
        let text = with("[outbox]", &format!("tables = \"public.outbox\"\n{lines}"));
        let error = parse(&text).expect_err(lines);
        let printed = walcast_delivery::one_line(&error);
        assert!(printed.contains(expected), "{lines}: {printed}");
    }
}

#[test]
fn outboxes_of_messages_are_checked() {
    let config = parse(&with(
        "[outbox]",
        "source = \"message:events\"\n[[dead_letters.rules]]\ntables = \"pg_logical_emit_message.events\"\non_error = \"dead_letter\"",
    ))
    .unwrap();
    assert_eq!(config.mapper.outboxes[0].message_prefix(), Some("events"));
    // The database has no such table, and none is expected.
    let mut selections = config.selections.iter();
    assert!(selections.all(|selection| selection.key != "dead_letters.rules.tables"));
    for (lines, expected) in [
        ("topics_max = 5", "tables is missing"),
        (
            "source = \"message:\"",
            "\"message:\" is not wal, poll or message:<prefix>",
        ),
        (
            "source = \"message:walcast.context\"",
            "outbox.source is \"message:walcast.context\"; expected a prefix that [context] does not have",
        ),
        (
            "source = \"message:a\"\n[[outbox]]\nsource = \"message:a\"",
            "outbox.source is \"message:a\"; expected a prefix that no other outbox has",
        ),
        (
            "source = \"message:a\"\n[dead_letters]\non_error = \"quarantine\"",
            "expected \"halt\" or \"dead_letter\" for an outbox of messages",
        ),
    ] {
        let error = parse(&with("[outbox]", lines)).expect_err(lines);
        let printed = walcast_delivery::one_line(&error);
        assert!(printed.contains(expected), "{lines}: {printed}");
    }
}

#[test]
fn the_example_of_an_outbox_is_valid() {
    let config = parse(include_str!("../../../../../examples/outbox.toml")).unwrap();
    assert_eq!(config.mapper.outboxes.len(), 2);
}

#[test]
fn event_stores_are_checked() {
    let config = parse(&with(
        "[event_store]",
        "preset = \"message_db\"\ntopic_by = \"category\"\nroute_topic = \"events.$${category}\"",
    ))
    .unwrap();
    let store = &config.mapper.event_stores[0];
    assert_eq!(store.selected().to_string(), "message_store.messages");
    assert_eq!(store.sequence_column(), Some("global_position"));
    for (lines, expected) in [
        (
            "topic_by = \"type\"",
            "tables is missing: the preset plain is of no library",
        ),
        (
            "preset = \"marten\"\ntopic_by = \"category\"",
            "topic_by is category, but the events of the preset have no category",
        ),
        (
            "preset = \"kurrent\"",
            "unknown variant `kurrent`, expected one of `plain`, `marten`, `emmett`, `message_db`, `axon`",
        ),
        (
            "preset = \"marten\"\nadditional = [\"a:partition\"]",
            "additional places a as the partition",
        ),
        (
            "preset = \"marten\"\nversion = \"\"",
            "event_store.version is \"\"; expected the name of a column",
        ),
        (
            "preset = \"marten\"\nstreams_remembered = 0",
            "event_store.streams_remembered is \"0\"; expected at least one",
        ),
        (
            "preset = \"marten\"\nroute_topic = \"shop.dead-letters\"",
            "event_store.route_topic is \"shop.dead-letters\"; expected a topic that the connector does not use",
        ),
        (
            "preset = \"marten\"\non_violation = \"stop\"",
            "unknown variant `stop`, expected one of `warn`, `dead_letter`, `halt`",
        ),
    ] {
        let error = parse(&with("[event_store]", lines)).expect_err(lines);
        let printed = walcast_delivery::one_line(&error);
        assert!(printed.contains(expected), "{lines}: {printed}");
    }
}

/// Clean-up of an outbox whose pattern selects an event store too would delete the events.
#[test]
fn an_event_store_is_no_outbox() {
    let entries = "preset = \"marten\"\n[[outbox]]\ntables = \"public.*\"\ncleanup = \"delete\"";
    let config = parse(&with("[event_store]", entries)).unwrap();
    let table = |name: &str| TableName {
        namespace: "public".to_owned(),
        name: name.to_owned(),
    };
    for (name, is_outbox) in [("mt_events", false), ("outbox", true)] {
        assert_eq!(
            config.outbox_cleanup.rule(&table(name)).is_some(),
            is_outbox,
            "{name}"
        );
        assert_eq!(
            config.mapper.outbox_of(&table(name)).is_some(),
            is_outbox,
            "{name}"
        );
    }
    let message = TableName {
        namespace: "pg_logical_emit_message".to_owned(),
        name: "mt_events".to_owned(),
    };
    assert!(config.mapper.event_store_of(&message).is_none());
}

#[test]
fn the_example_of_an_event_store_is_valid() {
    let config = parse(include_str!("../../../../../examples/event-store.toml")).unwrap();
    assert_eq!(config.mapper.event_stores.len(), 2);
}

#[test]
fn the_example_of_upcasters_passes_its_tests() {
    let config = parse(include_str!("../../../../../examples/event-store-upcasts.toml")).unwrap();
    let upcasters = &config.mapper.event_stores[0].upcasters;
    assert_eq!(upcasters.len(), 2);
    for upcaster in upcasters {
        for test in &upcaster.tests {
            let differences = upcaster.test(test);
            assert!(differences.is_empty(), "{test:?}: {differences:?}");
        }
    }
}

#[test]
fn upcasters_are_checked() {
    for (lines, expected) in [
        ("steps = [{ raname = \"a\", to = \"b\" }]", "raname"),
        (
            "steps = [{ rename = \"a\" }]",
            "a step with rename has to beside it",
        ),
        ("steps = [{ drop = \"a[]\" }]", "\"a[]\" is no path of a member"),
        (
            "[[event_store.upcasters]]\ntype = \"A\"\nfrom = \"1\"\nto = 3",
            "two upcasters of type \"A\" have from = \"1\"",
        ),
        (
            "[[event_store.upcasters]]\ntype = \"A\"\nfrom = 2\nto = 1",
            "do not lead to one version",
        ),
    ] {
        let lines = format!(
            "preset = \"emmett\"\n[[event_store.upcasters]]\ntype = \"A\"\nfrom = 1\nto = 2\n{lines}"
        );
        let error = parse(&with("[event_store]", &lines)).expect_err(&lines);
        let printed = walcast_delivery::one_line(&error);
        assert!(printed.contains(expected), "{lines}: {printed}");
    }
}
