//! A database, a connector and topics of a test's own, on servers that all tests of the program share.

use serde_json::Value;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, SimpleQueryMessage};
use walcast_testbed::{
    ConnectorConfig, Decoder, Postgres, PostgresOptions, RawRecord, has_open_transaction, read_topic,
    topic_names,
};

use crate::{Finished, Instance, World, await_that, run};

/// More slots than all tests of a program make.
const SLOTS_MAX: &str = "400";

/// The servers of this program.
pub async fn shared() -> &'static World {
    static SHARED: OnceCell<World> = OnceCell::const_new();
    // Each case leaves a slot behind, as a connector does that is stopped.
    let options = || {
        let options = PostgresOptions::default().with_setting("max_replication_slots", SLOTS_MAX);
        options.with_setting("max_wal_senders", SLOTS_MAX)
    };
    SHARED.get_or_init(|| World::sharing("shared", options())).await
}

/// One test's database with a table `items (id, note)`, and the connector that captures it.
#[derive(Debug)]
pub struct Case<'a> {
    /// The server that the database is on.
    pub postgres: &'a Postgres,
    /// The configuration of the connector: a short idle interval, everything else as shipped.
    pub config: ConnectorConfig,
    name: String,
}

impl Case<'static> {
    /// A case on the shared servers. No other test of the program may have the name, which is that of the database, the
    /// connector and the topic prefix.
    pub async fn new(name: &str) -> Case<'static> {
        Case::on(&shared().await.postgres, name).await
    }
}

impl<'a> Case<'a> {
    /// A case on a source of the caller's, beside the shared broker and registry.
    pub async fn on(postgres: &'a Postgres, name: &str) -> Case<'a> {
        postgres.create_database(name).await.unwrap();
        let config = Case::config_of(postgres, name).await;
        let case = Case::existing(postgres, name, &config);
        case.sql("CREATE TABLE items (id int PRIMARY KEY, note text)")
            .await;
        case
    }

    /// A case whose database is on this server already: it was copied there, or the server was stopped meanwhile.
    pub fn existing(postgres: &'a Postgres, name: &str, config: &ConnectorConfig) -> Case<'a> {
        Case {
            postgres,
            config: config.clone(),
            name: name.to_owned(),
        }
    }

    /// The configuration of a case of this name on a server.
    pub async fn config_of(postgres: &Postgres, name: &str) -> ConnectorConfig {
        let shared = shared().await;
        let config = ConnectorConfig::between(postgres, shared.kafka(), shared.registry(), name).unwrap();
        config.set("postgres.url", postgres.url_for("postgres", "postgres", name))
    }

    /// Name of database, connector and topic prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of slot and publication.
    pub fn slot(&self) -> String {
        format!("walcast_{}", self.name)
    }

    /// A superuser connection to the database.
    pub async fn client(&self) -> Client {
        self.postgres.client_of(&self.name).await.unwrap()
    }

    /// Runs statements in the database.
    pub async fn sql(&self, statements: &str) {
        if let Err(error) = self.client().await.batch_execute(statements).await {
            panic!("{statements}: {error:?}");
        }
    }

    /// The first value that a query in the database gives, as text; empty when it is null or there is none.
    pub async fn text(&self, query: &str) -> String {
        let messages = self.client().await.simple_query(query).await;
        let messages = messages.unwrap_or_else(|error| panic!("{query}: {error:?}"));
        let value = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        value.unwrap_or_default()
    }

    /// Whether a query in the database gives true.
    pub async fn holds(&self, query: &str) -> bool {
        self.text(query).await == "t"
    }

    /// Inserts rows with these ids, each in a transaction of its own.
    pub async fn insert(&self, ids: impl IntoIterator<Item = u32>) {
        let client = self.client().await;
        for id in ids {
            let sql = format!("INSERT INTO items VALUES ({id}, 'note {id}')");
            client.batch_execute(&sql).await.unwrap();
        }
    }

    /// Runs the connector until these rows are in Kafka, and stops it cleanly.
    pub async fn deliver(&self, ids: impl IntoIterator<Item = u32> + Clone) {
        let mut instance = Instance::start(&self.config).await;
        self.insert(ids.clone()).await;
        self.await_ids(ids).await;
        instance.stop().await;
    }

    /// Waits until the topic of `items` holds an insert of each of these rows.
    pub async fn await_ids(&self, ids: impl IntoIterator<Item = u32> + Clone) {
        let what = format!("rows of {} in Kafka", self.name);
        await_that(&what, async || {
            let delivered = self.ids().await;
            ids.clone().into_iter().all(|id| delivered.contains(&id))
        })
        .await;
    }

    /// Ids of the rows that the records of `items` describe, in the order of the topic.
    pub async fn ids(&self) -> Vec<u32> {
        let mut decoder = Decoder::new(&shared().await.registry().url()).unwrap();
        let mut ids = Vec::new();
        for record in self.items().await {
            let key = decoder.decode(&record).await.unwrap().key.unwrap();
            let id = key["id"].to_text().unwrap();
            ids.push(id.parse().unwrap());
        }
        ids
    }

    /// The records of `items`.
    pub async fn items(&self) -> Vec<RawRecord> {
        let topic = format!("{}.public.items", self.name);
        read_topic(&shared().await.kafka().brokers(), &topic)
            .await
            .unwrap()
    }

    /// Every committed record of every topic of the connector, the checkpoint topic included, once no transaction is open.
    pub async fn everything(&self) -> Vec<RawRecord> {
        let brokers = shared().await.kafka().brokers();
        let mut records = Vec::new();
        for topic in self.await_transactions().await {
            records.extend(read_topic(&brokers, &topic).await.unwrap());
        }
        records
    }

    /// Waits until no transaction is open in any topic of the connector; their names. The broker ends a transaction in one
    /// partition after the other: with one record of it, the others may not be there yet.
    pub async fn await_transactions(&self) -> Vec<String> {
        let brokers = shared().await.kafka().brokers();
        let prefix = format!("{}.", self.name);
        let mut topics = topic_names(&brokers).await.unwrap();
        topics.retain(|topic| topic.starts_with(&prefix));
        await_that("end of the open transactions", async || {
            !has_open_transaction(&brokers, &topics).await.unwrap()
        })
        .await;
        topics
    }

    /// Position at which the connector resumes, as Postgres prints it.
    pub async fn position(&self) -> String {
        let checkpoint = self.checkpoint().await;
        checkpoint["end_lsn"].as_str().unwrap().to_owned()
    }

    /// The checkpoint as `walcast checkpoint show --json` prints it.
    pub async fn checkpoint(&self) -> Value {
        let shown = self.command(&["checkpoint", "show", "--json"]).await;
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
        serde_json::from_str(&shown.stdout).unwrap()
    }

    /// Runs another command of `walcast` than `run` to its end, with the configuration of the case.
    pub async fn command(&self, arguments: &[&str]) -> Finished {
        run(&self.config, arguments).await
    }

    /// Requests the rows of a table that a condition chooses from the running connector.
    pub async fn request_rows(&self, table: &str, condition: &str) -> Finished {
        self.command(&["snapshot", "start", "--tables", table, "--where", condition])
            .await
    }

    /// Runs `walcast run`, which must end by itself.
    pub async fn run_to_end(&self) -> Finished {
        run(&self.config, RUN).await
    }

    /// Waits until no connection uses the slot: a walsender can outlast its client for a while.
    pub async fn await_free_slot(&self) {
        let name = self.slot();
        let free = format!("SELECT NOT active FROM pg_replication_slots WHERE slot_name = '{name}'");
        await_that("the slot to be free", async || self.holds(&free).await).await;
    }

    /// Drops the slot, once no connection uses it.
    pub async fn drop_slot(&self) {
        self.await_free_slot().await;
        let sql = format!("SELECT pg_drop_replication_slot('{}')", self.slot());
        self.text(&sql).await;
    }

    /// Whether the slot or the publication of the connector exists.
    pub async fn is_set_up(&self) -> bool {
        let name = self.slot();
        let found = format!(
            "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{name}') \
             OR EXISTS (SELECT FROM pg_publication WHERE pubname = '{name}')"
        );
        self.holds(&found).await
    }
}

/// `walcast run` with log lines that differ from all other output.
pub const RUN: &[&str] = &["run", "--log-format", "json"];
