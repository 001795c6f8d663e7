//! The context of a transaction in the headers of its records, in every shape, and in records that have no room for it.

use std::sync::Arc;

use walcast_mapper::config::{Encoding, Operation, Shape};
use walcast_mapper::dead_letter::{DeadLetter, DeadLetterReason, DeadLetterSource, UndeliverableEvent};
use walcast_mapper::{
    ChangeContext, EventCounts, MapError, Plan, RecordBuffer, RecordLimits, TransactionContext,
};
use walcast_pgoutput::Column::{Null, Text};

use crate::table::{Change, INT4, TEXT, Table, context, with_change};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn with_trace() -> String {
    format!(r#"{{"user":"anna","traceparent":"{TRACE}"}}"#)
}

fn table() -> Table {
    Table::new(&[("id", INT4, -1), ("note", TEXT, -1)])
}

fn encode(
    plan: &mut Plan,
    change: &Change<'_>,
    content: &str,
    counts: Option<&mut EventCounts>,
) -> Result<RecordBuffer, MapError> {
    let given = TransactionContext::read(content.as_bytes(), 1_000);
    let context = ChangeContext {
        transaction_context: Some(&given),
        ..context()
    };
    let mut buffer = RecordBuffer::new();
    with_change(change, |change| {
        plan.encode(change, &context, counts, &mut buffer)
    })?;
    Ok(buffer)
}

/// Headers that are not Debezium's, of each record.
fn headers(buffer: &RecordBuffer) -> Vec<Vec<(String, String)>> {
    let own = buffer.records().map(|record| {
        let headers = record.headers().filter(|header| !header.name.starts_with("__"));
        let headers = headers.filter(|header| header.name != "walcast.id");
        headers
            .map(|header| {
                let value = String::from_utf8(header.value.unwrap_or_default().to_vec()).unwrap();
                (header.name.to_owned(), value)
            })
            .collect()
    });
    own.collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    owned.collect()
}

#[test]
fn each_record_of_a_change_has_the_context_in_every_shape() {
    let json = with_trace();
    let expected = pairs(&[("walcast.context", &json), ("traceparent", TRACE)]);
    for shape in [Shape::Debezium, Shape::Flat, Shape::CloudEvents] {
        let mut table = table();
        table.config.shape = shape;
        table.config.value = Encoding::Json;
        let mut plan = table.compile().unwrap();
        let old = [Text(b"1"), Null];
        let new = [Text(b"2"), Text(b"new")];
        for change in [
            Change::Insert(&new),
            Change::UpdateKey(&old, &new),
            Change::DeleteKey(&old),
        ] {
            let records = headers(&encode(&mut plan, &change, &json, None).unwrap());
            assert!(!records.is_empty());
            assert!(
                records.iter().all(|headers| *headers == expected),
                "{shape:?}: {records:?}"
            );
        }
    }
}

#[test]
fn truncates_have_the_context() {
    let mut table = table();
    table.config.events.operations.push(Operation::Truncate);
    let mut plan = table.compile().unwrap();
    let given = TransactionContext::read(b"{}", 10);
    let context = ChangeContext {
        transaction_context: Some(&given),
        ..context()
    };
    let mut buffer = RecordBuffer::new();
    plan.encode_truncate(0, &context, None, &mut buffer).unwrap();
    assert_eq!(headers(&buffer), [pairs(&[("walcast.context", "{}")])]);
}

#[test]
fn a_context_that_cannot_be_sent_is_a_reason() {
    let mut plan = table().compile().unwrap();
    let change = Change::Insert(&[Text(b"1"), Null]);
    let buffer = encode(&mut plan, &change, "no", None).unwrap();
    assert_eq!(
        headers(&buffer),
        [pairs(&[("walcast.context.error", "not_json")])]
    );
}

/// The record is sent, its event is counted once, and a row that is too large by itself stays an error.
#[test]
fn a_record_without_room_is_sent_without_the_context() {
    let mut table = table();
    table.config.events.transactions = true;
    let mut plan = table.compile().unwrap();
    let limits = |bytes| RecordLimits {
        key_and_value: bytes,
        whole: bytes,
        taken: bytes,
    };
    let change = Change::Insert(&[Text(b"1"), Text(b"a note")]);
    let json = format!(r#"{{"reason":"{}"}}"#, "x".repeat(500));
    let size = |buffer: &RecordBuffer| {
        let names: usize = buffer
            .records()
            .flat_map(|record| record.headers())
            .map(|header| header.name.len())
            .sum();
        names + buffer.len_bytes()
    };
    let with = encode(&mut plan, &change, &json, Some(&mut EventCounts::default())).unwrap();
    for (room, expected) in [
        (size(&with), ("walcast.context", json.as_str())),
        (size(&with) - 1, ("walcast.context.error", "record_too_large")),
    ] {
        plan.limit(limits(room));
        let mut counts = EventCounts::default();
        let buffer = encode(&mut plan, &change, &json, Some(&mut counts)).unwrap();
        assert_eq!(headers(&buffer), [pairs(&[expected])]);
        assert_eq!(counts.total(), 1);
    }
    plan.limit(limits(10));
    let mut counts = EventCounts::default();
    let refused = encode(&mut plan, &change, &json, Some(&mut counts)).unwrap_err();
    assert!(matches!(refused, MapError::TooLarge { .. }), "{refused}");
    assert_eq!(counts.total(), 0);
}

#[test]
fn dead_letters_keep_the_context_within_their_limit() {
    let table = table();
    let json = format!(r#"{{"reason":"{}"}}"#, "x".repeat(900));
    let given = TransactionContext::read(json.as_bytes(), 1_000);
    let note = "y".repeat(50_000);
    let row = [Text(b"1"), Text(note.as_bytes())];
    let bytes_max = 10_000;
    let mut buffer = RecordBuffer::new();
    with_change(&Change::Insert(&row), |change| {
        let letter = DeadLetter {
            relation: &table.relation,
            key_columns: &[],
            has_unsent_key_columns: false,
            event: UndeliverableEvent::Change(*change),
            source: DeadLetterSource::Change {
                context: ChangeContext {
                    transaction_context: Some(&given),
                    ..context()
                },
                part: 0,
            },
            reason: DeadLetterReason::Size,
            error: "too large",
        };
        letter.write(
            &Arc::from("p.dead-letters"),
            "p",
            &table.config,
            bytes_max,
            &mut buffer,
        );
    });
    let found = headers(&buffer).remove(0);
    assert!(found.contains(&("walcast.context".to_owned(), json)), "{found:?}");
    assert!(buffer.len_bytes() <= bytes_max, "{}", buffer.len_bytes());
}
