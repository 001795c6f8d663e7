//! Figures and state over HTTP: all that operators were promised, true, and without secrets.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use serde_json::Value;
use walcast_testbed::{Auth, ConnectorConfig, Password, Postgres, PostgresOptions};
use walcast_tests::{Case, Instance, assert_tells, await_that, http, lsn};

/// The sum of a figure's samples that carry all of these labels.
fn figure(exposition: &str, name: &str, labels: &[&str]) -> f64 {
    let samples: Vec<f64> = exposition
        .lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name))
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(!samples.is_empty(), "no {name} {labels:?} in:\n{exposition}");
    samples.iter().sum()
}

async fn page(config: &ConnectorConfig, page: &str) -> walcast_tests::Answer {
    http("GET", &format!("http://{}/{page}", config.admin_address()), "").await
}

/// Three inserts, an update and a delete in four transactions.
async fn load(case: &Case<'_>) {
    case.insert([1, 2]).await;
    case.sql("BEGIN; INSERT INTO items VALUES (3, 'c'); UPDATE items SET note = 'b' WHERE id = 2; COMMIT")
        .await;
    case.sql("DELETE FROM items WHERE id = 1").await;
}

/// Waits until the slot holds what the load wrote.
async fn await_load(instance: &Instance, case: &Case<'_>) -> String {
    let end = lsn(&case.text("SELECT pg_current_wal_lsn()").await);
    await_that("confirmation of the load", async || {
        instance.position("confirmed").await >= end
    })
    .await;
    instance.page("metrics").await
}

#[tokio::test]
async fn metrics_tell_every_promised_figure() {
    let mut case = Case::new("figures").await;
    case.config = case
        .config
        .set("postgres.idle_interval_ms", 200)
        .set("postgres.watch_interval_ms", 1000);
    let mut instance = Instance::start(&case.config).await;
    load(&case).await;
    let metrics = await_load(&instance, &case).await;
    let of = |name: &str| figure(&metrics, name, &["connector=\"figures\""]);

    let positions =
        ["received", "produced", "checkpointed", "confirmed"].map(|name| of(&format!("walcast_{name}_lsn")));
    assert!(
        positions.is_sorted_by(|further, nearer| further >= nearer),
        "{positions:?}"
    );
    assert!(positions[3] > 0.0);
    for (operation, count) in [("insert", 3.0), ("update", 1.0), ("delete", 1.0)] {
        let labels = ["table=\"public.items\"", &format!("operation=\"{operation}\"")];
        assert_eq!(
            figure(&metrics, "walcast_changes_total", &labels),
            count,
            "{operation}"
        );
    }
    assert_eq!(of("walcast_transactions_total"), 4.0);
    assert!(of("walcast_received_bytes_total") > 100.0);
    assert!(of("walcast_produced_bytes_total") > 100.0);
    let commits = of("walcast_kafka_commit_seconds_count");
    assert!(commits >= 1.0);
    assert!(of("walcast_kafka_commit_seconds_sum") > 0.0);
    assert_eq!(
        figure(&metrics, "walcast_kafka_commit_seconds_bucket", &["le=\"+Inf\""]),
        commits
    );
    let deliveries = of("walcast_delivery_seconds_count");
    assert!((1.0..=4.0).contains(&deliveries), "{deliveries}");
    assert!(of("walcast_delivery_seconds_sum") > 0.0);
    assert_eq!(of("walcast_streaming"), 1.0);
    assert_eq!(of("walcast_reconnects_total"), 0.0);
    assert!(of("walcast_lag_milliseconds") >= 0.0);
    assert!(of("walcast_lag_bytes") < 1e9);
    assert!(metrics.ends_with("# EOF\n"));

    let page = page(&case.config, "metrics").await;
    assert_tells(
        &page.head.to_lowercase(),
        &["content-type: application/openmetrics-text"],
    );
    instance.stop().await;
}

#[tokio::test]
async fn what_the_slot_holds_back_and_the_lag_show_while_kafka_is_behind() {
    let mut case = Case::new("held").await;
    case.config = case
        .config
        .set("postgres.watch_interval_ms", 1000)
        .set("replay.keep", "1h");
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO items SELECT n, repeat('x', 1000) FROM generate_series(1, 1000) n")
        .await;
    await_that("retained log in the figures", async || {
        let metrics = instance.page("metrics").await;
        figure(&metrics, "walcast_slot_retained_bytes", &[]) > 1e6
    })
    .await;
    instance.stop().await;
}

#[tokio::test]
async fn a_reconnect_and_its_cause_are_counted() {
    let mut case = Case::new("counted").await;
    case.config = case.config.set("retry.delay_min_ms", 100);
    let mut instance = Instance::start(&case.config).await;
    let cut = format!(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{}'",
        case.slot()
    );
    assert_eq!(case.text(&cut).await, "t");
    await_that("the reconnect", async || {
        instance
            .try_status()
            .await
            .is_some_and(|status| status["reconnects"] == 1)
    })
    .await;
    instance.await_state("streaming").await;
    let metrics = instance.page("metrics").await;
    assert_eq!(figure(&metrics, "walcast_reconnects_total", &[]), 1.0);
    assert_eq!(
        figure(&metrics, "walcast_errors_total", &["origin=\"postgres\""]),
        1.0
    );
    instance.stop().await;
}

#[tokio::test]
async fn status_is_json_with_state_positions_and_counts() {
    let mut case = Case::new("told").await;
    case.config = case.config.set("postgres.idle_interval_ms", 200);
    let mut instance = Instance::start(&case.config).await;
    load(&case).await;
    await_load(&instance, &case).await;
    let status = instance.status().await;
    let expected = [
        ("name", "told"),
        ("state", "streaming"),
        ("slot", "walcast_told"),
        ("publication", "walcast_told"),
        ("topic_prefix", "told"),
    ];
    for (key, value) in expected {
        assert_eq!(status[key], value, "{status:#}");
    }
    assert_eq!(status["error"], Value::Null);
    assert_eq!(status["transactions"], 4);
    let changes: BTreeMap<String, u64> =
        serde_json::from_value(status["changes"]["public.items"].clone()).unwrap();
    let counted = [("delete", 1), ("insert", 3), ("truncate", 0), ("update", 1)];
    assert_eq!(
        changes,
        counted.map(|(name, count)| (name.to_owned(), count)).into()
    );
    let slot = case.slot();
    let confirmed =
        format!("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{slot}'");
    await_that("the slot to hear of it", async || {
        lsn(&case.text(&confirmed).await) >= lsn(status["lsn"]["confirmed"].as_str().unwrap())
    })
    .await;
    instance.stop().await;
}

#[tokio::test]
async fn a_standby_is_alive_but_not_ready_and_says_why() {
    let case = Case::new("waiting").await;
    let mut leader = Instance::start(&case.config).await;
    let second = case.config.second_instance().unwrap();
    let mut standby = Instance::spawn(&second);
    standby.await_state("standby").await;

    let health = page(&second, "healthz").await;
    assert_eq!((health.status, health.body.as_str()), (200, "{\"alive\":true}"));
    let ready = page(&second, "readyz").await;
    assert_eq!(ready.status, 503);
    let body: Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!(body["ready"], false);
    assert_eq!(body["state"], "standby");
    assert_tells(body["reason"].as_str().unwrap(), &["another instance"]);
    assert_eq!(page(&case.config, "readyz").await.status, 200);

    leader.stop().await;
    standby.ready().await;
    assert_eq!(page(&second, "readyz").await.status, 200);
    case.insert([1]).await;
    case.await_ids([1]).await;
    standby.stop().await;
}

#[tokio::test]
async fn a_connector_that_retries_is_alive_but_not_ready() {
    let mut postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
    let config = Case::on(&postgres, "away").await.config;
    let mut instance = Instance::start(&config).await;
    postgres.stop(walcast_testbed::StopMode::Fast).await.unwrap();
    instance.await_state("retrying").await;
    assert_eq!(page(&config, "healthz").await.status, 200);
    let ready = page(&config, "readyz").await;
    assert_eq!(ready.status, 503, "{ready:?}");
    assert_tells(&ready.body, &["\"reason\":\"postgres: "]);
    instance.stop().await;
}

#[tokio::test]
async fn only_loopback_is_listened_on_unless_configured() {
    let mut case = Case::new("loopback").await;
    let mut instance = Instance::start(&case.config).await;
    assert!(!instance.log().contains("beyond this machine"));
    instance.stop().await;

    // Said aloud when it is not.
    case.config = case.config.set("admin.listen", "0.0.0.0:0");
    let mut open = Instance::spawn(&case.config);
    await_that("the warning", async || open.log().contains("beyond this machine")).await;
    open.stop().await;

    case.config = case.config.clone().set("admin.listen", "off");
    let mut closed = Instance::spawn(&case.config);
    await_that("streaming", async || closed.log().contains("streaming")).await;
    assert!(!closed.log().contains("/metrics"), "{}", closed.log());
    closed.stop().await;
}

#[tokio::test]
async fn secrets_are_nowhere() {
    let secret = "Xk7-not-to-be-told";
    let options = PostgresOptions {
        auth: Auth::Scram,
        password: Password::from(secret),
        ..PostgresOptions::default()
    };
    let postgres = Postgres::start(options).await.unwrap();
    let mut case = Case::on(&postgres, "secrets").await;
    case.config = case
        .config
        .clone()
        .set("postgres.url", postgres.url_for("postgres", secret, "secrets"))
        .set("registry.username", "walcast")
        .set("registry.password", secret)
        .set("log.level", "trace")
        .set_kafka_property("sasl.username", "walcast")
        .set_kafka_property("sasl.password", secret);
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    for name in ["metrics", "status", "healthz", "readyz"] {
        let text = instance.page(name).await;
        assert!(!text.contains(secret), "{name} holds the password");
    }
    instance.stop().await;
    let log = instance.log();
    assert!(log.len() > 1000, "it logs everything: {log}");
    assert!(!log.contains(secret), "the log holds the password");
    assert!(!log.contains("note 1"), "the log holds a row");
}
