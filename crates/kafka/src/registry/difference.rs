//! Differences between two Avro schemas, field by field, so that the error of a rejected schema names the column.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// Changes from one schema to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaChanges(Vec<SchemaChange>);

/// Change of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SchemaChange {
    /// Name of the field's record, without namespace.
    record: String,
    field: String,
    kind: ChangeKind,
}

/// Kind of change of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ChangeKind {
    Added { has_default: bool },
    Removed { had_default: bool },
    Retyped { before: String, after: String },
    DefaultGained,
    DefaultLost,
}

/// Number of changes that are shown: a recreated table differs in every field.
const SHOWN_MAX: usize = 8;

impl SchemaChanges {
    /// Compares two schemas as JSON. There are no changes when one of them is no schema of records.
    pub(crate) fn between(before: &str, after: &str) -> Self {
        let parse = |schema: &str| serde_json::from_str(schema).unwrap_or(Value::Null);
        let (before, after) = (parse(before), parse(after));
        let records = |schema| {
            let mut found = Vec::new();
            collect(schema, &mut found);
            found
        };
        let (before, after): (Vec<Record<'_>>, Vec<Record<'_>>) = (records(&before), records(&after));
        let mut changes = Vec::new();
        for (name, fields) in &after {
            if let Some((_, earlier)) = before.iter().find(|(known, _)| known == name) {
                compare(name, earlier, fields, &mut changes);
            }
        }
        Self(changes)
    }
}

impl fmt::Display for SchemaChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, change) in self.0.iter().take(SHOWN_MAX).enumerate() {
            f.write_str(if number == 0 {
                "; since its latest version "
            } else {
                ", "
            })?;
            write!(f, "{change}")?;
        }
        match self.0.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for SchemaChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, field, kind } = self;
        write!(f, "field {field} of {record} ")?;
        match kind {
            ChangeKind::Added { has_default: true } => f.write_str("was added"),
            ChangeKind::Added { has_default: false } => f.write_str("was added without a default"),
            ChangeKind::Removed { had_default: true } => f.write_str("was removed"),
            ChangeKind::Removed { had_default: false } => f.write_str("was removed and had no default"),
            ChangeKind::Retyped { before, after } => write!(f, "changed from {before} to {after}"),
            ChangeKind::DefaultGained => f.write_str("has a default now"),
            ChangeKind::DefaultLost => f.write_str("has no default any more"),
        }
    }
}

/// Name and fields of a record.
type Record<'v> = (String, Vec<&'v Value>);

/// Collects every record of a schema, outer records before inner ones.
fn collect<'v>(schema: &'v Value, found: &mut Vec<Record<'v>>) {
    match schema {
        Value::Array(branches) => branches.iter().for_each(|branch| collect(branch, found)),
        Value::Object(properties) => {
            if let Some(fields) = properties.get("fields").and_then(Value::as_array) {
                let name = properties.get("name").and_then(Value::as_str).unwrap_or_default();
                found.push((name.to_owned(), fields.iter().collect()));
                fields
                    .iter()
                    .filter_map(|field| field.get("type"))
                    .for_each(|inner| collect(inner, found));
            }
            for inner in ["type", "items", "values"] {
                if let Some(inner) = properties.get(inner) {
                    collect(inner, found);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn compare(record: &str, before: &[&Value], after: &[&Value], changes: &mut Vec<SchemaChange>) {
    let by_name = |fields: &[&Value]| -> BTreeMap<String, Value> {
        let named = fields.iter().filter_map(|field| {
            let name = field.get("name")?.as_str()?;
            Some((name.to_owned(), (*field).clone()))
        });
        named.collect()
    };
    let (before, after) = (by_name(before), by_name(after));
    let mut push = |field: &str, kind| {
        changes.push(SchemaChange {
            record: record.to_owned(),
            field: field.to_owned(),
            kind,
        });
    };
    let has_default = |field: &Value| field.get("default").is_some();
    for (name, field) in &after {
        match before.get(name) {
            None => push(
                name,
                ChangeKind::Added {
                    has_default: has_default(field),
                },
            ),
            Some(earlier) => {
                let (old, new) = (type_of(earlier), type_of(field));
                if old != new {
                    push(
                        name,
                        ChangeKind::Retyped {
                            before: old,
                            after: new,
                        },
                    );
                } else if has_default(earlier) != has_default(field) {
                    let kind = if has_default(field) {
                        ChangeKind::DefaultGained
                    } else {
                        ChangeKind::DefaultLost
                    };
                    push(name, kind);
                }
            }
        }
    }
    for (name, earlier) in before {
        if !after.contains_key(&name) {
            push(
                &name,
                ChangeKind::Removed {
                    had_default: has_default(&earlier),
                },
            );
        }
    }
}

fn type_of(field: &Value) -> String {
    field.get("type").map(describe).unwrap_or_default()
}

/// Description of a type. A record is described by its name: its fields are compared separately.
fn describe(schema: &Value) -> String {
    match schema {
        Value::String(name) => short(name).to_owned(),
        Value::Array(branches) => {
            let branches: Vec<String> = branches.iter().map(describe).collect();
            branches.join(" or ")
        }
        Value::Object(properties) => {
            let text = |name: &str| properties.get(name).and_then(Value::as_str);
            if properties.contains_key("fields") {
                return text("name").unwrap_or_default().to_owned();
            }
            let kind = match (text("type"), properties.get("items")) {
                (Some("array"), Some(items)) => format!("array of {}", describe(items)),
                (Some(kind), _) => kind.to_owned(),
                (None, _) => properties.get("type").map(describe).unwrap_or_default(),
            };
            let number = |name: &str| properties.get(name).and_then(Value::as_u64);
            match (text("connect.name"), number("precision"), number("scale")) {
                (Some(name), Some(precision), Some(scale)) => {
                    format!("{kind} ({} of {precision}, {scale})", short(name))
                }
                (Some(name), ..) => format!("{kind} ({})", short(name)),
                (None, ..) => kind,
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => schema.to_string(),
    }
}

/// Name without its namespace.
fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::SchemaChanges;

    fn envelope(fields: &str) -> String {
        format!(
            r#"{{"type":"record","name":"Envelope","namespace":"p.public.t","fields":[{{"name":"before","type":["null",{{"type":"record","name":"Value","fields":[{fields}]}}],"default":null}},{{"name":"after","type":["null","Value"],"default":null}}]}}"#
        )
    }

    fn check(before: &str, after: &str, expected: Expect) {
        expected.assert_eq(&SchemaChanges::between(&envelope(before), &envelope(after)).to_string());
    }

    #[test]
    fn describes_each_kind_of_change() {
        let id = r#"{"name":"id","type":"int"}"#;
        check(id, id, expect![""]);
        check(
            id,
            r#"{"name":"id","type":"long"},{"name":"a","type":"string"},{"name":"b","type":["null","string"],"default":null}"#,
            expect![
                "; since its latest version field a of Value was added without a default, field b of Value was added, field id of Value changed from int to long"
            ],
        );
        check(
            r#"{"name":"id","type":"int"},{"name":"a","type":"string"}"#,
            r#"{"name":"id","type":{"type":"int","connect.default":0},"default":0}"#,
            expect![
                "; since its latest version field id of Value has a default now, field a of Value was removed and had no default"
            ],
        );
        check(
            r#"{"name":"at","type":["null",{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}],"default":null}"#,
            r#"{"name":"at","type":["null",{"type":"bytes","scale":2,"precision":9,"connect.name":"org.apache.kafka.connect.data.Decimal"}],"default":null}"#,
            expect![
                "; since its latest version field at of Value changed from null or long (MicroTimestamp) to null or bytes (Decimal of 9, 2)"
            ],
        );
    }

    #[test]
    fn counts_changes_beyond_the_limit() {
        let fields: Vec<String> = (0..10)
            .map(|number| format!(r#"{{"name":"f{number}","type":"int"}}"#))
            .collect();
        let text = SchemaChanges::between(&envelope(""), &envelope(&fields.join(","))).to_string();
        assert!(
            text.ends_with("field f7 of Value was added without a default and 2 more"),
            "{text}"
        );
    }

    #[test]
    fn ignores_text_that_is_not_a_schema() {
        assert_eq!(SchemaChanges::between("<html>", &envelope("")).to_string(), "");
    }
}
