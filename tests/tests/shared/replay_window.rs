//! A stored window is sent again beside the live stream: each record once, in order, byte by byte.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod from_wal;
mod interrupted;
mod refused;

use serde_json::Value;
use walcast_testbed::{RawRecord, read_topic, topic_names};
use walcast_tests::{Case, Instance, assert_reports, lsn, shared};

/// More than one, so that order and numbers of partitions can be wrong.
const PARTITIONS: i64 = 3;

/// Header of a record that a replay has sent.
const REPLAY: &str = "walcast.replay";

/// A case whose topics have so many partitions.
async fn case(name: &str, partitions: i64) -> Case<'static> {
    let mut case = Case::new(name).await;
    case.config = case.config.set("kafka.topics.partitions", partitions);
    case
}

/// Position of a record's transaction, as Postgres prints it.
fn position(record: &RawRecord) -> String {
    printed(record.change_id().unwrap().commit_lsn)
}

fn printed(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF)
}

/// Position of the insert of a row.
async fn position_of(case: &Case<'_>, id: u32) -> String {
    let ids = case.ids().await;
    let place = ids.iter().position(|found| *found == id).unwrap();
    position(&case.items().await[place])
}

/// The records of a window, both ends included.
fn within<'r>(records: &'r [RawRecord], from: &str, to: &str) -> Vec<&'r RawRecord> {
    let window = lsn(from)..=lsn(to);
    let is_within = |record: &&RawRecord| window.contains(&record.change_id().unwrap().commit_lsn);
    records.iter().filter(is_within).collect()
}

/// Panics unless the copies are the originals, each once and in the order of its partition, with the header of the replay.
fn assert_copies(originals: &[&RawRecord], copies: &[RawRecord], replay: &str) {
    assert_eq!(copies.len(), originals.len());
    for partition in 0..i32::try_from(PARTITIONS).unwrap() {
        let originals = originals.iter().filter(|record| record.partition == partition);
        let copies = copies.iter().filter(|record| record.partition == partition);
        let (originals, copies): (Vec<_>, Vec<_>) = (originals.collect(), copies.collect());
        assert_eq!(copies.len(), originals.len(), "records of partition {partition}");
        for (copy, original) in copies.into_iter().zip(originals) {
            assert_eq!(copy.key, original.key, "{copy:?}");
            assert_eq!(copy.value, original.value, "{copy:?}");
            assert_eq!(copy.timestamp_ms, original.timestamp_ms, "{copy:?}");
            let mut headers = original.headers.clone();
            headers.push((REPLAY.to_owned(), Some(replay.as_bytes().to_vec())));
            assert_eq!(copy.headers, headers, "{copy:?}");
        }
    }
}

/// The records of the side topic of `items`.
async fn side_topic(case: &Case<'_>, replay: &str) -> Vec<RawRecord> {
    let topic = format!("{replay}.{}.public.items", case.name());
    read_topic(&shared().await.kafka().brokers(), &topic)
        .await
        .unwrap()
}

/// What a command prints as JSON.
async fn shown(case: &Case<'_>, arguments: &[&str]) -> Value {
    let finished = case.command(&[arguments, &["--json"][..]].concat()).await;
    assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:#?}");
    serde_json::from_str(&finished.stdout).unwrap()
}

async fn start(case: &Case<'_>, arguments: &[&str]) -> Value {
    shown(case, &[&["replay", "start"][..], arguments].concat()).await
}

#[tokio::test]
async fn a_window_is_copied_byte_by_byte_while_the_live_stream_continues() {
    let case = case("replay_beside", PARTITIONS).await;
    let mut instance = Instance::start(&case.config).await;
    case.insert(1..=10).await;
    case.sql("UPDATE items SET note = 'changed' WHERE id < 8; DELETE FROM items WHERE id = 6")
        .await;
    case.sql("ALTER TABLE items ADD COLUMN extra int").await;
    case.sql("INSERT INTO items VALUES (11, 'with more', 1)").await;
    case.insert(12..=20).await;
    case.await_ids(1..=20).await;
    let all = case.items().await;
    let (from, to) = (position_of(&case, 5).await, position_of(&case, 15).await);
    let window = within(&all, &from, &to);
    assert!(
        window.iter().any(|record| record.value.is_none()),
        "a tombstone is in the window"
    );

    // The slot may not be confirmed yet beyond the window.
    let arguments = [
        "--from", &from, "--to", &to, "--into", "beside", "--source", "topics",
    ];
    let (report, ()) = tokio::join!(start(&case, &arguments), case.insert(21..=60));
    assert_copies(&window, &side_topic(&case, "beside").await, "beside");
    assert_eq!(report["state"], "complete", "{report:#}");
    assert_eq!(report["source"], "topics", "{report:#}");
    assert_eq!(report["records"], window.len(), "{report:#}");
    assert_eq!(report["percent"], 100.0, "{report:#}");

    // The live stream has lost nothing, and nothing was added to it.
    case.await_ids(21..=60).await;
    let live = case.items().await;
    assert!(live.iter().all(|record| record.header(REPLAY).is_none()));
    assert_eq!(live.len(), all.len() + 40);
    let mut ids = case.ids().await;
    ids.retain(|id| *id > 20);
    ids.sort_unstable();
    assert_eq!(ids, (21..=60).collect::<Vec<u32>>());
    for record in &all {
        assert!(live.contains(record), "{record:?}");
    }
    instance.stop().await;
}

#[tokio::test]
async fn a_window_of_times_holds_the_transactions_that_committed_in_it() {
    let case = case("replay_times", PARTITIONS).await;
    case.deliver(1..=20).await;
    let mut times = Vec::new();
    for id in ["7", "12"] {
        let history = shown(&case, &["history", "public.items", id]).await;
        times.push(history["changes"][0]["committed_at"].as_str().unwrap().to_owned());
    }
    let report = start(
        &case,
        &["--from", &times[0], "--to", &times[1], "--into", "of_times"],
    )
    .await;
    let all = case.items().await;
    let (from, to) = (position_of(&case, 7).await, position_of(&case, 12).await);
    assert_eq!(report["from_lsn"], from, "{report:#}");
    assert_copies(
        &within(&all, &from, &to),
        &side_topic(&case, "of_times").await,
        "of_times",
    );

    // Without an end, it is that of what is delivered.
    let report = start(&case, &["--from", &times[1]]).await;
    let name = report["name"].as_str().unwrap();
    let end = case.position().await;
    assert_copies(&within(&all, &to, &end), &side_topic(&case, name).await, name);
}

#[tokio::test]
async fn the_same_topics_get_the_window_once_and_are_still_found_by_position() {
    let case = case("replay_same", 1).await;
    case.deliver(1..=20).await;
    let first = case.items().await;
    let (from, to) = (position_of(&case, 5).await, position_of(&case, 10).await);
    let window = within(&first, &from, &to);
    let arguments = ["--from", &from, "--to", &to, "--same-topics", "--name", "again"];
    for _ in 0..2 {
        // The second time, it is complete already.
        let report = start(&case, &arguments).await;
        assert_eq!(report["records"], window.len(), "{report:#}");
        let all = case.items().await;
        assert_eq!(all[..first.len()], first, "what was there is as it was");
        assert_copies(&window, &all[first.len()..], "again");
    }

    // What a replay has appended is no part of a window.
    let arguments = ["--from", &from, "--same-topics", "--name", "once_more"];
    let report = start(&case, &arguments).await;
    let rest = within(&first, &from, &printed(u64::MAX));
    assert_eq!(report["records"], rest.len(), "{report:#}");
    let all = case.items().await;
    assert_copies(&rest, &all[first.len() + window.len()..], "once_more");

    let found = shown(&case, &["checkpoint", "at", &position_of(&case, 15).await]).await;
    assert_eq!(found["offsets"][0]["offset"], first[14].offset, "{found:#}");
    let history = shown(&case, &["history", "public.items", "7"]).await;
    assert_eq!(history["changes"].as_array().unwrap().len(), 1, "{history:#}");
    assert_eq!(history["changes"][0]["offset"], first[6].offset, "{history:#}");
    assert_eq!(history["notes"], serde_json::json!([]), "{history:#}");
    let mut instance = Instance::start(&case.config).await;
    let verified = case.command(&["verify"]).await;
    assert_reports(&verified.stdout, &["identical up to "]);
    instance.stop().await;
    // And the connector continues as if nothing had happened.
    case.deliver([21]).await;
    assert_eq!(case.items().await.len(), all.len() + 1);
}

#[tokio::test]
async fn a_dry_run_counts_and_writes_nothing() {
    let case = case("replay_dry", PARTITIONS).await;
    case.deliver(1..=20).await;
    let before = case.everything().await;
    let (from, to) = (position_of(&case, 5).await, position_of(&case, 10).await);
    let arguments = ["--from", &from, "--to", &to, "--into", "dried", "--dry-run"];
    let report = start(&case, &arguments).await;
    assert_eq!(report["records"], 6, "{report:#}");
    assert_eq!(
        report["topics"][0]["target"], "dried.replay_dry.public.items",
        "{report:#}"
    );
    let printed = case
        .command(&[&["replay", "start"][..], &arguments[..]].concat())
        .await;
    assert_reports(&printed.stdout, &["6 records", "nothing was written"]);

    assert_eq!(case.everything().await, before);
    let topics = topic_names(&shared().await.kafka().brokers()).await.unwrap();
    let made = topics
        .iter()
        .find(|topic| topic.starts_with("dried.") || topic.starts_with("replay_dry.walcast-replays"));
    assert_eq!(made, None);
    let listing = shown(&case, &["replay", "list"]).await;
    assert_eq!(listing["replays"], serde_json::json!([]));
}
