//! The configuration file of a connector that runs against a testbed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::error::{Result, file_error};
use crate::kafka::Kafka;
use crate::ports::Port;
use crate::postgres::Postgres;
use crate::registry::Registry;
use crate::servers::Testbed;

/// A configuration as in the README, for one testbed; any key can be changed with [`set`](ConnectorConfig::set).
#[derive(Clone, Debug)]
pub struct ConnectorConfig {
    table: toml::Table,
    admin_port: Arc<Port>,
    runtime: Arc<TempDir>,
}

impl ConnectorConfig {
    /// Name, slot and publication (`walcast_<name>`), topic prefix, servers, all tables of `public`, no existing rows, admin on
    /// a free port.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(testbed: &Testbed, name: &str) -> Result<ConnectorConfig> {
        ConnectorConfig::between(&testbed.postgres, &testbed.kafka, &testbed.registry, name)
    }

    /// The same for servers that do not belong to one testbed.
    ///
    /// # Errors
    /// When no port is free.
    pub fn between(
        postgres: &Postgres,
        kafka: &Kafka,
        registry: &Registry,
        name: &str,
    ) -> Result<ConnectorConfig> {
        let config = ConnectorConfig::of(&kafka.brokers(), name)?;
        Ok(config
            .set("postgres.url", postgres.url())
            .set("registry.url", registry.url()))
    }

    /// The same without the URLs of source and registry, for brokers at these addresses.
    ///
    /// # Errors
    /// When no port is free, or no folder can be made.
    pub fn of(brokers: &str, name: &str) -> Result<ConnectorConfig> {
        let config = ConnectorConfig {
            table: toml::Table::new(),
            admin_port: Arc::new(Port::reserve()?),
            runtime: Arc::new(runtime_directory()?),
        };
        let slot = format!("walcast_{}", name.replace('-', "_"));
        Ok(config
            .set("name", name)
            .set("postgres.slot", slot.clone())
            .set("postgres.publication", slot)
            .set("postgres.auto_create", true)
            .set("postgres.tables", vec!["public.*".to_owned()])
            .set("kafka.brokers", brokers)
            .set("kafka.topic_prefix", name)
            .set("snapshot.mode", "never")
            .with_admin_listen())
    }

    /// The same with an admin address of its own: for a second instance beside the first.
    ///
    /// # Errors
    /// When no port is free.
    pub fn second_instance(&self) -> Result<ConnectorConfig> {
        let copy = ConnectorConfig {
            table: self.table.clone(),
            admin_port: Arc::new(Port::reserve()?),
            runtime: Arc::clone(&self.runtime),
        };
        Ok(copy.with_admin_listen())
    }

    fn with_admin_listen(self) -> ConnectorConfig {
        let address = self.admin_address();
        self.set("admin.listen", address)
    }

    /// Sets a key by its dotted path (`kafka.delivery_guarantee`); tables on the way are made.
    #[must_use]
    pub fn set(self, path: &str, value: impl Into<toml::Value>) -> ConnectorConfig {
        let segments: Vec<&str> = path.split('.').collect();
        self.set_in(&segments, value)
    }

    /// Sets one librdkafka property; its name holds dots of its own.
    #[must_use]
    pub fn set_kafka_property(self, name: &str, value: &str) -> ConnectorConfig {
        self.set_in(&["kafka", "properties", name], value)
    }

    fn set_in(mut self, segments: &[&str], value: impl Into<toml::Value>) -> ConnectorConfig {
        let Some((last, folders)) = segments.split_last() else {
            return self;
        };
        let mut table = &mut self.table;
        for folder in folders {
            let entry = table.entry(*folder).or_insert_with(|| toml::Table::new().into());
            table = entry
                .as_table_mut()
                .expect("a key with a value of its own is not a table as well");
        }
        table.insert((*last).to_owned(), value.into());
        self
    }

    /// Removes one librdkafka property; a missing one is no fault.
    #[must_use]
    pub fn unset_kafka_property(mut self, name: &str) -> ConnectorConfig {
        let properties = self
            .table
            .get_mut("kafka")
            .and_then(|kafka| kafka.get_mut("properties"));
        if let Some(properties) = properties.and_then(toml::Value::as_table_mut) {
            properties.remove(name);
        }
        self
    }

    /// Removes a key by its dotted path; a missing one is no fault.
    #[must_use]
    pub fn unset(mut self, path: &str) -> ConnectorConfig {
        let (folder, last) = path.rsplit_once('.').unwrap_or(("", path));
        let mut folders = folder.split('.').filter(|folder| !folder.is_empty());
        let table = folders.try_fold(&mut self.table, |table, folder| {
            table.get_mut(folder)?.as_table_mut()
        });
        if let Some(table) = table {
            table.remove(last);
        }
        self
    }

    /// `host:port` of the admin interface.
    pub fn admin_address(&self) -> String {
        format!("127.0.0.1:{}", self.admin_port.number())
    }

    /// What `XDG_RUNTIME_DIR` has to be for the connector and for the commands that talk to it: the connector stores its admin
    /// token there, and not where the person who runs the tests has theirs. It is removed with the last copy of the configuration.
    pub fn runtime_directory(&self) -> &Path {
        self.runtime.path()
    }

    /// The file in which the connector stores its admin token, where the configuration has none.
    pub fn admin_token_file(&self) -> PathBuf {
        let name = self.table.get("name").and_then(toml::Value::as_str);
        let file = format!("{}.admin-token", name.unwrap_or_default());
        self.runtime.path().join("walcast").join(file)
    }

    /// The file's text.
    pub fn text(&self) -> String {
        self.table.to_string()
    }

    /// Writes the file `<folder>/walcast.toml`, for its owner alone, as it holds passwords; a folder can hold one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_to(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join("walcast.toml");
        std::fs::write(&path, self.text()).map_err(file_error("write", &path))?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))
            .map_err(file_error("set the mode of", &path))?;
        Ok(path)
    }
}

fn runtime_directory() -> Result<TempDir> {
    let prefix = "walcast-runtime-";
    let made = tempfile::Builder::new().prefix(prefix).tempdir();
    made.map_err(file_error("create a folder in", &std::env::temp_dir()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_set_and_removed_at_any_depth() {
        let config = ConnectorConfig {
            table: toml::Table::new(),
            admin_port: Arc::new(Port::reserve().unwrap()),
            runtime: Arc::new(runtime_directory().unwrap()),
        };
        let config = config
            .set("name", "shop")
            .set("kafka.delivery_guarantee", "at_least_once")
            .set("kafka.brokers", "b");
        let config = config
            .set_kafka_property("linger.ms", "5")
            .unset("kafka.delivery_guarantee")
            .unset("registry.url");
        let expected =
            "name = \"shop\"\n\n[kafka]\nbrokers = \"b\"\n\n[kafka.properties]\n\"linger.ms\" = \"5\"\n";
        assert_eq!(config.text(), expected);
    }
}
