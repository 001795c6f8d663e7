//! `EventRouter`: the transform that sends the rows of an outbox table as events.

use walcast_mapper::config::{AdditionalField, OutboxRule, Placement};

use super::route::escaped;
use super::transform::Transform;
use crate::debezium::draft::Setting;

pub(super) const OUTBOX: &str = "outbox";
pub(super) const EVENT_ROUTER: &str = "io.debezium.transforms.outbox.EventRouter";

/// Why the settings of spans have no counterpart.
pub(super) const SPANS: &str = "walcast sends no spans, as Debezium sends none without OpenTelemetry; the context of the column is sent in headers";

/// Predicate of Kafka that selects records by their topic.
const TOPIC_NAME_MATCHES: &str = "org.apache.kafka.connect.transforms.predicates.TopicNameMatches";

/// Properties that are texts, and their keys.
const TEXTS: [(&str, &str); 8] = [
    ("table.field.event.id", "id"),
    ("table.field.event.key", "key"),
    ("table.field.event.payload", "payload"),
    ("table.field.event.timestamp", "timestamp"),
    ("tracing.span.context.field", "trace_context"),
    ("route.by.field", "route_by"),
    ("route.topic.regex", "route_pattern"),
    ("route.topic.replacement", "route_topic"),
];

const ADDITIONAL: &str = "table.fields.additional.placement";
const ERROR_ON_MISSING: &str = "table.fields.additional.error.on.missing";
/// The same in later releases: `error` or `ignore`.
const MISSING: &str = "table.field.additional.missing";
const SCHEMA_VERSION: &str = "table.field.event.schema.version";
const UPDATES: &str = "table.op.invalid.behavior";
const TOMBSTONES: &str = "route.tombstone.on.empty.payload";
const EXPAND: &str = "table.expand.json.payload";
const JSON_NULL: &str = "table.json.payload.null.behavior";
const JSON_EMPTY_ARRAY: &str = "table.json.payload.empty.array.behavior";
const FIELD_NAMES: &str = "field.name.adjustment.mode";

/// Further properties that are translated, or that have no effect.
const OTHERS: [&str; 16] = [
    "type",
    "predicate",
    "negate",
    // Nothing reads this column unless it is placed somewhere.
    "table.field.event.type",
    ADDITIONAL,
    ERROR_ON_MISSING,
    MISSING,
    SCHEMA_VERSION,
    UPDATES,
    TOMBSTONES,
    EXPAND,
    JSON_NULL,
    JSON_EMPTY_ARRAY,
    FIELD_NAMES,
    // Without OpenTelemetry, no span is sent.
    "tracing.operation.name",
    "tracing.with.context.field.only",
];

/// Outboxes in the order of the chain.
#[derive(Default)]
pub(super) struct Outboxes {
    entries: Vec<toml::Value>,
    tables: Vec<String>,
    from: Vec<String>,
}

impl Outboxes {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a router. `before` is a transform before it that can change topics or shape.
    ///
    /// # Errors
    /// The router cannot be written as an outbox, for the reason in the text.
    pub(super) fn add(&mut self, transform: &Transform<'_, '_>, before: Option<&str>) -> Result<(), String> {
        if let Some(before) = before {
            return Err(format!(
                "it follows {before}, which can change the topic or the shape of its records"
            ));
        }
        unsupported(transform)?;
        let tables = tables(transform)?;
        let is_for_all = |tables: &String| tables == ALL_TABLES;
        if self.tables.contains(&tables)
            || !self.tables.is_empty() && self.tables.iter().chain([&tables]).any(is_for_all)
        {
            return Err("another outbox router applies to the same tables".to_owned());
        }
        let entry = entry(transform, &tables)?;
        let rule: Result<OutboxRule, toml::de::Error> = entry.clone().try_into();
        rule.map_err(|error| error.message().to_owned())?;
        let given = &transform.value.given;
        let own = transform.property("");
        let of_it = given.connector.iter().map(|(name, _)| name);
        self.from
            .extend(of_it.filter(|name| name.starts_with(&own)).cloned());
        self.entries.push(toml::Value::Table(
            entry
                .into_iter()
                .map(|(key, value)| (key, escaped(value)))
                .collect(),
        ));
        self.tables.push(tables);
        Ok(())
    }

    /// The line of the outboxes, if there are any.
    pub(super) fn into_setting(self, property: &str) -> Option<Setting> {
        if self.entries.is_empty() {
            return None;
        }
        let mut line = Setting::new(OUTBOX, self.entries);
        line.from = [vec![property.to_owned()], self.from].concat();
        Some(line)
    }
}

/// Checks that every property of the transform is known, and that none asks for what walcast does not do.
fn unsupported(transform: &Transform<'_, '_>) -> Result<(), String> {
    let prefix = transform.property("");
    for (name, value) in &transform.value.given.connector {
        let Some(name) = name.strip_prefix(&prefix) else {
            continue;
        };
        if !OTHERS.contains(&name) && !TEXTS.iter().any(|(known, _)| *known == name) {
            return Err(format!("{name} has no counterpart"));
        }
        if value.contains("${") && name != "route.topic.replacement" {
            return Err(format!("{name} comes from a config provider of Connect"));
        }
    }
    Ok(())
}

/// Adds the settings of payloads that are expanded.
fn expansion(transform: &Transform<'_, '_>, entry: &mut toml::Table) -> Result<(), String> {
    if !flag(transform, EXPAND, false)? {
        return Ok(());
    }
    entry.insert("expand_json".to_owned(), true.into());
    for (name, key, other) in [
        (JSON_NULL, "json_null", "optional_bytes"),
        (JSON_EMPTY_ARRAY, "json_empty_array", "optional_string"),
    ] {
        match transform.part(name).to_ascii_lowercase().as_str() {
            "" | "ignore" => {}
            behavior if behavior == other => {
                entry.insert(key.to_owned(), behavior.into());
            }
            behavior => return Err(format!("{name} = {behavior} is neither ignore nor {other}")),
        }
    }
    match transform.part(FIELD_NAMES) {
        "" | "none" => Ok(()),
        mode => Err(format!(
            "{FIELD_NAMES} = {mode}: the names in an expanded payload are not adjusted"
        )),
    }
}

fn flag(transform: &Transform<'_, '_>, name: &str, default: bool) -> Result<bool, String> {
    match transform.part(name).to_ascii_lowercase().as_str() {
        "" => Ok(default),
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{name} = {other} is neither true nor false")),
    }
}

/// Whether further columns that a table does not have are left out.
fn ignores_missing(transform: &Transform<'_, '_>) -> Result<bool, String> {
    match transform.part(MISSING).to_ascii_lowercase().as_str() {
        "" => Ok(!flag(transform, ERROR_ON_MISSING, true)?),
        "error" => Ok(false),
        "ignore" => Ok(true),
        other => Err(format!("{MISSING} = {other} is neither error nor ignore")),
    }
}

fn entry(transform: &Transform<'_, '_>, tables: &str) -> Result<toml::Table, String> {
    let mut entry = toml::Table::new();
    entry.insert("tables".to_owned(), tables.into());
    for (name, key) in TEXTS {
        let text = transform.part(name);
        if !text.is_empty() {
            entry.insert(key.to_owned(), text.into());
        }
    }
    let mut additional = Vec::new();
    let mut partitions = 0;
    let mut has_envelope = false;
    for text in transform.part(ADDITIONAL).split(',').map(str::trim) {
        if text.is_empty() {
            continue;
        }
        let field = text
            .parse::<AdditionalField>()
            .map_err(|error| format!("{ADDITIONAL}: {error}"))?;
        has_envelope |= field.placement == Placement::Envelope;
        partitions += usize::from(field.placement == Placement::Partition);
        additional.push(toml::Value::from(field.to_string()));
    }
    if partitions > 1 {
        return Err(format!("{ADDITIONAL} names several columns as the partition"));
    }
    if !additional.is_empty() {
        entry.insert("additional".to_owned(), additional.into());
    }
    if ignores_missing(transform)? {
        entry.insert("missing_additional".to_owned(), "ignore".into());
    }
    // Without a column in the envelope, Debezium does not read the version.
    let version = transform.part(SCHEMA_VERSION);
    if has_envelope && !version.is_empty() {
        entry.insert("schema_version".to_owned(), version.into());
    }
    if flag(transform, TOMBSTONES, false)? {
        entry.insert("tombstone_on_empty_payload".to_owned(), true.into());
    }
    expansion(transform, &mut entry)?;
    match transform.part(UPDATES).to_ascii_lowercase().as_str() {
        "" | "warn" => {}
        behavior @ ("error" | "fatal") => {
            entry.insert("on_update".to_owned(), behavior.into());
        }
        other => return Err(format!("{UPDATES} = {other} is not warn, error or fatal")),
    }
    Ok(entry)
}

const ALL_TABLES: &str = "*.*";

/// Tables to which the transform applies.
fn tables(transform: &Transform<'_, '_>) -> Result<String, String> {
    let predicate = transform.part("predicate");
    if predicate.is_empty() {
        return Ok(ALL_TABLES.to_owned());
    }
    if flag(transform, "negate", false)? {
        return Err(format!("its predicate {predicate} is negated"));
    }
    let given = &transform.value.given;
    let of_predicate = |name: &str| {
        let text = given.connector(&format!("predicates.{predicate}.{name}"));
        text.unwrap_or_default().trim()
    };
    if of_predicate("type") != TOPIC_NAME_MATCHES {
        return Err(format!("its predicate {predicate} is not TopicNameMatches"));
    }
    if given
        .connector("topic.delimiter")
        .is_some_and(|delimiter| delimiter.trim() != ".")
    {
        return Err(
            "topic.delimiter is not a dot, so that the table of its predicate's topic is not known"
                .to_owned(),
        );
    }
    let pattern = of_predicate("pattern");
    let not_one_table = || {
        format!("the pattern {pattern} of its predicate is not the topic of one table, prefix.schema.table")
    };
    let topic = literal(pattern).ok_or_else(not_one_table)?;
    let prefix = given.connector("topic.prefix").unwrap_or_default().trim();
    let table = topic.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
    let (schema, table) = table
        .and_then(|table| table.split_once('.'))
        .filter(|(schema, table)| !schema.is_empty() && !table.is_empty() && !table.contains('.'))
        .ok_or_else(not_one_table)?;
    Ok(format!("{}.{}", quoted(schema), quoted(table)))
}

/// The only topic that a regular expression matches, if it has no other special characters than dots. A dot that stands for any
/// character matches no other topic either: the prefix is fixed, and topics have a dot between schema and table.
fn literal(pattern: &str) -> Option<String> {
    let plain = pattern.replace("\\.", ".");
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    (!plain.is_empty() && plain.chars().all(is_plain)).then_some(plain)
}

/// A name in a pattern: quoted if unquoted text would not stand for itself.
fn quoted(name: &str) -> String {
    let is_folded =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    match name.chars().all(is_folded) {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    }
}
