//! Comparison of the table with Debezium's properties, the keys of walcast, and the manual.

use std::fs;
use std::path::Path;

use crate::debezium::migration::{exists, pick};
use crate::debezium::rule::{Rule, Translate, Verdict};
use crate::debezium::rules::{SECTIONS, WORKER};

fn rules() -> impl Iterator<Item = &'static Rule> {
    SECTIONS.iter().flat_map(|section| section.rules)
}

/// Names and defaults are those that the connector 3.3.1 reports.
#[test]
fn every_property_of_debezium_has_a_row() {
    let known = include_str!("../../../testdata/debezium-3.3.1-properties.tsv");
    for line in known.lines() {
        let (name, default) = line.split_once('\t').unwrap();
        let sample = name
            .replace("([^.]+)", "SHA-256")
            .replace("(.+)", "pepper")
            .replace("(d+)", "12");
        let (rule, _) = pick(rules(), &sample).unwrap_or_else(|| panic!("{name} has no row"));
        assert!(
            !["database.*", "driver.*"].contains(&rule.property),
            "{name} is only known as a property of the driver"
        );
        let same = |ours: &str| ours.eq_ignore_ascii_case(default) || default == "null";
        if let Some(ours) = rule.default.filter(|_| !rule.property.contains('*')) {
            assert!(same(ours), "the default of {name} is {default}");
        }
    }
}

/// Properties of later versions, of Kafka Connect, and of common transforms.
#[test]
fn properties_of_other_versions_and_of_transforms_have_rows() {
    for name in [
        "offset.mismatch.strategy",
        "internal.slot.seek.to.known.offset.on.start",
        "internal.create.slot.command.timeout",
        "internal.custom.retriable.exception",
        "internal.offset.activity.monitor.interval.ms",
        "lsn.flush.mode",
        "legacy.snapshot.max.threads",
        "snapshot.max.threads.multiplier",
        "signal.kafka.topic",
        "signal.kafka.groupId",
        "signal.kafka.bootstrap.servers",
        "signal.kafka.poll.timeout.ms",
        "signal.consumer.security.protocol",
        "signal.file",
        "poll.dispatch.interval.ms",
        "queue.provider.type",
        "topic.heartbeat.prefix",
        "topic.heartbeat.name",
        "topic.transaction",
        "topic.delimiter",
        "topic.cache.size",
        "event.converting.failure.handling.mode",
        "statistics.metrics.enabled",
        "custom.sanitize.pattern",
        "database.connection.factory.class",
        "driver.loginTimeout",
        "field.name.adjustment.mode",
        "skip.messages.without.change",
        "money.fraction.digits",
        "read.only",
        "exactly.once.support",
        "transaction.boundary",
        "topic.creation.groups",
        "transforms.t.delete.tombstone.handling.mode",
        "transforms.t.add.fields",
        "transforms.t.add.fields.prefix",
        "transforms.t.add.headers",
        "transforms.t.drop.fields.header.name",
        "transforms.t.drop.fields.keep.schema.compatible",
        "transforms.t.route.by.field",
        "transforms.t.replace.null.with.default",
        "transforms.t.table.field.event.id",
        "transforms.t.route.topic.regex",
        "transforms.t.route.tombstone.on.empty.payload",
        "transforms.t.table.fields.additional.placement",
        "transforms.t.table.expand.json.payload",
        "transforms.t.table.op.invalid.behavior",
        "transforms.t.tracing.span.context.field",
        "transforms.t.topic.regex",
        "transforms.t.key.enforce.uniqueness",
        "transforms.t.key.field.name",
        "transforms.t.partition.payload.fields",
    ] {
        let (rule, _) = pick(rules(), name).unwrap_or_else(|| panic!("{name} has no row"));
        assert_ne!(rule.property, "transforms.*", "{name} has no row of its own");
    }
}

#[test]
fn every_key_exists() {
    for rule in rules().chain(WORKER.rules) {
        if let Verdict::Becomes(key, _) = rule.verdict {
            assert!(exists(key), "{}: there is no {key}", rule.property);
        }
    }
}

#[test]
fn no_property_has_two_rows() {
    let mut names: Vec<&str> = rules().map(|rule| rule.property).collect();
    names.sort_unstable();
    for pair in names.windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
}

/// Expected table of docs/debezium.md.
fn table() -> String {
    let mut text = String::new();
    for section in SECTIONS.iter().chain([&WORKER]) {
        text.push_str(&format!(
            "### {}\n\n| Debezium | walcast | |\n|---|---|---|\n",
            section.heading
        ));
        for rule in section.rules {
            let (ours, remark) = match rule.verdict {
                Verdict::Becomes(key, translate) => (format!("`{key}`"), remark(key, translate)),
                Verdict::Depends(_, which) => ("by its value".to_owned(), which.to_owned()),
                Verdict::NotNeeded(why) => ("not needed".to_owned(), format!("because {why}")),
                Verdict::NotYet(why) => ("not yet".to_owned(), why.to_owned()),
                Verdict::Secret(why) => ("by hand".to_owned(), why.to_owned()),
            };
            text.push_str(&format!("| `{}` | {ours} | {remark} |\n", rule.property));
        }
        text.push('\n');
    }
    text
}

fn remark(key: &str, translate: Translate) -> String {
    if !exists(key) {
        return "not implemented yet".to_owned();
    }
    match translate {
        Translate::Words(words) => words
            .iter()
            .map(|(theirs, _)| format!("`{theirs}`"))
            .collect::<Vec<_>>()
            .join(", "),
        Translate::WithAnother => "together with others".to_owned(),
        Translate::Text | Translate::Flag | Translate::Number | Translate::Millis | Translate::By(_) => {
            String::new()
        }
    }
}

/// `UPDATE_EXPECT=1` writes the table.
#[test]
fn the_manual_shows_the_table() {
    const BEGIN: &str =
        "<!-- The table is made from the rules of walcast migrate; a test compares it. -->\n\n";
    const END: &str = "<!-- End of the table. -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/debezium.md");
    let manual = fs::read_to_string(&path).unwrap();
    let (before, rest) = manual.split_once(BEGIN).expect("the table's beginning is marked");
    let (shown, after) = rest.split_once(END).expect("the table's end is marked");
    if shown != table() && std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert_eq!(shown, table(), "update the table with UPDATE_EXPECT=1");
}
