//! The programs of examples/ against real servers.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod checkout;
mod orders;
mod projection;
mod saga;
mod upcast;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::path::Path;

use serde_json::{Value, json};
use tokio_postgres::Client;
use walcast_examples::tolerant_reader::Item;
use walcast_examples::{Source, audit_trail, dead_letters, read_model, tolerant_reader};
use walcast_testbed::{ConnectorConfig, RawRecord, read_topic};
use walcast_tests::{Case, Instance, await_that, shared};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn source(case: &Case<'_>) -> Source {
    let servers = shared().await;
    Source {
        brokers: servers.kafka().brokers(),
        registry: servers.registry().url(),
        topic: format!("{}.public.items", case.name()),
    }
}

/// The configuration of an example.
fn configuration(example: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    std::fs::read_to_string(folder.join(example).join("walcast.toml")).unwrap()
}

/// Gives the case the settings of a configuration, except for name and servers.
fn configure(case: &mut Case<'_>, configuration: &str) {
    let table: toml::Table = toml::from_str(configuration).unwrap();
    case.config = with_settings(case.config.clone(), "", table);
}

fn with_settings(mut config: ConnectorConfig, path: &str, table: toml::Table) -> ConnectorConfig {
    for (key, value) in table {
        let path = match path {
            "" => key,
            path => format!("{path}.{key}"),
        };
        config = match value {
            toml::Value::Table(table) => with_settings(config, &path, table),
            _ if OF_THE_CASE.contains(&path.as_str()) => config,
            value => config.set(&path, value),
        };
    }
    config
}

/// Settings that a case has for its own servers.
const OF_THE_CASE: [&str; 4] = ["name", "postgres.url", "kafka.brokers", "registry.url"];

/// URL of the database of a case.
fn database(case: &Case<'_>) -> String {
    case.postgres.url_for("postgres", "postgres", case.name())
}

/// A database for results: its URL, and a connection to it.
async fn results(case: &Case<'_>) -> (String, Client) {
    let name = format!("{}_results", case.name());
    case.postgres.create_database(&name).await.unwrap();
    let client = case.postgres.client_of(&name).await.unwrap();
    (case.postgres.url_for("postgres", "postgres", &name), client)
}

/// Runs a consumer until `ends` completes, and drops it then, whatever it is doing. The consumer must not end by itself.
async fn until<E: Debug>(consumer: impl Future<Output = Result<(), E>>, ends: impl Future<Output = ()>) {
    tokio::select! {
        ended = consumer => panic!("the consumer has ended: {ended:?}"),
        () = ends => {}
    }
}

/// First column of the only row of a query; 0 while its table does not exist.
async fn number(client: &Client, query: &str) -> i64 {
    match client.query_one(query, &[]).await {
        Ok(row) => row.get(0),
        Err(_) => 0,
    }
}

fn header(record: &RawRecord, name: &str) -> String {
    let value = record
        .header(name)
        .unwrap_or_else(|| panic!("no {name} in {record:?}"));
    String::from_utf8(value.to_vec()).unwrap()
}

const CHANGES: &str = "SELECT coalesce(sum(changes), 0)::bigint FROM rows";

/// The consumer is dropped at several places, and an operator has the connector deliver everything once more: the number of applied
/// changes stays that of the changes.
#[tokio::test]
async fn the_read_model_applies_each_change_once() {
    let mut case = Case::new("example_model").await;
    case.config = case.config.clone().set("replay.retention", "1h");
    let mut instance = Instance::start(&case.config).await;
    case.insert([0]).await;
    case.await_ids([0]).await;
    instance.stop().await;
    let position = case.position().await;

    let mut instance = Instance::start(&case.config).await;
    case.insert(1..30).await;
    case.sql("UPDATE items SET note = 'changed' WHERE id < 10; DELETE FROM items WHERE id = 29; INSERT INTO items VALUES (99, 'last')")
        .await;
    case.await_ids([99]).await;
    // 30 rows, 10 updates, a delete, and the last row.
    let all = 42;
    let (source, (url, client)) = (source(&case).await, results(&case).await);
    for target in [1, 7, 20, 33, all] {
        let run = Box::pin(read_model::run(&source, &url, std::future::pending()));
        let applied = await_that("changes in the read model", async || {
            number(&client, CHANGES).await >= target
        });
        until(run, applied).await;
    }
    assert_eq!(number(&client, CHANGES).await, all);

    instance.stop().await;
    let records = case.items().await.len();
    let moved = case.command(&["checkpoint", "set", &position]).await;
    assert_eq!(moved.code, Some(0), "{moved:#?}");
    let mut instance = Instance::start(&case.config).await;
    // All but the first row come again, the delete with its tombstone.
    await_that("the replay", async || case.items().await.len() >= 2 * records - 1).await;
    case.sql("INSERT INTO items VALUES (100, 'after the replay')")
        .await;
    case.await_ids([100]).await;
    // Two instances at once.
    let [one, two] = [(); 2].map(|()| Box::pin(read_model::run(&source, &url, std::future::pending())));
    let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
    for record in case.items().await {
        ends.insert(record.partition, record.offset + 1);
    }
    let end: i64 = ends.values().sum();
    let position = "SELECT coalesce(sum(next_offset), 0)::bigint FROM positions";
    let passed = await_that("the end of the topic", async || {
        number(&client, position).await >= end
    });
    until(async { tokio::try_join!(one, two).map(drop) }, passed).await;
    instance.stop().await;
    assert_eq!(number(&client, CHANGES).await, all + 1);
    let rows = "SELECT count(*) FROM rows WHERE row IS NOT NULL";
    assert_eq!(
        number(&client, rows).await.to_string(),
        case.text("SELECT count(*) FROM items").await
    );
}

#[tokio::test]
async fn the_audit_trail_has_each_change_with_its_context() {
    let mut case = Case::new("example_audit").await;
    // Records of one partition are read in order.
    case.config = case.config.clone().set("kafka.topics.partitions", 1);
    let mut instance = Instance::start(&case.config).await;
    let context = format!(r#"{{"user": "anna", "traceparent": "{TRACE}"}}"#);
    case.sql(&format!(
        "BEGIN; SELECT pg_logical_emit_message(true, 'walcast.context', '{context}');
         INSERT INTO items VALUES (1, 'a'); UPDATE items SET note = 'b'; DELETE FROM items; COMMIT;
         INSERT INTO items VALUES (2, 'without')"
    ))
    .await;
    case.await_ids([2]).await;
    let (source, (url, client)) = (source(&case).await, results(&case).await);
    let count = "SELECT count(*) FROM audit_trail";
    let appended = |changes| {
        let client = &client;
        await_that("the audit trail", async move || {
            number(client, count).await >= changes
        })
    };
    let run = |group| Box::pin(audit_trail::run(&source, group, &url, std::future::pending()));
    until(run("audit-one"), appended(4)).await;
    // A group that reads everything again reaches the last row behind it.
    case.sql("INSERT INTO items VALUES (3, 'last')").await;
    case.await_ids([3]).await;
    until(run("audit-two"), appended(5)).await;
    instance.stop().await;
    let rows = client
        .query(
            "SELECT operation, key, after, context::text, traceparent FROM audit_trail ORDER BY key, id",
            &[],
        )
        .await
        .unwrap();
    let rows: Vec<[Option<String>; 5]> = rows
        .iter()
        .map(|row| [0, 1, 2, 3, 4].map(|at| row.get(at)))
        .collect();
    let row = |operation: &str, id: u32, note: Option<&str>, has_context: bool| {
        let after = note.map(|note| json!({"id": id, "note": note}).to_string());
        let given = |value: &str| has_context.then(|| value.to_owned());
        [
            Some(operation.to_owned()),
            Some(json!({"id": id}).to_string()),
            after,
            given(&context),
            given(TRACE),
        ]
    };
    let expected = [
        row("c", 1, Some("a"), true),
        row("u", 1, Some("b"), true),
        row("d", 1, None, true),
        row("c", 2, Some("without"), false),
        row("c", 3, Some("last"), false),
    ];
    assert_eq!(rows, expected);
    for change in [
        "UPDATE audit_trail SET id = ''",
        "DELETE FROM audit_trail",
        "TRUNCATE audit_trail",
    ] {
        let refused = client.batch_execute(change).await.unwrap_err();
        let message = refused.as_db_error().map(|error| error.message().to_owned());
        assert_eq!(
            message.as_deref(),
            Some("the audit trail is append-only"),
            "{change}"
        );
    }
}

#[tokio::test]
async fn records_that_cannot_be_processed_are_set_aside_once_and_the_others_are_processed() {
    let mut case = Case::new("example_letters").await;
    case.config = case.config.clone().set("kafka.topics.partitions", 1);
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO items VALUES (1, 'good'), (2, 'bad'), (3, 'good'), (4, 'bad'); DELETE FROM items WHERE id = 1; INSERT INTO items VALUES (5, 'good')")
        .await;
    case.await_ids([5]).await;
    instance.stop().await;
    let source = source(&case).await;
    let topic = format!("{}.example-letters.dead-letters", source.topic);
    let letters = async || read_topic(&source.brokers, &topic).await.unwrap();
    let processed = RefCell::new(Vec::new());
    let process = |row: &Value| {
        if row["note"] == "bad" {
            return Err("it is bad".to_owned());
        }
        processed.borrow_mut().push(row["id"].as_i64().unwrap());
        Ok(())
    };
    // Stopped after the first dead letter, and continued.
    for (last, dead) in [(1, 1), (5, 2)] {
        let run = dead_letters::run(&source, "example-letters", process, std::future::pending());
        let done = await_that("dead letters", async || {
            letters().await.len() >= dead && processed.borrow().contains(&last)
        });
        until(Box::pin(run), done).await;
    }
    let mut ids = processed.into_inner();
    ids.sort_unstable();
    // A row can be processed again after a stop; none is missing.
    ids.dedup();
    assert_eq!(ids, [1, 3, 5]);
    let originals = case.items().await;
    let letters = letters().await;
    assert_eq!(letters.len(), 2, "{letters:#?}");
    for letter in &letters {
        assert_eq!(header(letter, "consumer.error"), "it is bad");
        let place = header(letter, "consumer.source");
        let is_original =
            |record: &&RawRecord| place == format!("{}/{}/{}", record.topic, record.partition, record.offset);
        let original = originals.iter().find(is_original).unwrap();
        assert_eq!((&letter.key, &letter.value), (&original.key, &original.value));
        assert_eq!(header(letter, "walcast.id"), header(original, "walcast.id"));
    }
}

#[tokio::test]
async fn the_tolerant_reader_reads_three_versions_of_a_table() {
    let case = Case::new("example_tolerant").await;
    let mut instance = Instance::start(&case.config).await;
    for statement in [
        "INSERT INTO items VALUES (1, 'first')",
        "ALTER TABLE items ADD COLUMN priority int NOT NULL DEFAULT 3",
        "INSERT INTO items VALUES (2, 'second', 5)",
        "ALTER TABLE items ADD COLUMN color text",
        "INSERT INTO items VALUES (3, NULL, 7, 'red')",
    ] {
        case.sql(statement).await;
    }
    case.await_ids([1, 2, 3]).await;
    instance.stop().await;
    let source = source(&case).await;
    let items = RefCell::new(Vec::new());
    let read = |item: Item| items.borrow_mut().push(item);
    let run = tolerant_reader::run(&source, "example-tolerant", read, std::future::pending());
    let done = await_that("three items", async || items.borrow().len() >= 3);
    until(Box::pin(run), done).await;
    let mut items = items.into_inner();
    items.sort_by_key(|item| item.id);
    let item = |id, text: Option<&str>, priority| Item {
        id,
        text: text.map(str::to_owned),
        priority,
    };
    assert_eq!(
        items,
        [
            item(1, Some("first"), 3),
            item(2, Some("second"), 5),
            item(3, None, 7)
        ]
    );
}
