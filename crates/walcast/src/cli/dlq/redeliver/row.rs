//! Rows of a dead letter: the keys by which they are found, or the reason for which a read cannot resolve the dead letter.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use walcast_delivery::shell;
use walcast_mapper::TableName;
use walcast_mapper::config::KeyRule;

use super::super::letter::DeadLetter;

/// Key of a row: columns and values, as recorded in the WAL.
pub(super) type RowKey = BTreeMap<String, String>;

/// Row keys of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rows {
    /// Key of the row to read; `None` if the change deleted the row.
    pub(super) row: Option<RowKey>,
    /// Previous key, if the change removed it from the row.
    pub(super) former: Option<RowKey>,
}

/// Reason for which a dead letter cannot be resolved by a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// Reason.
    pub(super) reason: String,
    /// Remedy.
    pub(super) remedy: String,
}

type Row = Map<String, Value>;

/// Row keys of a dead letter.
pub(super) fn of(letter: &DeadLetter, rules: &[KeyRule]) -> Result<Rows, Obstacle> {
    let discard = format!("walcast dlq discard {}", shell::option("--id", &letter.id));
    let read = format!(
        "walcast snapshot start {} --where …",
        shell::option("--tables", &letter.table().as_pattern())
    );
    let by_hand = |reason: String| Obstacle {
        reason,
        remedy: format!("read the row with {read}, then run {discard}"),
    };
    let (is_deleted, image) = match letter.operation.as_str() {
        "insert" | "update" | "read" => (false, letter.after.as_ref()),
        "delete" => (true, letter.before.as_ref()),
        "truncate" => {
            return Err(Obstacle {
                reason: "the table was truncated: there is no row".to_owned(),
                remedy: format!("inform the consumers, then run {discard}"),
            });
        }
        _ => (false, None),
    };
    let Some(image) = image else {
        let operation = &letter.operation;
        return Err(by_hand(format!("its operation {operation} is unknown")));
    };
    if letter.key.is_empty() {
        return Err(by_hand(
            "its table has no key by which to find the row".to_owned(),
        ));
    }
    let key_in = |image: &Row| -> Result<RowKey, Obstacle> {
        let value = |column: &String| {
            let value = known_value(image, column).or_else(|| known_value(letter.before.as_ref()?, column));
            match value {
                Some(Value::String(text)) => Ok((column.clone(), text.clone())),
                other => Err(by_hand(format!(
                    "its key column {column} {}",
                    missing_reason(other)
                ))),
            }
        };
        letter.key.iter().map(value).collect()
    };
    let key = key_in(image)?;
    let former = match (is_deleted, &letter.before) {
        (true, _) => Some(key.clone()),
        (false, Some(before)) if is_moved(letter, image, rules) => Some(key_in(before)?),
        (false, _) => None,
    };
    if former.is_some() && (has_rule(letter, rules) || has_full_image(letter)) {
        return Err(Obstacle {
            reason: "the row has lost a key, and the previous key of its records is not known for certain: [[keys]] defines \
                  the record key, or the replica identity is FULL"
                .to_owned(),
            remedy: format!("write a tombstone for the previous key, or delete the data of the consumers; {}then run {discard}", match is_deleted {
                true => String::new(),
                false => format!("read the row with {read}; "),
            }),
        });
    }
    Ok(Rows {
        row: (!is_deleted).then_some(key),
        former,
    })
}

/// Whether the WAL contains columns of the previous row beyond its key.
fn has_full_image(letter: &DeadLetter) -> bool {
    letter
        .before
        .as_ref()
        .is_some_and(|before| before.keys().any(|column| !letter.key.contains(column)))
}

/// Whether the configuration defines the record key of the table.
fn has_rule(letter: &DeadLetter, rules: &[KeyRule]) -> bool {
    let table = letter.table();
    rules.iter().any(|rule| rule.tables.matches(&table))
}

/// Column value, if the WAL contains it.
fn known_value<'l>(row: &'l Row, column: &str) -> Option<&'l Value> {
    row.get(column)
        .filter(|value| value.get("unchanged_toast").is_none())
}

/// Reason for which a key value is not available.
fn missing_reason(value: Option<&Value>) -> &'static str {
    let has = |mark| value.is_some_and(|value| value.get(mark).is_some());
    match value {
        Some(Value::Null) => "is null",
        _ if has("withheld") => "is withheld: [columns] keeps it out of Kafka",
        _ if has("cut") => "is too long for the dead letter",
        _ if has("hex") => "is not text",
        _ => "is not in the dead letter",
    }
}

/// Whether the change moved its row to another key: that of the table, or that of its records (`[[keys]]`). A value that is
/// missing in one of the row images is unchanged.
fn is_moved(letter: &DeadLetter, after: &Row, rules: &[KeyRule]) -> bool {
    let Some(before) = &letter.before else {
        return false;
    };
    let table: TableName = letter.table();
    let is_key = |column: &String| {
        letter.key.contains(column)
            || rules.iter().any(|rule| {
                rule.tables.matches(&table) && rule.columns.iter().any(|pattern| pattern.matches(column))
            })
    };
    before.keys().filter(|column| is_key(column)).any(|column| {
        match (known_value(before, column), known_value(after, column)) {
            // A withheld or truncated value may have changed.
            (Some(old), Some(new)) => old != new || old.is_object(),
            (Some(_), None) | (None, _) => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn check(change: Value, expected: &Expect) {
        check_with(&[], change, expected);
    }

    fn check_with(rules: &[KeyRule], change: Value, expected: &Expect) {
        let mut letter = json!({
            "version": 1, "id": "0/20/7", "schema": "public", "table": "orders", "key": ["id"], "operation": "update",
            "reason": "size", "error": "too large", "before": null, "after": {"id": "7", "note": "a"},
        });
        for (name, value) in change.as_object().unwrap() {
            letter[name] = value.clone();
        }
        let letter = DeadLetter::parse(letter.to_string().as_bytes()).unwrap();
        let text = match of(&letter, rules) {
            Ok(Rows { row, former }) => format!("{row:?} {former:?}"),
            Err(Obstacle { reason, remedy }) => format!("{reason}\n{remedy}"),
        };
        expected.assert_eq(&text);
    }

    fn rule() -> Vec<KeyRule> {
        let rule = json!({"tables": "public.orders", "columns": ["customer"]});
        vec![serde_json::from_value(rule).unwrap()]
    }

    #[test]
    fn a_row_is_found_by_its_key() {
        let by_id = expect![[r#"Some({"id": "7"}) None"#]];
        check(json!({}), &by_id);
        check(json!({"operation": "insert"}), &by_id);
        check(json!({"operation": "read"}), &by_id);
        // Replica identity FULL, and a TOASTed value.
        check(json!({"before": {"id": "7", "note": "b"}}), &by_id);
        let unchanged = json!({"unchanged_toast": true});
        check(json!({"before": {"id": "7"}, "after": {"id": unchanged}}), &by_id);
        check(
            json!({"key": ["b", "a"], "after": {"b": "it's", "a": "1\\2"}}),
            &expect![[r#"Some({"a": "1\\2", "b": "it's"}) None"#]],
        );
        check_with(
            &rule(),
            json!({"before": {"id": "7", "customer": "1"}, "after": {"id": "7", "customer": "1"}}),
            &by_id,
        );
    }

    #[test]
    fn a_lost_key_is_returned() {
        check(
            json!({"operation": "delete", "before": {"id": "7"}, "after": null}),
            &expect![[r#"None Some({"id": "7"})"#]],
        );
        check(
            json!({"before": {"id": "6"}}),
            &expect![[r#"Some({"id": "7"}) Some({"id": "6"})"#]],
        );
    }

    #[test]
    fn a_lost_key_with_an_uncertain_record_key_is_rejected() {
        let left = expect![[r#"
            the row has lost a key, and the previous key of its records is not known for certain: [[keys]] defines the record key, or the replica identity is FULL
            write a tombstone for the previous key, or delete the data of the consumers; read the row with walcast snapshot start --tables 'public.orders' --where …; then run walcast dlq discard --id '0/20/7'"#]];
        check(json!({"before": {"id": "6", "note": "b"}}), &left);
        let moved = json!({"before": {"id": "7", "customer": "1"}, "after": {"id": "7", "customer": "2"}});
        check_with(&rule(), moved, &left);
        let withheld = json!({"withheld": true});
        let hidden =
            json!({"before": {"id": "7", "customer": withheld}, "after": {"id": "7", "customer": withheld}});
        check_with(&rule(), hidden, &left);
        let deleted = json!({"operation": "delete", "before": {"id": "7", "note": "b"}, "after": null});
        check(
            deleted,
            &expect![[r#"
            the row has lost a key, and the previous key of its records is not known for certain: [[keys]] defines the record key, or the replica identity is FULL
            write a tombstone for the previous key, or delete the data of the consumers; then run walcast dlq discard --id '0/20/7'"#]],
        );
    }

    #[test]
    fn a_row_that_cannot_be_found_is_rejected() {
        check(
            json!({"operation": "truncate", "after": null}),
            &expect![[r#"
            the table was truncated: there is no row
            inform the consumers, then run walcast dlq discard --id '0/20/7'"#]],
        );
        check(
            json!({"key": []}),
            &expect![[r#"
            its table has no key by which to find the row
            read the row with walcast snapshot start --tables 'public.orders' --where …, then run walcast dlq discard --id '0/20/7'"#]],
        );
        // The printed command is one for a shell, whatever the name of the table.
        check(
            json!({"table": "it's", "key": []}),
            &expect![[r#"
            its table has no key by which to find the row
            read the row with walcast snapshot start --tables '"public"."it'\''s"' --where …, then run walcast dlq discard --id '0/20/7'"#]],
        );
        check(
            json!({"after": {"id": {"withheld": true}}}),
            &expect![[r#"
            its key column id is withheld: [columns] keeps it out of Kafka
            read the row with walcast snapshot start --tables 'public.orders' --where …, then run walcast dlq discard --id '0/20/7'"#]],
        );
        check(
            json!({"after": {"id": {"cut": true, "bytes": 9, "beginning": "a"}}}),
            &expect![[r#"
                its key column id is too long for the dead letter
                read the row with walcast snapshot start --tables 'public.orders' --where …, then run walcast dlq discard --id '0/20/7'"#]],
        );
        check(
            json!({"after": {"id": {"hex": "ff"}}}),
            &expect![[r#"
            its key column id is not text
            read the row with walcast snapshot start --tables 'public.orders' --where …, then run walcast dlq discard --id '0/20/7'"#]],
        );
        check(
            json!({"after": {"id": null}}),
            &expect![[r#"
            its key column id is null
            read the row with walcast snapshot start --tables 'public.orders' --where …, then run walcast dlq discard --id '0/20/7'"#]],
        );
        check(
            json!({"after": {"note": "a"}}),
            &expect![[r#"
            its key column id is not in the dead letter
            read the row with walcast snapshot start --tables 'public.orders' --where …, then run walcast dlq discard --id '0/20/7'"#]],
        );
        check(
            json!({"after": {"id": {"unchanged_toast": true}}}),
            &expect![[r#"
                its key column id is not in the dead letter
                read the row with walcast snapshot start --tables 'public.orders' --where …, then run walcast dlq discard --id '0/20/7'"#]],
        );
        check(
            json!({"operation": "merge"}),
            &expect![[r#"
            its operation merge is unknown
            read the row with walcast snapshot start --tables 'public.orders' --where …, then run walcast dlq discard --id '0/20/7'"#]],
        );
    }
}
