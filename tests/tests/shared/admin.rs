//! Figures and state over HTTP: all that operators were promised, true, and without secrets.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod connect;
mod hosts;
mod supervised;
mod token;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use walcast_testbed::{ConnectorConfig, Postgres, PostgresOptions, Tls};
use walcast_tests::{Case, Instance, RUN, assert_reports, await_that, http, http_with, lsn, run};

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
async fn metrics_have_every_promised_figure() {
    let mut case = Case::new("figures").await;
    case.config = case
        .config
        .set("postgres.idle_interval", "200ms")
        .set("postgres.slot_check_interval", "1000ms");
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
    assert!(of("walcast_lag_seconds") >= 0.0);
    assert!(of("walcast_lag_bytes") < 1e9);
    assert!(metrics.ends_with("# EOF\n"));

    let page = page(&case.config, "metrics").await;
    assert_reports(
        &page.head.to_lowercase(),
        &["content-type: application/openmetrics-text"],
    );
    instance.stop().await;
}

#[tokio::test]
async fn retained_wal_and_lag_are_reported_while_kafka_is_behind() {
    let mut case = Case::new("held").await;
    case.config = case
        .config
        .set("postgres.slot_check_interval", "1000ms")
        .set("replay.retention", "1h");
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
    case.config = case.config.set("retry.backoff_min", "100ms");
    let mut instance = Instance::start(&case.config).await;
    let cut = format!(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{}'",
        case.slot()
    );
    assert_eq!(case.text(&cut).await, "t");
    await_that("the reconnect", async || {
        let status = instance.try_status().await.unwrap_or_default();
        status["reconnects"].as_u64().is_some_and(|count| count > 0)
    })
    .await;
    instance.await_state("streaming").await;
    let metrics = instance.page("metrics").await;
    // One, or more where the terminated walsender kept the slot for longer than the connector waits for it.
    let reconnects = figure(&metrics, "walcast_reconnects_total", &[]);
    assert!(reconnects >= 1.0, "{metrics}");
    assert_eq!(
        figure(&metrics, "walcast_errors_total", &["origin=\"postgres\""]),
        reconnects
    );
    instance.stop().await;
}

#[tokio::test]
async fn status_is_json_with_state_positions_and_counts() {
    let mut case = Case::new("described").await;
    case.config = case.config.set("postgres.idle_interval", "200ms");
    let mut instance = Instance::start(&case.config).await;
    load(&case).await;
    await_load(&instance, &case).await;
    let status = instance.status().await;
    let expected = [
        ("name", "described"),
        ("state", "streaming"),
        ("slot", "walcast_described"),
        ("publication", "walcast_described"),
        ("topic_prefix", "described"),
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
    assert_reports(body["reason"].as_str().unwrap(), &["another instance"]);
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
    // While it tries again, the reason is that it connects.
    await_that("the error as the reason", async || {
        assert_eq!(page(&config, "healthz").await.status, 200);
        let ready = page(&config, "readyz").await;
        assert_eq!(ready.status, 503, "{ready:?}");
        ready.body.contains("\"reason\":\"postgres: ")
    })
    .await;
    instance.stop().await;
}

#[tokio::test]
async fn only_loopback_is_listened_on_unless_configured() {
    let mut case = Case::new("loopback").await;
    let mut instance = Instance::start(&case.config).await;
    assert!(!instance.log().contains("to other machines"));
    instance.stop().await;

    // Said aloud when it is not.
    case.config = case.config.set("admin.listen", "0.0.0.0:0");
    let mut open = Instance::spawn(&case.config);
    await_that("the warning", async || open.log().contains("to other machines")).await;
    open.stop().await;

    case.config = case.config.clone().set("admin.listen", "off");
    let mut closed = Instance::spawn(&case.config);
    await_that("streaming", async || closed.log().contains("streaming")).await;
    assert!(!closed.log().contains("/metrics"), "{}", closed.log());
    closed.stop().await;
}

/// What a plain HTTP request gets, without the token and with one.
async fn asked(config: &ConnectorConfig, method: &str, path: &str, token: Option<&str>) -> u16 {
    let url = format!("http://{}/{path}", config.admin_address());
    let header = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    http_with(method, &url, &header.unwrap_or_default(), "")
        .await
        .status
}

#[tokio::test]
async fn beyond_this_machine_everything_but_a_yes_or_no_needs_the_token() {
    let case = Case::new("everywhere").await;
    let port = case.config.admin_address().replace("127.0.0.1", "0.0.0.0");
    let without = case.config.clone().set("admin.listen", port);
    let mut instance = Instance::spawn(&without);
    instance.ready().await;
    let stored = std::fs::read_to_string(without.admin_token_file()).unwrap();
    for path in ["metrics", "status", "snapshot"] {
        assert_eq!(asked(&without, "GET", path, None).await, 401, "{path}");
        let shown = Some(stored.trim_end());
        assert_eq!(asked(&without, "GET", path, shown).await, 200, "{path}");
    }
    assert_eq!(asked(&without, "POST", "snapshot", None).await, 401);
    instance.stop().await;
    assert_reports(&instance.log(), &["only /healthz and /readyz are served"]);

    let config = without.set("admin.token", "Xk7-the-token");
    let mut instance = Instance::start(&config).await;
    assert_eq!(page(&config, "readyz").await.body, "{\"ready\":true}");
    assert_eq!(page(&config, "healthz").await.status, 200);
    for path in ["metrics", "status", "snapshot"] {
        for wrong in [None, Some("Xk7-the-tokem"), Some("")] {
            assert_eq!(asked(&config, "GET", path, wrong).await, 401, "{path} {wrong:?}");
        }
        assert_eq!(
            asked(&config, "GET", path, Some("Xk7-the-token")).await,
            200,
            "{path}"
        );
    }
    let status = run(&config, &["snapshot", "status"]).await;
    assert_eq!(status.code, Some(0), "{status:#?}");
    instance.stop().await;
    assert_reports(&instance.log(), &["to other machines unencrypted"]);
}

#[tokio::test]
async fn over_tls_only_who_is_believed_is_answered() {
    let case = Case::new("encrypted").await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [own, other] = folders
        .each_ref()
        .map(|folder| Tls::create(folder.path().to_path_buf()).unwrap());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let files = own.issue_for_server(&["127.0.0.1"]).unwrap();
    let served = case
        .config
        .clone()
        .set("admin.certificate_file", text(&files.certificate))
        .set("admin.key_file", text(&files.key))
        .set("admin.client_ca_file", text(&own.ca()));
    let asking = served.clone().set("admin.ca_file", text(&own.ca()));
    let ask =
        async |config: &ConnectorConfig| run(config, &["snapshot", "status", "--log-format", "json"]).await;

    let mut instance = Instance::spawn(&served);
    await_that("an answer over TLS", async || ask(&asking).await.code == Some(0)).await;

    // Without TLS there is no answer at all.
    let mut plain = TcpStream::connect(served.admin_address()).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // A reset is as good an end as any other.
    drop(plain.read_to_end(&mut answer).await);
    assert!(!answer.windows(4).any(|bytes| bytes == b"HTTP"), "{answer:?}");

    let stranger = ask(&asking.clone().set("admin.ca_file", text(&other.ca()))).await;
    assert_reports(
        stranger.error(5),
        &["no connector answers", "invalid peer certificate"],
    );
    let unauthenticated = ask(&asking.clone().unset("admin.client_ca_file")).await;
    assert_reports(
        unauthenticated.error(5),
        &["no connector answers at https://127.0.0.1"],
    );
    let elsewhere = served.admin_address().replace("127.0.0.1", "https://localhost");
    let misnamed = ask(&asking.clone().set("admin.url", elsewhere)).await;
    assert_reports(misnamed.error(5), &["not valid for name \"localhost\""]);

    // A certificate that is renewed is shown without a restart, within the second for which the former is kept.
    let renewed = other.issue_for_server(&["127.0.0.1"]).unwrap();
    for (from, to) in [
        (&renewed.certificate, &files.certificate),
        (&renewed.key, &files.key),
    ] {
        std::fs::copy(from, to).unwrap();
    }
    let renewed = asking
        .set("admin.ca_file", text(&other.ca()))
        // No client believes a server that shows the new certificate.
        .unset("admin.client_ca_file");
    await_that("the renewed certificate", async || {
        let refused = ask(&renewed).await;
        assert_reports(refused.error(5), &["no connector answers"]);
        !refused.stderr.contains("invalid peer certificate")
    })
    .await;
    instance.stop().await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_an_error_of_the_start() {
    let case = Case::new("uncertified").await;
    let config = case
        .config
        .clone()
        .set("admin.certificate_file", "/nowhere/admin.crt")
        .set("admin.key_file", "/nowhere/admin.key");
    let ended = run(&config, RUN).await;
    assert_reports(
        ended.error(2),
        &["[admin] key_file /nowhere/admin.key cannot be used"],
    );
    let half = run(&config.unset("admin.key_file"), RUN).await;
    assert_reports(
        half.error(2),
        &["admin.certificate_file is set without admin.key_file"],
    );
}
