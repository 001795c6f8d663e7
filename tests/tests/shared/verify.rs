//! `walcast verify`: what differs between the source and the topics is named, and nothing else is.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod every;
mod named_columns;
mod repair;
mod retention;
pub(crate) mod scale;
mod transactions;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use walcast_testbed::{Decoder, RawRecord, read_topic, send_copy};
use walcast_tests::{Case, Finished, Instance, assert_reports, await_that, shared};

/// Exit codes, as documented.
const IDENTICAL: Option<i32> = Some(0);
const DIFFERENT: Option<i32> = Some(1);
const UNDECIDED: Option<i32> = Some(2);

/// A case whose existing rows are read.
async fn case(name: &str) -> Case<'static> {
    let mut case = Case::new(name).await;
    case.config = case.config.clone().set("snapshot.mode", "initial");
    case
}

/// Statements that a writer executes in turn, each with a new number.
const WRITES: [&str; 3] = [
    "INSERT INTO items VALUES ({}, 'written {}')",
    "UPDATE items SET note = 'changed {}' WHERE id = (SELECT max(id) FROM items WHERE id >= 1000)",
    "DELETE FROM items WHERE id = (SELECT min(id) FROM items WHERE id >= 1000) AND {} % 9 = 0",
];

/// Time between two rounds of a writer: without one, the connector could fall behind further and further on a busy machine.
const ROUND: Duration = Duration::from_millis(5);

/// Writer that does not end until it is stopped, in rows of `items` from 1000 on.
struct Writer {
    is_stopped: Arc<AtomicBool>,
    writes: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Writer {
    async fn start(case: &Case<'_>) -> Writer {
        let client = case.client().await;
        let (is_stopped, writes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, written) = (Arc::clone(&is_stopped), Arc::clone(&writes));
        let task = tokio::spawn(async move {
            let mut number = 1000;
            let mut rounds = tokio::time::interval(ROUND);
            rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !stopped.load(Ordering::Relaxed) {
                rounds.tick().await;
                for write in WRITES {
                    let sql = write.replace("{}", &number.to_string());
                    client.batch_execute(&sql).await.unwrap();
                    written.fetch_add(1, Ordering::Relaxed);
                }
                number += 1;
            }
        });
        Writer {
            is_stopped,
            writes,
            task,
        }
    }

    fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

async fn verify(case: &Case<'_>, further: &[&str]) -> (Finished, Value) {
    let arguments: Vec<&str> = ["verify", "--json"].iter().chain(further).copied().collect();
    let finished = case.command(&arguments).await;
    let report = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:#?}"));
    (finished, report)
}

/// Kinds and keys of the differences, in order of both.
fn named(report: &Value) -> Vec<(String, Value)> {
    let differences = report["differences"].as_array().unwrap();
    let mut named: Vec<(String, Value)> = differences
        .iter()
        .map(|one| (one["kind"].as_str().unwrap().to_owned(), one["key"]["id"].clone()))
        .collect();
    named.sort_by_key(|(kind, key)| (kind.clone(), key.as_i64()));
    named
}

async fn plant(record: &RawRecord) {
    send_copy(&shared().await.kafka().brokers(), record)
        .await
        .unwrap();
}

/// The records of a table, in the order of its topic.
async fn records(case: &Case<'_>, table: &str) -> Vec<RawRecord> {
    let topic = format!("{}.public.{table}", case.name());
    read_topic(&shared().await.kafka().brokers(), &topic)
        .await
        .unwrap()
}

/// The records of a row of `items`.
async fn records_of(case: &Case<'_>, id: &str) -> Vec<RawRecord> {
    let mut decoder = Decoder::new(&shared().await.registry().url()).unwrap();
    let mut found = Vec::new();
    for record in case.items().await {
        let key = decoder.decode(&record).await.unwrap().key.unwrap();
        if key["id"].to_text().unwrap() == id {
            found.push(record);
        }
    }
    found
}

/// The same record without headers, as another program writes it.
fn foreign(record: &RawRecord) -> RawRecord {
    RawRecord {
        headers: Vec::new(),
        ..record.clone()
    }
}

/// The bytes with a part replaced.
fn replaced(bytes: &[u8], part: &[u8], by: &[u8]) -> Vec<u8> {
    let start = bytes
        .windows(part.len())
        .position(|window| window == part)
        .unwrap();
    [&bytes[..start], by, &bytes[start + part.len()..]].concat()
}

#[tokio::test]
async fn both_sides_are_identical_during_writes_and_each_certificate_names_the_one_before() {
    let case = case("verified").await;
    case.sql(
        "CREATE TYPE mood AS ENUM ('good', 'bad');
         CREATE TABLE wide (id int PRIMARY KEY, price numeric(10,2), free numeric, at timestamptz, day date, body jsonb,
             token uuid, numbers int[], raw bytea, flag boolean, ratio float8, length interval, feeling mood, large text);
         ALTER TABLE wide ALTER large SET STORAGE EXTERNAL;
         INSERT INTO wide VALUES (1, 12.30, 1e20, '2024-02-29 12:00:00.5+02', '1999-12-31', '{\"a\": [1, null]}',
             '6f1c2f8e-0c1d-4d3b-9f51-6a2f5a3b0c11', '{1,null,3}', '\\x00ff', true, 'NaN', '1 day 2 hours', 'bad', repeat('x', 9000));
         INSERT INTO wide (id) VALUES (2);
         INSERT INTO items SELECT id, 'note ' || id FROM generate_series(1, 300) AS id",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    // The large value of the update is not in WAL.
    case.sql("UPDATE wide SET flag = false WHERE id = 1; ALTER TABLE items ADD rank int DEFAULT 7")
        .await;
    case.await_ids(1..=300).await;
    await_that("both rows and the update in Kafka", async || {
        records(&case, "wide").await.len() >= 3
    })
    .await;
    let writer = Writer::start(&case).await;
    let (mut previous, mut lsn) = (Value::Null, Value::Null);
    for _ in 0..3 {
        let before = writer.writes();
        let (finished, report) = verify(&case, &[]).await;
        assert_eq!(finished.code, IDENTICAL, "{finished:#?}");
        let certificate = &report["certificate"];
        assert_eq!(certificate["verdict"], "identical");
        assert_eq!(certificate["previous"], previous);
        assert_eq!(report["differences"], json!([]));
        for topic in certificate["topics"].as_array().unwrap() {
            assert_eq!(topic["source"], topic["folded"], "{topic:#}");
            assert!(topic["source"]["rows"].as_u64().unwrap() > 1, "{topic:#}");
        }
        previous = report["certificate_sha256"].clone();
        lsn = certificate["lsn"].clone();
        eprintln!("{} writes during the comparison", writer.writes() - before);
    }
    assert!(writer.writes() > 0);
    await_that("the newest certificate in /status", async || {
        let status = instance.status().await;
        assert_eq!(status["verification_error"], Value::Null, "{status:#}");
        let shown = &status["verification"];
        shown["lsn"] == lsn && shown["verdict"] == "identical" && shown["differences"] == 0
    })
    .await;
    writer.stop().await;
    instance.assert_running();

    let (finished, report) = verify(&case, &["--independent", "--tables", "public.wide"]).await;
    assert_eq!(finished.code, IDENTICAL, "{finished:#?}");
    let left_out = report["certificate"]["topics"][0]["columns_left_out"].to_string();
    for column in ["at", "day", "numbers", "length", "feeling"] {
        assert!(
            left_out.contains(&format!("public.wide.{column} (no exact text)")),
            "{left_out}"
        );
    }
    for column in ["price", "free", "body", "token", "raw", "flag", "ratio", "large"] {
        assert!(
            !left_out.contains(&format!("public.wide.{column} ")),
            "{left_out}"
        );
    }
    let printed = case
        .command(&["verify", "--tables", "public.items", "--rows-per-second", "5000"])
        .await;
    assert_eq!(printed.code, IDENTICAL, "{printed:#?}");
    assert!(
        printed
            .stdout
            .lines()
            .last()
            .unwrap()
            .starts_with("identical up to "),
        "{printed:#?}"
    );
    let condition = case
        .command(&["verify", "--tables", "public.items", "--where", "id < 100"])
        .await;
    assert_eq!(condition.code, IDENTICAL, "{condition:#?}");
    assert_reports(&condition.stdout, &["99 rows"]);
    instance.stop().await;

    let topic = "verified.walcast-verifications";
    let certificates = read_topic(&shared().await.kafka().brokers(), topic)
        .await
        .unwrap();
    assert_eq!(certificates.len(), 6);
    let slots = "SELECT count(*) = 1 FROM pg_replication_slots WHERE slot_name LIKE 'walcast_verified%'";
    await_that("the end of the temporary slots", async || case.holds(slots).await).await;
}

#[tokio::test]
async fn planted_records_are_named_and_nothing_else_is() {
    let case = case("planted").await;
    let mut instance = Instance::start(&case.config).await;
    case.insert(1..=50).await;
    case.sql("UPDATE items SET note = 'newer' WHERE id = 6; UPDATE items SET note = 'last' WHERE id = 50")
        .await;
    let writer = Writer::start(&case).await;
    await_that("the last update in Kafka", async || {
        records_of(&case, "50").await.len() == 2
    })
    .await;
    assert_eq!(verify(&case, &[]).await.0.code, IDENTICAL);

    let [lost, doubled, altered, stale, invented] = [3, 4, 5, 6, 7].map(|id: u32| id.to_string());
    let first = async |id: &str| records_of(&case, id).await.remove(0);
    plant(&RawRecord {
        value: None,
        ..foreign(&first(&lost).await)
    })
    .await;
    plant(&first(&doubled).await).await;
    let original = first(&altered).await;
    let value = replaced(original.value.as_deref().unwrap(), b"note 5", b"nota 5");
    plant(&RawRecord {
        value: Some(value),
        ..foreign(&original)
    })
    .await;
    plant(&first(&stale).await).await;
    let original = first(&invented).await;
    let mut key = original.key.clone().unwrap();
    // Avro writes 7 as 14, and 63 as 126.
    assert_eq!(key.pop(), Some(14));
    key.push(126);
    plant(&RawRecord {
        key: Some(key),
        ..foreign(&original)
    })
    .await;

    let (finished, report) = verify(&case, &["--limit", "10"]).await;
    assert_eq!(finished.code, DIFFERENT, "{finished:#?}");
    let expected = [
        ("different", 5),
        ("different", 6),
        ("extra", 63),
        ("missing", 3),
        ("out_of_order", 4),
        ("out_of_order", 6),
    ];
    let expected: Vec<(String, Value)> = expected
        .iter()
        .map(|(kind, id)| ((*kind).to_owned(), json!(id)))
        .collect();
    assert_eq!(named(&report), expected, "{report:#}");
    let of = |kind: &str, id: i64| -> Value {
        let differences = report["differences"].as_array().unwrap();
        let found = differences
            .iter()
            .find(|one| one["kind"] == kind && one["key"]["id"] == id);
        found.unwrap().clone()
    };
    assert_eq!(of("different", 5)["columns"], json!(["note"]));
    assert_eq!(of("different", 5)["source"]["note"], "note 5");
    assert_eq!(of("different", 5)["record"]["note"], "nota 5");
    assert_eq!(of("different", 6)["source"]["note"], "newer");
    assert_eq!(of("different", 6)["record"]["note"], "note 6");
    assert_eq!(of("missing", 3)["source"]["note"], "note 3");
    assert_eq!(report["certificate"]["verdict"], "different");

    // The rows are sent again, and the keys that were listed are compared again.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("differences.json");
    std::fs::write(&file, &finished.stdout).unwrap();
    let recheck = ["--recheck", file.to_str().unwrap()];
    assert_eq!(verify(&case, &recheck).await.0.code, DIFFERENT);
    case.sql(
        "UPDATE items SET note = note WHERE id IN (3, 5, 6);
         INSERT INTO items VALUES (63, 'x'); DELETE FROM items WHERE id = 63",
    )
    .await;
    let (finished, report) = verify(&case, &recheck).await;
    assert_eq!(finished.code, IDENTICAL, "{finished:#?}");
    assert_eq!(report["certificate"]["is_recheck"], true);
    writer.stop().await;
    instance.stop().await;
}

#[tokio::test]
async fn tables_without_key_are_compared_as_multisets() {
    let case = case("multiset").await;
    case.sql(
        "CREATE TABLE log (line text); ALTER TABLE log REPLICA IDENTITY FULL;
         INSERT INTO log VALUES ('a'), ('a'), ('b'), ('c')",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(
        "INSERT INTO log VALUES ('a'), ('d');
         UPDATE log SET line = 'e' WHERE line = 'b';
         DELETE FROM log WHERE line = 'c'",
    )
    .await;
    await_that("every row and change in Kafka", async || {
        records(&case, "log").await.len() >= 8
    })
    .await;
    let tables = ["--tables", "public.log"];
    let (finished, report) = verify(&case, &tables).await;
    assert_eq!(finished.code, IDENTICAL, "{finished:#?}");
    let topic = &report["certificate"]["topics"][0];
    assert_eq!(topic["source"]["rows"], 5, "{report:#}");
    assert_eq!(topic["source"], topic["folded"], "{report:#}");

    let first = records(&case, "log").await.remove(0);
    plant(&foreign(&first)).await;
    let (finished, report) = verify(&case, &tables).await;
    assert_eq!(finished.code, DIFFERENT, "{finished:#?}");
    let differences = report["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{report:#}");
    assert_eq!(differences[0]["kind"], "extra");
    assert_eq!(differences[0]["copies"], 1);
    assert_eq!(differences[0]["record"]["line"], "a");
    instance.stop().await;
}

#[tokio::test]
async fn a_connector_that_does_not_run_leaves_it_undecided() {
    let case = case("undecided").await;
    case.deliver([1]).await;
    case.insert([2]).await;
    let undecided = case.command(&["verify", "--wait", "1s"]).await;
    assert_eq!(undecided.code, UNDECIDED, "{undecided:#?}");
    assert_reports(
        &undecided.stdout,
        &[
            "undecided: after 1 s the checkpoint of the connector is at ",
            "the checkpoint does not advance: start the connector with walcast run",
        ],
    );
    case.command(&["verify", "--tables", "public.nothing"])
        .await
        .error(2);
    let condition = case.command(&["verify", "--where", "id = pg_sleep(1)"]).await;
    condition.error(2);
}
