//! Settings that a configuration file contains, as texts that may be shown: in the process log, and by the admin port.
//!
//! A text with `${VARIABLE}` is shown as it is written, so that values of the environment are never shown. A value is shown only
//! if its type serializes it; [`walcast_mapper::Secret`] does not.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use walcast_kafka::is_secret_property;
use walcast_mapper::Secret;

use super::document::Document;
use super::raw::RawConfig;

/// What is shown instead of a secret.
const HIDDEN: &str = "[hidden]";

/// Settings of a configuration file, by key; elements of arrays have an index (`postgres.tables[0]`). Defaults are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings(BTreeMap<String, Setting>);

/// Value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    text: Secret,
    is_secret: bool,
}

impl Setting {
    fn shown(&self) -> &str {
        if self.is_secret {
            HIDDEN
        } else {
            self.text.reveal()
        }
    }
}

/// Setting that differs between two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangedSetting {
    /// The key, with its table.
    pub(crate) key: String,
    before: Option<Setting>,
    after: Option<Setting>,
}

impl fmt::Display for ChangedSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |setting: &Option<Setting>| match setting {
            None => "unset".to_owned(),
            Some(setting) if setting.is_secret => HIDDEN.to_owned(),
            Some(setting) => format!("{:?}", setting.shown()),
        };
        write!(
            f,
            "{} {} -> {}",
            self.key,
            shown(&self.before),
            shown(&self.after)
        )
    }
}

impl Settings {
    /// Settings of a parsed file.
    pub(super) fn of(document: &Document<'_>, raw: &RawConfig) -> Self {
        let mut resolved = BTreeMap::new();
        // A configuration that cannot be serialized is hidden altogether.
        if let Ok(value) = serde_json::to_value(raw) {
            collect("", &value, &mut resolved);
        }
        let settings = document.keys().filter_map(|key| {
            let shown = resolved.get(key).map(String::as_str);
            let text = Secret::new(document.literal(key).or(shown)?);
            let is_secret_property = key
                .strip_prefix("kafka.properties.")
                .is_some_and(is_secret_property);
            let is_secret = shown.is_none() || is_secret_property;
            Some((key.to_owned(), Setting { text, is_secret }))
        });
        Self(settings.collect())
    }

    /// Keys with their texts, in which secrets are replaced.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, setting)| (key.as_str(), setting.shown()))
    }

    /// Settings that differ in `newer`, by key.
    pub(crate) fn changes(&self, newer: &Settings) -> Vec<ChangedSetting> {
        let mut keys: Vec<&String> = self.0.keys().chain(newer.0.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let changed = keys.into_iter().map(|key| ChangedSetting {
            key: key.clone(),
            before: self.0.get(key).cloned(),
            after: newer.0.get(key).cloned(),
        });
        changed
            .filter(|changed| changed.before != changed.after)
            .collect()
    }

    /// Applies a change.
    pub(crate) fn apply(&mut self, changed: &ChangedSetting) {
        match &changed.after {
            Some(after) => self.0.insert(changed.key.clone(), after.clone()),
            None => self.0.remove(&changed.key),
        };
    }
}

/// Collects the values below `key` that are neither tables nor arrays.
fn collect(key: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(table) => {
            for (name, value) in table {
                let below = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                collect(&below, value, leaves);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                collect(&format!("{key}[{index}]"), value, leaves);
            }
        }
        Value::String(text) => {
            leaves.insert(key.to_owned(), text.clone());
        }
        Value::Bool(_) | Value::Number(_) => {
            leaves.insert(key.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::config::parse_for_test;

    const FILE: &str = r#"
name = "shop"

[postgres]
url = "postgres://walcast:hunter2@db/shop"
tables = ["public.*", "sales.*"]

[kafka]
brokers = "${BROKERS}"
commit_interval = "10ms"
properties."sasl.password" = "hunter3"
properties.socket.timeout.ms = 60000

[registry]
url = "http://127.0.0.1:8081"
username = "walcast"
password = "${PASSWORD}"

[[columns.hash]]
columns = ["public.customers.email"]
algorithm = "sha256"
salt = "hunter4"
"#;

    fn parsed(text: &str) -> super::Settings {
        let lookup = |_: &str| Ok("10.0.0.9:9092".to_owned());
        parse_for_test(text, &lookup).unwrap().settings
    }

    #[test]
    fn secrets_and_values_of_variables_are_not_shown() {
        let settings = parsed(FILE);
        let shown: Vec<String> = settings
            .shown()
            .map(|(key, text)| format!("{key} = {text}"))
            .collect();
        expect![[r#"
            columns.hash[0].algorithm = sha256
            columns.hash[0].columns[0] = public.customers.email
            columns.hash[0].salt = [hidden]
            kafka.brokers = ${BROKERS}
            kafka.commit_interval = 10ms
            kafka.properties.sasl.password = [hidden]
            kafka.properties.socket.timeout.ms = 60000
            name = shop
            postgres.tables[0] = public.*
            postgres.tables[1] = sales.*
            postgres.url = [hidden]
            registry.password = [hidden]
            registry.url = http://127.0.0.1:8081
            registry.username = walcast"#]]
        .assert_eq(&shown.join("\n"));
        let debug = format!("{settings:?}");
        assert!(!debug.contains("hunter"), "{debug}");
    }

    #[test]
    fn changes_are_named_without_secrets() {
        let newer = FILE
            .replace("10ms", "20ms")
            .replace(", \"sales.*\"", "")
            .replace("hunter2", "hunter5");
        let newer = format!("{newer}\n[log]\nlevel = \"debug\"\n");
        let (before, after) = (parsed(FILE), parsed(&newer));
        let changed: Vec<String> = before.changes(&after).iter().map(ToString::to_string).collect();
        expect![[r#"
            kafka.commit_interval "10ms" -> "20ms"
            log.level unset -> "debug"
            postgres.tables[1] "sales.*" -> unset
            postgres.url [hidden] -> [hidden]"#]]
        .assert_eq(&changed.join("\n"));
        let mut applied = before.clone();
        for change in before.changes(&after) {
            applied.apply(&change);
        }
        assert_eq!(applied, after);
    }
}
