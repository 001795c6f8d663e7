//! Clean-up of outbox tables: rows are removed once their events are in Kafka, and no other row is. The lag of the relay is shown.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use serde_json::Value;
use walcast_testbed::{RawRecord, TestbedOptions, read_topic, topic_names};
use walcast_tests::{Alert, Case, Instance, World, assert_reports, await_that, shared};

/// Columns of an outbox.
const COLUMNS: &str = "id int PRIMARY KEY, aggregatetype text, aggregateid text, type text, payload jsonb";

/// An entry of `[[outbox]]` with clean-up of all rows that are in Kafka.
fn entry(table: &str, topic: &str, settings: &str) -> toml::Value {
    let text = format!(
        "tables = \"public.{table}\"\nroute_topic = \"{topic}\"\ncleanup_after = \"0s\"\ncleanup_interval = \"100ms\"\n{settings}"
    );
    toml::Value::Table(toml::from_str(&text).unwrap())
}

/// A case with the table `outbox` and clean-up, in JSON.
async fn cleaned(name: &str, settings: &str) -> Case<'static> {
    let mut case = Case::new(name).await;
    case.sql(&format!("CREATE TABLE outbox ({COLUMNS})")).await;
    let outbox = entry("outbox", &format!("{name}.events"), settings);
    case.config = json(case.config.clone()).set("outbox", vec![outbox]);
    case
}

fn json(config: walcast_testbed::ConnectorConfig) -> walcast_testbed::ConnectorConfig {
    config
        .set("format.key", "json")
        .set("snapshot.mode", "initial")
        .set("format.value", "json")
        .set("kafka.topics.partitions", 1)
        .set("postgres.slot_check_interval", "200ms")
        .set("postgres.idle_interval", "200ms")
}

async fn records(brokers: &str, topic: &str) -> Vec<RawRecord> {
    let names = topic_names(brokers).await.unwrap();
    match names.iter().any(|name| name == topic) {
        true => read_topic(brokers, topic).await.unwrap(),
        false => Vec::new(),
    }
}

/// How often each event is in a topic, by its id.
async fn events(brokers: &str, topic: &str) -> BTreeMap<u32, usize> {
    let mut events = BTreeMap::new();
    for record in records(brokers, topic).await {
        let mut headers = record.headers.iter();
        let (_, id) = headers.find(|(name, _)| name == "id").unwrap();
        let id = String::from_utf8(id.clone().unwrap().to_vec()).unwrap();
        *events.entry(id.parse().unwrap()).or_default() += 1;
    }
    events
}

async fn shared_events(topic: &str) -> BTreeMap<u32, usize> {
    events(&shared().await.kafka().brokers(), topic).await
}

fn once(ids: std::ops::Range<u32>) -> BTreeMap<u32, usize> {
    ids.map(|id| (id, 1)).collect()
}

/// The report of an outbox in `/status`; null before there is one.
async fn report(instance: &Instance, table: &str) -> Value {
    let status = instance.status().await;
    let mut outboxes = status["outboxes"].as_array().unwrap().iter();
    let found = outboxes.find(|one| one["table"] == format!("public.{table}"));
    found.cloned().unwrap_or_default()
}

async fn await_empty(case: &Case<'_>, instance: &mut Instance, table: &str) {
    let empty = format!("SELECT NOT EXISTS (SELECT FROM {table})");
    await_that(&format!("{table} to be empty"), async || {
        instance.assert_running();
        case.holds(&empty).await
    })
    .await;
}

/// Waits until clean-up waits because it does not know whether rows were ever sent.
async fn await_unknown(instance: &Instance) {
    await_that("the reason in /status", async || {
        let status = report(instance, "outbox").await;
        let reason = status["cleanup"]["waits_for"].as_str().unwrap_or_default();
        reason.contains("cleanup_existing")
    })
    .await;
}

/// Inserts rows while the outbox is not in the publication.
async fn insert_unpublished(case: &Case<'_>, ids: std::ops::Range<u32>) {
    let slot = case.slot();
    case.sql(&format!("ALTER PUBLICATION {slot} DROP TABLE outbox"))
        .await;
    case.sql(&insert("outbox", ids)).await;
    case.sql(&format!("ALTER PUBLICATION {slot} ADD TABLE outbox"))
        .await;
}

fn insert(table: &str, ids: std::ops::Range<u32>) -> String {
    let (first, last) = (ids.start, ids.end - 1);
    format!(
        "INSERT INTO {table} SELECT id, 'order', id::text, 'Placed', '{{}}' FROM generate_series({first}, {last}) id"
    )
}

#[tokio::test]
async fn rows_are_deleted_after_their_events_are_in_kafka_whatever_is_killed() {
    let case = cleaned("cleanup_killed", "cleanup = \"delete\"\ncleanup_batch_rows = 7").await;
    // These are read by the snapshot.
    case.sql(&insert("outbox", 1..21)).await;
    let mut instance = Instance::start(&case.config).await;
    await_empty(&case, &mut instance, "outbox").await;
    let mut next = 21;
    for round in 0..6_usize {
        for _ in 0..8 {
            case.sql(&insert("outbox", next..next + 10)).await;
            next += 10;
        }
        // At another point of delivery and clean-up each time.
        let wanted = 20 + 80 * round + 13 * round;
        await_that("some of the events", async || {
            shared_events("cleanup_killed.events").await.len() >= wanted
        })
        .await;
        instance.kill9();
        instance.start_again();
        instance.ready().await;
    }
    await_empty(&case, &mut instance, "outbox").await;
    await_that("all events", async || {
        shared_events("cleanup_killed.events").await.len() >= 500
    })
    .await;
    let status = report(&instance, "outbox").await;
    assert_eq!(
        (&status["pending"], &status["cleanup"]["error"]),
        (&0.into(), &Value::Null),
        "{status:#}"
    );
    instance.stop().await;
    assert_eq!(shared_events("cleanup_killed.events").await, once(1..next));
    assert!(!instance.log().contains("a row of the outbox was updated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_away_no_row_is_removed_and_the_alert_fires() {
    let mut world = World::alone("cleanup_lag", TestbedOptions::default()).await;
    world
        .postgres
        .execute(&format!("CREATE TABLE outbox ({COLUMNS})"))
        .await
        .unwrap();
    let outbox = entry("outbox", "cleanup_lag.events", "cleanup = \"delete\"");
    let config = json(world.config()).set("outbox", vec![outbox]);
    let mut instance = Instance::start(&config).await;
    world.postgres.execute(&insert("outbox", 1..11)).await.unwrap();
    await_that("clean-up of the first rows", async || {
        report(&instance, "outbox").await["cleanup"]["rows"] == 10
    })
    .await;

    world.kafka_mut().pause().unwrap();
    world.postgres.execute(&insert("outbox", 11..31)).await.unwrap();
    let alert = Alert::of("WalcastOutboxLag");
    await_that("the alert", async || {
        instance.assert_running();
        alert.is_true(&instance.page("metrics").await)
    })
    .await;
    let status = report(&instance, "outbox").await;
    assert_eq!(status["cleanup"]["rows"], 10, "{status:#}");
    assert!(
        status["oldest_age_seconds"].as_f64().unwrap() > alert.threshold(),
        "{status:#}"
    );
    let client = world.postgres.client().await.unwrap();
    let count = "SELECT count(*) FROM outbox";
    assert_eq!(client.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 20);

    world.kafka_mut().resume().unwrap();
    await_that("the rest of the events, and an empty table", async || {
        instance.assert_running();
        client.query_one(count, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    await_that("no lag", async || {
        let status = report(&instance, "outbox").await;
        status["pending"] == 0 && status["oldest_age_seconds"] == 0.0
    })
    .await;
    instance.stop().await;
    let brokers = world.kafka().brokers();
    assert_eq!(events(&brokers, "cleanup_lag.events").await, once(1..31));
}

#[tokio::test]
async fn rows_that_were_never_sent_stay_until_that_is_accepted() {
    let mut case = cleaned("cleanup_unsent", "cleanup = \"delete\"").await;
    case.config = case.config.clone().set("snapshot.mode", "never");
    case.sql(&insert("outbox", 1..4)).await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(&insert("outbox", 4..6)).await;
    await_unknown(&instance).await;
    assert_eq!(case.text("SELECT count(*) FROM outbox").await, "5");
    // Without the rows of before, the others are known to be sent.
    case.sql("DELETE FROM outbox").await;
    await_that("the empty table to be found", async || {
        report(&instance, "outbox").await["cleanup"]["waits_for"].is_null()
    })
    .await;
    case.sql(&insert("outbox", 6..9)).await;
    await_empty(&case, &mut instance, "outbox").await;
    instance.stop().await;

    // The table leaves the publication and comes back while the connector is stopped, and then while it runs, between two looks.
    insert_unpublished(&case, 9..11).await;
    instance.start_again();
    instance.ready().await;
    await_unknown(&instance).await;
    case.sql("DELETE FROM outbox").await;
    await_that("the empty table to be found", async || {
        report(&instance, "outbox").await["cleanup"]["waits_for"].is_null()
    })
    .await;
    insert_unpublished(&case, 11..14).await;
    case.sql(&insert("outbox", 14..15)).await;
    await_unknown(&instance).await;
    assert_eq!(
        case.text("SELECT string_agg(id::text, ' ' ORDER BY id) FROM outbox")
            .await,
        "11 12 13 14"
    );
    await_that("the event of the last row", async || {
        shared_events("cleanup_unsent.events").await.contains_key(&14)
    })
    .await;
    instance.stop().await;
    let mut sent = once(4..9);
    sent.insert(14, 1);
    assert_eq!(shared_events("cleanup_unsent.events").await, sent);

    // Another connector has sent them.
    let case = {
        let mut other = cleaned(
            "cleanup_accepted",
            "cleanup = \"delete\"\ncleanup_existing = true",
        )
        .await;
        other.config = other.config.clone().set("snapshot.mode", "never");
        other
    };
    case.sql(&insert("outbox", 1..4)).await;
    let mut instance = Instance::start(&case.config).await;
    await_empty(&case, &mut instance, "outbox").await;
    instance.stop().await;
}

#[tokio::test]
async fn rows_are_marked_moved_or_dropped_with_their_partition() {
    let mut case = Case::new("cleanup_kinds").await;
    case.sql(&format!(
        "CREATE TABLE marked ({COLUMNS}, published_at timestamptz); CREATE TABLE flagged ({COLUMNS}, published boolean); \
         CREATE TABLE moved ({COLUMNS}); CREATE TABLE kept (LIKE moved); \
         CREATE TABLE dropped (id int, aggregatetype text, aggregateid text, type text, payload jsonb, at timestamptz, \
         PRIMARY KEY (id, at)) PARTITION BY RANGE (at); \
         CREATE TABLE dropped_old PARTITION OF dropped FOR VALUES FROM ('2020-01-01') TO ('2020-02-01'); \
         CREATE TABLE dropped_now PARTITION OF dropped FOR VALUES FROM ('2020-02-01') TO ('2100-01-01')"
    ))
    .await;
    let topic = "cleanup_kinds.events";
    let outboxes = vec![
        entry("marked", topic, "cleanup = \"mark\"\non_update = \"ignore\""),
        entry(
            "flagged",
            topic,
            "cleanup = \"mark\"\nmark_column = \"published\"\non_update = \"ignore\"",
        ),
        entry(
            "moved",
            topic,
            "cleanup = \"archive\"\narchive_table = \"public.kept\"",
        ),
        entry("dropped", topic, "cleanup = \"drop_partition\""),
    ];
    case.config = json(case.config.clone())
        .set("outbox", outboxes)
        .set("postgres.exclude", vec!["public.kept"]);
    let mut instance = Instance::start(&case.config).await;
    case.sql(&format!(
        "{}; {}; {}; INSERT INTO dropped SELECT id, 'order', id::text, 'Placed', '{{}}', \
         CASE WHEN id < 33 THEN '2020-01-15' ELSE now() END FROM generate_series(31, 35) id",
        insert("marked", 1..11),
        insert("flagged", 11..21),
        insert("moved", 21..31),
    ))
    .await;
    for (what, holds) in [
        ("marked", "SELECT bool_and(published_at IS NOT NULL) FROM marked"),
        ("flagged", "SELECT bool_and(published) FROM flagged"),
        (
            "moved",
            "SELECT (SELECT count(*) FROM kept) = 10 AND NOT EXISTS (SELECT FROM moved)",
        ),
        ("dropped", "SELECT to_regclass('dropped_old') IS NULL"),
    ] {
        await_that(&format!("clean-up of {what}"), async || {
            instance.assert_running();
            case.holds(holds).await
        })
        .await;
    }
    assert_eq!(case.text("SELECT count(*) FROM dropped").await, "3");
    assert_eq!(report(&instance, "dropped").await["cleanup"]["partitions"], 1);
    await_that("all events", async || shared_events(topic).await.len() >= 35).await;
    instance.stop().await;
    assert_eq!(shared_events(topic).await, once(1..36));
    let log = instance.log();
    for warning in [
        "a row of the outbox was updated",
        "partitions changed without events",
    ] {
        assert!(!log.contains(warning), "{log}");
    }
}

/// The connector may read the outbox, and not delete its rows.
#[tokio::test]
async fn a_missing_privilege_stops_clean_up_and_nothing_else() {
    let mut case = cleaned("cleanup_denied", "cleanup = \"delete\"").await;
    let (name, slot) = (case.name().to_owned(), case.slot());
    case.sql(&format!(
        "CREATE ROLE {name} LOGIN REPLICATION PASSWORD 'secret'; GRANT SELECT ON outbox, items TO {name}; \
         CREATE PUBLICATION {slot} FOR TABLE outbox, items"
    ))
    .await;
    let url = case.postgres.url_for(&name, "secret", &name);
    case.config = case
        .config
        .clone()
        .set("postgres.url", url)
        .set("postgres.auto_create", "slot");
    let checked = case.command(&["check"]).await;
    let wanted = format!("GRANT DELETE ON \"public\".\"outbox\" TO \"{name}\"");
    assert!(checked.stdout.contains(&wanted), "{checked:#?}");
    let mut instance = Instance::start(&case.config).await;
    case.sql(&insert("outbox", 1..4)).await;
    await_that("the error in /status", async || {
        let status = report(&instance, "outbox").await;
        let error = status["cleanup"]["error"].as_str().unwrap_or_default();
        error.contains("42501")
    })
    .await;
    await_that("the events", async || {
        shared_events("cleanup_denied.events").await.len() == 3
    })
    .await;
    assert_reports(&instance.log(), &["the outbox cannot be cleaned up"]);
    case.sql(&format!("GRANT DELETE ON outbox TO {name}")).await;
    await_empty(&case, &mut instance, "outbox").await;
    let status = instance.status().await;
    assert_eq!(status["reconnects"], 0, "{}", instance.log_end());
    instance.stop().await;
}
