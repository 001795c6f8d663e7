//! Errors of mapping.

use expect_test::expect_file;
use walcast_mapper::config::TopicPurpose;
use walcast_mapper::upcast::UpcastFault;
use walcast_mapper::{MapError, TableName, Violation, WithoutKey};
use walcast_pgoutput::Oid;

use super::{check, items};

fn column() -> String {
    "price".to_owned()
}

fn topic() -> String {
    "shop.public.items".to_owned()
}

#[test]
fn every_error_of_mapping_has_a_code_and_a_way_on() {
    let errors = vec![
        MapError::NullInNotNull {
            table: items(),
            column: column(),
        },
        MapError::UnknownEnumLabel {
            table: items(),
            column: column(),
            type_oid: Oid::new(17_000),
        },
        MapError::UnknownType {
            table: items(),
            column: column(),
            type_oid: Oid::new(17_000),
            type_name: None,
        },
        MapError::UnknownKey { table: items() },
        MapError::KeyNotSent {
            table: items(),
            columns: vec![column()],
        },
        MapError::Value {
            table: items(),
            column: column(),
            wanted: "a decimal",
        },
        MapError::ColumnCount {
            table: items(),
            found: 2,
            wanted: 3,
        },
        MapError::TooLarge {
            topic: topic(),
            bytes: 2_000_000,
            limit: 1_000_000,
        },
        MapError::KeyMissing {
            table: items(),
            topic: topic(),
            of: WithoutKey::Row,
        },
        MapError::FieldCollision {
            table: items(),
            columns: ["a b".to_owned(), "a-b".to_owned()],
            field: "a_b".to_owned(),
        },
        MapError::SharedTopic {
            tables: Box::new((
                TableName {
                    namespace: "public".to_owned(),
                    name: "a b".to_owned(),
                },
                items(),
            )),
            topic: topic(),
        },
        MapError::TopicOfOutbox {
            tables: Box::new((
                items(),
                TableName {
                    namespace: "public".to_owned(),
                    name: "outbox".to_owned(),
                },
            )),
            topic: topic(),
        },
        MapError::ReservedTopic {
            table: items(),
            topic: topic(),
            purpose: TopicPurpose::Signals,
        },
        MapError::CloudEventsInAvro,
        MapError::Name {
            table: items(),
            name: "prix é".to_owned(),
        },
        MapError::KeyColumn {
            table: items(),
            pattern: "region*".to_owned(),
        },
        MapError::KeyNotInIdentity {
            table: items(),
            columns: vec![column()],
        },
        MapError::ColumnRules {
            table: items(),
            column: column(),
            first: "[[columns.mask]]",
            second: "[[columns.hash]]",
        },
        MapError::NotText {
            table: items(),
            column: column(),
            setting: "[[columns.truncate]]",
        },
        MapError::DestinationColumn {
            table: items(),
            column: column(),
        },
        MapError::OutboxColumn {
            table: items(),
            column: column(),
            problem: "does not exist",
        },
        MapError::OutboxValue {
            table: items(),
            column: column(),
            wanted: "the id of an event",
        },
        MapError::OutboxPayload {
            table: items(),
            column: column(),
            path: ".lines[0].sku".to_owned(),
        },
        MapError::OutboxSchema {
            table: items(),
            column: column(),
            subject: "OrderPlaced".to_owned(),
            problem: "has no schema",
        },
        MapError::OutboxMessage {
            table: items(),
            problem: "is not an object in JSON",
        },
        MapError::OutboxUpdate { table: items() },
        MapError::EventStoreColumn {
            table: items(),
            column: column(),
            problem: "does not exist",
        },
        MapError::EventStoreValue {
            table: items(),
            column: column(),
            wanted: "the id of a stream",
        },
        MapError::EventStoreCompacted {
            table: items(),
            topic: topic(),
        },
        MapError::EventStoreUnordered { table: items() },
        MapError::EventStoreViolation {
            table: items(),
            violation: Violation::Gap { expected: 4 },
            stream: Some("order-8471".to_owned()),
            version: Some(6),
        },
        MapError::EventStoreUpcast {
            table: items(),
            fault: Box::new(UpcastFault {
                event_type: "OrderPlaced".to_owned(),
                version: Some("1".to_owned()),
                problem: "1 to 2, step 1, customer: it is not a string".to_owned(),
            }),
        },
        MapError::UnknownTopic { topic: topic() },
    ];
    check(
        errors,
        &["ReservedTopic", "NotText"],
        &expect_file!["texts/mapper.txt"],
    );
}
