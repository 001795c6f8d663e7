//! `[[outbox]]` with `source = "poll"`, `[outbox.poll]`, and presets.

use expect_test::expect;

use super::{check_error, parse, with};

#[test]
fn a_preset_replaces_the_defaults_of_missing_keys() {
    let lines = "tables = \"public.events\"\nsource = \"poll\"\npreset = \"published_flag\"\nkey = \"tenant\"\n\
                 poll.workers = 2";
    let config = parse(&with("[outbox]", lines)).unwrap();
    let [rule] = config.polled.as_slice() else {
        panic!("{:?}", config.polled);
    };
    assert_eq!(
        (
            rule.key.as_str(),
            rule.route_by.as_str(),
            rule.route_topic.as_str()
        ),
        ("tenant", "type", "outbox.events")
    );
    let published: Vec<String> = rule.poll.published.iter().map(ToString::to_string).collect();
    assert_eq!(
        (published, rule.poll.workers, rule.poll.batch_rows),
        (vec!["published".to_owned()], 2, 500)
    );
    assert_eq!(config.postgres.tables, ["public.events".parse().unwrap()]);
}

#[test]
fn presets_describe_streamed_outboxes_too() {
    for preset in [
        "debezium",
        "quarkus",
        "published_at",
        "published_flag",
        "spring_modulith",
        "open_outbox",
    ] {
        let lines = format!("tables = \"public.events\"\npreset = \"{preset}\"");
        let config = parse(&with("[outbox]", &lines)).unwrap();
        assert!(config.polled.is_empty());
        assert_eq!(config.mapper.outboxes.len(), 1, "{preset}");
    }
}

#[test]
fn a_connector_polls_or_streams() {
    let polled = "tables = \"a.b\"\nsource = \"poll\"";
    check_error(
        &with(
            "[outbox]",
            &format!("{polled}\n[[outbox]]\ntables = \"a.c\"\nsource = \"wal\""),
        ),
        expect![[
            r#"walcast.toml:18:1: outbox.source is "wal"; expected "poll" for every outbox of a connector, or for none: a connector that polls has no slot"#
        ]],
    );
    let tables = with("postgres", "tables = [\"public.orders\"]");
    check_error(
        &format!("{tables}\n[[outbox]]\n{polled}\n"),
        expect![[
            r#"walcast.toml:5:1: postgres.tables is "public.orders"; expected no tables where outboxes are polled: stream other tables with a connector of their own"#
        ]],
    );
    check_error(
        &with("[outbox]", "tables = \"a.b\"\npoll.workers = 2"),
        expect![[r#"walcast.toml:15:1: outbox.poll is set without source = "poll"; set both or neither"#]],
    );
}

#[test]
fn settings_of_polling_have_bounds() {
    let check = |line: &str, expected| {
        let lines = format!("tables = \"a.b\"\nsource = \"poll\"\n{line}");
        check_error(&with("[outbox]", &lines), expected);
    };
    check(
        "poll.workers = 0",
        expect!["walcast.toml:16:6: outbox.poll.workers is 0; expected a number from 1 to 64"],
    );
    check(
        "poll.order_by = []",
        expect![[r#"walcast.toml:16:6: outbox.poll.order_by is "[]"; expected at least one column"#]],
    );
    check(
        "poll.published = [\"delete\", \"sent\"]",
        expect![[
            r#"walcast.toml:16:6: outbox.poll.published is "delete, sent"; expected at least one column, or delete alone"#
        ]],
    );
}
