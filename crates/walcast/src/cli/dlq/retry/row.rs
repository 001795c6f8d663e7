//! The row of a letter: by which key it is found, or why it cannot be dealt with by reading it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use walcast_mapper::{KeyRule, TableName};

use super::super::letter::Letter;

/// A row of a table by its key: columns and values, as the log has them.
pub(super) type RowKey = BTreeMap<String, String>;

/// The rows of a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rows {
    /// To be read as it is now; `None`: the change deleted it.
    pub(super) row: Option<RowKey>,
    /// The key that it had, where the change took it from it.
    pub(super) former: Option<RowKey>,
}

/// A letter that is not dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// What is in the way.
    pub(super) why: String,
    /// What helps.
    pub(super) next: String,
}

type Row = Map<String, Value>;

/// The rows of a letter, by their keys.
pub(super) fn of(letter: &Letter, rules: &[KeyRule]) -> Result<Rows, Obstacle> {
    let done = format!("walcast dlq done --id '{}'", letter.id);
    let by_hand = |why: String| Obstacle {
        why,
        next: format!(
            "have it read with walcast snapshot start --tables '{}' --where …, then {done}",
            letter.table()
        ),
    };
    let (is_deleted, image) = match letter.operation.as_str() {
        "insert" | "update" | "read" => (false, letter.after.as_ref()),
        "delete" => (true, letter.before.as_ref()),
        "truncate" => {
            return Err(Obstacle {
                why: "the table was emptied: there is no row".to_owned(),
                next: format!("tell the consumers, then {done}"),
            });
        }
        _ => (false, None),
    };
    let Some(image) = image else {
        let operation = &letter.operation;
        return Err(by_hand(format!("its operation {operation} is not known")));
    };
    if letter.key.is_empty() {
        return Err(by_hand("its table has no key to find the row by".to_owned()));
    }
    let key_in = |image: &Row| -> Result<RowKey, Obstacle> {
        let value = |column: &String| {
            let value = told(image, column).or_else(|| told(letter.before.as_ref()?, column));
            match value {
                Some(Value::String(text)) => Ok((column.clone(), text.clone())),
                other => Err(by_hand(format!("its key column {column} {}", untold(other)))),
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
    if former.is_some() && (has_rule(letter, rules) || is_whole(letter)) {
        return Err(Obstacle {
            why: "the row has lost a key, and what its records have as such is not known for certain: [[keys]] says so, or \
                  its replica identity is the whole row"
                .to_owned(),
            next: format!("write a tombstone for the former key, or delete what consumers hold; {}then {done}", match is_deleted {
                true => String::new(),
                false => format!("have the row read with walcast snapshot start --tables '{}' --where …; ", letter.table()),
            }),
        });
    }
    Ok(Rows {
        row: (!is_deleted).then_some(key),
        former,
    })
}

/// Whether the log has told more of the former row than its key.
fn is_whole(letter: &Letter) -> bool {
    letter
        .before
        .as_ref()
        .is_some_and(|before| before.keys().any(|column| !letter.key.contains(column)))
}

/// Whether the configuration makes the keys of the table's records.
fn has_rule(letter: &Letter, rules: &[KeyRule]) -> bool {
    let table = letter.table();
    rules.iter().any(|rule| rule.tables.matches(&table))
}

/// A value that the log has told.
fn told<'l>(row: &'l Row, column: &str) -> Option<&'l Value> {
    row.get(column)
        .filter(|value| value.get("unchanged_toast").is_none())
}

fn untold(value: Option<&Value>) -> &'static str {
    let has = |mark| value.is_some_and(|value| value.get(mark).is_some());
    match value {
        Some(Value::Null) => "is null",
        _ if has("withheld") => "is withheld: [columns] keeps it out of Kafka",
        _ if has("cut") => "is too long for the letter",
        _ if has("hex") => "is not text",
        _ => "is not in the letter",
    }
}

/// Whether the change moved its row to another key: that of the table, or that of its records (`[[keys]]`). What is not told
/// of either row is as it was.
fn is_moved(letter: &Letter, after: &Row, rules: &[KeyRule]) -> bool {
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
        match (told(before, column), told(after, column)) {
            // What is withheld or cut may have been another value.
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
            "id": "0/20/7", "schema": "public", "table": "orders", "key": ["id"], "operation": "update",
            "reason": "size", "error": "too large", "before": null, "after": {"id": "7", "note": "a"},
        });
        for (name, value) in change.as_object().unwrap() {
            letter[name] = value.clone();
        }
        let letter = Letter::parse(letter.to_string().as_bytes()).unwrap();
        let text = match of(&letter, rules) {
            Ok(Rows { row, former }) => format!("{row:?} {former:?}"),
            Err(Obstacle { why, next }) => format!("{why}\n{next}"),
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
        // As the whole row that was, with a value out of line.
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
    fn a_key_that_a_row_has_lost_is_told() {
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
    fn a_lost_key_that_is_not_that_of_records_for_certain_is_left() {
        let left = expect![[r#"
            the row has lost a key, and what its records have as such is not known for certain: [[keys]] says so, or its replica identity is the whole row
            write a tombstone for the former key, or delete what consumers hold; have the row read with walcast snapshot start --tables 'public.orders' --where …; then walcast dlq done --id '0/20/7'"#]];
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
            the row has lost a key, and what its records have as such is not known for certain: [[keys]] says so, or its replica identity is the whole row
            write a tombstone for the former key, or delete what consumers hold; then walcast dlq done --id '0/20/7'"#]],
        );
    }

    #[test]
    fn a_row_that_cannot_be_found_is_left() {
        check(
            json!({"operation": "truncate", "after": null}),
            &expect![[r#"
            the table was emptied: there is no row
            tell the consumers, then walcast dlq done --id '0/20/7'"#]],
        );
        check(
            json!({"key": []}),
            &expect![[r#"
            its table has no key to find the row by
            have it read with walcast snapshot start --tables 'public.orders' --where …, then walcast dlq done --id '0/20/7'"#]],
        );
        check(
            json!({"after": {"id": {"withheld": true}}}),
            &expect![[r#"
            its key column id is withheld: [columns] keeps it out of Kafka
            have it read with walcast snapshot start --tables 'public.orders' --where …, then walcast dlq done --id '0/20/7'"#]],
        );
        check(
            json!({"after": {"id": {"cut": true, "bytes": 9, "beginning": "a"}}}),
            &expect![[r#"
                its key column id is too long for the letter
                have it read with walcast snapshot start --tables 'public.orders' --where …, then walcast dlq done --id '0/20/7'"#]],
        );
        check(
            json!({"after": {"id": {"hex": "ff"}}}),
            &expect![[r#"
            its key column id is not text
            have it read with walcast snapshot start --tables 'public.orders' --where …, then walcast dlq done --id '0/20/7'"#]],
        );
        check(
            json!({"after": {"id": null}}),
            &expect![[r#"
            its key column id is null
            have it read with walcast snapshot start --tables 'public.orders' --where …, then walcast dlq done --id '0/20/7'"#]],
        );
        check(
            json!({"after": {"note": "a"}}),
            &expect![[r#"
            its key column id is not in the letter
            have it read with walcast snapshot start --tables 'public.orders' --where …, then walcast dlq done --id '0/20/7'"#]],
        );
        check(
            json!({"after": {"id": {"unchanged_toast": true}}}),
            &expect![[r#"
                its key column id is not in the letter
                have it read with walcast snapshot start --tables 'public.orders' --where …, then walcast dlq done --id '0/20/7'"#]],
        );
        check(
            json!({"operation": "merge"}),
            &expect![[r#"
            its operation merge is not known
            have it read with walcast snapshot start --tables 'public.orders' --where …, then walcast dlq done --id '0/20/7'"#]],
        );
    }
}
