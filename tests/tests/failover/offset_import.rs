//! From the real Debezium to walcast: stopped under load, taken over, nothing lost and nothing doubled by LSN.
//!
//! A slot of the test's own, which is only peeked at, shows what the source did: transaction and position of each change.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use tokio_postgres::Client;
use walcast_testbed::{
    Cell, ConnectorConfig, Debezium, DebeziumConfig, Decoder, Direction, Flow, Payload, PostgresOptions,
    Proxy, read_topic, topic_names,
};
use walcast_tests::{Finished, Instance, World, await_that, command, run};

/// A source with a table `moves`, whose history a peeked slot keeps.
struct Move {
    world: World,
    source: Client,
    debezium: Debezium,
}

/// A change: transaction and position.
type Place = (u32, u64);

impl Move {
    async fn new(name: &str) -> Move {
        let world = World::sharing(name, PostgresOptions::default()).await;
        let source = world.postgres.client().await.unwrap();
        let publication = format!("CREATE PUBLICATION {} FOR TABLE moves", slot(name));
        // Each by itself: a slot is not created in a transaction that has written.
        for statement in [
            "CREATE TABLE moves (id int PRIMARY KEY, note text NOT NULL)",
            &publication,
            "SELECT pg_create_logical_replication_slot('history', 'pgoutput')",
        ] {
            source.batch_execute(statement).await.unwrap();
        }
        let debezium = Debezium::start(world.kafka()).await.unwrap();
        Move {
            world,
            source,
            debezium,
        }
    }

    fn connector(&self) -> DebeziumConfig {
        DebeziumConfig::new(&self.world.postgres, self.world.registry(), self.world.name())
    }

    /// walcast in Debezium's place, with what `migrate debezium-config` writes to keep the way back open.
    fn config(&self) -> ConnectorConfig {
        let slot = slot(self.world.name());
        self.world
            .config()
            .set("postgres.slot", slot.as_str())
            .set("postgres.publication", slot.as_str())
            .set("replay.retention", "1d")
            .set("replay.retention_bytes", "10GB")
    }

    /// Inserts rows, each by a statement of its own, all in one transaction.
    async fn insert(&self, ids: std::ops::Range<i32>) {
        let sql = format!(
            "INSERT INTO moves SELECT id, 'row ' || id FROM generate_series({}, {}) id",
            ids.start,
            ids.end - 1
        );
        self.source.batch_execute(&sql).await.unwrap();
    }

    /// Stops Debezium cleanly, and waits until its slot is free.
    async fn stop_debezium(&self) {
        self.remove_debezium().await;
        self.await_free_slot().await;
    }

    async fn remove_debezium(&self) {
        self.debezium.remove(self.world.name()).await.unwrap();
    }

    async fn await_free_slot(&self) {
        let sql = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1 AND active";
        await_that("a free slot", async || {
            let row = self
                .source
                .query_one(sql, &[&slot(self.world.name())])
                .await
                .unwrap();
            row.get::<_, i64>(0) == 0
        })
        .await;
    }

    async fn take_over(&self, more: &[&str]) -> Finished {
        let file = self.debezium.offset_file();
        let mut arguments = vec![
            "migrate",
            "debezium-offset",
            "--offset-file",
            file.to_str().unwrap(),
            "--json",
        ];
        arguments.extend(more);
        run(&self.config(), &arguments).await
    }

    /// Every insert and update the source has committed, in commit order.
    async fn history(&self) -> Vec<Place> {
        let sql = format!(
            "SELECT xid::text, (lsn - '0/0')::text, get_byte(data, 0) FROM pg_logical_slot_peek_binary_changes('history', NULL, NULL, \
             'proto_version', '1', 'publication_names', '{}')",
            slot(self.world.name())
        );
        let rows = self.source.query(&sql, &[]).await.unwrap();
        let is_change = |row: &&tokio_postgres::Row| {
            let tag: i32 = row.get(2);
            [i32::from(b'I'), i32::from(b'U'), i32::from(b'D')].contains(&tag)
        };
        let place = |row: &tokio_postgres::Row| {
            let (xid, lsn): (String, String) = (row.get(0), row.get(1));
            (xid.parse().unwrap(), lsn.parse().unwrap())
        };
        rows.iter().filter(is_change).map(place).collect()
    }

    /// How many records the topic holds: there are no tombstones, since nothing is deleted.
    async fn count(&self) -> usize {
        let topic = self.world.topic("public.moves");
        read_topic(&self.world.kafka().brokers(), &topic)
            .await
            .map_or(0, |records| records.len())
    }

    /// What the topic holds, in its order.
    async fn topic(&self) -> Vec<Delivered> {
        let topic = self.world.topic("public.moves");
        let raw = read_topic(&self.world.kafka().brokers(), &topic)
            .await
            .unwrap_or_default();
        let mut decoder = Decoder::new(&self.world.registry().url()).unwrap();
        let mut delivered = Vec::new();
        for record in decoder.decode_all(&raw).await.unwrap() {
            let Payload::Change(change) = record.payload else {
                continue;
            };
            let number = |name: &str| change.source[name].to_text().unwrap().parse::<u64>().unwrap();
            delivered.push(Delivered {
                place: (u32::try_from(number("txId")).unwrap(), number("lsn")),
                sequence: change.source["sequence"].to_text().unwrap_or_default(),
                by_debezium: change.source["version"] == Cell::Text("3.3.1.Final".to_owned())
                    && record.id.is_none(),
            });
        }
        delivered
    }

    /// Starts Debezium again, at its own offset: what walcast has delivered comes again, and nothing is missing.
    async fn go_back(&self, delivered: &[Delivered], by_debezium: usize) {
        self.await_free_slot().await;
        self.debezium
            .add(&self.connector(), &self.world.postgres)
            .await
            .unwrap();
        self.insert(-5..0).await;
        let history = self.history().await;
        let by_walcast = delivered.len() - by_debezium;
        await_that("all changes from Debezium again", async || {
            self.count().await >= delivered.len() + by_walcast + 5
        })
        .await;
        await_that("the last change from Debezium", async || {
            let topic = self.topic().await;
            topic.last().map(|record| record.place) == history.last().copied()
        })
        .await;
        let topic = self.topic().await;
        let again: Vec<Place> = topic[delivered.len()..]
            .iter()
            .map(|record| {
                assert!(record.by_debezium, "{record:?}");
                record.place
            })
            .collect();
        // Debezium may repeat changes before its offset.
        assert!(
            again.len() <= history.len(),
            "{} of {}",
            again.len(),
            history.len()
        );
        assert_eq!(again, history[history.len() - again.len()..]);
    }

    /// Runs walcast until all that the source did is in the topic; then it must be there once and in order.
    async fn finish(&self) -> Vec<Delivered> {
        let mut instance = Instance::start(&self.config()).await;
        let history = self.history().await;
        await_that("all changes in the topic", async || {
            instance.assert_running();
            self.count().await >= history.len()
        })
        .await;
        instance.stop().await;
        let delivered = self.topic().await;
        let places: Vec<Place> = delivered.iter().map(|record| record.place).collect();
        assert_eq!(places, history, "the topic is not what the source did");
        delivered
    }
}

/// Distance between the transactions of a load: enough of them for a stop to fall among them, few enough to be looked at
/// again and again.
const PACE: Duration = Duration::from_millis(5);

/// So much of the large transaction passes: some thousand of its rows, each of which is some sixty bytes.
const BEGINNING_BYTES: u64 = 200_000;

/// A record of the topic.
#[derive(Debug)]
struct Delivered {
    place: Place,
    sequence: String,
    by_debezium: bool,
}

fn slot(name: &str) -> String {
    format!("debezium_{name}")
}

/// The half of `source.sequence` that names the end of the transaction before.
fn previous_commit(record: &Delivered) -> String {
    let halves: Vec<serde_json::Value> = serde_json::from_str(&record.sequence).unwrap();
    halves[0].to_string()
}

/// Debezium gets no more than the beginning of a transaction over the network, so it stops inside of it.
#[tokio::test(flavor = "multi_thread")]
async fn continues_a_connector_stopped_inside_of_a_transaction() {
    let moved = Move::new("moved_inside").await;
    let network = Proxy::start(moved.world.postgres.port()).await.unwrap();
    let behind = moved
        .connector()
        .set("database.port", &network.port().to_string());
    moved.debezium.add(&behind, &moved.world.postgres).await.unwrap();
    moved.insert(0..5).await;
    await_that("the first rows", async || moved.count().await == 5).await;
    let whole = 20_000;
    network.let_flow(Direction::ToClient, Flow::Only(BEGINNING_BYTES));
    moved.insert(5..whole).await;
    await_that("the beginning of the large transaction", async || {
        moved.count().await > 20
    })
    .await;
    // It reads with its lock held, so a network that stands still would keep it from storing its last offset; this one needs
    // a quarter of an hour for the rest.
    network.let_flow(Direction::ToClient, Flow::Dripping(Duration::from_millis(1)));
    moved.remove_debezium().await;
    network.cut();
    moved.await_free_slot().await;
    moved.insert(whole..whole + 5).await;

    let before = moved.count().await;
    let looked = moved.take_over(&["--dry-run"]).await;
    assert_eq!(looked.code, Some(0), "{looked:#?}");
    let topics = topic_names(&moved.world.kafka().brokers()).await.unwrap();
    let checkpoints = format!("{}.walcast-checkpoints", moved.world.name());
    assert!(!topics.contains(&checkpoints), "a look created the topic");
    let taken = moved.take_over(&[]).await;
    assert_eq!(taken.code, Some(0), "{taken:#?}");
    let taken: serde_json::Value = serde_json::from_str(&taken.stdout).unwrap();
    assert_eq!(
        taken["checkpoint"]["partial"]["next_ordinal"],
        before - 5,
        "{taken:#}"
    );
    assert_eq!(taken["connector"], moved.world.name());

    let again = moved.take_over(&[]).await;
    assert_eq!(again.code, Some(1), "{again:#?}");
    assert!(
        again.stderr.contains("already has a checkpoint"),
        "{}",
        again.stderr
    );

    let delivered = moved.finish().await;
    assert_eq!(
        delivered.iter().filter(|record| record.by_debezium).count(),
        before
    );
    // Within the transaction that two connectors shared, the one before it is the same.
    let shared: Vec<String> = delivered[5..usize::try_from(whole).unwrap()]
        .iter()
        .map(previous_commit)
        .collect();
    assert!(
        shared.iter().all(|end| *end == shared[0]),
        "{:?} … {:?}",
        shared.first(),
        shared.last()
    );
}

/// Small transactions without pause, inserts and updates; Debezium is stopped in the middle of them. After walcast has delivered
/// the rest, Debezium continues at its own offset.
#[tokio::test(flavor = "multi_thread")]
async fn continues_a_connector_stopped_under_load() {
    let moved = Move::new("moved_under_load").await;
    moved
        .debezium
        .add(&moved.connector(), &moved.world.postgres)
        .await
        .unwrap();
    let client = moved.world.postgres.client().await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let load = tokio::spawn(async move {
        let (mut stopped, mut id) = (stopped, 0);
        let mut pace = tokio::time::interval(PACE);
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return,
                _ = pace.tick() => {}
            }
            let sql = format!(
                "BEGIN; INSERT INTO moves VALUES ({id}, 'new'); INSERT INTO moves VALUES ({}, 'new'); \
                 UPDATE moves SET note = 'changed' WHERE id = {id}; COMMIT",
                id + 1
            );
            client.batch_execute(&sql).await.unwrap();
            id += 2;
        }
    });
    await_that("records of Debezium", async || moved.count().await > 300).await;
    moved.stop_debezium().await;
    let by_debezium = moved.count().await;
    let taken = moved.take_over(&[]).await;
    assert_eq!(taken.code, Some(0), "{taken:#?}");
    // The load continues past the first start of walcast.
    let mut instance = Instance::start(&moved.config()).await;
    await_that("records of walcast", async || {
        moved.count().await > by_debezium + 300
    })
    .await;
    drop(stop);
    load.await.unwrap();
    instance.stop().await;
    let delivered = moved.finish().await;
    assert_eq!(
        delivered.iter().filter(|record| record.by_debezium).count(),
        by_debezium
    );
    assert!(
        delivered
            .iter()
            .skip(1)
            .all(|record| previous_commit(record) != "null" || record.by_debezium)
    );
    moved.go_back(&delivered, by_debezium).await;
}

/// A connector that is still there, or an offset of another one, is not taken over.
#[tokio::test(flavor = "multi_thread")]
async fn rejects_the_offset_of_a_running_connector() {
    let moved = Move::new("moved_running").await;
    moved
        .debezium
        .add(&moved.connector(), &moved.world.postgres)
        .await
        .unwrap();
    moved.insert(0..5).await;
    await_that("the first rows", async || moved.count().await == 5).await;
    await_that("a stored offset", async || moved.debezium.offset_file().exists()).await;
    // Step 3 of docs/debezium.md: no failure, the import, and no statement that would deliver changes again.
    let checked = run(&moved.config(), &["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    assert!(
        checked.stdout.contains("is in use") && checked.stdout.contains("walcast migrate debezium-offset"),
        "{checked:#?}"
    );
    assert!(!checked.stdout.contains("checkpoint set"), "{checked:#?}");
    let running = moved.take_over(&["--connect-url", &moved.debezium.url()]).await;
    assert_eq!(running.code, Some(1), "{running:#?}");
    assert!(running.stderr.contains("is RUNNING"), "{}", running.stderr);
    let held = moved.take_over(&[]).await;
    assert_eq!(held.code, Some(1), "{held:#?}");
    assert!(held.stderr.contains("is in use"), "{}", held.stderr);
    let unknown = moved.take_over(&["--connector", "other"]).await;
    assert_eq!(unknown.code, Some(1), "{unknown:#?}");
    assert!(
        unknown.stderr.contains("no offset of a connector"),
        "{}",
        unknown.stderr
    );

    let exported = tempfile::NamedTempFile::new().unwrap();
    let connector = moved.connector().set("name", moved.world.name());
    let properties = serde_json::to_string(connector.properties()).unwrap();
    std::fs::write(exported.path(), properties).unwrap();
    let (file, url) = (exported.path().to_str().unwrap(), moved.debezium.url());
    let arguments = ["migrate", "debezium-config", file, "--connect-url", &url];
    let migrated = Finished::from(command(&arguments).output().await.unwrap());
    assert!(
        migrated.stdout.contains("debezium_version = \"3.3\" ") && !migrated.stdout.contains("is not known"),
        "{migrated:#?}"
    );

    moved.stop_debezium().await;
    let other_fields = moved.config().set("format.debezium_version", "3.6");
    let offset_file = moved.debezium.offset_file();
    let offset_file = offset_file.to_str().unwrap();
    let arguments = [
        "migrate",
        "debezium-offset",
        "--offset-file",
        offset_file,
        "--dry-run",
    ];
    let warned = run(
        &other_fields,
        &[&arguments[..], &["--connect-url", &url]].concat(),
    )
    .await;
    assert!(
        warned.code == Some(0) && warned.stderr.contains("other fields than the connector's"),
        "{warned:#?}"
    );
    let stopped = moved.take_over(&["--connect-url", &url]).await;
    assert_eq!(stopped.code, Some(0), "{stopped:#?}");
    assert!(!stopped.stderr.contains("other fields"), "{stopped:#?}");
    moved.insert(5..10).await;
    moved.finish().await;
}
