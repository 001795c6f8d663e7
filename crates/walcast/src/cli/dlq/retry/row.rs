//! The row of a letter: by which key it is found, or why it cannot be dealt with by reading it.

use serde_json::{Map, Value};
use walcast_mapper::{KeyRule, TableName};

use super::super::letter::Letter;

/// A row of a table by its key: columns and values, as the log has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey(pub(super) Vec<(String, String)>);

/// A letter that is not dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// What is in the way.
    pub(super) why: String,
    /// What helps.
    pub(super) next: String,
}

type Row = Map<String, Value>;

/// The key by which the row of a letter is found.
pub(super) fn of(letter: &Letter, keys: &[KeyRule]) -> Result<RowKey, Obstacle> {
    let done = format!("walcast dlq done --id '{}'", letter.id);
    let former_key = || Obstacle {
        why: "reading the row as it is now does not take its former key out of the topic".to_owned(),
        next: format!(
            "write a tombstone for that key, or delete what consumers hold; {}then {done}",
            match letter.operation.as_str() {
                "update" => "have the row read by its new key with walcast snapshot start --where; ",
                _ => "",
            }
        ),
    };
    let after = match letter.operation.as_str() {
        "insert" | "update" | "read" => letter.after.as_ref(),
        "delete" => return Err(former_key()),
        "truncate" => {
            return Err(Obstacle {
                why: "the table was emptied: there is no row".to_owned(),
                next: format!("tell the consumers, then {done}"),
            });
        }
        _ => None,
    };
    let by_hand = |why: String| Obstacle {
        why,
        next: format!(
            "have it read with walcast snapshot start --tables '{}' --where …, then {done}",
            letter.table()
        ),
    };
    let Some(after) = after else {
        return Err(by_hand(format!(
            "its operation {} is not known",
            letter.operation
        )));
    };
    if letter.key.is_empty() {
        return Err(by_hand("its table has no key to find the row by".to_owned()));
    }
    let value = |column: &String| {
        let value = told(after, column).or_else(|| told(letter.before.as_ref()?, column));
        match value {
            Some(Value::String(text)) => Ok((column.clone(), text.clone())),
            other => Err(by_hand(format!("its key column {column} {}", untold(other)))),
        }
    };
    let key = letter.key.iter().map(value).collect::<Result<_, _>>()?;
    match is_moved(letter, after, keys) {
        true => Err(former_key()),
        false => Ok(RowKey(key)),
    }
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
fn is_moved(letter: &Letter, after: &Row, keys: &[KeyRule]) -> bool {
    let Some(before) = &letter.before else {
        return false;
    };
    let table: TableName = letter.table();
    let is_key = |column: &String| {
        letter.key.contains(column)
            || keys.iter().any(|rule| {
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
        let mut letter = json!({
            "id": "0/20/7", "schema": "public", "table": "orders", "key": ["id"], "operation": "update",
            "reason": "size", "error": "too large", "before": null, "after": {"id": "7", "note": "a"},
        });
        for (name, value) in change.as_object().unwrap() {
            letter[name] = value.clone();
        }
        let letter = Letter::parse(letter.to_string().as_bytes()).unwrap();
        let keys: Vec<KeyRule> = vec![
            serde_json::from_value(json!({"tables": "public.orders", "columns": ["customer"]})).unwrap(),
        ];
        let text = match of(&letter, &keys) {
            Ok(key) => format!("{:?}", key.0),
            Err(Obstacle { why, next }) => format!("{why}\n{next}"),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn a_row_is_found_by_its_key() {
        let by_id = expect![[r#"[("id", "7")]"#]];
        check(json!({}), &by_id);
        check(json!({"operation": "insert"}), &by_id);
        check(json!({"operation": "read"}), &by_id);
        // As the whole row that was, with a value out of line.
        check(json!({"before": {"id": "7", "note": "b"}}), &by_id);
        let unchanged = json!({"unchanged_toast": true});
        check(json!({"before": {"id": "7"}, "after": {"id": unchanged}}), &by_id);
        check(
            json!({"key": ["a", "b"], "after": {"b": "it's", "a": "1\\2"}}),
            &expect![[r#"[("a", "1\\2"), ("b", "it's")]"#]],
        );
    }

    #[test]
    fn a_former_key_stays_in_the_topic() {
        check(
            json!({"operation": "delete", "before": {"id": "7"}, "after": null}),
            &expect![[r#"
                reading the row as it is now does not take its former key out of the topic
                write a tombstone for that key, or delete what consumers hold; then walcast dlq done --id '0/20/7'"#]],
        );
        check(
            json!({"before": {"id": "6"}}),
            &expect![[r#"
            reading the row as it is now does not take its former key out of the topic
            write a tombstone for that key, or delete what consumers hold; have the row read by its new key with walcast snapshot start --where; then walcast dlq done --id '0/20/7'"#]],
        );
        check(
            json!({"before": {"id": "7", "customer": "1"}, "after": {"id": "7", "customer": "2"}}),
            &expect![[r#"
                reading the row as it is now does not take its former key out of the topic
                write a tombstone for that key, or delete what consumers hold; have the row read by its new key with walcast snapshot start --where; then walcast dlq done --id '0/20/7'"#]],
        );
        let withheld = json!({"withheld": true});
        check(
            json!({"before": {"id": "7", "customer": withheld}, "after": {"id": "7", "customer": withheld}}),
            &expect![[r#"
                reading the row as it is now does not take its former key out of the topic
                write a tombstone for that key, or delete what consumers hold; have the row read by its new key with walcast snapshot start --where; then walcast dlq done --id '0/20/7'"#]],
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
