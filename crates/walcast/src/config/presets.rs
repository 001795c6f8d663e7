//! Presets of outboxes: keys of known table layouts, which replace the keys that an entry does not have.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Value of a key.
enum Value {
    Text(&'static str),
    Texts(&'static [&'static str]),
}

use Value::{Text, Texts};

/// Keys of a layout: those of the entry, and those of its table `poll`.
struct Preset {
    name: &'static str,
    entry: &'static [(&'static str, Value)],
    poll: &'static [(&'static str, Value)],
}

/// Layouts of tables.
const PRESETS: [Preset; 6] = [
    // The other keys are Debezium's by default.
    Preset {
        name: "debezium",
        entry: &[("additional", Texts(&["type:header:eventType"]))],
        poll: &[("published", Texts(&["delete"]))],
    },
    // The same with a column `timestamp`.
    Preset {
        name: "quarkus",
        entry: &[("additional", Texts(&["type:header:eventType"]))],
        poll: &[
            ("order_by", Texts(&["timestamp", "id"])),
            ("published", Texts(&["delete"])),
            ("created", Text("timestamp")),
        ],
    },
    Preset {
        name: "published_at",
        entry: &[
            ("key", Text("aggregate_id")),
            ("route_by", Text("type")),
            ("route_topic", Text("outbox.events")),
            ("additional", Texts(&["type:header:eventType"])),
        ],
        poll: &[
            ("published", Texts(&["published_at"])),
            ("created", Text("created_at")),
        ],
    },
    Preset {
        name: "published_flag",
        entry: &[
            ("key", Text("aggregate_id")),
            ("route_by", Text("type")),
            ("route_topic", Text("outbox.events")),
            ("additional", Texts(&["type:header:eventType"])),
        ],
        poll: &[
            ("published", Texts(&["published"])),
            ("created", Text("created_at")),
        ],
    },
    // The table has no aggregate. The name of a class is its last part, also within another class.
    Preset {
        name: "spring_modulith",
        entry: &[
            ("key", Text("id")),
            ("payload", Text("serialized_event")),
            ("route_by", Text("event_type")),
            ("route_pattern", Text("(?:.*[.$])?(?<routedByValue>[^.$]+)")),
            (
                "additional",
                Texts(&["event_type:header:eventType", "listener_id:header:listenerId"]),
            ),
        ],
        poll: &[
            ("order_by", Texts(&["publication_date", "id"])),
            ("published", Texts(&["completion_date"])),
            ("created", Text("publication_date")),
        ],
    },
    Preset {
        name: "open_outbox",
        entry: &[
            ("id", Text("event_id")),
            ("key", Text("partition_key")),
            ("route_by", Text("event_type")),
            (
                "additional",
                Texts(&["event_type:header:eventType", "headers:header:headers"]),
            ),
        ],
        poll: &[
            ("order_by", Texts(&["created_at", "event_id"])),
            ("published", Texts(&["status:PENDING:DELIVERED", "delivered_at"])),
            ("created", Text("created_at")),
        ],
    },
];

/// Adds the keys of presets to the outboxes that name one. An unknown name is an error later.
pub(super) fn expand(root: &mut DeTable<'_>) {
    let Some(DeValue::Array(outboxes)) = root.get_mut("outbox").map(Spanned::get_mut) else {
        return;
    };
    for outbox in outboxes.iter_mut() {
        let place = outbox.span();
        let DeValue::Table(entry) = outbox.get_mut() else {
            continue;
        };
        let Some(preset) = preset_of(entry) else { continue };
        let span = || place.clone();
        add(entry, preset.entry, &span);
        if !entry.contains_key("poll") {
            let name = Spanned::new(span(), Cow::Borrowed("poll"));
            entry.insert(name, Spanned::new(span(), DeValue::Table(DeTable::new())));
        }
        if let Some(DeValue::Table(poll)) = entry.get_mut("poll").map(Spanned::get_mut) {
            add(poll, preset.poll, &span);
        }
    }
}

fn preset_of(entry: &DeTable<'_>) -> Option<&'static Preset> {
    let DeValue::String(name) = entry.get("preset")?.get_ref() else {
        return None;
    };
    PRESETS.iter().find(|preset| preset.name == name)
}

fn add(
    table: &mut DeTable<'_>,
    keys: &'static [(&'static str, Value)],
    span: &dyn Fn() -> std::ops::Range<usize>,
) {
    let text = |text: &'static str| Spanned::new(span(), DeValue::String(Cow::Borrowed(text)));
    for (key, value) in keys {
        if table.contains_key(*key) {
            continue;
        }
        let value = match value {
            Text(value) => text(value),
            Texts(values) => {
                let values = values.iter().map(|value| text(value)).collect();
                Spanned::new(span(), DeValue::Array(values))
            }
        };
        table.insert(Spanned::new(span(), Cow::Borrowed(*key)), value);
    }
}

#[cfg(test)]
mod tests {
    use super::PRESETS;
    use crate::config::tables::{Keys, tables};

    #[test]
    fn presets_have_known_keys() {
        let known = |path: &str| {
            let table = tables().into_iter().find(|table| table.path == path).unwrap();
            match table.keys {
                Keys::Known(keys) => keys,
                Keys::Any => panic!("{path} takes any key"),
            }
        };
        for preset in &PRESETS {
            for (path, keys) in [("outbox", preset.entry), ("outbox.poll", preset.poll)] {
                for (key, _) in keys {
                    assert!(known(path).contains(key), "{}: {key}", preset.name);
                }
            }
        }
    }
}
