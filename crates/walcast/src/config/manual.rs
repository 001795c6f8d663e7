//! Comparison of `docs/configuration.md` with the structs: the manual describes exactly the existing keys, with their defaults.
//!
//! A key is a line `| `key` | default | meaning |` of a table under a heading that names its TOML table.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use walcast_delivery::DeadLetterRule;
use walcast_mapper::config::{
    EventStoreRule, HashRule, KeyRule, MaskRule, OutboxRule, PollSettings, Route, TruncateRule,
};
use walcast_mapper::upcast::{Step, UpcastTest, Upcaster};

use super::raw::{RawConfig, RawFilter};
use super::stream_snapshots::RawStreamSnapshots;
use super::tables::{Keys, tables};

/// Defaults in the manual: by table, then by key.
type Described = BTreeMap<String, BTreeMap<String, String>>;

fn described() -> Described {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = fs::read_to_string(path).unwrap();
    let mut described = Described::new();
    let mut table = None;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            table = match heading.trim() {
                "Outside of any table" => Some(String::new()),
                heading => heading
                    .strip_prefix("`[")
                    .and_then(|rest| rest.strip_suffix("]`"))
                    // `[[keys]]` is an array of tables.
                    .map(|table| table.trim_matches(['[', ']']).to_owned()),
            };
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let (Some(table), ["", key, default, meaning, ""]) = (&table, cells.as_slice())
            && let Some(key) = key.strip_prefix('`').and_then(|key| key.strip_suffix('`'))
        {
            assert!(meaning.len() > 10, "{key} of [{table}] is not explained");
            let before = described
                .entry(table.clone())
                .or_default()
                .insert(key.to_owned(), (*default).to_owned());
            assert!(before.is_none(), "{key} of [{table}] is described twice");
        }
    }
    described
}

#[test]
fn the_manual_describes_exactly_the_existing_keys() {
    let described = described();
    let subtables: Vec<&str> = tables().iter().map(|table| table.path).collect();
    for table in tables() {
        let Keys::Known(keys) = table.keys else { continue };
        let is_subtable =
            |key: &str| subtables.contains(&format!("{}.{key}", table.path).trim_start_matches('.'));
        let mut keys: Vec<&str> = keys.iter().copied().filter(|key| !is_subtable(key)).collect();
        keys.sort_unstable();
        let manual: Vec<&str> = described
            .get(table.path)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .map(String::as_str)
            .collect();
        assert_eq!(
            keys, manual,
            "keys of [{}]: left in the structs, right in the manual",
            table.path
        );
    }
}

/// The manual writes a default value as TOML in backticks; a default that depends on other keys, or no default, in words.
#[test]
fn the_manual_has_the_correct_defaults() {
    let defaults = toml::Table::try_from(RawConfig::default()).unwrap();
    for (table, keys) in described() {
        let path = table.split('.').filter(|part| !part.is_empty());
        let written = repeated_defaults(&table);
        let values = written
            .as_ref()
            .unwrap_or_else(|| path.fold(&defaults, |values, part| values[part].as_table().unwrap()));
        for (key, manual) in keys {
            match values.get(&key) {
                Some(value) => assert_eq!(manual, format!("`{value}`"), "default of {key} in [{table}]"),
                None => assert!(
                    !manual.contains('`'),
                    "{key} of [{table}] has no default value, not {manual}"
                ),
            }
        }
    }
}

/// Defaults of an array of tables: the values of its optional keys.
fn repeated_defaults(table: &str) -> Option<toml::Table> {
    let column = "columns = [\"a.b.c\"]";
    match table {
        "keys" => Some(defaults_beside::<KeyRule>("tables = \"a.b\"\ncolumns = [\"c\"]")),
        "outbox" => Some(defaults_beside::<OutboxRule>("tables = \"a.b\"")),
        // Without a preset, the tables are required.
        "event_store" => Some(defaults_beside::<EventStoreRule>("tables = \"a.b\"")),
        "event_store.upcasters" => Some(defaults_beside::<Upcaster>("type = \"a\"\nfrom = 1\nto = 2")),
        "event_store.upcasters.steps" => Some(defaults_beside::<Step>("drop = \"a\"")),
        "event_store.upcasters.tests" => Some(defaults_beside::<UpcastTest>("before = \"{}\"")),
        "stream_snapshots" => Some(defaults_beside::<RawStreamSnapshots>(
            "topic = \"a\"\nfold = \"last_value\"",
        )),
        "outbox.poll" => Some(defaults_beside::<PollSettings>("")),
        "names.routes" => Some(defaults_beside::<Route>("pattern = \"a\"\ntopic = \"b\"")),
        "columns.mask" => Some(defaults_beside::<MaskRule>(&format!("{column}\nlength = 1"))),
        "columns.truncate" => Some(defaults_beside::<TruncateRule>(&format!("{column}\nlength = 1"))),
        "columns.hash" => {
            let required = format!("{column}\nalgorithm = \"md5\"\nsalt = \"s\"");
            Some(defaults_beside::<HashRule>(&required))
        }
        "dead_letters.rules" => {
            let required = "tables = \"a.b\"\non_error = \"halt\"";
            Some(defaults_beside::<DeadLetterRule>(required))
        }
        "snapshot.filters" => Some(defaults_beside::<RawFilter>("tables = \"a.b\"\nwhere = \"true\"")),
        _ => None,
    }
}

fn defaults_beside<T: Serialize + DeserializeOwned>(required: &str) -> toml::Table {
    let required: toml::Table = toml::from_str(required).unwrap();
    let mut all = toml::Table::try_from(T::deserialize(required.clone()).unwrap()).unwrap();
    all.retain(|key, _| !required.contains_key(key));
    all
}
