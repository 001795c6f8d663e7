//! What keeps changes from arriving while they are streamed: warned of once, counted, listed, and over when it is fixed. The
//! stream continues meanwhile. (`halts.rs` has the same at a start.)

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use serde_json::Value;
use walcast_testbed::read_topic;
use walcast_tests::{Alert, Case, Instance, assert_reports, await_that, http, shared};

/// The texts of the findings.
async fn findings(instance: &Instance) -> Vec<String> {
    let status = instance.status().await;
    let findings = status["publication_drift"].as_array().unwrap();
    let text = |finding: &Value| finding["finding"].as_str().unwrap().to_owned();
    findings.iter().map(text).collect()
}

async fn count(instance: &Instance) -> f64 {
    let metrics = instance.page("metrics").await;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("walcast_publication_drift{"))
        .unwrap_or_else(|| panic!("no walcast_publication_drift in:\n{metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Breaks something under a running connector, and fixes it. Each of `wanted` is in a finding of its own; `is_missed`: what
/// was changed meanwhile is.
async fn drifts(name: &str, breaks: &str, wanted: &[&str], fixes: &str, is_missed: bool) {
    let mut case = Case::new(name).await;
    case.config = case.config.set("postgres.slot_check_interval", "200ms");
    case.sql("CREATE TABLE second (id int PRIMARY KEY)").await;
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    assert_eq!(
        (findings(&instance).await.len(), count(&instance).await),
        (0, 0.0)
    );

    case.sql(breaks).await;
    await_that("the findings", async || {
        findings(&instance).await.len() == wanted.len()
    })
    .await;
    let found = findings(&instance).await.join("\n");
    assert_reports(&found, wanted);
    // A finding is shown once it is logged.
    let logged = instance.log().matches("changes would be missed").count();
    assert_eq!(logged, wanted.len(), "{}", instance.log());
    assert_eq!(
        count(&instance).await,
        f64::from(u8::try_from(wanted.len()).unwrap())
    );
    let metrics = instance.page("metrics").await;
    assert!(
        Alert::of("WalcastPublicationDrift").is_true(&metrics),
        "{metrics}"
    );
    // Neither a restart nor another instance would help, so it stays ready.
    let ready = http(
        "GET",
        &format!("http://{}/readyz", case.config.admin_address()),
        "",
    )
    .await;
    assert_eq!(ready.status, 200, "{ready:?}");

    case.sql(fixes).await;
    await_that("the end of the findings", async || {
        findings(&instance).await.is_empty() && count(&instance).await == 0.0
    })
    .await;

    // The stream was never gone.
    case.insert([2]).await;
    case.await_ids([2]).await;
    assert_eq!(case.ids().await, [1, 2]);
    assert_eq!(instance.status().await["reconnects"], 0);
    instance.stop().await;
    let log = instance.log();
    let said = |text: &str| log.matches(text).count();
    assert_eq!(said("changes would be missed"), wanted.len(), "{log}");
    let missed = if is_missed { wanted.len() } else { 0 };
    assert_eq!(
        said("changes made in the meantime were not delivered"),
        missed,
        "{log}"
    );
    if is_missed {
        assert_reports(&log, &["walcast snapshot start --tables"]);
    }
}

#[tokio::test]
async fn reports_a_table_that_is_removed_from_the_publication() {
    drifts(
        "drift_lost",
        "ALTER PUBLICATION walcast_drift_lost DROP TABLE second",
        &["table public.second is captured but not in publication walcast_drift_lost"],
        "ALTER PUBLICATION walcast_drift_lost ADD TABLE second",
        true,
    )
    .await;
}

#[tokio::test]
async fn reports_a_publication_that_is_emptied() {
    drifts(
        "drift_emptied",
        "ALTER PUBLICATION walcast_drift_emptied DROP TABLE items, second",
        &[
            "table public.items is captured but not in",
            "table public.second is captured but not in",
        ],
        "ALTER PUBLICATION walcast_drift_emptied ADD TABLE items, second",
        true,
    )
    .await;
}

#[tokio::test]
async fn reports_a_publication_that_is_dropped() {
    drifts(
        "drift_dropped",
        "DROP PUBLICATION walcast_drift_dropped",
        &["publication walcast_drift_dropped does not exist"],
        "CREATE PUBLICATION walcast_drift_dropped FOR TABLE items, second",
        true,
    )
    .await;
}

#[tokio::test]
async fn reports_a_publication_that_leaves_operations_out() {
    drifts(
        "drift_partial",
        "ALTER PUBLICATION walcast_drift_partial SET (publish = 'insert, update')",
        &["publication walcast_drift_partial does not publish delete"],
        "ALTER PUBLICATION walcast_drift_partial SET (publish = 'insert, update, delete, truncate')",
        true,
    )
    .await;
}

/// A filter that was there when the table was captured is used as it is.
#[tokio::test]
async fn reports_a_row_filter_and_a_column_list() {
    let filtered = |publication: &str| {
        format!("ALTER PUBLICATION {publication} SET TABLE items (id), second WHERE (id > 0)")
    };
    drifts(
        "drift_restricted",
        &filtered("walcast_drift_restricted"),
        &[
            "publication walcast_drift_restricted has a column list for table public.items",
            "publication walcast_drift_restricted has a row filter for table public.second",
        ],
        "ALTER PUBLICATION walcast_drift_restricted SET TABLE items, second",
        true,
    )
    .await;
    let mut case = Case::new("drift_accepted").await;
    case.config = case.config.set("postgres.slot_check_interval", "200ms");
    case.sql("CREATE TABLE second (id int PRIMARY KEY); CREATE PUBLICATION walcast_drift_accepted FOR TABLE items, second")
        .await;
    case.sql(&filtered("walcast_drift_accepted")).await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("CREATE TABLE third (id int)").await;
    await_that("an inspection", async || {
        findings(&instance).await.join(" ").contains("third")
    })
    .await;
    assert!(!findings(&instance).await.join(" ").contains("row filter"));
    instance.stop().await;
}

/// The statements that a finding names.
fn statements(finding: &str) -> &str {
    let (_, after) = finding.split_once("remove it with: ").unwrap();
    after.split_once("; if it is to stay").unwrap().0
}

/// A filter outlasts the process that found it: what is missed is named from its first detection on. One that is to stay is accepted
/// with a position.
#[tokio::test]
async fn a_row_filter_is_reported_across_a_restart_until_it_is_removed_or_accepted() {
    let mut case = Case::new("drift_restart").await;
    case.config = case.config.set("postgres.slot_check_interval", "200ms");
    let filter = "ALTER PUBLICATION walcast_drift_restart SET TABLE items WHERE (id < 100)";
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    case.sql(filter).await;
    let is_stored = async || {
        let brokers = shared().await.kafka().brokers();
        let records = read_topic(&brokers, "drift_restart.walcast-checkpoints")
            .await
            .unwrap();
        let mut restrictions = records.iter().filter(|record| {
            record
                .key
                .as_deref()
                .is_some_and(|key| key.ends_with(b"#restrictions"))
        });
        let last = restrictions
            .next_back()
            .and_then(|record| record.value.as_deref());
        last.is_some_and(|value| String::from_utf8_lossy(value).contains("later"))
    };
    await_that("the stored finding", is_stored).await;
    let after = instance.status().await["publication_drift"][0]["after"].clone();
    case.insert([100]).await;
    instance.stop().await;
    let checked = case.command(&["check"]).await;
    assert_reports(&checked.stdout, &["has a row filter for table public.items"]);

    instance.start_again();
    case.insert([2]).await;
    case.await_ids([2]).await;
    await_that("the finding of before", async || {
        let status = instance.status().await;
        status["publication_drift"][0]["after"] == after
    })
    .await;
    let finding = findings(&instance).await.join("\n");
    case.sql(statements(&finding)).await;
    await_that("the end of the finding", async || {
        findings(&instance).await.is_empty()
    })
    .await;
    let missed = "changes made in the meantime were not delivered";
    let log = instance.log();
    let line = log.lines().find(|line| line.contains(missed));
    assert_reports(
        line.unwrap(),
        &[after.as_str().unwrap(), "walcast snapshot start --tables"],
    );
    case.insert([101]).await;
    case.await_ids([101]).await;
    assert_eq!(case.ids().await, [1, 2, 101]);

    case.sql(filter).await;
    await_that("the finding", async || !findings(&instance).await.is_empty()).await;
    instance.stop().await;
    let position = case.position().await;
    let accepted = case
        .command(&["checkpoint", "set", &position, "--accept-gap"])
        .await;
    assert_eq!(accepted.code, Some(0), "{accepted:#?}");
    assert!(!case.command(&["check"]).await.stdout.contains("row filter"));
}

#[tokio::test]
async fn reports_a_table_that_becomes_unlogged() {
    drifts(
        "drift_unlogged",
        // Postgres makes no published table unlogged, so it was taken out first.
        "ALTER PUBLICATION walcast_drift_unlogged DROP TABLE second; ALTER TABLE second SET UNLOGGED",
        &["table public.second is unlogged"],
        "ALTER TABLE second SET LOGGED; ALTER PUBLICATION walcast_drift_unlogged ADD TABLE second",
        true,
    )
    .await;
}

#[tokio::test]
async fn reports_a_table_whose_replica_identity_becomes_nothing() {
    drifts(
        "drift_nothing",
        "ALTER TABLE items REPLICA IDENTITY NOTHING",
        &["table public.items has no replica identity"],
        "ALTER TABLE items REPLICA IDENTITY DEFAULT",
        false,
    )
    .await;
}
