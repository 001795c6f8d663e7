//! Changes are played again from any position of the window, exactly as they were; positions outside are refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use serde_json::Value;
use walcast_testbed::RawRecord;
use walcast_tests::{Case, Instance, assert_reports, await_that, lsn};

/// Exit code of what is refused.
const REFUSED: i32 = 1;

/// A case that keeps an hour, with a position noted every second.
async fn keeping(name: &str) -> Case<'static> {
    let mut case = Case::new(name).await;
    case.config = case
        .config
        .set("replay.retention", "1h")
        .set("replay.history_interval", "1s");
    case
}

async fn listing(case: &Case<'_>) -> Value {
    let listed = case.command(&["checkpoint", "list", "--json"]).await;
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    serde_json::from_str(&listed.stdout).unwrap()
}

fn positions(listing: &Value) -> Vec<String> {
    let positions = listing["positions"].as_array().unwrap().iter();
    positions
        .map(|entry| entry["end_lsn"].as_str().unwrap().to_owned())
        .collect()
}

/// Inserts, updates and deletes, one to three changes in a transaction, until the history has four positions and one of them lies
/// among the changes: positions are noted also while nothing changes.
async fn load(case: &Case<'_>, first_id: u32) {
    let mut id = first_id;
    await_that("four positions in the history", async || {
        case.sql(&format!(
            "INSERT INTO items VALUES ({id}, 'new'), ({}, repeat('wide ', 5000)); \
             UPDATE items SET note = note || ' changed' WHERE id = {id}; DELETE FROM items WHERE id = {id} - 2",
            id + 1
        ))
        .await;
        id += 2;
        let history = positions(&listing(case).await);
        history.len() >= 4 && among(&history, &case.items().await).is_some()
    })
    .await;
    // Until the last of it is there: a row behind it, since a transaction can come in parts.
    case.insert([id]).await;
    case.await_ids([id]).await;
}

/// What a record says, without when it was made.
#[derive(Debug, PartialEq, Eq)]
struct Said<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: &'a [(String, Option<Vec<u8>>)],
}

/// The last three fields of the envelope are the time of processing in ms, µs and ns, each an optional long of its own width
/// in bytes.
fn said(record: &RawRecord) -> Said<'_> {
    let times: usize = [6, 8, 9].iter().map(|width| width + 1).sum();
    let value = record.value.as_deref().map(|value| {
        let (body, times) = value.split_at(value.len() - times);
        for at in [0, 7, 16] {
            assert_eq!(times[at], 2, "an optional long begins at {at} of {times:?}");
        }
        body
    });
    Said {
        key: record.key.as_deref(),
        value,
        headers: &record.headers,
    }
}

/// The number of records that begin the part of a topic after a position.
fn delivered_up_to(records: &[RawRecord], position: u64) -> usize {
    let before = |record: &&RawRecord| record.change_id().unwrap().commit_lsn < position;
    let count = records.iter().take_while(before).count();
    assert!(records[count..].iter().all(|record| !before(&record)));
    count
}

/// The last position with records before and behind it.
fn among<'a>(history: &'a [String], records: &[RawRecord]) -> Option<&'a String> {
    let is_among = |position: &&String| {
        let before = delivered_up_to(records, lsn(position));
        0 < before && before < records.len()
    };
    history.iter().rfind(is_among)
}

#[tokio::test]
async fn the_transactions_after_a_position_come_again_byte_by_byte() {
    let case = keeping("replayed").await;
    let mut instance = Instance::start(&case.config).await;
    load(&case, 1).await;
    instance.stop().await;

    let first = case.items().await;
    let history = positions(&listing(&case).await);
    let position = among(&history, &first).unwrap();
    let set = case.command(&["checkpoint", "set", position]).await;
    assert_eq!(set.code, Some(0), "{set:#?}");
    assert_eq!(&case.position().await, position);

    let already = delivered_up_to(&first, lsn(position));
    let expected = &first[already..];
    assert!(
        already > 0 && !expected.is_empty(),
        "{already} of {}",
        first.len()
    );
    let mut instance = Instance::start(&case.config).await;
    await_that("the replay", async || {
        case.items().await.len() >= first.len() + expected.len()
    })
    .await;
    instance.stop().await;

    let all = case.items().await;
    assert_eq!(all[..first.len()], first, "what was there is as it was");
    let again = &all[first.len()..];
    assert_eq!(again.len(), expected.len());
    for (record, original) in again.iter().zip(expected) {
        assert_eq!(said(record), said(original));
        assert_eq!(record.change_id(), original.change_id());
    }
    assert!(
        again
            .iter()
            .zip(expected)
            .any(|(record, original)| record.value != original.value),
        "the time of processing is that of the replay"
    );

    // And then it continues as if nothing had happened.
    case.deliver([1_000_000]).await;
    assert_eq!(case.items().await.len(), all.len() + 1);
}

#[tokio::test]
async fn any_position_between_the_listed_ones_can_be_gone_back_to() {
    let case = keeping("between").await;
    case.deliver([1]).await;
    let between = case.position().await;
    case.deliver([2]).await;
    case.deliver([3]).await;
    let set = case.command(&["checkpoint", "set", &between]).await;
    assert_eq!(set.code, Some(0), "{set:#?}");
    case.deliver([4]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 2, 3, 4]);
}

#[tokio::test]
async fn a_position_outside_the_window_is_refused_with_the_nearest() {
    let case = keeping("outside").await;
    case.deliver([1, 2]).await;
    let listing = listing(&case).await;
    let (oldest, newest) = (
        listing["oldest"].as_str().unwrap(),
        listing["newest"].as_str().unwrap(),
    );
    let window = format!("positions [{oldest}, {newest}] can");
    for (wish, nearest) in [("0/1", oldest), ("FF/0", newest)] {
        let before = case.everything().await;
        let refused = case.command(&["checkpoint", "set", wish]).await;
        let nearest = format!("the nearest is {nearest}");
        let cannot = format!("{wish} cannot be reached");
        assert_reports(refused.error(REFUSED), &[&cannot, &window, &nearest]);
        assert_eq!(case.everything().await, before, "nothing was written");
    }
}

#[tokio::test]
async fn a_running_connector_is_neither_moved_nor_disturbed() {
    let case = keeping("running").await;
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    let position = case.position().await;
    for command in [
        &["checkpoint", "set", &position][..],
        &["checkpoint", "reset", "--yes"],
    ] {
        let refused = case.command(command).await;
        assert_reports(refused.error(REFUSED), &["is running", "stop it first"]);
    }
    case.insert([2]).await;
    case.await_ids([1, 2]).await;
    assert_eq!(instance.status().await["reconnects"], 0);
    instance.stop().await;
}

#[tokio::test]
async fn without_replay_what_was_delivered_cannot_be_gone_back_to() {
    let case = Case::new("not_kept").await;
    case.deliver([1]).await;
    let earlier = case.position().await;
    case.deliver([2, 3]).await;
    let now = case.position().await;
    assert!(lsn(&earlier) < lsn(&now));
    let refused = case.command(&["checkpoint", "set", &earlier]).await;
    let nearest = format!("the nearest is {now}");
    assert_reports(refused.error(REFUSED), &["cannot be reached", &nearest]);
    case.deliver([4]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn keep_bytes_limits_what_is_held_back_whatever_keep_says() {
    let mut case = keeping("limited").await;
    case.config = case.config.clone().set("replay.retention_bytes", "1MB");
    let mut instance = Instance::start(&case.config).await;
    let start = instance.position("confirmed").await;
    let megabytes = 3 << 20;
    // 96 kB that do not get smaller by compression.
    let row = "INSERT INTO items SELECT (SELECT coalesce(max(id), 0) + 1 FROM items), \
               string_agg(md5(clock_timestamp()::text || n), '') FROM generate_series(1, 3000) n";
    let mut held_back = Vec::new();
    await_that("confirmation far beyond the first megabytes", async || {
        // One row after the other: rows that are delivered together are confirmed together.
        let before = lsn(&case.text("SELECT pg_current_wal_lsn()").await);
        case.sql(row).await;
        await_that("the row", async || {
            instance.position("checkpointed").await > before
        })
        .await;
        let status = instance.status().await;
        let position = |name: &str| lsn(status["lsn"][name].as_str().unwrap());
        held_back.push(position("checkpointed") - position("confirmed"));
        position("confirmed") > start + megabytes
    })
    .await;
    instance.stop().await;
    let most = held_back.iter().max().unwrap();
    assert!(*most > 100_000, "it holds back something: {most}");
    let listing = listing(&case).await;
    let window = lsn(listing["newest"].as_str().unwrap()) - lsn(listing["oldest"].as_str().unwrap());
    assert!(window <= 1 << 20, "the window holds {window} bytes");
}

#[tokio::test]
async fn an_hour_is_kept_although_everything_is_in_kafka() {
    let case = keeping("kept").await;
    case.deliver([1, 2, 3]).await;
    let oldest = listing(&case).await["oldest"].as_str().unwrap().to_owned();
    let slot = case.slot();
    let confirmed =
        format!("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{slot}'");
    assert_eq!(case.text(&confirmed).await, oldest);
    let set = case.command(&["checkpoint", "set", &oldest]).await;
    assert_eq!(set.code, Some(0), "{set:#?}");
    case.deliver([4]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 1, 2, 3, 4]);
}
