//! Shapes of values: Debezium's envelope, flat rows, and CloudEvents become changes.

use std::sync::Arc;

use crate::change::{Change, Operation, Source, TransactionBlock, ValueShape, as_number, as_text};
use crate::record::Content;
use crate::settings::Settings;
use crate::unavailable::Placeholder;
use crate::value::{Row, Value};
use crate::walcast_id::WalcastId;

/// Prefix of the attributes of a CloudEvent that Debezium adds.
const ATTRIBUTE: &str = "iodebezium";

/// Field of a flat row that says whether the row was deleted.
const DELETED: &str = "__deleted";

const MICROS_A_MILLI: i64 = 1_000;

/// What the headers of a record say about its value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    /// Header `walcast.id`.
    pub(crate) id: Option<WalcastId>,
    /// Header `walcast.reason`, which only dead letters have.
    pub(crate) has_reason: bool,
}

/// Operation of a logical decoding message.
const MESSAGE: &str = "m";

/// Content of a decoded value.
pub(crate) fn content(value: Value, marks: Marks, settings: &Settings) -> Content {
    let Value::Row(row) = value else {
        return foreign("the value is no record");
    };
    let has = |names: &[&str]| names.iter().all(|name| row.has(name));
    if marks.has_reason {
        return Content::DeadLetter(row);
    }
    let is_boundary = matches!(marks.id, Some(WalcastId::Boundary { .. }));
    let is_message = has(&["source", "message"]) && row.get("op").and_then(Value::as_text) == Some(MESSAGE);
    if is_boundary || is_message {
        return Content::Event(row);
    }
    let mut change = if has(&["op", "source"]) && (row.has("before") || row.has("after")) {
        match envelope(row) {
            Ok(change) => change,
            Err(reason) => return foreign(reason),
        }
    } else if has(&["specversion", "iodebeziumop", "data"]) {
        match cloud_event(row) {
            Ok(change) => change,
            Err(reason) => return foreign(reason),
        }
    } else if marks.id.is_some() || settings.is_flat {
        flat(row, settings)
    } else {
        return foreign("the value has no shape that a connector writes");
    };
    mark_unavailable(&mut change, settings);
    Content::Change(Box::new(change))
}

fn foreign(reason: &str) -> Content {
    Content::Foreign {
        reason: reason.to_owned(),
    }
}

fn envelope(mut envelope: Row) -> Result<Change, &'static str> {
    let letter = envelope.get("op").and_then(Value::as_text);
    let operation = letter
        .and_then(Operation::of_letter)
        .ok_or("op of the envelope is unknown")?;
    let Some(Value::Row(source)) = envelope.take("source") else {
        return Err("source of the envelope is no record");
    };
    let transaction = envelope.get("transaction").and_then(Value::as_row);
    Ok(Change {
        operation,
        transaction: transaction.and_then(TransactionBlock::of),
        processed_micros: processed(&envelope),
        before: image(&mut envelope, "before"),
        after: image(&mut envelope, "after"),
        source: Source::of(source),
        shape: ValueShape::Envelope,
    })
}

fn image(envelope: &mut Row, name: &str) -> Option<Row> {
    match envelope.take(name) {
        Some(Value::Row(row)) => Some(row),
        _ => None,
    }
}

fn processed(envelope: &Row) -> Option<i64> {
    let number = |name: &str| envelope.get(name).and_then(as_number);
    number("ts_us").or_else(|| number("ts_ms")?.checked_mul(MICROS_A_MILLI))
}

fn cloud_event(mut event: Row) -> Result<Change, &'static str> {
    let letter = event.get("iodebeziumop").and_then(Value::as_text);
    let operation = letter
        .and_then(Operation::of_letter)
        .ok_or("iodebeziumop is unknown")?;
    let Some(Value::Row(mut data)) = event.take("data") else {
        return Err("data of the CloudEvent is no record");
    };
    if let Some(Value::Row(payload)) = data.take("payload") {
        data = payload;
    }
    // Attributes have no underscores: `iodebeziumtsms` is `ts_ms`.
    let fields = [
        "version",
        "connector",
        "name",
        "ts_ms",
        "snapshot",
        "db",
        "sequence",
        "ts_us",
        "ts_ns",
        "schema",
        "table",
        "txId",
        "lsn",
        "xmin",
        "origin",
        "origin_lsn",
    ];
    let block = fields.into_iter().filter_map(|field| {
        let value = event.take(&format!("{ATTRIBUTE}{}", field.replace('_', "")))?;
        Some((Arc::from(field), value))
    });
    let source = Source::of(block.collect());
    let attribute = |name: &str| event.get(&format!("{ATTRIBUTE}{name}"));
    let transaction = attribute("txid").and_then(as_text).and_then(|id| {
        Some(TransactionBlock {
            id,
            total_order: attribute("txtotalorder").and_then(as_number)?,
            data_collection_order: attribute("txdatacollectionorder").and_then(as_number)?,
        })
    });
    Ok(Change {
        operation,
        before: image(&mut data, "before"),
        after: image(&mut data, "after"),
        source,
        transaction,
        processed_micros: None,
        shape: ValueShape::CloudEvent,
    })
}

/// A flat row. Its added fields (`__op`, `__source_ts_ms`) are not columns.
fn flat(mut row: Row, settings: &Settings) -> Change {
    let is_deleted = row
        .take(DELETED)
        .is_some_and(|value| value == Value::Text("true".to_owned()));
    let mut added = Vec::new();
    let mut operation = None;
    for field in &settings.flat_fields {
        let Some(value) = row.take(&field.name) else {
            continue;
        };
        match field.part.as_str() {
            "op" => operation = value.as_text().and_then(Operation::of_letter),
            // When the connector processed the change, which no consumer of history needs.
            "ts_ms" | "ts_us" | "ts_ns" => {}
            part => {
                let part = part.strip_prefix("source.").unwrap_or(part);
                added.push((Arc::from(part), value));
            }
        }
    }
    let (operation, before, after) = match is_deleted {
        true => (Operation::Delete, Some(row), None),
        false => (operation.unwrap_or(Operation::Write), None, Some(row)),
    };
    Change {
        operation,
        before,
        after,
        source: Source::of(added.into_iter().collect()),
        transaction: None,
        processed_micros: None,
        shape: ValueShape::Flat,
    }
}

fn mark_unavailable(change: &mut Change, settings: &Settings) {
    let placeholder = Placeholder::new(&settings.placeholder);
    let images = [&mut change.before, &mut change.after];
    for value in images.into_iter().flatten().flat_map(Row::values_mut) {
        if placeholder.is(value) {
            *value = Value::Unavailable;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::settings::FlatField;

    fn of(text: &str, marks: Marks, settings: &Settings) -> Content {
        content(json::decode(text.as_bytes()).unwrap(), marks, settings)
    }

    fn with_id() -> Marks {
        Marks {
            id: Some("0/1/2".parse().unwrap()),
            has_reason: false,
        }
    }

    fn change(text: &str, settings: &Settings) -> Change {
        match of(text, with_id(), settings) {
            Content::Change(change) => *change,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_envelope_is_a_change() {
        let change = change(
            r#"{"before":null,"after":{"id":1,"note":"__debezium_unavailable_value"},
                "source":{"ts_ms":1,"ts_us":1500,"snapshot":"false","sequence":"[\"256\",\"300\"]","schema":"public","table":"t","txId":7,"lsn":300},
                "transaction":{"id":"7:300","total_order":2,"data_collection_order":1},"op":"c","ts_ms":2}"#,
            &Settings::default(),
        );
        assert_eq!(change.operation, Operation::Create);
        assert_eq!(change.before, None);
        assert_eq!(
            change.after.unwrap().to_string(),
            "{id: 1, note: (unchanged, not in WAL)}"
        );
        let source = change.source;
        assert_eq!((source.xid, source.commit_micros), (Some(7), Some(1500)));
        assert_eq!(source.previous_commit_end.unwrap().to_string(), "0/100");
        assert_eq!((source.table.as_deref(), source.snapshot), (Some("t"), None));
        assert_eq!(change.transaction.unwrap().total_order, 2);
        assert_eq!(change.processed_micros, Some(2000));
    }

    #[test]
    fn a_cloud_event_is_a_change() {
        let change = change(
            r#"{"id":"x","specversion":"1.0","iodebeziumop":"d","iodebeziumtxId":"7","iodebeziumlsn":"300","iodebeziumtsms":"1",
                "iodebeziumtable":"t","data":{"schema":{},"payload":{"before":{"id":1},"after":null}}}"#,
            &Settings::default(),
        );
        assert_eq!(change.operation, Operation::Delete);
        assert_eq!(change.before.unwrap().to_string(), "{id: 1}");
        assert_eq!(
            (change.source.xid, change.source.commit_micros),
            (Some(7), Some(1000))
        );
    }

    #[test]
    fn added_fields_of_a_flat_row_are_no_columns() {
        let field = |name: &str, part: &str| FlatField {
            name: name.to_owned(),
            part: part.to_owned(),
        };
        let settings = Settings {
            is_flat: true,
            flat_fields: vec![field("__op", "op"), field("__source_ts_us", "source.ts_us")],
            ..Settings::default()
        };
        let flat = change(
            r#"{"id":1,"__deleted":"false","__op":"u","__source_ts_us":5}"#,
            &settings,
        );
        assert_eq!(flat.operation, Operation::Update);
        assert_eq!(flat.after.unwrap().to_string(), "{id: 1}");
        assert_eq!(flat.source.commit_micros, Some(5));
        let deleted = change(r#"{"id":1,"__deleted":"true"}"#, &settings);
        assert_eq!((deleted.operation, deleted.after), (Operation::Delete, None));
        let plain = change(r#"{"id":1}"#, &Settings::default());
        assert_eq!(plain.operation, Operation::Write);
    }

    #[test]
    fn other_records_are_not_guessed() {
        let settings = Settings::default();
        let is_foreign =
            |text: &str| matches!(of(text, Marks::default(), &settings), Content::Foreign { .. });
        assert!(is_foreign("17"));
        assert!(is_foreign(r#"{"id":1}"#));
        assert!(is_foreign(r#"{"op":"x","source":{},"after":{}}"#));
        assert!(matches!(
            of(r#"{"op":"m","source":{},"message":{}}"#, with_id(), &settings),
            Content::Event(_)
        ));
        let marks = Marks {
            has_reason: true,
            ..with_id()
        };
        let letter =
            r#"{"version":1,"id":"0/1/2","operation":"insert","reason":"size","error":"e","after":{}}"#;
        assert!(matches!(of(letter, marks, &settings), Content::DeadLetter(_)));
    }
}
