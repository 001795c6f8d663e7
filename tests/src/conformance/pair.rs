//! The two connectors of a group, side by side on one database, and waiting for both.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage};
use walcast_testbed::{ConnectorConfig, DebeziumConfig, wait_until};

use super::capture;
use super::scenario::Settings;
use super::servers::Servers;
use crate::{Instance, await_that};

/// The publication of both.
const PUBLICATION: &str = "conformance";

/// A table of no scenario. A row in it comes after everything that was written before.
pub(super) const END_TABLE: &str = "conformance_end";

/// How long the delivery of one round may take: only a fault reaches it.
const DELIVERY_LIMIT: Duration = Duration::from_secs(300);

/// Two connectors that stream from one database.
#[derive(Debug)]
pub(super) struct Pair {
    servers: Arc<Servers>,
    database: String,
    debezium: DebeziumConfig,
    walcast: ConnectorConfig,
    /// The running connector; `None` before its start.
    instance: Option<Instance>,
    prefixes: Prefixes,
    rows_at_end: usize,
}

/// Waits for something that takes as long as a group has scenarios: each makes topics and registers schemas.
async fn await_delivery(what: &str, condition: impl AsyncFnMut() -> bool) {
    let mut condition = condition;
    let waited = wait_until(what, DELIVERY_LIMIT, async || Ok(condition().await)).await;
    waited.unwrap_or_else(|error| panic!("{error}"));
}

/// The topic prefixes of the two.
#[derive(Clone, Debug)]
pub(super) struct Prefixes {
    pub(super) debezium: String,
    pub(super) walcast: String,
}

impl Pair {
    /// Makes the database of group `number`, without connectors yet.
    pub(super) async fn prepare(servers: Arc<Servers>, number: usize, settings: &Settings) -> Pair {
        let database = format!("conformance_{number}");
        let prefixes = Prefixes {
            debezium: format!("dbz{number}"),
            walcast: format!("wal{number}"),
        };
        let postgres = &servers.postgres;
        postgres.create_database(&database).await.unwrap();
        let debezium = DebeziumConfig::new(postgres, &servers.registry, &prefixes.debezium)
            .set("database.dbname", &database)
            .set("publication.name", PUBLICATION);
        let debezium = settings.debezium.iter().fold(debezium, |config, (name, value)| {
            config.set(name, &value.replace("{prefix}", &prefixes.debezium))
        });
        let walcast =
            ConnectorConfig::between(postgres, &servers.kafka, &servers.registry, &prefixes.walcast)
                .unwrap()
                .set(
                    "postgres.url",
                    postgres.url_for("postgres", "postgres", &database),
                )
                .set("postgres.publication", PUBLICATION)
                .set("postgres.tables", vec!["*.*".to_owned()])
                .set("format.debezium_version", servers.release.number());
        let walcast = settings.walcast.iter().fold(walcast, |config, (key, value)| {
            config.set(
                key,
                toml_value(key, &value.replace("{prefix}", &prefixes.walcast)),
            )
        });
        let pair = Pair {
            servers,
            database,
            debezium,
            walcast,
            instance: None,
            prefixes,
            rows_at_end: 0,
        };
        let setup = format!(
            "CREATE TABLE {END_TABLE} (n int PRIMARY KEY); CREATE PUBLICATION {PUBLICATION} FOR ALL TABLES"
        );
        pair.client().await.batch_execute(&setup).await.unwrap();
        pair
    }

    /// Starts both; each has a slot and streams when this returns.
    pub(super) async fn start(&mut self) {
        let Servers {
            debezium, postgres, ..
        } = &*self.servers;
        let (added, instance) = tokio::join!(
            Box::pin(debezium.add(&self.debezium, postgres)),
            Instance::start(&self.walcast)
        );
        added.unwrap_or_else(|error| panic!("{}: {error}", self.database));
        self.instance = Some(instance);
    }

    /// Waits until both have delivered everything that was committed before this call.
    pub(super) async fn await_both(&mut self) {
        let end = self.write_end().await;
        self.await_debezium(&end).await;
        self.await_walcast(&end).await;
    }

    /// Waits until both have read so many existing rows.
    pub(super) async fn await_reads(&self, rows: usize) {
        for prefix in [&self.prefixes.debezium, &self.prefixes.walcast] {
            await_delivery("existing rows", async || {
                let topics = capture::topics(&self.servers, prefix).await;
                let records = topics.values().flat_map(|topic| &topic.records);
                records.filter(|record| record["value"]["op"] == "r").count() >= rows
            })
            .await;
        }
    }

    /// Waits until walcast has ended by itself; its log.
    pub(super) async fn await_halt(&mut self) -> String {
        let instance = self.instance.as_mut().expect("it was started");
        instance.exit_status().await;
        instance.log()
    }

    /// Waits until Debezium's task has failed, and until walcast has delivered everything; the trace.
    pub(super) async fn await_failure(&mut self) -> String {
        let end = self.write_end().await;
        self.await_walcast(&end).await;
        let mut trace = None;
        await_that("failure of debezium", async || {
            let runs = self.servers.debezium.runs(self.debezium.name()).await;
            trace = runs.err().map(|error| error.to_string());
            trace.is_some()
        })
        .await;
        trace.unwrap_or_default()
    }

    /// Writes rows to the table of the end, each in its own transaction; the position after the first.
    async fn write_end(&mut self) -> String {
        let client = self.client().await;
        let mut insert = async || {
            let sql = format!("INSERT INTO {END_TABLE} VALUES ({})", self.rows_at_end);
            client.batch_execute(&sql).await.unwrap();
            self.rows_at_end += 1;
        };
        insert().await;
        let end = text(&client, "SELECT pg_current_wal_insert_lsn()").await;
        insert().await;
        insert().await;
        end
    }

    /// Debezium confirms a transaction once Kafka has acknowledged a record of the next, with all before it: the last row
    /// written confirms the second, which lies behind `end`.
    async fn await_debezium(&self, end: &str) {
        let client = self.client().await;
        let sql = confirmed(self.debezium.slot(), end);
        await_delivery("delivery by debezium", async || {
            let runs = self.servers.debezium.runs(self.debezium.name()).await;
            if let Err(error) = runs {
                panic!("{}: {error}", self.database);
            }
            text(&client, &sql).await == "t"
        })
        .await;
    }

    /// walcast confirms what is committed in Kafka.
    async fn await_walcast(&mut self, end: &str) {
        let client = self.client().await;
        let sql = confirmed(&format!("walcast_{}", self.prefixes.walcast), end);
        let instance = self.instance.as_mut().expect("it was started");
        await_delivery("delivery by walcast", async || {
            instance.assert_running();
            text(&client, &sql).await == "t"
        })
        .await;
    }

    /// Ends both and drops what they held in the source.
    pub(super) async fn stop(mut self) {
        self.servers.debezium.remove(self.debezium.name()).await.unwrap();
        if let Some(instance) = &mut self.instance
            && instance.process().ended().unwrap().is_none()
        {
            instance.stop().await;
        }
        let client = self.client().await;
        let slots = format!(
            "SELECT count(*) FROM pg_replication_slots WHERE active AND database = '{}'",
            self.database
        );
        await_that("end of both connectors", async || {
            text(&client, &slots).await == "0"
        })
        .await;
        let drop = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{}'",
            self.database
        );
        client.batch_execute(&drop).await.unwrap();
    }

    /// A new connection to the database.
    pub(super) async fn client(&self) -> Client {
        self.servers.postgres.client_of(&self.database).await.unwrap()
    }

    pub(super) fn servers(&self) -> &Servers {
        &self.servers
    }

    pub(super) fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }
}

/// Whether a slot is confirmed up to `end` or beyond.
fn confirmed(slot: &str, end: &str) -> String {
    format!("SELECT confirmed_flush_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = '{slot}'")
}

/// The first value of a query.
async fn text(client: &Client, query: &str) -> String {
    let messages = client.simple_query(query).await.unwrap();
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    value.unwrap_or_default()
}

fn toml_value(key: &str, value: &str) -> toml::Value {
    let document = format!("value = {value}");
    let parsed: Result<toml::Table, _> = toml::from_str(&document);
    let mut table = parsed.unwrap_or_else(|error| panic!("{key} = {value}: {error}"));
    table.remove("value").expect("it was written there")
}
