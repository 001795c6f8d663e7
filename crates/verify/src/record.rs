//! What a record says about its row, in each shape of values.

use walcast_mapper::TableName;
use walcast_mapper::config::Shape;

use crate::value::Value;

/// What a value says about its row.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordedChange {
    /// The row after a change, or as it was read; and before it, if the value has it.
    Row {
        /// Before the change.
        before: Option<Value>,
        /// After it.
        after: Value,
    },
    /// The row was deleted, or no row has the key.
    Deleted {
        /// Before the delete, if the value has it.
        before: Option<Value>,
    },
    /// The table was truncated.
    Truncated,
    /// Not a value of this shape.
    Foreign,
}

/// Reads a value; `None` is a tombstone.
#[must_use]
pub fn recorded_change(value: Option<Value>, shape: Shape) -> RecordedChange {
    let Some(value) = value else {
        return RecordedChange::Deleted { before: None };
    };
    match shape {
        Shape::Debezium => of_envelope(&value, "op"),
        Shape::Flat => match value.get("__deleted").and_then(Value::as_text) {
            Some("true") => RecordedChange::Deleted { before: None },
            _ => RecordedChange::Row {
                before: None,
                after: value,
            },
        },
        Shape::CloudEvents => {
            let op = value.get("iodebeziumop").cloned().unwrap_or(Value::Null);
            let data = value.get("data").cloned().unwrap_or(Value::Null);
            let data = data.get("payload").cloned().unwrap_or(data);
            let mut envelope = match data {
                Value::Record(fields) => fields,
                _ => return RecordedChange::Foreign,
            };
            envelope.insert("op".to_owned(), op);
            of_envelope(&Value::Record(envelope), "op")
        }
    }
}

fn of_envelope(envelope: &Value, op: &str) -> RecordedChange {
    let image = |name: &str| envelope.get(name).cloned();
    match envelope.get(op).and_then(Value::as_text) {
        Some("t") => RecordedChange::Truncated,
        Some("d") => RecordedChange::Deleted {
            before: image("before"),
        },
        Some(_) => match image("after") {
            Some(after) => RecordedChange::Row {
                before: image("before"),
                after,
            },
            None => RecordedChange::Foreign,
        },
        None => RecordedChange::Foreign,
    }
}

/// Schema and name of the table that a value names, where it names one.
#[must_use]
pub fn recorded_table(value: &Value) -> Option<(String, String)> {
    Some((
        origin(value, "schema", "iodebeziumschema")?.to_owned(),
        origin(value, "table", "iodebeziumtable")?.to_owned(),
    ))
}

/// Whether a value names another connector, database or table than these: its row is not one of the table.
#[must_use]
pub fn names_another(value: &Value, connector: &str, database: &str, table: &TableName) -> bool {
    let expected = [
        ("name", "iodebeziumname", connector),
        ("db", "iodebeziumdb", database),
        ("schema", "iodebeziumschema", table.namespace.as_str()),
        ("table", "iodebeziumtable", table.name.as_str()),
    ];
    let mut expected = expected.into_iter();
    expected.any(|(field, attribute, expected)| {
        let found = origin(value, field, attribute);
        found.is_some_and(|found| found != expected)
    })
}

/// What a value says of its origin: a field of its block `source`, or an attribute.
fn origin<'v>(value: &'v Value, field: &str, attribute: &str) -> Option<&'v str> {
    let nested = value.get("source").and_then(|source| source.get(field));
    nested.or_else(|| value.get(attribute)).and_then(Value::as_text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value, shape: Shape) -> RecordedChange {
        recorded_change(Some(Value::from(value)), shape)
    }

    #[test]
    fn an_envelope_has_what_became_of_its_row() {
        let row = Value::from(json!({"id": 1}));
        let created = RecordedChange::Row {
            before: None,
            after: row.clone(),
        };
        let of = |json| read(json, Shape::Debezium);
        assert_eq!(
            of(json!({"op": "c", "before": null, "after": {"id": 1}})),
            created
        );
        assert_eq!(
            of(json!({"op": "d", "before": {"id": 1}, "after": null})),
            RecordedChange::Deleted { before: Some(row) }
        );
        assert_eq!(
            of(json!({"op": "t", "before": null, "after": null})),
            RecordedChange::Truncated
        );
        assert_eq!(of(json!({"op": "c"})), RecordedChange::Foreign);
        assert_eq!(of(json!({"x": 1})), RecordedChange::Foreign);
        assert_eq!(
            recorded_change(None, Shape::Debezium),
            RecordedChange::Deleted { before: None }
        );
        let event = json!({"iodebeziumop": "c", "data": {"payload": {"before": null, "after": {"id": 1}}}});
        assert_eq!(read(event, Shape::CloudEvents), created);
    }

    #[test]
    fn a_flat_row_that_was_deleted_says_so() {
        let deleted = json!({"id": 1, "__deleted": "true"});
        assert_eq!(
            read(deleted, Shape::Flat),
            RecordedChange::Deleted { before: None }
        );
        let there = json!({"id": 1, "__deleted": "false"});
        assert!(matches!(read(there, Shape::Flat), RecordedChange::Row { .. }));
    }

    #[test]
    fn a_value_names_its_table() {
        let named = Some(("public".to_owned(), "t".to_owned()));
        let envelope = Value::from(json!({"source": {"schema": "public", "table": "t"}}));
        assert_eq!(recorded_table(&envelope), named);
        let event = Value::from(json!({"iodebeziumschema": "public", "iodebeziumtable": "t"}));
        assert_eq!(recorded_table(&event), named);
        assert_eq!(recorded_table(&Value::Null), None);
    }

    #[test]
    fn a_row_of_another_database_or_table_is_recognized() {
        let table = TableName {
            namespace: "public".to_owned(),
            name: "t".to_owned(),
        };
        let of = |name: &str, db: &str, table_name: &str| {
            let source = json!({"name": name, "db": db, "schema": "public", "table": table_name});
            let value = Value::from(json!({"op": "c", "source": source}));
            names_another(&value, "shop", "main", &table)
        };
        assert!(!of("shop", "main", "t"));
        assert!(of("other", "main", "t") && of("shop", "second", "t") && of("shop", "main", "u"));
        let event = json!({"source": "/debezium/postgresql/shop", "iodebeziumdb": "second"});
        assert!(names_another(&Value::from(event), "shop", "main", &table));
        assert!(!names_another(&Value::Null, "shop", "main", &table));
    }
}
