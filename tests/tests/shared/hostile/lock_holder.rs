//! A role that may connect to the database, and takes the lock of the lead.

use walcast_testbed::connect;
use walcast_tests::{Alert, Case, Instance, assert_reports, await_that, http};

/// The exit code of a check that found a fault.
const REFUSED: i32 = 1;

/// The key of the connector `stranger`: FNV-1a of its name (`crates/postgres/src/catalog/leadership.rs`).
fn key() -> String {
    let hash = b"stranger".iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    format!("{}, {}", 0x7761_6c63, hash.cast_signed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_holds_the_lock_of_the_lead_is_shown_with_what_ends_it() {
    let case = Case::new("stranger").await;
    case.sql("CREATE ROLE clerk LOGIN").await;
    let mut clerk = case.postgres.config();
    // The name that an instance has is for every role to choose.
    clerk
        .user("clerk")
        .dbname(case.name())
        .application_name("walcast/stranger");
    let stranger = connect(&clerk).await.unwrap();
    let lock = format!("SELECT pg_advisory_lock({})", key());
    stranger.batch_execute(&lock).await.unwrap();
    let pid = case
        .text("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = 'stranger')")
        .await;

    let process: i32 = pid.parse().unwrap();

    let checked = case.command(&["check"]).await;
    let remedy = format!("SELECT pg_terminate_backend({pid})");
    checked.error(REFUSED);
    assert_reports(
        &checked.stdout,
        &[
            "FAIL  postgres leadership lock",
            &format!("process {pid}"),
            &remedy,
        ],
    );

    let mut instance = Instance::spawn(&case.config);
    instance.await_state("standby").await;
    await_that("the stranger in /status", async || {
        instance.status().await["role"]["blocked_by"]["pid"] == process
    })
    .await;
    let ready = format!("http://{}/readyz?standby=true", case.config.admin_address());
    let answer = http("GET", &ready, "").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_reports(&answer.body, &["not an instance of this connector", &remedy]);
    let metrics = instance.page("metrics").await;
    assert_reports(
        &metrics,
        &["walcast_leadership_blocked{connector=\"stranger\"} 1"],
    );
    for alert in ["WalcastLeadershipBlocked", "WalcastNotStreaming"] {
        assert!(Alert::of(alert).is_true(&metrics), "{alert}\n{metrics}");
    }
    // It is shown before it is logged.
    await_that("the stranger in the process log", async || {
        instance.log().contains("no instance can lead")
    })
    .await;
    assert_reports(&instance.log(), &["WARN", "no instance can lead", &remedy]);

    case.text(&remedy).await;
    instance.ready().await;
    assert!(instance.status().await["role"]["blocked_by"].is_null());
    assert_eq!(http("GET", &ready, "").await.status, 200);
    instance.stop().await;
}
