//! Partitions of a captured table that are attached, detached, truncated or dropped: Postgres publishes nothing for them, so rows
//! that came are read, and rows that went are reported.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use serde_json::Value;
use walcast_testbed::{Decoder, read_topic};
use walcast_tests::{Case, Instance, assert_reports, await_that, shared};

const EVENTS: &str =
    "CREATE TABLE events (id int, day date NOT NULL, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)";

/// A case that captures the table `events` and looks at partitions often.
async fn attentive(name: &str) -> Case<'static> {
    let mut case = Case::new(name).await;
    let config = case.config.set("postgres.slot_check_interval", "200ms");
    let config = config.set("snapshot.mode", "initial");
    case.config = config.set("postgres.tables", vec!["public.events", "public.events_*"]);
    case.sql(EVENTS).await;
    case
}

fn partition(year: u32) -> String {
    let bounds = format!("FOR VALUES FROM ('{year}-01-01') TO ('{}-01-01')", year + 1);
    format!("CREATE TABLE events_{year} PARTITION OF events {bounds}")
}

/// Creates a table with rows of a year, and attaches it.
async fn attach(case: &Case<'_>, year: u32, ids: std::ops::Range<u32>) {
    let (first, last) = (ids.start, ids.end - 1);
    let bounds = format!("FOR VALUES FROM ('{year}-01-01') TO ('{}-01-01')", year + 1);
    for statement in [
        format!(
            "CREATE TABLE import_{year} (id int NOT NULL, day date NOT NULL, v text, PRIMARY KEY (id, day))"
        ),
        format!(
            "INSERT INTO import_{year} SELECT n, '{year}-06-01', 'old' FROM generate_series({first}, {last}) n"
        ),
        format!("ALTER TABLE events ATTACH PARTITION import_{year} {bounds}"),
    ] {
        case.sql(&statement).await;
    }
}

/// Number of records of a topic for each operation.
async fn operations(topic: &str) -> BTreeMap<String, usize> {
    let servers = shared().await;
    let mut decoder = Decoder::new(&servers.registry().url()).unwrap();
    let mut found = BTreeMap::new();
    for record in read_topic(&servers.kafka().brokers(), topic).await.unwrap() {
        let json = decoder.decode(&record).await.unwrap().to_json();
        let operation = json["value"]["op"].as_str().unwrap_or("tombstone").to_owned();
        *found.entry(operation).or_insert(0) += 1;
    }
    found
}

async fn await_operation(topic: &str, operation: &str, count: usize) {
    await_that(&format!("{count} records {operation} in {topic}"), async || {
        operations(topic).await.get(operation) == Some(&count)
    })
    .await;
}

/// Changes of partitions that `/status` lists, as pairs of partition and change.
async fn changes(instance: &Instance) -> Vec<(String, String)> {
    let status = instance.status().await;
    let changes = status["partition_changes"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    changes
        .iter()
        .map(|one| (text(&one["partitions"][0]), text(&one["change"])))
        .collect()
}

/// The rows of a filled table that becomes a partition, while the connector runs and while it is stopped.
#[tokio::test]
async fn rows_of_attached_partitions_are_read() {
    let case = attentive("attached").await;
    case.sql(&partition(2024)).await;
    let topic = "attached.public.events";
    let mut instance = Instance::start(&case.config).await;
    attach(&case, 2023, 1..101).await;
    case.sql("UPDATE events SET v = 'new' WHERE id = 1").await;
    await_operation(topic, "r", 100).await;
    await_operation(topic, "u", 1).await;
    instance.stop().await;
    assert_reports(
        &instance.log(),
        &["partition public.import_2023 of public.events"],
    );

    case.sql("VACUUM FREEZE pg_inherits, pg_attribute, pg_class")
        .await;
    case.sql(&partition(2025)).await;
    attach(&case, 2022, 201..251).await;
    case.sql("INSERT INTO events VALUES (300, '2025-01-02', 'created')")
        .await;
    instance.start_again();
    instance.ready().await;
    await_operation(topic, "r", 150).await;
    await_operation(topic, "c", 1).await;
    let attached = [("public.import_2022".to_owned(), "attached".to_owned())];
    assert_eq!(changes(&instance).await, attached);
    instance.stop().await;

    instance.start_again();
    instance.ready().await;
    case.sql("UPDATE events SET v = 'last' WHERE id = 300").await;
    await_operation(topic, "u", 2).await;
    assert_eq!(changes(&instance).await, []);
    assert_eq!(operations(topic).await["r"], 150, "each row is read once");
    instance.stop().await;
}

/// Partitions that take their rows with them.
#[tokio::test]
async fn partitions_that_go_are_reported() {
    let mut case = attentive("went").await;
    let operations = vec!["create", "update", "delete", "truncate"];
    case.config = case.config.clone().set("events.operations", operations);
    for year in 2021..=2024 {
        case.sql(&partition(year)).await;
    }
    case.sql("INSERT INTO events SELECT n, make_date(2021 + n % 4, 3, 3), 'x' FROM generate_series(1, 40) n")
        .await;
    let topic = "went.public.events";
    let mut instance = Instance::start(&case.config).await;
    await_operation(topic, "r", 40).await;

    case.sql("TRUNCATE events_2023").await;
    await_that("the truncated partition", async || {
        changes(&instance).await.len() == 1
    })
    .await;
    case.sql("ALTER TABLE events DETACH PARTITION events_2022").await;
    case.sql("INSERT INTO events_2022 VALUES (99, '2022-03-03', 'alone')")
        .await;
    await_that("the detached partition", async || {
        changes(&instance).await.len() == 2
    })
    .await;
    // The detached table is a captured table of its own.
    await_that("its rows", async || {
        let found = self::operations("went.public.events_2022").await;
        found.values().sum::<usize>() >= 11
    })
    .await;
    instance.stop().await;
    case.sql("DROP TABLE events_2021").await;
    instance.start_again();
    instance.ready().await;
    await_that("the dropped partition", async || {
        !changes(&instance).await.is_empty()
    })
    .await;
    let dropped = [("public.events_2021".to_owned(), "dropped".to_owned())];
    assert_eq!(changes(&instance).await, dropped);
    assert_reports(
        &instance.log(),
        &[
            "partition public.events_2023 of public.events was truncated or rewritten",
            "partition public.events_2022 was detached from public.events",
            "partition public.events_2021 of public.events was dropped",
            "walcast snapshot start --tables 'public.events'",
        ],
    );
    let metrics = instance.page("metrics").await;
    assert_reports(&metrics, &["walcast_partition_changes_total{"]);

    // This one is published.
    case.sql("TRUNCATE events").await;
    await_operation(topic, "t", 1).await;
    case.sql("INSERT INTO events VALUES (100, '2024-01-01', 'y')")
        .await;
    await_operation(topic, "c", 1).await;
    assert_eq!(
        self::operations(topic).await["r"],
        40,
        "the table is not read again"
    );
    assert_eq!(changes(&instance).await, dropped);
    instance.stop().await;
}

/// Leaves of which the server would reject updates, that hide changes, and that the configuration excludes in vain.
#[tokio::test]
async fn each_partition_is_checked() {
    let mut case = attentive("each_leaf").await;
    for year in [2023, 2024] {
        case.sql(&partition(year)).await;
    }
    case.sql("ALTER TABLE events_2023 REPLICA IDENTITY NOTHING").await;
    let named = [
        "partition public.events_2023 of table public.events",
        "has no replica identity",
    ];
    let checked = case.command(&["check"]).await;
    assert_reports(&checked.stdout, &named);
    assert_reports(
        &checked.stdout,
        &["ALTER TABLE \"public\".\"events_2023\" REPLICA IDENTITY FULL"],
    );
    let ended = case.run_to_end().await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert_reports(&ended.stderr, &named);
    case.sql("UPDATE events SET v = 'x'; ALTER TABLE events_2023 REPLICA IDENTITY DEFAULT")
        .await;

    case.config = case
        .config
        .clone()
        .set("postgres.exclude", vec!["public.events_2024"]);
    let excluded = ["partition public.events_2024", "is excluded"];
    let checked = case.command(&["check"]).await;
    assert_ne!(checked.code, Some(0), "{}", checked.stdout);
    assert_reports(&checked.stdout, &excluded);
    let ended = case.run_to_end().await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert_reports(&ended.stderr, &excluded);

    case.config = case.config.clone().set("postgres.exclude", Vec::<&str>::new());
    let mut instance = Instance::start(&case.config).await;
    case.sql("CREATE UNLOGGED TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
        .await;
    await_that("the finding", async || {
        let drift = instance.status().await["publication_drift"].to_string();
        drift.contains("partition public.events_2025 of table public.events is unlogged")
    })
    .await;
    case.sql("INSERT INTO events VALUES (1, '2025-02-02', 'unlogged'); ALTER TABLE events_2025 SET LOGGED")
        .await;
    await_operation("each_leaf.public.events", "r", 1).await;
    instance.stop().await;
}

/// Postgres describes a partition to a connection once, with the name that its table has then.
#[tokio::test]
async fn a_renamed_partitioned_table_has_its_new_name_from_the_next_connection_on() {
    let case = Case::new("renamed_root").await;
    case.sql(EVENTS).await;
    case.sql(&partition(2023)).await;
    let mut instance = Instance::start(&case.config).await;
    let (before, after) = ("renamed_root.public.events", "renamed_root.public.facts");
    case.sql("INSERT INTO events VALUES (1, '2023-01-01', 'x')").await;
    await_operation(before, "c", 1).await;
    case.sql("ALTER TABLE events RENAME TO facts").await;
    case.sql("INSERT INTO facts VALUES (2, '2023-01-01', 'x')").await;
    await_operation(before, "c", 2).await;
    instance.stop().await;
    instance.start_again();
    instance.ready().await;
    case.sql("INSERT INTO facts VALUES (3, '2023-01-01', 'x')").await;
    await_operation(after, "c", 1).await;
    assert_eq!(operations(before).await["c"], 2);
    instance.stop().await;
}
