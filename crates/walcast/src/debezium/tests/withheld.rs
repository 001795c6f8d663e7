//! Properties that withhold data: what cannot be translated of them makes the file unusable until an operator has resolved it.

use expect_test::expect;
use walcast_mapper::TableName;

use super::{lookup, misses, with};
use crate::config::parse_for_test;
use crate::debezium::finding::{Became, Finding};
use crate::debezium::migration::Migration;

fn unresolved(migration: &Migration) -> Vec<&str> {
    let findings = migration.findings.iter();
    findings
        .filter(|finding| finding.is_unresolved())
        .map(|finding: &Finding| finding.property.as_str())
        .collect()
}

#[test]
fn a_list_keeps_what_can_be_translated() {
    for (lines, property, lost, kept) in [
        (
            "column.exclude.list=public.users.ssn,public.(?!orders).*",
            "column.exclude.list",
            "public.(?!orders).*",
            "exclude = [\"/public.users.ssn/\"]",
        ),
        (
            "table.exclude.list=public.(?!orders).*,public.secret_audit",
            "table.exclude.list",
            "public.(?!orders).*",
            "exclude = [\"/public.secret_audit/\"]",
        ),
        (
            "table.include.list=public.(?!audit).*,public.orders",
            "table.include.list",
            "public.(?!audit).*",
            "tables = [\"public.orders\"]",
        ),
        (
            "column.mask.with.12.chars=public.users.email,public.users.(?=x)y",
            "column.mask.with.12.chars",
            "public.users.(?=x)y",
            "columns = [\"/public.users.email/\"]",
        ),
        (
            "message.key.columns=public.orders:customer;public.(?!x).*:id",
            "message.key.columns",
            "public.(?!x).*",
            "tables = \"public.orders\"",
        ),
    ] {
        let migration = with(lines);
        let mut findings = migration.findings.iter();
        let finding = findings.find(|finding| finding.property == property).unwrap();
        assert_eq!(finding.became, Became::Partly, "{lines}");
        let reason = finding.reason.as_deref().unwrap();
        assert_eq!(
            reason,
            format!("{lost}: walcast's regular expressions do not support look-ahead; list the names")
        );
        assert!(migration.toml.contains(kept), "{kept}\n{}", migration.toml);
        assert_eq!(unresolved(&migration), [property]);
    }
}

/// Debezium's lists ignore case; a plain name would not hide `public."Users"."SSN"`.
#[test]
fn lists_that_hide_ignore_case() {
    let migration = with(
        "column.exclude.list=public.users.ssn\ntable.exclude.list=public.audit\nschema.exclude.list=internal\n\
         column.mask.hash.v2.SHA-256.with.salt.pepper=public.users.phone\n",
    );
    let config = parse_for_test(&migration.toml, &lookup).unwrap();
    for (schema, table) in [("public", "Audit"), ("Internal", "anything")] {
        let hidden = TableName {
            namespace: schema.to_owned(),
            name: table.to_owned(),
        };
        let mut exclude = config.postgres.exclude.iter();
        assert!(exclude.any(|pattern| pattern.matches(&hidden)), "{hidden}");
    }
    for pattern in ["/public.users.ssn/", "/public.users.phone/"] {
        assert!(migration.toml.contains(pattern), "{}", migration.toml);
    }
}

#[test]
fn a_file_that_withholds_less_than_the_connector_is_rejected() {
    const TRANSFORM: &str = "transforms=t\ntransforms.t.type=";
    let kafkas = |class: &str| format!("{TRANSFORM}org.apache.kafka.connect.transforms.{class}");
    for (lines, property) in [
        ("table.include.list=public.(?!x).*", "table.include.list"),
        ("table.exclude.list=public.(?!x).*", "table.exclude.list"),
        (
            "table.include.list=a.b\ntable.exclude.list=a.c",
            "table.exclude.list",
        ),
        ("schema.include.list=(?!x).*", "schema.include.list"),
        ("schema.exclude.list=(?!x).*", "schema.exclude.list"),
        (
            "schema.include.list=a.*\ntable.include.list=.*b",
            "table.include.list",
        ),
        ("column.include.list=public.(?!x).*", "column.include.list"),
        ("column.exclude.list=public.(?!x).*", "column.exclude.list"),
        (
            "column.exclude.list=${file:/lists:columns}",
            "column.exclude.list",
        ),
        ("column.mask.with.x.chars=public.a.b", "column.mask.with.x.chars"),
        ("column.truncate.to.9.chars=(?!x).*", "column.truncate.to.9.chars"),
        (
            "column.mask.hash.v2.MD2.with.salt.pepper=a.b.c",
            "column.mask.hash.v2.MD2.with.salt.…",
        ),
        ("column.blacklist=public.a.b", "column.blacklist"),
        ("message.key.columns=public.(?!x).*:id", "message.key.columns"),
        (
            "message.prefix.exclude.list=(?!x).*",
            "message.prefix.exclude.list",
        ),
        ("skipped.operations=c,x", "skipped.operations"),
        ("slot.stream.params=origin=none", "slot.stream.params"),
        ("snapshot.mode=custom", "snapshot.mode"),
        (
            "snapshot.include.collection.list=public.(?!x).*",
            "snapshot.include.collection.list",
        ),
        (
            "snapshot.select.statement.overrides=public.a",
            "snapshot.select.statement.overrides",
        ),
        ("include.unknown.datatypes=maybe", "include.unknown.datatypes"),
        ("converters=mask", "converters"),
        (&kafkas("ReplaceField$Value"), "transforms"),
        (&kafkas("MaskField$Value"), "transforms"),
        (&kafkas("Filter"), "transforms"),
        (&format!("{TRANSFORM}com.example.Redact"), "transforms"),
    ] {
        let migration = with(lines);
        assert_eq!(unresolved(&migration), [property], "{lines}\n{}", migration.toml);
        assert!(migration.is_incomplete());
        assert!(!migration.toml.contains("pepper"));
        let error = parse_for_test(&migration.toml, &lookup)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("unresolved is not empty"), "{error}");
        assert!(error.contains(property), "{error}");
    }
}

/// The rejection names the line, the property and the reason.
#[test]
fn the_rejection_says_what_is_missing() {
    let migration = with("column.exclude.list=public.users.ssn,public.(?!orders).*");
    let error = parse_for_test(&migration.toml, &lookup).err().unwrap();
    expect![
        "walcast.toml:6:1: unresolved is not empty: data would be sent that the Debezium connector withholds; add settings that do the same, then delete each entry: column.exclude.list: public.(?!orders).*: walcast's regular expressions do not support look-ahead; list the names"
    ]
    .assert_eq(&error.to_string());
}

/// A property without counterpart that withholds nothing leaves the file usable.
#[test]
fn a_file_that_withholds_the_same_is_accepted() {
    for lines in [
        "snapshot.delay.ms=4000",
        "some.typo=1",
        "topic.heartbeat.name=beats",
        "transforms=t\ntransforms.t.type=io.debezium.transforms.ExtractChangedRecordState",
    ] {
        let migration = with(lines);
        assert!(misses(&migration), "{lines}");
        assert!(unresolved(&migration).is_empty(), "{lines}");
    }
}
