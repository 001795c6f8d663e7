//! Consumer groups of the topics: what each has consumed, without disturbing it.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use serde_json::Value;
use walcast_testbed::commit_offset;
use walcast_tests::{Case, Instance, assert_reports, await_that, lsn, shared};

/// Group of this name in a report.
fn group(report: &Value, name: &str) -> Value {
    let mut groups = report["groups"].as_array().unwrap().iter();
    let found = groups.find(|group| group["group"] == name);
    found.cloned().unwrap_or(Value::Null)
}

async fn listed(case: &Case<'_>) -> Value {
    let finished = case.command(&["consumers", "--json"]).await;
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    serde_json::from_str(&finished.stdout).unwrap()
}

#[tokio::test]
async fn the_lag_of_groups_is_reported_by_command_api_and_metrics() {
    let mut case = Case::new("consumed").await;
    case.config = case
        .config
        .set("kafka.topics.partitions", 1)
        .set("consumers.lag_interval", "5s");
    let none = listed(&case).await;
    assert_eq!(group(&none, "consumed-all"), Value::Null, "{none:#}");

    let mut instance = Instance::start(&case.config).await;
    case.insert([1, 2, 3]).await;
    case.await_ids([1, 2, 3]).await;
    let brokers = &shared().await.kafka().brokers();
    let records = case.items().await;
    let third = &records[2];
    let third_lsn = String::from_utf8(third.header("walcast.id").unwrap().to_vec()).unwrap();
    let third_lsn = lsn(third_lsn.rsplit_once('/').unwrap().0);
    let topic = "consumed.public.items";
    // A consumer whose position is behind the last record, and one that lacks the third record.
    commit_offset(brokers, "consumed-all", topic, third.offset + 1).unwrap();
    commit_offset(brokers, "consumed \"<two>\"", topic, third.offset).unwrap();

    let mut report = Value::Null;
    // While a transaction is open, nothing shows that a group has everything.
    await_that(
        "a position of the group that has consumed everything",
        async || {
            report = listed(&case).await;
            !group(&report, "consumed-all")["complete_to_lsn"].is_null()
        },
    )
    .await;
    let (all, two) = (
        group(&report, "consumed-all"),
        group(&report, "consumed \"<two>\""),
    );
    assert_eq!(
        (&all["lag_records"], &all["lag_seconds"]),
        (&0.into(), &0.0.into()),
        "{report:#}"
    );
    assert!(
        lsn(all["complete_to_lsn"].as_str().unwrap()) > third_lsn,
        "{report:#}"
    );
    assert!(two["lag_records"].as_u64().unwrap() >= 1, "{report:#}");
    assert!(two["lag_seconds"].as_f64().unwrap() > 0.0, "{report:#}");
    assert_eq!(
        lsn(two["complete_to_lsn"].as_str().unwrap()),
        third_lsn,
        "{report:#}"
    );
    assert_eq!(
        (&two["state"], &two["members"]),
        (&"Empty".into(), &0.into()),
        "{report:#}"
    );
    let text = case.command(&["consumers"]).await;
    assert_reports(
        &text.stdout,
        &["GROUP", "consumed-all", "consumed \"<two>\"", topic],
    );

    await_that("the groups in the API", async || {
        let body = instance.page("api/v1/consumers").await;
        let api: Value = serde_json::from_str(&body).unwrap();
        group(&api, "consumed \"<two>\"")["complete_to_lsn"] == two["complete_to_lsn"]
    })
    .await;
    await_that("the lag in the metrics", async || {
        let metrics = instance.page("metrics").await;
        let labels = r#"{connector="consumed",group="consumed-all",topic="consumed.public.items"}"#;
        let zero = format!("walcast_consumer_group_lag_records{labels} 0");
        metrics.lines().any(|line| line == zero)
    })
    .await;
    instance.stop().await;
}
