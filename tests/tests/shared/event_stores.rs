//! Event stores: each preset with its library's table under concurrent writers, violations, and rows that exist.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stream_snapshots;
mod upcasts;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use walcast_testbed::{RawRecord, read_topic, topic_names};
use walcast_tests::{Alert, Case, Instance, assert_reports, await_that, shared};

/// Exit code of a connector that halted.
const HALTED: i32 = 3;

/// Store of a library.
struct Store {
    preset: &'static str,
    table: &'static str,
    /// Table and function `append(stream, events)`.
    sql: &'static str,
    first_version: i64,
    /// Statement that archives the stream `order-0`; empty: the library has no archive.
    archive: &'static str,
}

/// A case with the table of a store, in JSON, with one partition a topic.
async fn case_of(name: &str, sql: &str, table: &str, entry: &str) -> Case<'static> {
    let mut case = Case::new(name).await;
    case.sql(sql).await;
    let entry = toml::Value::Table(toml::from_str(entry).unwrap());
    case.config = case
        .config
        .clone()
        .set("format.key", "json")
        .set("format.value", "json")
        .set("kafka.topics.partitions", 1)
        .set("snapshot.mode", "initial")
        .set("postgres.tables", vec![table, "public.items"])
        .set("event_store", vec![entry]);
    case
}

/// The records of a topic; none if the topic does not exist.
async fn records(topic: &str) -> Vec<RawRecord> {
    let brokers = shared().await.kafka().brokers();
    let names = topic_names(&brokers).await.unwrap();
    match names.iter().any(|name| name == topic) {
        true => read_topic(&brokers, topic).await.unwrap(),
        false => Vec::new(),
    }
}

async fn await_records(instance: &mut Instance, topic: &str, count: usize) {
    await_that(&format!("{count} records in {topic}"), async || {
        instance.assert_running();
        records(topic).await.len() >= count
    })
    .await;
}

fn header(record: &RawRecord, name: &str) -> String {
    let found = record.headers.iter().find(|(known, _)| known == name);
    let value = found.and_then(|(_, value)| value.clone());
    value.map_or("none".to_owned(), |value| String::from_utf8(value).unwrap())
}

fn key(record: &RawRecord) -> String {
    serde_json::from_slice(record.key.as_deref().unwrap()).unwrap()
}

/// Key and version of each record, in the order of the topic.
async fn versions(topic: &str) -> Vec<String> {
    let all = records(topic).await;
    all.iter()
        .map(|record| format!("{} {}", key(record), header(record, "version")))
        .collect()
}

/// Checks that each event is there once, and that the versions of each stream follow each other.
fn assert_contiguous(records: &[RawRecord], first_version: i64, count: usize) {
    let mut next: BTreeMap<String, i64> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for record in records {
        let expected = next.entry(key(record)).or_insert(first_version);
        assert_eq!(header(record, "version"), expected.to_string(), "{}", key(record));
        *expected += 1;
        assert!(ids.insert(header(record, "id")), "{}", header(record, "id"));
    }
    assert_eq!(records.len(), count, "{next:?}");
}

/// Appends to each of four streams again and again, as often as another writer does not win.
async fn write(case: &Case<'_>, rounds: usize) {
    let client = case.client().await;
    for round in 0..rounds {
        let append = format!("SELECT append('order-{}', {})", round % 4, round % 3 + 1);
        await_that("an append that no other writer overtakes", async || {
            client.batch_execute(&append).await.is_ok()
        })
        .await;
    }
}

/// Events of a store that exist, of concurrent writers and of a transaction that is open meanwhile, over a crash.
async fn deliver(name: &str, store: &Store) {
    let Store { preset, table, .. } = store;
    let case = case_of(name, store.sql, table, &format!("preset = \"{preset}\"")).await;
    let topic = format!("{name}.{table}");
    let count_sql = format!("SELECT count(*) FROM {table}");
    // Rows of several sessions: their places in the file are not those of the streams.
    tokio::join!(write(&case, 8), write(&case, 8));
    let mut instance = Instance::start(&case.config).await;
    let slow = case.client().await;
    slow.batch_execute("BEGIN; SELECT append('slow-1', 3)")
        .await
        .unwrap();
    tokio::join!(write(&case, 12), write(&case, 12), write(&case, 12));
    let committed: usize = case.text(&count_sql).await.parse().unwrap();
    await_records(&mut instance, &topic, committed).await;
    assert_eq!(
        instance.status().await["event_stores"][table]["violations"],
        0,
        "{}",
        instance.log()
    );
    instance.kill9();
    tokio::join!(write(&case, 6), write(&case, 6));
    slow.batch_execute("SELECT append('slow-1', 2); COMMIT")
        .await
        .unwrap();
    instance.start_again();
    instance.ready().await;
    write(&case, 4).await;
    let mut count: usize = case.text(&count_sql).await.parse().unwrap();
    await_records(&mut instance, &topic, count).await;
    if !store.archive.is_empty() {
        case.sql(store.archive).await;
        case.sql("SELECT append('late-1', 2)").await;
        count += 2;
        await_records(&mut instance, &topic, count).await;
    }
    let status = instance.status().await;
    assert_eq!(status["event_stores"][table]["violations"], 0, "{status:#}");
    instance.stop().await;
    let found = records(&topic).await;
    assert_contiguous(&found, store.first_version, count);
    assert_ne!(header(&found[0], "type"), "none");
    assert_ne!(header(&found[0], "created"), "none");
}

#[tokio::test]
async fn events_of_marten_are_contiguous() {
    let store = Store {
        preset: "marten",
        table: "public.mt_events",
        sql: include_str!("event_stores/marten.sql"),
        first_version: 1,
        archive: "UPDATE mt_events SET is_archived = true WHERE stream_id = 'order-0'",
    };
    deliver("es_marten", &store).await;
}

#[tokio::test]
async fn events_of_emmett_are_contiguous() {
    let store = Store {
        preset: "emmett",
        table: "public.emt_messages",
        sql: include_str!("event_stores/emmett.sql"),
        first_version: 1,
        archive: "UPDATE emt_messages SET is_archived = true WHERE stream_id = 'order-0'",
    };
    deliver("es_emmett", &store).await;
}

#[tokio::test]
async fn events_of_message_db_are_contiguous() {
    let store = Store {
        preset: "message_db",
        table: "message_store.messages",
        sql: include_str!("event_stores/message_db.sql"),
        first_version: 0,
        archive: "",
    };
    deliver("es_message_db", &store).await;
}

#[tokio::test]
async fn events_of_axon_are_contiguous() {
    let store = Store {
        preset: "axon",
        table: "public.domain_event_entry",
        sql: include_str!("event_stores/axon.sql"),
        first_version: 0,
        archive: "",
    };
    deliver("es_axon", &store).await;
}

/// A store without any constraint, so that it can be violated.
const LOOSE: &str = "CREATE TABLE events (position bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, stream_id text, \
     version bigint, type text, id int, data text)";
const LOOSE_ENTRY: &str = "tables = \"public.events\"\nsequence = \"position\"\n";

/// An insert of versions of the stream `a`.
fn insert(versions: &[i64]) -> String {
    let row = |version: &i64| format!("('a', {version}, 'Placed', {version}, 'x')");
    let rows: Vec<String> = versions.iter().map(row).collect();
    format!(
        "INSERT INTO events (stream_id, version, type, id, data) VALUES {}",
        rows.join(", ")
    )
}

#[tokio::test]
async fn violations_are_reported_and_stop_nothing_by_default() {
    let case = case_of("es_warn", LOOSE, "public.events", LOOSE_ENTRY).await;
    let mut instance = Instance::start(&case.config).await;
    let gap = format!(
        "BEGIN; {}; SELECT pg_current_xact_id()::text; COMMIT",
        insert(&[1, 2, 4])
    );
    let xid = case.text(&gap).await;
    case.sql(&insert(&[4, 5])).await;
    case.sql("UPDATE events SET data = 'y' WHERE version = 1; DELETE FROM events WHERE version = 2")
        .await;
    await_records(&mut instance, "es_warn.public.events", 5).await;
    await_that("four violations", async || {
        instance.status().await["event_stores"]["public.events"]["violations"] == 4
    })
    .await;
    case.sql("TRUNCATE events").await;
    await_that("the violation of a truncation", async || {
        instance.status().await["event_stores"]["public.events"]["violations"] == 5
    })
    .await;
    let last = instance.status().await["event_stores"]["public.events"]["last_violation"].clone();
    assert_eq!(last["kind"], "truncate", "{last:#}");
    let metrics = instance.page("metrics").await;
    for (kind, count) in [
        ("gap", 1),
        ("doubled", 1),
        ("update", 1),
        ("delete", 1),
        ("truncate", 1),
    ] {
        let labels = format!("{{connector=\"es_warn\",table=\"public.events\",kind=\"{kind}\"}} {count}");
        let line = format!("walcast_event_store_violations_total{labels}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    assert!(
        Alert::of("WalcastEventStoreViolated").is_true(&metrics),
        "{metrics}"
    );
    let log = instance.log();
    assert_reports(&log, &["a version is missing: 3 was expected", xid.as_str()]);
    instance.stop().await;
    assert_eq!(
        versions("es_warn.public.events").await,
        ["a 1", "a 2", "a 4", "a 4", "a 5"]
    );
}

#[tokio::test]
async fn violations_are_dead_letters_where_they_are_configured_as_such() {
    let entry = format!("{LOOSE_ENTRY}on_violation = \"dead_letter\"");
    let case = case_of("es_letter", LOOSE, "public.events", &entry).await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(&insert(&[1, 3, 4, 4])).await;
    case.sql("UPDATE events SET data = 'y' WHERE version = 1; DELETE FROM events WHERE version = 1")
        .await;
    case.sql(&insert(&[5])).await;
    case.sql("INSERT INTO items VALUES (1, 'one')").await;
    await_records(&mut instance, "es_letter.public.items", 1).await;
    await_records(&mut instance, "es_letter.public.events", 3).await;
    await_records(&mut instance, "es_letter.dead-letters", 4).await;
    instance.stop().await;
    assert_eq!(versions("es_letter.public.events").await, ["a 1", "a 4", "a 5"]);
    let mut errors = Vec::new();
    for record in records("es_letter.dead-letters").await {
        let letter: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        errors.push(letter["error"].as_str().unwrap().to_owned());
    }
    assert_eq!(errors.len(), 4, "{errors:#?}");
    for part in [
        "a version is missing: 2 was expected (stream \"a\", version 3)",
        "a version comes again: 5 was expected (stream \"a\", version 4)",
        "an event was updated",
        "an event was deleted",
    ] {
        assert!(
            errors.iter().any(|error| error.contains(part)),
            "{part}: {errors:#?}"
        );
    }
}

#[tokio::test]
async fn a_violation_halts_where_it_is_configured_to_halt() {
    let entry = format!("{LOOSE_ENTRY}on_violation = \"halt\"");
    let mut case = case_of("es_halt", LOOSE, "public.events", &entry).await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(&insert(&[1, 3])).await;
    assert_eq!(instance.exit_code().await, HALTED);
    assert_reports(
        &instance.log(),
        &[
            "a version is missing: 2 was expected",
            "set on_violation = \"warn\"",
        ],
    );
    // The violation cannot be undone in the WAL: the setting is the way on.
    let entry = toml::Value::Table(toml::from_str(LOOSE_ENTRY).unwrap());
    case.config = case.config.clone().set("event_store", vec![entry]);
    let mut instance = Instance::start(&case.config).await;
    await_records(&mut instance, "es_halt.public.events", 2).await;
    instance.stop().await;
    assert_eq!(versions("es_halt.public.events").await, ["a 1", "a 3"]);
}

/// A start does not know the event before a gap. It halts as long as the gap is not accepted.
#[tokio::test]
async fn a_halt_before_a_gap_lasts_until_it_is_accepted() {
    let entry = format!("{LOOSE_ENTRY}on_violation = \"halt\"");
    let case = case_of("es_held", LOOSE, "public.events", &entry).await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(&insert(&[1, 3])).await;
    assert_eq!(instance.exit_code().await, HALTED);
    for _ in 0..2 {
        let refused = case.run_to_end().await;
        assert_eq!(refused.code, Some(HALTED), "{}", refused.stderr);
        assert_reports(
            &refused.stderr,
            &[
                "a version is missing: 2 was expected",
                "walcast checkpoint accept-violation",
            ],
        );
    }
    let accepted = case.command(&["checkpoint", "accept-violation"]).await;
    assert_eq!(accepted.code, Some(0), "{}", accepted.stderr);
    let again = case.command(&["checkpoint", "accept-violation"]).await;
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    let mut instance = Instance::start(&case.config).await;
    await_records(&mut instance, "es_held.public.events", 2).await;
    instance.stop().await;
    assert_eq!(versions("es_held.public.events").await, ["a 1", "a 3"]);
}

#[tokio::test]
async fn a_compacted_topic_takes_no_events() {
    let mut case = case_of("es_compacted", LOOSE, "public.events", LOOSE_ENTRY).await;
    case.config = case.config.clone().set("kafka.topics.cleanup_policy", "compact");
    let mut instance = Instance::start(&case.config).await;
    case.sql(&insert(&[1])).await;
    assert_eq!(instance.exit_code().await, HALTED);
    assert_reports(
        &instance.log(),
        &[
            "topic es_compacted.public.events is compacted",
            "cleanup.policy=delete",
        ],
    );
}

/// Versions 1 to 40 of the stream `a`, the last one first in the file, each of a size that few rows are read at once.
const MANY: &str = "ALTER TABLE events ALTER COLUMN data SET STORAGE EXTERNAL; \
     INSERT INTO events SELECT 41 - n, 'a', 41 - n, 'Placed', 41 - n, repeat('x', 65536) FROM generate_series(1, 40) AS n; \
     SELECT setval(pg_get_serial_sequence('events', 'position'), 40)";

/// Events are read by their number, whichever their places in the file are, and are not read twice after a stop.
#[tokio::test]
async fn events_that_exist_are_read_in_order_over_a_stop() {
    let mut case = case_of("es_read", LOOSE, "public.events", LOOSE_ENTRY).await;
    case.sql(MANY).await;
    case.config = case.config.clone().set("snapshot.rows_per_second", 2);
    let mut instance = Instance::spawn(&case.config);
    await_records(&mut instance, "es_read.public.events", 2).await;
    instance.stop().await;
    case.config = case.config.clone().unset("snapshot.rows_per_second");
    let mut instance = Instance::start(&case.config).await;
    await_records(&mut instance, "es_read.public.events", 40).await;
    case.sql(&insert(&[41])).await;
    await_records(&mut instance, "es_read.public.events", 41).await;
    let status = instance.status().await;
    // The events that were read are known as the predecessors of those that follow.
    assert_eq!(
        status["event_stores"]["public.events"]["events"]["known"], 1,
        "{status:#}"
    );
    instance.stop().await;
    let wanted: Vec<String> = (1..=41).map(|version| format!("a {version}")).collect();
    assert_eq!(versions("es_read.public.events").await, wanted);
}

/// Of a stream that was read in part, the last version is not known: an event that is streamed meanwhile violates no order.
#[tokio::test]
async fn events_are_no_violations_while_rows_are_read() {
    let entry = format!("{LOOSE_ENTRY}on_violation = \"halt\"");
    let mut case = case_of("es_pause", LOOSE, "public.events", &entry).await;
    case.sql(MANY).await;
    let never = case.config.clone().set("snapshot.mode", "never");
    case.config = never.set("snapshot.rows_per_second", 2);
    let mut instance = Instance::start(&case.config).await;
    let asked = case
        .command(&["snapshot", "start", "--tables", "public.events"])
        .await;
    assert_eq!(asked.code, Some(0), "{}", asked.stderr);
    await_records(&mut instance, "es_pause.public.events", 2).await;
    let paused = case.command(&["snapshot", "pause"]).await;
    assert_eq!(paused.code, Some(0), "{}", paused.stderr);
    case.sql(&insert(&[41])).await;
    await_that("the event that is streamed", async || {
        instance.assert_running();
        versions("es_pause.public.events")
            .await
            .contains(&"a 41".to_owned())
    })
    .await;
    let store = instance.status().await["event_stores"]["public.events"].clone();
    assert_eq!(store["violations"], 0, "{store:#}");
    assert_eq!(store["events"]["unknown"], 1, "{store:#}");
    instance.stop().await;
}

#[tokio::test]
async fn check_names_columns_and_orders_that_are_missing() {
    let mut case = case_of("es_check", LOOSE, "public.events", LOOSE_ENTRY).await;
    let mut instance = Instance::start(&case.config).await;
    instance.stop().await;
    let large = "CREATE TABLE domain_event_entry (global_index bigint PRIMARY KEY, event_identifier text, payload oid, payload_type text, \
         aggregate_identifier text, sequence_number bigint)";
    for (lines, code, wanted) in [
        (LOOSE_ENTRY, 0, ""),
        (
            "tables = \"public.events\"\nversion = \"number\"",
            1,
            "column number of event store public.events does not exist",
        ),
        (
            "tables = \"public.events\"",
            0,
            "event store public.events has no sequence",
        ),
        ("preset = \"axon\"", 1, "holds numbers of large objects"),
    ] {
        if lines.contains("axon") {
            case.sql(large).await;
            case.config = case.config.clone().set("postgres.tables", vec!["public.*"]);
        }
        let entry = toml::Value::Table(toml::from_str(lines).unwrap());
        let config = case.config.clone().set("event_store", vec![entry]);
        case.config = config;
        let checked = case.command(&["check"]).await;
        assert_eq!(checked.code, Some(code), "{lines}: {checked:#?}");
        assert!(checked.stdout.contains(wanted), "{lines}: {checked:#?}");
    }
}
