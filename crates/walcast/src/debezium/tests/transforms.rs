//! Transforms: a chain is translated as far as its order permits.

use super::{misses, with};
use crate::debezium::finding::Became;

#[test]
fn other_shapes_are_translated() {
    let flat = with(
        "transforms=unwrap\ntransforms.unwrap.type=io.debezium.transforms.ExtractNewRecordState\n\
         transforms.unwrap.delete.tombstone.handling.mode=rewrite-with-tombstone\n\
         transforms.unwrap.add.fields=op,lsn\ntransforms.unwrap.add.headers=db\ntransforms.unwrap.add.fields.prefix=_\n",
    );
    assert!(!misses(&flat), "{}", flat.report().join("\n"));
    let json = with(
        "key.converter=org.apache.kafka.connect.json.JsonConverter\nkey.converter.schemas.enable=false\n\
         value.converter=org.apache.kafka.connect.json.JsonConverter\n",
    );
    assert!(!misses(&json), "{}", json.report().join("\n"));
}

const UNWRAP: &str = "transforms.unwrap.type=io.debezium.transforms.ExtractNewRecordState\n";

fn router(alias: &str, regex: &str, replacement: &str) -> String {
    format!(
        "transforms.{alias}.type=io.debezium.transforms.ByLogicalTableRouter\ntransforms.{alias}.topic.regex={regex}\n\
         transforms.{alias}.topic.replacement={replacement}\n"
    )
}

/// Result of the property `transforms`, and its reason.
fn result(lines: &str) -> (Became, String, String) {
    let migration = with(lines);
    let mut findings = migration.findings.iter();
    let finding = findings
        .find(|finding| finding.property == "transforms")
        .expect("the property is in the configuration");
    (
        finding.became,
        finding.reason.clone().unwrap_or_default(),
        migration.toml.clone(),
    )
}

#[test]
fn a_transform_without_counterpart_leaves_the_others() {
    let (a, replace) = (
        router("a", "shop.public.orders_.*", "shop.orders"),
        "transforms.replace.type=org.apache.kafka.connect.transforms.ReplaceField$Value\n\
         transforms.replace.exclude=ssn\n",
    );
    let (became, reason, toml) = result(&format!("transforms=unwrap,replace,a\n{UNWRAP}{replace}{a}"));
    assert_eq!(became, Became::Partly);
    assert_eq!(
        reason,
        "replace (org.apache.kafka.connect.transforms.ReplaceField$Value): there is no counterpart"
    );
    assert!(
        toml.contains("shape = \"flat\"") && toml.contains("topic = \"shop.orders\""),
        "{toml}"
    );
    let flat = with(&format!("transforms=replace,unwrap\n{UNWRAP}{replace}"));
    assert!(flat.toml.contains("shape = \"flat\""), "{}", flat.toml);
}

/// A router selects by the topic that the transforms before it have left.
#[test]
fn a_router_behind_a_transform_that_can_change_topics_is_not_translated() {
    let a = router("a", "shop.public.orders_.*", "shop.orders");
    for before in [
        "org.apache.kafka.connect.transforms.TimestampRouter",
        "com.example.Filter",
    ] {
        let migration = with(&format!("transforms=x,a\ntransforms.x.type={before}\n{a}"));
        assert!(!migration.toml.contains("[[names.routes]]"), "{}", migration.toml);
    }
    let (became, _, toml) = result(&format!(
        "transforms=a,x\ntransforms.x.type=com.example.Filter\n{a}"
    ));
    assert_eq!(became, Became::Partly);
    assert!(toml.contains("topic = \"shop.orders\""), "{toml}");
}

/// Connect applies every router of a chain; of the routes of walcast, only the first that matches applies.
#[test]
fn routers_that_apply_one_after_the_other_are_not_translated() {
    let (a, b) = (
        router("a", "shop.public.orders_.*", "shop.orders"),
        router("b", "shop.public.items_.*", "shop.items"),
    );
    assert!(!misses(&with(&format!("transforms=a,b\n{a}{b}"))));
    let b = router("b", "shop.o.*", "shop.all");
    let (became, reason, _) = result(&format!("transforms=a,b\n{a}{b}"));
    assert_eq!(became, Became::Partly);
    assert!(
        reason.ends_with(
            "it also applies to topics that a has renamed, and only the first matching route applies here"
        ),
        "{reason}"
    );
    let a = router("a", "shop.public.(.*)", "shop.$1");
    assert!(misses(&with(&format!("transforms=a,b\n{a}{b}"))));
}

#[test]
fn a_route_with_an_unsupported_expression_is_reported() {
    let (became, reason, _) = result(&format!(
        "transforms=a\n{}",
        router("a", "shop.(?!x).*", "shop.orders")
    ));
    assert_eq!(became, Became::Refused);
    assert!(reason.contains("is not a regular expression"), "{reason}");
}

/// Kafka's router changes the topic alone, and Debezium's also names the schemas after it, as walcast does.
#[test]
fn the_names_of_schemas_behind_kafkas_router_are_reported() {
    let (became, reason, _) = result(
        "transforms=r\ntransforms.r.type=org.apache.kafka.connect.transforms.RegexRouter\n\
         transforms.r.regex=shop.(.*)\ntransforms.r.replacement=all.$1\n",
    );
    assert_eq!(became, Became::ByHand);
    assert!(
        reason.starts_with("RegexRouter leaves the names of schemas"),
        "{reason}"
    );
}

/// `delete.handling.mode` and `drop.tombstones` of Debezium before 3.2, and the property that replaced them.
#[test]
fn modes_for_deletes_have_counterparts() {
    let deletes = |lines: &str| {
        let lines: String = lines
            .split_whitespace()
            .map(|line| match line.starts_with("tombstones.") {
                true => format!("{line}\n"),
                false => format!("transforms.unwrap.{line}\n"),
            })
            .collect();
        let migration = with(&format!("transforms=unwrap\n{UNWRAP}{lines}"));
        let line = migration
            .toml
            .lines()
            .find_map(|line| line.strip_prefix("deletes = "));
        let mode = line.map(|line| {
            line.split_whitespace()
                .next()
                .unwrap()
                .trim_matches('"')
                .to_owned()
        });
        (mode, misses(&migration))
    };
    for (lines, mode) in [
        ("drop.tombstones=true delete.handling.mode=drop", "drop"),
        ("drop.tombstones=false", "tombstone"),
        ("delete.handling.mode=none", "tombstone"),
        (
            "drop.tombstones=false delete.handling.mode=rewrite",
            "rewrite_with_tombstone",
        ),
        ("delete.handling.mode=rewrite", "rewrite"),
        (
            "delete.handling.mode=none drop.tombstones=false tombstones.on.delete=false",
            "tombstone",
        ),
        ("drop.tombstones=false tombstones.on.delete=false", "drop"),
        (
            "delete.tombstone.handling.mode=rewrite drop.tombstones=false delete.handling.mode=drop",
            "rewrite",
        ),
    ] {
        assert_eq!(deletes(lines), (Some(mode.to_owned()), false), "{lines}");
    }
    for lines in [
        "delete.handling.mode=none drop.tombstones=false",
        "delete.handling.mode=other",
        "delete.tombstone.handling.mode=other",
    ] {
        assert_eq!(deletes(lines), (None, true), "{lines}");
    }
    let (became, reason, _) = result(&format!(
        "transforms=unwrap\n{UNWRAP}transforms.unwrap.delete.handling.mode=rewrite\n"
    ));
    assert_eq!(became, Became::ByHand);
    assert!(reason.starts_with("Debezium 3.2 and later ignore"), "{reason}");
}
