//! Outbox routers: each is translated option by option, or refused.

use walcast_mapper::TableName;
use walcast_mapper::config::{InvalidUpdate, JsonEmptyArray, JsonNull, MissingAdditional, OutboxRule};

use super::{lookup, misses, with};
use crate::config::parse_for_test;
use crate::debezium::finding::Became;

const ROUTER: &str = "transforms.outbox.type=io.debezium.transforms.outbox.EventRouter\n";

/// Properties of a connector whose only transform is a router with these options.
fn router(options: &str) -> String {
    let options = options.lines().map(|line| match line.starts_with("predicates") {
        true => format!("{line}\n"),
        false => format!("transforms.outbox.{line}\n"),
    });
    format!("transforms=outbox\n{ROUTER}{}", options.collect::<String>())
}

/// The outboxes of the migrated file, which has nothing to be resolved.
fn outboxes(lines: &str) -> Vec<OutboxRule> {
    let migration = with(lines);
    assert!(!misses(&migration), "{}", migration.report().join("\n"));
    let config = parse_for_test(&migration.toml, &lookup);
    config
        .unwrap_or_else(|error| panic!("{error}\n{}", migration.toml))
        .mapper
        .outboxes
}

/// Why the transforms are refused. Nothing of the router is in the file, which no start accepts.
fn refused(lines: &str) -> String {
    let migration = with(lines);
    assert!(!migration.toml.contains("outbox = ["), "{}", migration.toml);
    assert!(
        parse_for_test(&migration.toml, &lookup).is_err(),
        "{}",
        migration.toml
    );
    let mut findings = migration.findings.iter();
    let finding = findings.find(|finding| finding.property == "transforms").unwrap();
    assert_eq!(finding.became, Became::Refused);
    finding.reason.clone().unwrap()
}

fn table(name: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: name.to_owned(),
    }
}

#[test]
fn a_router_without_options_has_the_same_defaults() {
    let rules = outboxes(&router(""));
    let by_default: OutboxRule = serde_json::from_value(serde_json::json!({"tables": "*.*"})).unwrap();
    assert_eq!(rules, [by_default]);
    // Without a predicate, it applies to every captured table.
    assert!(rules[0].matches(&table("Any table")));
}

#[test]
fn every_option_is_translated() {
    let rules = outboxes(&router(
        "table.field.event.id=event_id\ntable.field.event.key=key\ntable.field.event.type=kind\n\
         table.field.event.payload=body\ntable.field.event.timestamp=at\ntable.field.event.schema.version=version\n\
         table.fields.additional.placement=kind:header:eventType, tenant:envelope,part:partition\n\
         table.fields.additional.error.on.missing=false\ntable.expand.json.payload=true\n\
         table.json.payload.null.behavior=optional_bytes\ntable.json.payload.empty.array.behavior=optional_string\n\
         tracing.span.context.field=span\ntracing.operation.name=read\ntracing.with.context.field.only=true\n\
         table.op.invalid.behavior=fatal\nroute.by.field=topic\nroute.topic.regex=(.*)_events\n\
         route.topic.replacement=events.$1\nroute.tombstone.on.empty.payload=true",
    ));
    let [rule] = rules.as_slice() else {
        panic!("{rules:?}");
    };
    assert_eq!(
        (rule.id.as_str(), rule.key.as_str(), rule.payload.as_str()),
        ("event_id", "key", "body")
    );
    assert_eq!(
        (rule.timestamp.as_deref(), rule.schema_version.as_deref()),
        (Some("at"), Some("version"))
    );
    let additional: Vec<String> = rule.additional.iter().map(ToString::to_string).collect();
    assert_eq!(
        additional,
        ["kind:header:eventType", "tenant:envelope", "part:partition"]
    );
    assert_eq!(rule.missing_additional, MissingAdditional::Ignore);
    assert_eq!(rule.on_update, InvalidUpdate::Fatal);
    assert_eq!(
        (
            rule.route_by.as_str(),
            rule.route_pattern.as_str(),
            rule.route_topic.as_str()
        ),
        ("topic", "(.*)_events", "events.$1")
    );
    assert!(rule.tombstone_on_empty_payload && rule.expand_json);
    assert_eq!(
        (rule.json_null, rule.json_empty_array),
        (JsonNull::OptionalBytes, JsonEmptyArray::OptionalString)
    );
    assert_eq!(rule.trace_context.as_deref(), Some("span"));
}

/// Releases differ in the name of the option and in its values.
#[test]
fn a_missing_column_is_left_out_where_either_option_says_so() {
    for (option, expected) in [
        ("table.field.additional.missing=ignore", MissingAdditional::Ignore),
        ("table.field.additional.missing=error", MissingAdditional::Error),
        (
            "table.fields.additional.error.on.missing=true",
            MissingAdditional::Error,
        ),
    ] {
        assert_eq!(
            outboxes(&router(option))[0].missing_additional,
            expected,
            "{option}"
        );
    }
}

/// The placement counts, not the name that the column gets.
#[test]
fn names_of_placements_can_be_names_of_headers() {
    let rules = outboxes(&router(
        "table.fields.additional.placement=a:header:envelope,b:header:partition,c:partition\n\
         table.field.event.schema.version=version",
    ));
    assert_eq!(rules[0].additional.len(), 3);
    assert_eq!(rules[0].schema_version, None);
}

/// `${` begins an environment variable in the file.
#[test]
fn groups_in_the_replacement_are_escaped() {
    let rules = outboxes(&router("route.topic.replacement=events.${routedByValue}"));
    assert_eq!(rules[0].route_topic, "events.${routedByValue}");
}

#[test]
fn a_version_without_a_column_in_the_envelope_has_no_effect() {
    let rules = outboxes(&router("table.field.event.schema.version=version"));
    assert_eq!(rules[0].schema_version, None);
}

#[test]
fn a_predicate_for_one_topic_selects_its_table() {
    let predicate = |pattern: &str| {
        router(&format!(
            "predicate=p\npredicates=p\n\
             predicates.p.type=org.apache.kafka.connect.transforms.predicates.TopicNameMatches\n\
             predicates.p.pattern={pattern}"
        ))
    };
    for (pattern, name) in [
        ("shop.public.outbox", "outbox"),
        ("shop\\\\.public\\\\.outbox", "outbox"),
        ("shop.public.OutBox", "OutBox"),
    ] {
        let rules = outboxes(&predicate(pattern));
        assert_eq!(rules.len(), 1);
        assert!(rules[0].matches(&table(name)), "{:?}", rules[0].tables);
        assert!(!rules[0].matches(&table("other")));
        assert!(!rules[0].matches(&table("OUTBOX")));
    }
    for pattern in [
        ".*outbox",
        "shop.public.(a|b)",
        "other.public.outbox",
        "shop.outbox",
        "",
    ] {
        let reason = refused(&predicate(pattern));
        assert!(
            reason.contains("of its predicate is not the topic of one table, prefix.schema.table"),
            "{reason}"
        );
    }
    let reason = refused(&format!(
        "{}transforms.outbox.negate=true\n",
        predicate("shop.public.outbox")
    ));
    assert!(reason.ends_with("its predicate p is negated"), "{reason}");
    let reason = refused(&router(
        "predicate=p\npredicates=p\npredicates.p.type=org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
    ));
    assert!(
        reason.ends_with("its predicate p is not TopicNameMatches"),
        "{reason}"
    );
}

#[test]
fn rejects_what_has_no_counterpart() {
    for (option, expected) in [
        (
            "table.expand.json.payload=true\nfield.name.adjustment.mode=avro",
            "the names in an expanded payload are not adjusted",
        ),
        (
            "table.expand.json.payload=true\ntable.json.payload.null.behavior=keep",
            "keep is neither ignore nor optional_bytes",
        ),
        ("tracing.level=all", "tracing.level has no counterpart"),
        (
            "table.field.payload.id=x",
            "table.field.payload.id has no counterpart",
        ),
        (
            "table.op.invalid.behavior=ignore",
            "ignore is not warn, error or fatal",
        ),
        (
            "table.field.additional.missing=skip",
            "skip is neither error nor ignore",
        ),
        (
            "route.tombstone.on.empty.payload=yes",
            "yes is neither true nor false",
        ),
        (
            "table.fields.additional.placement=a:body",
            "is not column:placement",
        ),
        (
            "table.fields.additional.placement=a:partition,b:partition",
            "several columns as the partition",
        ),
        ("route.topic.regex=(?!x).*", "is not a regular expression"),
        ("route.topic.replacement=events.${kind}", "refers to a group"),
    ] {
        let reason = refused(&router(option));
        assert!(reason.contains(expected), "{option}: {reason}");
    }
}

/// A router applies to records as the transforms before it have left them, and those after it to the events.
#[test]
fn other_transforms_beside_a_router_are_refused() {
    let unwrap = "transforms.unwrap.type=io.debezium.transforms.ExtractNewRecordState\n";
    let migration = with(&format!("transforms=unwrap,outbox\n{unwrap}{ROUTER}"));
    assert!(!migration.toml.contains("outbox = ["), "{}", migration.toml);
    let migration = with(&format!("transforms=outbox,unwrap\n{unwrap}{ROUTER}"));
    assert!(!migration.toml.contains("shape = "), "{}", migration.toml);
    let twice = with(&format!(
        "transforms=outbox,second\n{ROUTER}transforms.second.type=io.debezium.transforms.outbox.EventRouter\n"
    ));
    for migration in [&migration, &twice] {
        let mut findings = migration.findings.iter();
        let finding = findings.find(|finding| finding.property == "transforms").unwrap();
        assert_eq!(finding.became, Became::Partly);
        assert!(
            parse_for_test(&migration.toml, &lookup).is_err(),
            "{}",
            migration.toml
        );
    }
}
