//! An outbox that is moved from polling to the WAL while applications write to it.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use walcast_testbed::{ConnectorConfig, read_topic, topic_names};
use walcast_tests::{Case, Instance, await_that, command, run, shared};

const TOPIC: &str = "outbox_move.events";

/// Rows that wait when the command begins, so many that it takes a while.
const WAITING: u32 = 3_000;

fn config(case: &Case<'_>, further: &str) -> ConnectorConfig {
    let entry = format!(
        "tables = \"public.outbox_events\"\npreset = \"published_at\"\nroute_topic = \"{TOPIC}\"\n{further}"
    );
    case.config
        .clone()
        .set("format.key", "json")
        .set("format.value", "json")
        .set("kafka.topics.partitions", 1)
        .set(
            "outbox",
            vec![toml::Value::Table(toml::from_str(&entry).unwrap())],
        )
}

/// Inserts rows whose keys no other writer has, some of which are rolled back.
async fn write(case: &Case<'_>, writer: u32, ends: &AtomicBool) {
    let client = case.client().await;
    for number in 0.. {
        if ends.load(Ordering::Relaxed) {
            return;
        }
        let end = if number % 9 == 8 { "ROLLBACK" } else { "COMMIT" };
        let key = number % 3;
        let insert = format!(
            "INSERT INTO outbox_events (type, aggregate_id) VALUES ('Placed', 'writer {writer} key {key}')"
        );
        let sql = format!("BEGIN; {insert}; SELECT pg_sleep(random() / 50); {insert}; {end}");
        client.batch_execute(&sql).await.unwrap();
    }
}

async fn marked(case: &Case<'_>) -> u64 {
    let count = case.text("SELECT count(*) FROM outbox_events WHERE published_at IS NOT NULL");
    count.await.parse().unwrap()
}

/// Ids of the events of each key, in their order.
async fn ids_by_key() -> BTreeMap<Vec<u8>, Vec<i64>> {
    let brokers = shared().await.kafka().brokers();
    let names = topic_names(&brokers).await.unwrap();
    let mut ids: BTreeMap<Vec<u8>, Vec<i64>> = BTreeMap::new();
    if !names.iter().any(|name| name == TOPIC) {
        return ids;
    }
    for record in read_topic(&brokers, TOPIC).await.unwrap() {
        let mut headers = record.headers.iter();
        let id = headers.find(|(name, _)| name == "id");
        let id = id.and_then(|(_, value)| value.clone()).unwrap();
        let id = String::from_utf8(id).unwrap().parse().unwrap();
        ids.entry(record.key.unwrap()).or_default().push(id);
    }
    ids
}

/// The connector that polls is killed, and so is the command, while two sessions write. Each event is sent once and in the order of its key,
/// and neither configuration starts while the other has the events.
#[tokio::test(flavor = "multi_thread")]
async fn events_are_sent_once_while_an_outbox_moves_to_the_wal() {
    let case = Case::new("outbox_move").await;
    case.sql(
        "CREATE TABLE outbox_events (id bigserial PRIMARY KEY, type text NOT NULL, aggregate_id text, payload jsonb, \
         created_at timestamptz NOT NULL DEFAULT clock_timestamp(), published_at timestamptz); \
         CREATE INDEX ON outbox_events (id) WHERE published_at IS NULL",
    )
    .await;
    let polling = config(
        &case,
        "source = \"poll\"\npoll = { workers = 3, batch_rows = 10, interval = \"20ms\" }",
    );
    let streaming = config(&case, "").set("postgres.tables", vec!["public.outbox_events"]);
    let folder = tempfile::tempdir().unwrap();
    let to = streaming.write_to(folder.path()).unwrap();
    let to = to.to_str().unwrap();
    let arguments = ["outbox", "move", "--to", to, "--json"];

    let ends = AtomicBool::new(false);
    let moving = async {
        let mut instance = Instance::start(&polling).await;
        await_that("rows are marked", async || {
            instance.assert_running();
            marked(&case).await >= 50
        })
        .await;
        // To look is possible while the connector polls; to move is not.
        let looked = run(&polling, &["outbox", "move", "--to", to, "--dry-run"]).await;
        assert_eq!(looked.code, Some(0), "{}", looked.stderr);
        // A process that is killed leaves a transaction open, which hides from all others what it has sent.
        instance.stop().await;
        case.sql(&format!(
            "INSERT INTO outbox_events (type, aggregate_id) SELECT 'Placed', 'waiting ' || n % 5 FROM generate_series(1, {WAITING}) n"
        ))
        .await;

        let refused = run(&streaming, &["run"]).await;
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("walcast outbox move"),
            "{}",
            refused.stderr
        );
        let looked = run(&polling, &["outbox", "move", "--to", to, "--dry-run", "--json"]).await;
        assert_eq!(looked.code, Some(0), "{}", looked.stderr);
        let looked: Value = serde_json::from_str(&looked.stdout).unwrap();
        assert_eq!(looked["creates_slot"], true, "{looked:#}");
        assert!(
            looked["outboxes"][0]["pending"].as_u64() >= Some(u64::from(WAITING)),
            "{looked:#}"
        );
        assert!(!case.is_set_up().await);

        let before = marked(&case).await;
        instance.start_again();
        await_that("further rows are marked", async || {
            instance.assert_running();
            marked(&case).await >= before + 20
        })
        .await;
        instance.kill9();
        let before = marked(&case).await;
        let own = tempfile::tempdir().unwrap();
        let mut process = command(&arguments)
            .env("WALCAST_CONFIG", polling.write_to(own.path()).unwrap())
            .env("XDG_RUNTIME_DIR", polling.runtime_directory())
            .spawn()
            .unwrap();
        await_that("the command marks rows", async || {
            marked(&case).await >= before + 50 || process.try_wait().unwrap().is_some()
        })
        .await;
        process.start_kill().unwrap();
        // A command that was faster than the signal has moved the outbox.
        let mut is_moved = process.wait().await.unwrap().success();
        await_that("the outbox is moved", async || {
            if !is_moved {
                let moved = run(&polling, &arguments).await;
                is_moved = moved.code == Some(0);
                // The process may have been killed behind its last step.
                is_moved |= moved.stderr.contains("streamed already");
                // Its sessions may last for a moment.
                assert!(is_moved || moved.stderr.contains("running"), "{}", moved.stderr);
            }
            is_moved
        })
        .await;

        let refused = run(&polling, &["run"]).await;
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        assert!(refused.stderr.contains("source = \"wal\""), "{}", refused.stderr);
        let again = run(&polling, &arguments).await;
        assert_eq!(again.code, Some(1), "{}", again.stderr);
        let mut instance = Instance::start(&streaming).await;
        instance.ready().await;
        ends.store(true, Ordering::Relaxed);
        instance
    };
    let (mut instance, (), ()) = tokio::join!(moving, write(&case, 0, &ends), write(&case, 1, &ends));

    case.sql("INSERT INTO outbox_events (type, aggregate_id) VALUES ('Placed', 'last')")
        .await;
    await_that("the last event is sent", async || {
        instance.assert_running();
        ids_by_key().await.contains_key(b"\"last\"".as_slice())
    })
    .await;
    instance.stop().await;
    let found = ids_by_key().await;
    for (key, ids) in &found {
        let key = String::from_utf8_lossy(key);
        assert!(ids.is_sorted_by(|one, next| one < next), "{key}: {ids:?}");
    }
    let mut found: Vec<i64> = found.into_values().flatten().collect();
    found.sort_unstable();
    let all = case
        .text("SELECT string_agg(id::text, ',' ORDER BY id) FROM outbox_events")
        .await;
    let all: Vec<i64> = all.split(',').map(|id| id.parse().unwrap()).collect();
    assert_eq!(found, all);
}
