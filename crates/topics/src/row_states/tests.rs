//! States of a row, from records as a connector writes them.

use std::sync::Arc;

use expect_test::{Expect, expect};

use super::*;
use crate::envelope::{self, Marks};
use crate::json;
use crate::record::{Header, Record, RecordSchemas};
use crate::settings::Settings;

/// Change of a record with this `walcast.id`.
fn change(id: &str, key: &str, value: Option<&str>, headers: &[(&str, &str)]) -> KeyChange {
    let id = id.parse().unwrap();
    let marks = Marks {
        id: Some(id),
        has_reason: false,
    };
    let decode = |text: &str| json::decode(text.as_bytes()).unwrap();
    let content = match value {
        Some(value) => envelope::content(decode(value), marks, &Settings::default()),
        None => crate::record::Content::Tombstone,
    };
    let header = |(name, value): &(&str, &str)| Header {
        name: (*name).to_owned(),
        value: Some((*value).to_owned()),
    };
    let record = Record {
        topic: Arc::from("t"),
        partition: 0,
        offset: 0,
        timestamp: None,
        headers: headers.iter().map(header).collect(),
        id: Some(id),
        key: Some(decode(key)),
        schemas: RecordSchemas::default(),
        content,
    };
    KeyChange::of(record).unwrap()
}

fn value(op: &str, before: &str, after: &str) -> String {
    format!(r#"{{"before":{before},"after":{after},"source":{{}},"op":"{op}"}}"#)
}

fn changes(values: &[(&str, &str, &str)]) -> Vec<KeyChange> {
    let values = values.iter().enumerate();
    let change = |(number, (op, before, after)): (usize, &(&str, &str, &str))| {
        let id = format!("0/100/{number}");
        change(&id, r#"{"id":1}"#, Some(&value(op, before, after)), &[])
    };
    values.map(change).collect()
}

/// One line for each changed column, then the row with the change that set each column.
fn check(changes: &[KeyChange], expected: &Expect) {
    let states = RowStates::of(changes);
    let mut lines = Vec::new();
    for (number, step) in states.steps.iter().enumerate() {
        let columns = step.iter().map(|column| {
            let old = match &column.old {
                OldValue::Known(value) => value.to_string(),
                OldValue::Absent => "-".to_owned(),
                OldValue::Unknown => "?".to_owned(),
            };
            let new = column.new.as_ref().map_or("-".to_owned(), Value::to_string);
            format!("{} {old} -> {new}", column.column)
        });
        let columns: Vec<String> = columns.collect();
        lines.push(format!("{number}: {}", columns.join(", ")));
    }
    let key: TypedKey = "1".parse().unwrap();
    if let Some((key, row)) = states.row(&key, None) {
        let columns = row.columns.iter().map(|(name, origin)| {
            let exact = if origin.is_exact { "" } else { " or earlier" };
            format!("{name}={} by {}{exact}", origin.value, origin.set_by)
        });
        lines.push(format!("{key}: {}", columns.collect::<Vec<_>>().join(", ")));
    }
    lines.extend(
        states
            .deleted_by(&key, None)
            .map(|number| format!("deleted by {number}")),
    );
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn each_column_is_compared_with_the_state_before() {
    check(
        &changes(&[
            ("c", "null", r#"{"id":1,"total":"89.99","coupon":null}"#),
            ("u", "null", r#"{"id":1,"total":"79.99","coupon":"SAVE10"}"#),
            ("u", "null", r#"{"id":1,"total":"79.99","coupon":"SAVE10"}"#),
        ]),
        &expect![[r#"
            0: id - -> 1, total - -> "89.99", coupon - -> null
            1: total "89.99" -> "79.99", coupon null -> "SAVE10"
            2: 
            {id: 1}: id=1 by 0, total="79.99" by 1, coupon="SAVE10" by 1"#]],
    );
}

#[test]
fn old_values_are_unknown_unless_the_old_row_contains_them() {
    check(
        &changes(&[("u", "null", r#"{"id":1,"total":2}"#)]),
        &expect![[r#"
            0: id ? -> 1, total ? -> 2
            {id: 1}: id=1 by 0 or earlier, total=2 by 0 or earlier"#]],
    );
    check(
        &changes(&[("u", r#"{"id":1,"total":1}"#, r#"{"id":1,"total":2}"#)]),
        &expect![[r#"
            0: total 1 -> 2
            {id: 1}: id=1 by 0 or earlier, total=2 by 0"#]],
    );
    check(
        &changes(&[
            ("r", "null", r#"{"id":1,"total":1}"#),
            ("r", "null", r#"{"id":1,"total":2}"#),
        ]),
        &expect![[r#"
            0: id - -> 1, total - -> 1
            1: total 1 -> 2
            {id: 1}: id=1 by 0 or earlier, total=2 by 1 or earlier"#]],
    );
}

#[test]
fn unchanged_toast_values_and_columns_that_come_and_go_are_followed() {
    check(
        &changes(&[
            ("c", "null", r#"{"id":1,"note":"long","old":7}"#),
            (
                "u",
                "null",
                r#"{"id":1,"note":"__debezium_unavailable_value","added":true}"#,
            ),
        ]),
        &expect![[r#"
            0: id - -> 1, note - -> "long", old - -> 7
            1: added - -> true, old 7 -> -
            {id: 1}: id=1 by 0, note="long" by 0, added=true by 1"#]],
    );
}

#[test]
fn a_deleted_row_is_no_row_and_an_updated_key_keeps_its_state() {
    let created = value("c", "null", r#"{"id":2,"total":1}"#);
    let deleted = value("d", r#"{"id":2,"total":null}"#, "null");
    let moved = value("c", "null", r#"{"id":1,"total":1}"#);
    let old = r#"{"id":2}"#;
    let new = r#"{"id":1}"#;
    let to_new = [("__debezium.newkey", new)];
    let from_old = [("__debezium.oldkey", old)];
    let mut all = vec![
        change("0/100/0", old, Some(&created), &[]),
        change("0/100/1", old, Some(&deleted), &to_new),
        change("0/100/1.1", old, None, &to_new),
        change("0/100/1.2", new, Some(&moved), &from_old),
    ];
    check(
        &all,
        &expect![[r#"
            0: id - -> 2, total - -> 1
            1: 
            2: 
            3: id 2 -> 1
            {id: 1}: id=1 by 3, total=1 by 0"#]],
    );
    all.push(change("0/100/2", new, Some(&value("d", new, "null")), &[]));
    check(
        &all,
        &expect![[r#"
            0: id - -> 2, total - -> 1
            1: 
            2: 
            3: id 2 -> 1
            4: 
            deleted by 4"#]],
    );
}

#[test]
fn a_create_begins_a_row_also_where_the_end_of_the_one_before_is_missing() {
    let created = ("c", "null", r#"{"id":1,"total":1}"#);
    check(
        &changes(&[created, created]),
        &expect![[r#"
            0: id - -> 1, total - -> 1
            1: id - -> 1, total - -> 1
            {id: 1}: id=1 by 1, total=1 by 1"#]],
    );
}

#[test]
fn values_of_a_row_without_its_former_key_may_be_earlier() {
    let moved = value("c", "null", r#"{"id":1,"note":"__debezium_unavailable_value"}"#);
    let updated = value("u", "null", r#"{"id":1,"note":"x"}"#);
    let key = r#"{"id":1}"#;
    let from_old = [("__debezium.oldkey", r#"{"id":2}"#)];
    let all = [
        change("0/100/0.2", key, Some(&moved), &from_old),
        change("0/100/1", key, Some(&updated), &[]),
    ];
    check(
        &all[..1],
        &expect![[r#"
            0: id ? -> 1, note ? -> (unchanged, not in WAL)
            {id: 1}: id=1 by 0 or earlier, note=(unchanged, not in WAL) by 0 or earlier"#]],
    );
    check(
        &all,
        &expect![[r#"
            0: id ? -> 1, note ? -> (unchanged, not in WAL)
            1: note ? -> "x"
            {id: 1}: id=1 by 0 or earlier, note="x" by 1 or earlier"#]],
    );
}

/// Both halves of an update of a key in a transaction of its own or of several changes, without the tombstone.
fn key_update(id: &str, keys: [&str; 2], after: &str) -> [KeyChange; 2] {
    let [old, new] = keys;
    let deleted = value("d", old, "null");
    let created = value("c", "null", after);
    [
        change(id, old, Some(&deleted), &[("__debezium.newkey", new)]),
        change(
            &format!("{id}.2"),
            new,
            Some(&created),
            &[("__debezium.oldkey", old)],
        ),
    ]
}

#[test]
fn a_row_that_moved_is_not_a_later_row_with_its_former_key() {
    let (one, two) = (r#"{"id":1}"#, r#"{"id":2}"#);
    let created = value("c", "null", r#"{"id":1,"total":1}"#);
    let mut all = vec![change("0/100/0", one, Some(&created), &[])];
    all.extend(key_update("0/100/1", [one, two], r#"{"id":2,"total":1}"#));
    check(
        &all,
        &expect![[r#"
            0: id - -> 1, total - -> 1
            1: 
            2: id 1 -> 2
            {id: 2}: id=2 by 2, total=1 by 0"#]],
    );
    let deleted = value("d", one, "null");
    all.push(change("0/100/2", one, Some(&created), &[]));
    all.push(change("0/100/3", one, Some(&deleted), &[]));
    let updated = value("u", "null", r#"{"id":2,"total":2}"#);
    all.push(change("0/100/4", two, Some(&updated), &[]));
    check(
        &all,
        &expect![[r#"
            0: id - -> 1, total - -> 1
            1: 
            2: id 1 -> 2
            3: id - -> 1, total - -> 1
            4: 
            5: total 1 -> 2
            deleted by 4"#]],
    );
}

#[test]
fn rows_that_exchange_their_keys_keep_their_states() {
    let (one, two) = (r#"{"id":1}"#, r#"{"id":2}"#);
    let first = value("c", "null", r#"{"id":1,"total":1}"#);
    let second = value("c", "null", r#"{"id":2,"total":2}"#);
    let mut all = vec![
        change("0/100/0", one, Some(&first), &[]),
        change("0/100/1", two, Some(&second), &[]),
    ];
    all.extend(key_update("0/200/0", [one, two], r#"{"id":2,"total":1}"#));
    all.extend(key_update("0/200/1", [two, one], r#"{"id":1,"total":2}"#));
    check(
        &all,
        &expect![[r#"
            0: id - -> 1, total - -> 1
            1: id - -> 2, total - -> 2
            2: 
            3: id 1 -> 2
            4: 
            5: id 2 -> 1
            {id: 1}: id=1 by 5, total=2 by 1"#]],
    );
}
