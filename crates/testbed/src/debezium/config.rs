//! The properties of one Debezium connector.

use std::collections::BTreeMap;

use crate::postgres::Postgres;
use crate::registry::Registry;

/// As shipped, but for where the servers are, for `pgoutput`, Avro, and a start without snapshot; any property can be changed
/// with [`set`](DebeziumConfig::set).
#[derive(Clone, Debug)]
pub struct DebeziumConfig {
    name: String,
    properties: BTreeMap<String, String>,
}

impl DebeziumConfig {
    /// A connector of this name, which is its topic prefix as well; its slot is `debezium_<name>`. The publication must exist:
    /// by default `debezium_<name>` too.
    pub fn new(postgres: &Postgres, registry: &Registry, name: &str) -> DebeziumConfig {
        let slot = format!("debezium_{}", name.replace('-', "_"));
        let config = DebeziumConfig {
            name: name.to_owned(),
            properties: BTreeMap::new(),
        };
        let port = postgres.port().to_string();
        let options = postgres.options();
        config
            .set(
                "connector.class",
                "io.debezium.connector.postgresql.PostgresConnector",
            )
            .set("database.hostname", "127.0.0.1")
            .set("database.port", &port)
            .set("database.user", &options.superuser)
            .set("database.password", options.password.text())
            .set("database.dbname", &options.database)
            .set("topic.prefix", name)
            .set("plugin.name", "pgoutput")
            .set("slot.name", &slot)
            .set("publication.name", &slot)
            .set("publication.autocreate.mode", "disabled")
            .set("snapshot.mode", "no_data")
            // Half a second as shipped. It changes no record, only when it comes.
            .set("poll.interval.ms", "20")
            .with_avro("key.converter", registry)
            .with_avro("value.converter", registry)
    }

    fn with_avro(self, converter: &str, registry: &Registry) -> DebeziumConfig {
        let set = |config: DebeziumConfig, name: &str, value: &str| {
            config.set(&format!("{converter}.{name}"), value)
        };
        let config = self.set(converter, "io.apicurio.registry.utils.converter.AvroConverter");
        let config = set(config, "apicurio.registry.url", &registry.second_api_url());
        let config = set(config, "apicurio.registry.auto-register", "true");
        let config = set(config, "apicurio.registry.as-confluent", "true");
        let config = set(config, "apicurio.registry.use-id", "contentId");
        set(config, "apicurio.registry.headers.enabled", "false")
    }

    /// Sets a property.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> DebeziumConfig {
        self.properties.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Name of the connector, and its topic prefix unless that was set otherwise.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of its slot.
    pub fn slot(&self) -> &str {
        self.properties.get("slot.name").map_or("", String::as_str)
    }

    /// All properties by name.
    pub fn properties(&self) -> &BTreeMap<String, String> {
        &self.properties
    }
}
