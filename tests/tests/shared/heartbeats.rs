//! Heartbeats between real servers: while nothing happens, and beside what does.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use serde_json::Value;
use walcast_testbed::{TreeDecoder, read_topic};
use walcast_tests::{Case, Instance, await_that, shared};

/// Keys and values of the heartbeats.
async fn beats(case: &Case<'_>) -> Vec<(Value, Value)> {
    let servers = shared().await;
    let mut decoder = TreeDecoder::new(&servers.registry().url()).unwrap();
    let topic = format!("__debezium-heartbeat.{}", case.name());
    let mut beats = Vec::new();
    for record in read_topic(&servers.kafka().brokers(), &topic).await.unwrap() {
        assert_eq!(record.headers, [], "a heartbeat is no change");
        let key = decoder.decode(record.key.as_ref().unwrap()).await.unwrap();
        let value = decoder.decode(record.value.as_ref().unwrap()).await.unwrap();
        beats.push((key.value, value.value));
    }
    beats
}

#[tokio::test]
async fn heartbeats_are_sent_while_idle_and_continue_after_a_crash() {
    let mut case = Case::new("beats").await;
    case.config = case.config.clone().set("events.heartbeat_interval", "200ms");
    let mut instance = Instance::start(&case.config).await;
    await_that("three heartbeats", async || beats(&case).await.len() >= 3).await;
    instance.kill9();
    instance.start_again();
    instance.ready().await;
    case.insert([1, 2]).await;
    case.await_ids([1, 2]).await;
    let so_far = beats(&case).await.len();
    await_that("a heartbeat after the crash", async || {
        beats(&case).await.len() > so_far
    })
    .await;
    instance.stop().await;

    assert_eq!(case.ids().await, [1, 2]);
    let beats = beats(&case).await;
    assert!(
        beats.iter().all(|(key, _)| key["serverName"] == "beats"),
        "{beats:?}"
    );
    let times: Vec<i64> = beats
        .iter()
        .map(|(_, value)| value["ts_ms"].as_i64().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}
