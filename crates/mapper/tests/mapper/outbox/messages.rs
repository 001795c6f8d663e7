//! Messages as events.

use expect_test::{Expect, expect};
use serde_json::json;
use walcast_mapper::config::Encoding;
use walcast_mapper::{
    MapError, MapperConfig, MessageOutbox, Plan, RecordBuffer, RowChange, SchemaIds, TableMetadata,
};
use walcast_pgoutput::Tuple;
use walcast_pgoutput::reader::Reader;

use super::shown;
use crate::table::context;

/// Compares the event of a message, or the error.
fn check(content: &str, expected: &Expect) {
    let mut config = MapperConfig::new("p", "db");
    config.context_headers = false;
    (config.key, config.value) = (Encoding::Json, Encoding::Json);
    let rule = json!({"source": "message:events", "additional": ["type:header", "part:partition"]});
    config.outboxes = vec![serde_json::from_value(rule).unwrap()];
    let outboxes = MessageOutbox::all(&config);
    let [outbox] = outboxes.as_slice() else {
        panic!("{outboxes:?}");
    };
    assert_eq!(outbox.prefix(), "events");
    let mut plan = Plan::compile(outbox.relation(), &TableMetadata::default(), &config).unwrap();
    let row = outbox.row(content.as_bytes());
    let new = Tuple::read(&mut Reader::new(&row.tuple)).unwrap();
    let mut buffer = RecordBuffer::new();
    let mut encode = || plan.encode(&RowChange::Insert { new }, &context(), None, &mut buffer);
    let encoded = match row.error {
        Some(error) => Err(error),
        None => encode(),
    };
    let encoded = match encoded {
        Err(MapError::UnknownTopic { topic }) => {
            plan.bind_topic(
                &topic,
                SchemaIds {
                    key: None,
                    value: None,
                },
            );
            plan.encode(&RowChange::Insert { new }, &context(), None, &mut buffer)
        }
        encoded => encoded,
    };
    expected.assert_eq(&match encoded {
        Ok(()) => shown(&buffer),
        Err(error) => error.to_string(),
    });
}

#[test]
fn members_are_what_columns_are() {
    check(
        r#"{"id": 7, "aggregatetype": "order", "aggregateid": "8471", "type": "Placed", "payload": {"n": 1.50}, "part": 3,
            "timestamp": 1709251200123, "headers": {"tenant": "a"}, "other": []}"#,
        &expect![[
            r#"outbox.event.order Some(3) Some(1709251200123) "8471" "{\"n\": 1.50}" [id=7, type=Placed, tenant=a]"#
        ]],
    );
    check(
        r#"{"id": "x", "aggregatetype": "cart"}"#,
        &expect!["outbox.event.cart None None null null [id=x, type=none]"],
    );
}

#[test]
fn messages_that_are_no_events_are_errors() {
    for content in ["", "no", "[]", "\"text\"", "{} {}"] {
        check(
            content,
            &expect!["message of outbox pg_logical_emit_message.events is not an object in JSON"],
        );
    }
    check(
        r#"{"aggregatetype": "order"}"#,
        &expect![
            "column id of outbox table pg_logical_emit_message.events: the value cannot be used as the id of an event"
        ],
    );
    check(
        r#"{"id": 1, "aggregatetype": "order", "part": "x"}"#,
        &expect![
            "column part of outbox table pg_logical_emit_message.events: the value cannot be used as an integer of 32 bits"
        ],
    );
    check(
        r#"{"id": "\ud800", "aggregatetype": "order"}"#,
        &expect![
            "column id of outbox table pg_logical_emit_message.events: the value cannot be used as text: an escape in it stands for no character"
        ],
    );
    // What separates a routing value from the form of the payload would let one row have the schema of another.
    check(
        r#"{"id": 1, "aggregatetype": "order\u0000x"}"#,
        &expect![
            "column aggregatetype of outbox table pg_logical_emit_message.events: the value cannot be used as the name of a topic"
        ],
    );
}
