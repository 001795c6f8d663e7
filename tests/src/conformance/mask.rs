//! What must differ between two connectors, whatever they are: the one list of it.

use serde_json::{Value, json};

/// One thing that is not compared.
#[derive(Clone, Copy, Debug)]
pub struct Masked {
    /// What it is.
    pub what: &'static str,
    /// Why it must differ.
    pub reason: &'static str,
    place: Place,
}

/// Where it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A field of an envelope that is not null: that it is there, or null, is compared.
    Envelope(&'static [&'static str]),
    /// Fields of the `source` block of a row that was read from its table, null or not.
    Read(&'static [&'static str]),
    /// An attribute of a CloudEvent.
    CloudEvent(&'static str),
    /// A field of a notification, in its key and its value.
    Notification(&'static str),
    /// The connector's topic prefix, in any text.
    Prefix,
    /// The id before each key and value, for which the number of the subject's version stands.
    SchemaId,
    /// Headers with a name that begins so.
    Header(&'static str),
    /// Topics with a name that ends so.
    Topic(&'static str),
    /// The time that Kafka keeps with each record.
    RecordTime,
}

/// Everything that is not compared.
pub const MASK: [Masked; 17] = [
    Masked {
        what: "`source.version`",
        reason: "each connector names its own release",
        place: Place::Envelope(&["source", "version"]),
    },
    Masked {
        what: "`ts_ms` of the envelope",
        reason: "the time of processing",
        place: Place::Envelope(&["ts_ms"]),
    },
    Masked {
        what: "`ts_us` of the envelope",
        reason: "the same time",
        place: Place::Envelope(&["ts_us"]),
    },
    Masked {
        what: "`ts_ns` of the envelope",
        reason: "the same time",
        place: Place::Envelope(&["ts_ns"]),
    },
    Masked {
        what: "`source.ts_ms`, `ts_us`, `ts_ns` of rows that are read",
        reason: "each connector reads at a different time",
        place: Place::Read(&["ts_ms", "ts_us", "ts_ns"]),
    },
    Masked {
        what: "`source.lsn` of rows that are read",
        reason: "each connector has its own slot, and therefore another position",
        place: Place::Read(&["lsn"]),
    },
    Masked {
        what: "`source.sequence` of rows that are read",
        reason: "it contains that position",
        place: Place::Read(&["sequence"]),
    },
    Masked {
        what: "`source.txId` of rows that are read",
        reason: "Debezium sends the transaction that reads; walcast sends null, because that transaction did not write the row",
        place: Place::Read(&["txId"]),
    },
    Masked {
        what: "attribute `iodebeziumversion` of CloudEvents",
        reason: "each connector names its own release",
        place: Place::CloudEvent("iodebeziumversion"),
    },
    Masked {
        what: "the topic prefix",
        reason: "two connectors need different prefixes; the prefix is part of topics, schema names, `source.name` and a header",
        place: Place::Prefix,
    },
    Masked {
        what: "schema ids",
        reason: "the registry assigns them in sequence; the version of the subject that an id means is compared",
        place: Place::SchemaId,
    },
    Masked {
        what: "headers `walcast.*`",
        reason: "walcast's own, beside Debezium's",
        place: Place::Header("walcast."),
    },
    Masked {
        what: "header `__debezium.context.runId`",
        reason: "Debezium 3.6 gives each run of the connector a random id; walcast sends none, so that a replay has the same bytes",
        place: Place::Header("__debezium.context.runId"),
    },
    Masked {
        what: "`id` of notifications that no signal caused",
        reason: "Debezium's is random",
        place: Place::Notification("id"),
    },
    Masked {
        what: "`timestamp` of notifications",
        reason: "the time of processing",
        place: Place::Notification("timestamp"),
    },
    Masked {
        what: "the topic `<prefix>.walcast-checkpoints`",
        reason: "it holds walcast's position; Debezium's is in Kafka Connect's offsets topic",
        place: Place::Topic(".walcast-checkpoints"),
    },
    Masked {
        what: "the record's own timestamp",
        reason: "the producer's clock",
        place: Place::RecordTime,
    },
];

/// What stands for a masked value.
const MASKED: &str = "<masked>";
/// What stands for the topic prefix.
const PREFIX: &str = "<prefix>";

/// Masks the fields of an envelope, also behind its JSON schema, and of a CloudEvent; other values are left as they are.
pub(super) fn envelope(value: &mut Value) {
    if let Some(payload) = value.get_mut("payload") {
        return envelope(payload);
    }
    if value["specversion"].is_string() {
        return cloud_event(value);
    }
    if !value["op"].is_string() {
        return;
    }
    let is_read = value["op"] == "r";
    for masked in MASK {
        match masked.place {
            Place::Envelope(path) => {
                let place = path
                    .iter()
                    .try_fold(&mut *value, |value, name| value.get_mut(name));
                if let Some(place) = place.filter(|place| !place.is_null()) {
                    *place = json!(MASKED);
                }
            }
            Place::Read(fields) if is_read => {
                for field in fields {
                    if let Some(place) = value["source"].get_mut(field) {
                        *place = json!(MASKED);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Masks the fields of a notification, which the end of its topic's name identifies.
pub(super) fn notification(topic: &str, part: &mut Value) {
    if !topic.ends_with(NOTIFICATIONS) {
        return;
    }
    for masked in MASK {
        if let Place::Notification(field) = masked.place
            && let Some(place) = part.get_mut(field)
        {
            *place = json!(MASKED);
        }
    }
}

/// How the topics of notifications are called here.
const NOTIFICATIONS: &str = "-notifications";

fn cloud_event(value: &mut Value) {
    for masked in MASK {
        if let Place::CloudEvent(attribute) = masked.place
            && let Some(place) = value.get_mut(attribute)
        {
            *place = json!(MASKED);
        }
    }
}

/// Masks the prefix in every text of a tree.
pub(super) fn prefix(value: &mut Value, prefix: &str) {
    match value {
        Value::String(text) => *text = text.replace(prefix, PREFIX),
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|element| self::prefix(element, prefix)),
        Value::Object(fields) => fields.values_mut().for_each(|field| self::prefix(field, prefix)),
        _ => {}
    }
}

/// Whether a header is walcast's own.
pub(super) fn hides_header(name: &str) -> bool {
    MASK.iter()
        .any(|masked| matches!(masked.place, Place::Header(beginning) if name.starts_with(beginning)))
}

/// Whether a topic is walcast's own.
pub(super) fn hides_topic(name: &str) -> bool {
    MASK.iter()
        .any(|masked| matches!(masked.place, Place::Topic(end) if name.ends_with(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_only_what_the_list_names() {
        let mut value =
            json!({ "op": "c", "ts_ms": 1, "ts_us": null, "source": { "version": "x", "ts_ms": 2 } });
        envelope(&mut value);
        let masked =
            json!({ "op": "c", "ts_ms": MASKED, "ts_us": null, "source": { "version": MASKED, "ts_ms": 2 } });
        assert_eq!(value, masked);
        let mut read = json!({ "op": "r", "source": { "lsn": 1, "txId": null, "schema": "s" } });
        envelope(&mut read);
        let masked = json!({ "op": "r", "source": { "lsn": MASKED, "txId": MASKED, "schema": "s" } });
        assert_eq!(read, masked);
        let mut flat = json!({ "ts_ms": 1 });
        envelope(&mut flat);
        assert_eq!(flat, json!({ "ts_ms": 1 }));
        let mut behind = json!({ "schema": {}, "payload": { "op": "c", "ts_ms": 1 } });
        envelope(&mut behind);
        assert_eq!(behind["payload"], json!({ "op": "c", "ts_ms": MASKED }));
        let mut event = json!({ "specversion": "1.0", "iodebeziumversion": "x", "iodebeziumtsms": "2" });
        envelope(&mut event);
        assert_eq!(
            event,
            json!({ "specversion": "1.0", "iodebeziumversion": MASKED, "iodebeziumtsms": "2" })
        );
        let mut name = json!([{ "name": "dbz1.s.t.Value", "size": 1 }]);
        prefix(&mut name, "dbz1");
        assert_eq!(name, json!([{ "name": "<prefix>.s.t.Value", "size": 1 }]));
        assert!(hides_header("walcast.id") && !hides_header("__debezium.newkey"));
    }
}
