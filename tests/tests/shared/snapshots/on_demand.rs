//! Rows that are asked for while changes are streamed: by command, over HTTP, by signals.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use walcast_testbed::{Record, TreeDecoder, read_topic, send_record};
use walcast_tests::{Case, Finished, Instance, await_that, shared};

use super::{await_rows_read, is_read, records, summary};

/// A connector that streams and has read nothing.
async fn streaming(name: &str, rows: u32) -> (Case<'static>, Instance) {
    let case = Case::new(name).await;
    case.sql(&format!(
        "INSERT INTO items SELECT n, 'first' FROM generate_series(1, {rows}) n;
         CREATE TABLE other (id int PRIMARY KEY, note text); INSERT INTO other VALUES (1, 'x'), (2, 'y')"
    ))
    .await;
    let instance = Instance::start(&case.config).await;
    (case, instance)
}

/// Asks for the rows of `items` that a condition chooses.
async fn ask_for_items(case: &Case<'_>, condition: &str) -> Finished {
    case.request_rows("public.items", condition).await
}

fn read_ids(records: &[Record]) -> Vec<i64> {
    let read = records.iter().filter(|record| is_read(record));
    read.map(|record| {
        let id = record.key.as_ref().unwrap()["id"].to_text().unwrap();
        id.parse().unwrap()
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_connector_reads_stops_pauses_and_resumes_on_request() {
    let (mut case, mut instance) = streaming("asked", 5000).await;
    instance.stop().await;
    // Slow enough for all that happens before reading is paused.
    case.config = case.config.set("snapshot.rows_per_second", 100);
    let away = case.command(&["snapshot", "status"]).await;
    assert_eq!(away.code, Some(5), "{away:#?}");
    assert!(away.stderr.contains("no connector answers at"), "{}", away.stderr);
    instance = Instance::start(&case.config).await;

    let refused = case
        .command(&["snapshot", "start", "--tables", "public.nothing"])
        .await;
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(
        refused.stderr.contains("public.nothing is not a captured table"),
        "{}",
        refused.stderr
    );
    let refused = ask_for_items(&case, "nonsense > 5").await;
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(
        refused.stderr.contains("it has no published column \"nonsense\""),
        "{}",
        refused.stderr
    );
    let several = "true) TO STDOUT; DROP TABLE other; --";
    let refused = ask_for_items(&case, several).await;
    assert_eq!(refused.code, Some(1), "{refused:#?}");

    let started = case
        .command(&[
            "snapshot",
            "start",
            "--tables",
            "public.items",
            "--tables",
            "public.o*",
        ])
        .await;
    assert_eq!(
        started.stdout.trim(),
        "being read: public.items, public.other",
        "{}",
        started.stderr
    );
    await_that("the first rows", async || {
        !records(&case, "items").await.is_empty()
    })
    .await;
    let paused = case.command(&["snapshot", "pause", "--json"]).await;
    let paused: Value = serde_json::from_str(&paused.stdout).unwrap();
    assert_eq!(
        paused,
        json!({ "tables": ["public.items", "public.other"], "paused": true })
    );
    let read = read_ids(&records(&case, "items").await).len();
    assert!(0 < read && read < 5000, "{read}");
    // Changes are streamed meanwhile.
    case.insert([10_001]).await;
    case.await_ids([10_001]).await;
    let status = case.command(&["snapshot", "status"]).await;
    assert!(status.stdout.starts_with("paused: "), "{}", status.stdout);
    // Neither a crash forgets it.
    instance.kill9();
    case.config = case.config.set("snapshot.rows_per_second", 1000);
    instance = Instance::start(&case.config).await;
    let shown: Value = serde_json::from_str(&instance.page("snapshot").await).unwrap();
    assert_eq!(shown["state"], "paused", "{shown}");
    case.sql("UPDATE items SET note = 'changed' WHERE id % 10 = 0")
        .await;
    let resumed = case.command(&["snapshot", "resume"]).await;
    assert_eq!(resumed.code, Some(0), "{resumed:#?}");
    let followed = case.command(&["snapshot", "status", "--follow"]).await;
    assert!(
        followed.stdout.starts_with("nothing is being read; "),
        "{}",
        followed.stdout
    );
    await_rows_read(&case, &mut instance).await;
    let found = records(&case, "items").await;
    let ids: BTreeSet<i64> = read_ids(&found).into_iter().collect();
    assert_eq!(ids.len(), 5001, "every row is read");
    let places = super::read_places(&super::raw(&case, "items").await);
    let distinct: BTreeSet<&String> = places.iter().collect();
    assert_eq!(distinct.len(), places.len(), "and once, where it lies");
    assert!(
        summary(&found[0]).starts_with("r incremental "),
        "{}",
        summary(&found[0])
    );
    assert_eq!(super::rebuilt(&found), super::rows(&case, "items").await);
    assert_eq!(records(&case, "other").await.len(), 2);

    let again = case
        .command(&[
            "snapshot",
            "start",
            "--tables",
            "public.items",
            "--where",
            "id <= 3",
            "--record-marker",
            "initial",
        ])
        .await;
    assert_eq!(again.code, Some(0), "{again:#?}");
    await_that("the chosen rows", async || {
        records(&case, "items").await.len() == found.len() + 3
    })
    .await;
    let marks: Vec<String> = records(&case, "items").await[found.len()..]
        .iter()
        .map(|record| summary(record).chars().take(8).collect())
        .collect();
    assert_eq!(marks, ["r first ", "r true {", "r last {"]);
    // The rows are in Kafka a moment before the connector has finished with them.
    let followed = case.command(&["snapshot", "status", "--follow"]).await;
    assert_eq!(followed.code, Some(0), "{followed:#?}");
    let nothing = case.command(&["snapshot", "stop"]).await;
    assert_eq!(
        (
            nothing.code,
            nothing.stderr.contains("no existing rows are being read")
        ),
        (Some(1), true)
    );
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_read_leave_the_stream_alone() {
    let (mut case, mut instance) = streaming("asked_wrong", 100).await;
    instance.stop().await;
    case.config = case.config.set("snapshot.sql_conditions", vec!["http"]);
    instance = Instance::start(&case.config).await;
    let started = case
        .command(&[
            "snapshot",
            "start",
            "--tables",
            "*.*",
            "--where",
            "1 / (id - 50) < 5",
        ])
        .await;
    assert_eq!(started.code, Some(0), "{started:#?}");
    await_that("the end of it", async || {
        instance.log().contains("SQLSTATE 22012")
    })
    .await;
    await_rows_read(&case, &mut instance).await;
    case.insert([1001]).await;
    case.await_ids([1001]).await;
    let other = read_ids(&records(&case, "other").await);
    assert_eq!(other, [1, 2], "the other table is read all the same");
    let metrics = instance.page("metrics").await;
    assert!(
        metrics.contains("walcast_snapshot_failures_total{connector=\"asked_wrong\"} 1"),
        "{metrics}"
    );
    instance.stop().await;
}

/// As for Debezium: a row of the signal table, a record of the signal topic.
#[tokio::test(flavor = "multi_thread")]
async fn debeziums_signals_do_the_same() {
    let mut case = Case::new("signalled").await;
    case.insert(1..=5).await;
    case.sql(
        "CREATE SCHEMA ops;
         CREATE TABLE ops.debezium_signal (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))",
    )
    .await;
    let topic = "signalled-signal";
    let brokers = shared().await.kafka().brokers();
    // Signals from before it first listened do not count.
    let all = r#"{"type":"execute-snapshot","data":{"data-collections":["public.*"]}}"#;
    send_record(&brokers, topic, "signalled", all).await.unwrap();
    case.config = case
        .config
        .set("snapshot.signal_table", "ops.debezium_signal")
        .set("snapshot.signal_topic", topic);
    let mut instance = Instance::start(&case.config).await;
    await_that("the signal topic", async || {
        instance.log().contains("listening for signals")
    })
    .await;
    await_that("its position", async || {
        case.checkpoint().await["signals_read"] == 1
    })
    .await;

    let execute = r#"{"data-collections": ["public.items"], "type": "incremental",
                      "additional-conditions": [{"data-collection": "public.items", "filter": "id > 3"}]}"#;
    case.sql(&format!(
        "INSERT INTO ops.debezium_signal VALUES ('1', 'execute-snapshot', '{execute}');
         INSERT INTO ops.debezium_signal VALUES ('2', 'no-such-thing', NULL)"
    ))
    .await;
    await_that("the rows of the table's signal", async || {
        read_ids(&records(&case, "items").await) == [4, 5]
    })
    .await;
    // It is not captured, so it has no topic.
    let topics: Vec<String> = case
        .everything()
        .await
        .into_iter()
        .map(|record| record.topic)
        .collect();
    assert!(
        !topics.iter().any(|topic| topic.contains("debezium_signal")),
        "{topics:?}"
    );

    send_record(&brokers, topic, "other", all).await.unwrap();
    instance.kill9();
    send_record(&brokers, topic, "signalled", all).await.unwrap();
    instance.start_again();
    instance.ready().await;
    await_that("the rows of the topic's signal", async || {
        read_ids(&records(&case, "items").await).len() == 2 + 5
    })
    .await;
    await_that("its position", async || {
        case.checkpoint().await["signals_read"] == 3
    })
    .await;
    instance.kill9();
    instance.start_again();
    instance.ready().await;
    case.insert([6]).await;
    case.await_ids([6]).await;
    await_rows_read(&case, &mut instance).await;
    assert_eq!(
        read_ids(&records(&case, "items").await).len(),
        7,
        "each is carried out once"
    );
    assert!(
        instance.log().contains("no-such-thing"),
        "what means nothing is said"
    );
    instance.stop().await;
}

/// `VACUUM FULL` puts every row elsewhere, and nothing of it is in the WAL.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_rewritten_midway_loses_no_row() {
    let mut case = super::case("rewritten").await;
    case.sql("INSERT INTO items SELECT n, repeat('x', 500) FROM generate_series(1, 6000) n")
        .await;
    case.config = case
        .config
        .set("snapshot.rows_per_second", 2000)
        .set("snapshot.hold_max", "1s")
        .set("snapshot.initial_hold_max", "1s");
    let mut instance = Instance::start(&case.config).await;
    await_that("some rows", async || records(&case, "items").await.len() > 1000).await;
    instance.kill9();
    // The first rows go, and all others move up into their places.
    case.sql("DELETE FROM items WHERE id <= 3000").await;
    case.sql("VACUUM FULL items").await;
    instance.start_again();
    await_rows_read(&case, &mut instance).await;
    case.insert([10_000]).await;
    case.await_ids([10_000]).await;
    assert_eq!(
        super::rebuilt(&records(&case, "items").await),
        super::rows(&case, "items").await
    );
    instance.stop().await;
}

/// How far reading has come is a ctid: continuing behind it would lose rows that come after rows of later places.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_an_index_finds_are_read_in_the_order_of_their_places() {
    let (case, mut instance) = streaming("by_index", 0).await;
    case.sql(
        "INSERT INTO items SELECT n, repeat('x', 100) FROM generate_series(20000, 1, -1) n; ANALYZE items;
         ALTER DATABASE by_index SET enable_bitmapscan = off",
    )
    .await;
    case.await_ids([1]).await;
    let condition = "id IN (7, 5000, 10000, 15000, 19990)";
    let plan = case
        .text(&format!("EXPLAIN SELECT ctid FROM ONLY items WHERE {condition}"))
        .await;
    assert!(plan.starts_with("Index Scan"), "{plan}");
    let started = ask_for_items(&case, condition).await;
    assert_eq!(started.code, Some(0), "{started:#?}");
    await_rows_read(&case, &mut instance).await;
    instance.stop().await;
    assert_eq!(
        read_ids(&records(&case, "items").await),
        [19990, 15000, 10000, 5000, 7]
    );
}

/// In the same Kafka transactions as the rows.
#[tokio::test(flavor = "multi_thread")]
async fn programs_are_notified_of_what_is_read() {
    let mut case = Case::new("notified").await;
    case.insert(1..=3).await;
    case.config = case
        .config
        .set("snapshot.mode", "initial")
        .set("snapshot.signal_topic", "notified-signal")
        .set("events.notification_topic", "notified-notifications");
    let brokers = shared().await.kafka().brokers();
    let mut instance = Instance::start(&case.config).await;
    await_rows_read(&case, &mut instance).await;
    await_that("the signal topic", async || {
        instance.log().contains("listening for signals")
    })
    .await;
    let signal =
        r#"{"id":"ad-hoc-7","type":"execute-snapshot","data":{"data-collections":["public.items"]}}"#;
    send_record(&brokers, "notified-signal", "notified", signal)
        .await
        .unwrap();
    let notifications = async || {
        let mut decoder = TreeDecoder::new(&shared().await.registry().url()).unwrap();
        let mut found = Vec::new();
        for record in read_topic(&brokers, "notified-notifications").await.unwrap() {
            let tree = decoder.decode(&record.value.unwrap()).await.unwrap().value;
            let key = decoder.decode(&record.key.unwrap()).await.unwrap().value;
            assert_eq!(key["id"], tree["id"]);
            let data = &tree["additional_data"];
            let (rows, status) = (&data["total_rows_scanned"], &data["status"]);
            found.push(
                format!("{} {} {rows} {status}", tree["aggregate_type"], tree["type"]).replace('"', ""),
            );
            if tree["aggregate_type"] == "Incremental Snapshot" {
                assert_eq!(tree["id"], "ad-hoc-7");
            }
        }
        found
    };
    let all = [
        "Initial Snapshot STARTED null null",
        "Initial Snapshot IN_PROGRESS null null",
        "Initial Snapshot TABLE_SCAN_COMPLETED 3 SUCCEEDED",
        "Initial Snapshot COMPLETED null null",
        "Incremental Snapshot STARTED null null",
        "Incremental Snapshot IN_PROGRESS null null",
        "Incremental Snapshot TABLE_SCAN_COMPLETED 3 SUCCEEDED",
        "Incremental Snapshot COMPLETED null null",
    ];
    await_that("the notifications", async || {
        notifications().await.len() >= all.len()
    })
    .await;
    assert_eq!(notifications().await, all);
    instance.stop().await;
}
