//! A window is read from WAL again, from a temporary copy of a bookmark's slot: the records are those of the first time.

use walcast_testbed::{RawRecord, remove_records};
use walcast_tests::{Case, Instance, assert_reports, await_that, http, lsn, shared};

use super::interrupted::{ROWS, SlowReplay, fill, sent_so_far};
use super::{PARTITIONS, REPLAY, assert_copies, case, position_of, shown, side_topic, start, within};

/// End of an envelope in Avro: `ts_ms`, `ts_us` and `ts_ns`, each an index of a union and 6, 8 or 9 bytes. The time of processing is the one
/// part of a record that WAL does not have.
const PROCESSED_BYTES: usize = 26;

/// Creates a bookmark; its position.
async fn bookmark(case: &Case<'_>, name: &str) -> String {
    let created = shown(case, &["bookmark", "create", name]).await;
    created["lsn"].as_str().unwrap().to_owned()
}

async fn drop_bookmark(case: &Case<'_>, name: &str) {
    shown(case, &["bookmark", "drop", name]).await;
}

/// Waits until no temporary copy of a slot is left: the server ends it with its connection.
async fn await_no_copy(case: &Case<'_>) {
    let none = "SELECT NOT EXISTS (SELECT FROM pg_replication_slots \
                WHERE temporary AND database = current_database())";
    await_that("the end of the copied slot", async || case.holds(none).await).await;
}

/// Value without the time of processing.
fn unprocessed(record: &RawRecord) -> Option<&[u8]> {
    let value = record.value.as_deref()?;
    Some(&value[..value.len() - PROCESSED_BYTES])
}

/// Panics unless the records are the originals, each once and in the order of its partition, with the header of the replay and another time of
/// processing.
fn assert_encoded_again(originals: &[&RawRecord], again: &[RawRecord], replay: &str) {
    assert_eq!(again.len(), originals.len());
    for partition in 0..i32::try_from(PARTITIONS).unwrap() {
        let originals = originals.iter().filter(|record| record.partition == partition);
        let again = again.iter().filter(|record| record.partition == partition);
        let (originals, again): (Vec<_>, Vec<_>) = (originals.collect(), again.collect());
        assert_eq!(again.len(), originals.len(), "records of partition {partition}");
        for (again, original) in again.into_iter().zip(originals) {
            assert_eq!(again.key, original.key, "{again:?}");
            assert_eq!(
                unprocessed(again),
                unprocessed(original),
                "{again:?} {original:?}"
            );
            let lengths = [again, original].map(|record| record.value.as_ref().map(Vec::len));
            assert_eq!(lengths[0], lengths[1], "{again:?}");
            let mut headers = original.headers.clone();
            headers.push((REPLAY.to_owned(), Some(replay.as_bytes().to_vec())));
            assert_eq!(again.headers, headers, "{again:?}");
        }
    }
}

/// Versions of a subject, as the registry answers.
async fn versions(topic: &str) -> String {
    let registry = shared().await.registry().url();
    let url = format!("{registry}/subjects/{topic}-value/versions");
    http("GET", &url, "").await.body
}

#[tokio::test]
async fn a_window_from_a_bookmark_has_the_schemas_of_the_first_time() {
    const TOPIC: &str = "replay_wal.public.items";
    let case = case("replay_wal", PARTITIONS).await;
    let mut instance = Instance::start(&case.config).await;
    case.insert(1..=3).await;
    case.await_ids(1..=3).await;
    // A bookmark begins where the slot is confirmed, which follows the delivery.
    let third = position_of(&case, 3).await;
    let confirmed = format!(
        "SELECT confirmed_flush_lsn > '{third}' FROM pg_replication_slots WHERE slot_name = '{}'",
        case.slot()
    );
    await_that("the confirmation of the rows", async || {
        case.holds(&confirmed).await
    })
    .await;
    let from = bookmark(&case, "before").await;
    case.insert(4..=8).await;
    case.sql("UPDATE items SET note = 'changed' WHERE id < 8; DELETE FROM items WHERE id = 6")
        .await;
    case.sql("ALTER TABLE items ADD COLUMN extra int").await;
    case.sql("INSERT INTO items VALUES (9, 'with more', 1)").await;
    case.sql("UPDATE items SET extra = 2 WHERE id = 1").await;
    case.sql("ALTER TABLE items DROP COLUMN extra").await;
    case.insert(10..=15).await;
    case.await_ids(1..=15).await;
    let all = case.items().await;
    let to = position_of(&case, 15).await;
    let window = within(&all, &from, &to);
    assert!(window.len() < all.len(), "the bookmark is behind the first rows");
    assert!(window.iter().any(|record| record.value.is_none()));
    let registered = versions(TOPIC).await;

    // The topics have all of it too.
    let arguments = [
        "--from", "before", "--to", &to, "--source", "wal", "--into", "wal",
    ];
    let dry = start(&case, &[&arguments[..], &["--dry-run"]].concat()).await;
    assert_eq!(
        (&dry["source"], &dry["bookmark"]),
        (&"wal".into(), &"before".into()),
        "{dry:#}"
    );
    assert_eq!(dry["records"], window.len(), "{dry:#}");
    assert_eq!(dry["gaps"], serde_json::json!([]), "{dry:#}");

    let position = lsn(&case.position().await);
    let (report, ()) = tokio::join!(start(&case, &arguments), case.insert(21..=40));
    assert_encoded_again(&window, &side_topic(&case, "wal").await, "wal");
    assert_eq!(report["state"], "complete", "{report:#}");
    assert_eq!(report["source"], "wal", "{report:#}");
    assert_eq!(report["bookmark"], "before", "{report:#}");
    assert_eq!(report["from_lsn"], from, "{report:#}");
    assert_eq!(report["records"], window.len(), "{report:#}");
    assert_eq!(report["percent"], 100.0, "{report:#}");
    let listed = case.command(&["replay", "list"]).await;
    assert_reports(&listed.stdout, &["SOURCE", "  wal  "]);
    let status = case.command(&["replay", "status", "wal"]).await;
    assert_reports(&status.stdout, &["source   wal, from a copy of bookmark before"]);

    // The live stream was not disturbed, no schema was registered, and nothing is left on the server.
    case.await_ids(21..=40).await;
    let live = case.items().await;
    assert_eq!(live.len(), all.len() + 20);
    assert!(live.iter().all(|record| record.header(REPLAY).is_none()));
    assert!(lsn(&case.position().await) > position);
    assert_eq!(instance.status().await["reconnects"], 0);
    assert_eq!(versions(TOPIC).await, registered);
    assert!(versions(&format!("wal.{TOPIC}")).await.contains("404"));
    await_no_copy(&case).await;
    // Again without effect, and the bookmark is still there.
    assert_eq!(start(&case, &arguments).await["state"], "complete");
    assert_eq!(side_topic(&case, "wal").await.len(), window.len());
    drop_bookmark(&case, "before").await;
    instance.stop().await;
}

#[tokio::test]
async fn a_replay_from_wal_that_is_killed_sends_each_record_once_and_ends_with_its_bookmark() {
    let case = case("replay_wal_killed", PARTITIONS).await;
    case.deliver([ROWS + 1]).await;
    let from = bookmark(&case, "before").await;
    fill(&case).await;
    let arguments = ["--from", "before", "--source", "wal", "--into", "resumed"];
    let killed = SlowReplay::start_with(&case, &arguments).await;
    killed.signal("-KILL").await;
    assert_eq!(killed.end().await.code, None);
    await_no_copy(&case).await;
    sent_so_far(&case, "resumed").await;

    let report = start(&case, &arguments).await;
    assert_eq!(report["state"], "complete", "{report:#}");
    assert_eq!(report["records"], ROWS, "{report:#}");
    let all = case.items().await;
    let window = within(&all, &from, "FFFFFFFF/FFFFFFFF");
    assert_encoded_again(&window, &side_topic(&case, "resumed").await, "resumed");

    // A bookmark that is dropped meanwhile is no longer retained by the copy either.
    let ended =
        SlowReplay::start_with(&case, &["--from", "before", "--source", "wal", "--into", "ended"]).await;
    drop_bookmark(&case, "before").await;
    let ended = ended.end().await;
    assert_reports(
        ended.error(1),
        &[
            "the replay ended ended after ",
            "bookmark before, from which it read, was dropped",
        ],
    );
    await_no_copy(&case).await;
    let again = case
        .command(&[
            "replay", "start", "--from", "before", "--source", "wal", "--into", "ended",
        ])
        .await;
    assert_reports(
        again.error(1),
        &[
            "the replay ended cannot continue: it read WAL from bookmark before",
            "--source topics --into NAME",
        ],
    );
}

#[tokio::test]
async fn wal_and_topics_stand_in_for_each_other() {
    let case = case("replay_wal_or_topics", 1).await;
    case.deliver(1..=3).await;
    let kept = bookmark(&case, "kept").await;
    case.deliver(4..=6).await;
    let all = case.items().await;
    let before = position_of(&case, 2).await;

    // The bookmark begins behind the window.
    let refused = case
        .command(&[
            "replay", "start", "--from", &before, "--source", "wal", "--into", "never",
        ])
        .await;
    assert_reports(
        refused.error(1),
        &[
            &format!("retains the WAL from {before}; the nearest position is {kept}"),
            "--source topics",
        ],
    );
    let report = start(&case, &["--from", &before, "--into", "of_topics"]).await;
    assert_eq!(report["source"], "topics", "{report:#}");
    let window = within(&all, &before, "FFFFFFFF/FFFFFFFF");
    assert_copies(&window, &side_topic(&case, "of_topics").await, "of_topics");

    // The records of the topics are equal byte by byte, so they are taken where they are complete, although the bookmark retains the window.
    let dry = start(&case, &["--from", "kept", "--into", "of_wal", "--dry-run"]).await;
    assert_eq!(
        (&dry["source"], &dry["bookmark"]),
        (&"topics".into(), &serde_json::Value::Null),
        "{dry:#}"
    );

    // Retention has removed what the bookmark retains.
    let brokers = shared().await.kafka().brokers();
    remove_records(&brokers, "replay_wal_or_topics.public.items", 0, all[5].offset)
        .await
        .unwrap();
    let dry = start(
        &case,
        &[
            "--from",
            "kept",
            "--source",
            "topics",
            "--into",
            "of_wal",
            "--dry-run",
        ],
    )
    .await;
    assert_eq!(dry["gaps"][0]["reason"], "expired", "{dry:#}");
    let report = start(&case, &["--from", "kept", "--into", "of_wal"]).await;
    assert_eq!(report["source"], "wal", "{report:#}");
    let again = side_topic(&case, "of_wal").await;
    let ids = |records: &[RawRecord]| records.iter().map(RawRecord::change_id).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&all[3..]));
    assert_encoded_again(&all[4..].iter().collect::<Vec<_>>(), &again[1..], "of_wal");
    drop_bookmark(&case, "kept").await;
}
