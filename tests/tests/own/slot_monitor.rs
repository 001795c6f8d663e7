//! The slot monitor: retained WAL, the time to each limit, and the cause of retention, reported before a limit is reached.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use serde_json::Value;
use walcast_testbed::{Postgres, PostgresOptions, TestbedOptions};
use walcast_tests::{Alert, Case, Instance, World, assert_reports, await_that, lsn, shared};

const KEEP_SIZE: &str = "max_slot_wal_keep_size";
const DISK: &str = "wal_disk_size";
const IDLE: &str = "idle_replication_slot_timeout";

/// Ends a WAL segment, which then counts as written: 16 MB that cost nothing. Waits until the slot monitor has sampled it.
async fn write_a_segment(postgres: &Postgres, instance: &Instance) {
    postgres.execute("SELECT txid_current()").await.unwrap();
    let client = postgres.client().await.unwrap();
    let row = client
        .query_one("SELECT pg_switch_wal()::text", &[])
        .await
        .unwrap();
    let end = lsn(row.get(0));
    await_that("a sample of the end of the WAL", async || {
        let status = instance.status().await;
        status["wal"]["end_lsn"]
            .as_str()
            .is_some_and(|seen| lsn(seen) >= end)
    })
    .await;
}

/// What `/status` says about a limit, if there is one.
async fn limit(instance: &Instance, name: &str) -> Option<Value> {
    let status = instance.status().await;
    let limits = status["wal"]["limits"].as_array()?;
    limits.iter().find(|limit| limit["limit"] == name).cloned()
}

/// The sample of a figure that is of one limit, if there is one.
async fn sample(instance: &Instance, figure: &str, limit: &str) -> Option<f64> {
    let metrics = instance.page("metrics").await;
    let label = format!("limit=\"{limit}\"");
    let line = metrics
        .lines()
        .find(|line| line.split('{').next() == Some(figure) && line.contains(&label));
    line.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

async fn is_at_risk(instance: &Instance, name: &str) -> bool {
    limit(instance, name)
        .await
        .is_some_and(|limit| limit["at_risk"] == true)
}

/// How often a text is in the process log.
fn said(instance: &Instance, text: &str) -> usize {
    instance.log().matches(text).count()
}

/// A connector on servers of its own that has delivered a row. `settings` are Postgres's.
async fn delivering(name: &str, major: u16, settings: &[(&str, &str)]) -> (World, Instance) {
    let mut options = TestbedOptions::default();
    options.postgres = settings
        .iter()
        .fold(PostgresOptions::major(major), |options, (name, value)| {
            options.with_setting(name, value)
        });
    let world = World::alone(name, options).await;
    world
        .postgres
        .execute("CREATE TABLE items (id int PRIMARY KEY)")
        .await
        .unwrap();
    let config = world
        .config()
        .set("postgres.slot_check_interval", "200ms")
        .set("postgres.idle_interval", "200ms")
        .set("retry.backoff_max", "1000ms")
        .set("slot_monitor.wal_disk_size", "1GB");
    let instance = Instance::start(&config).await;
    world
        .postgres
        .execute("INSERT INTO items VALUES (1)")
        .await
        .unwrap();
    let end = world.end_of_log().await;
    await_that("the row in Kafka", async || {
        instance.position("confirmed").await >= end
    })
    .await;
    (world, instance)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_kafka_holds_up_is_warned_of_before_it_is_lost() {
    let settings = [(KEEP_SIZE, "800MB"), ("max_wal_size", "64MB")];
    let (mut world, mut instance) = delivering("held_up", 17, &settings).await;
    let near = [
        "the slot is close to max_slot_wal_keep_size",
        "pg_wal is close to the size of its disk",
    ];
    assert!(!is_at_risk(&instance, KEEP_SIZE).await);
    assert!(!is_at_risk(&instance, DISK).await);

    world.kafka_mut().pause().unwrap();
    world
        .postgres
        .execute("INSERT INTO items VALUES (2)")
        .await
        .unwrap();
    let room_before = sample(&instance, "walcast_slot_headroom_bytes", KEEP_SIZE)
        .await
        .unwrap();
    while !(is_at_risk(&instance, KEEP_SIZE).await && is_at_risk(&instance, DISK).await) {
        write_a_segment(&world.postgres, &instance).await;
    }
    let status = instance.status().await;
    assert_ne!(status["wal"]["wal_status"], "lost", "{status:#}");
    assert_eq!(status["state"], "streaming", "it is neither halted nor restarted");
    for text in near {
        assert!(said(&instance, text) >= 1, "{}", instance.log_end());
    }
    let log = instance.log();
    assert_reports(
        &log,
        &[
            "Kafka: changes are read",
            "ALTER SYSTEM SET max_slot_wal_keep_size",
        ],
    );

    // The lag grows: headroom and time shrink, and a message comes at each half.
    let mut first: Option<f64> = None;
    loop {
        write_a_segment(&world.postgres, &instance).await;
        let left = sample(&instance, "walcast_slot_time_to_limit_seconds", KEEP_SIZE).await;
        let Some(left) = left else { continue };
        if left <= *first.get_or_insert(left) / 2.0 {
            break;
        }
    }
    let room = sample(&instance, "walcast_slot_headroom_bytes", KEEP_SIZE)
        .await
        .unwrap();
    assert!(room < room_before, "{room} {room_before}");
    assert_eq!(sample(&instance, "walcast_slot_at_risk", DISK).await, Some(1.0));
    let at_risk = Alert::of("WalcastSlotAtRisk");
    let metrics = instance.page("metrics").await;
    assert!(at_risk.is_true(&metrics), "{metrics}");
    let warnings = near.map(|text| said(&instance, text));
    assert!(warnings.iter().all(|count| *count <= 7), "{warnings:?}");

    world.kafka_mut().resume().unwrap();
    await_that("the end of the danger", async || {
        // What the slot needs moves on with the running transactions that the server writes down, and files go then.
        world.postgres.execute("CHECKPOINT").await.unwrap();
        !is_at_risk(&instance, KEEP_SIZE).await && !is_at_risk(&instance, DISK).await
    })
    .await;
    assert_eq!(said(&instance, "the slot is no longer near its limit"), 2);
    assert_eq!(warnings, near.map(|text| said(&instance, text)));
    assert_eq!(
        sample(&instance, "walcast_slot_at_risk", KEEP_SIZE).await,
        Some(0.0)
    );
    let metrics = instance.page("metrics").await;
    assert!(!at_risk.is_true(&metrics), "{metrics}");
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_waits_for_kafka_still_watches_its_slot() {
    let settings = [(KEEP_SIZE, "4GB"), (IDLE, "10s")];
    let (mut world, mut instance) = delivering("away", 18, &settings).await;
    world.kafka_mut().kill().unwrap();
    // The next stream cannot begin before the checkpoint was read.
    let walsender = world.walsender().await.unwrap();
    world.terminate(walsender).await;
    await_that("a slot without a client to run out", async || {
        is_at_risk(&instance, IDLE).await
    })
    .await;
    let status = instance.status().await;
    assert!(status["wal"]["inactive_seconds"].is_u64(), "{status:#}");
    assert!(
        sample(&instance, "walcast_slot_time_to_limit_seconds", IDLE)
            .await
            .is_some()
    );
    let warning = "the slot is close to idle_replication_slot_timeout";
    // Again each time that the rest has halved, seven times at most: some of them may have passed by now.
    let warnings = said(&instance, warning);
    assert!((1..=7).contains(&warnings), "{}", instance.log_end());
    // What is written meanwhile is seen too.
    let room_before = sample(&instance, "walcast_slot_headroom_bytes", KEEP_SIZE)
        .await
        .unwrap();
    write_a_segment(&world.postgres, &instance).await;
    let room = sample(&instance, "walcast_slot_headroom_bytes", KEEP_SIZE)
        .await
        .unwrap();
    assert!(room < room_before, "{room} {room_before}");
    write_a_segment(&world.postgres, &instance).await;
    // The limit may be near before the connector knows why its stream ended.
    await_that("the cause to be named", async || {
        let cause = instance.status().await["wal"]["retained_by"].to_string();
        cause.contains("a connector that does not stream: ")
    })
    .await;

    world.kafka_mut().start_again().await.unwrap();
    instance.ready().await;
    await_that("the end of the danger", async || {
        !is_at_risk(&instance, IDLE).await
    })
    .await;
    instance.stop().await;
}

#[tokio::test]
async fn wal_retained_for_replay_is_named_on_13() {
    let options = PostgresOptions::major(13).with_setting(KEEP_SIZE, "200MB");
    let postgres = Postgres::start(options).await.unwrap();
    let mut case = Case::on(&postgres, "kept").await;
    case.config = case
        .config
        .set("postgres.slot_check_interval", "200ms")
        .set("postgres.idle_interval", "200ms")
        .set("replay.retention", "1d");
    let mut instance = Instance::start(&case.config).await;
    let checked = case.command(&["check"]).await;
    assert_reports(
        &checked.stdout,
        &[
            "WAL retained for the slot",
            "at most 200MB (max_slot_wal_keep_size)",
        ],
    );
    while !is_at_risk(&instance, KEEP_SIZE).await {
        write_a_segment(&postgres, &instance).await;
    }
    // A segment and more, whatever others wrote.
    for _ in 0..2 {
        write_a_segment(&postgres, &instance).await;
    }
    await_that("[replay] retention to be named", async || {
        instance.status().await["wal"]["retained_by"] == "[replay] retention"
    })
    .await;
    let wanted = ["the slot is close to max_slot_wal_keep_size", "retention_bytes"];
    assert_reports(&format!("{}{}", instance.log(), instance.status().await), &wanted);
    instance.stop().await;
}

#[tokio::test]
async fn a_figure_that_postgres_12_lacks_is_not_guessed() {
    let postgres = Postgres::start(PostgresOptions::major(12)).await.unwrap();
    let mut case = Case::on(&postgres, "untold").await;
    case.config = case
        .config
        .set("postgres.slot_check_interval", "200ms")
        .set("replay.retention", "1d");
    let mut instance = Instance::start(&case.config).await;
    for _ in 0..8 {
        write_a_segment(&postgres, &instance).await;
    }
    let wal = instance.status().await["wal"].take();
    assert_eq!(wal["limits"], Value::Array(Vec::new()), "{wal:#}");
    assert_eq!(wal["wal_status"], Value::Null, "{wal:#}");
    assert_eq!(wal["directory_bytes"], Value::Null, "{wal:#}");
    assert!(wal["retained_bytes"].as_u64().unwrap() > 64 << 20, "{wal:#}");
    assert!(wal["written_bytes_per_second"].as_u64().unwrap() > 0, "{wal:#}");
    for figure in [
        "headroom_bytes",
        "time_to_limit_seconds",
        "outage_budget_seconds",
        "at_risk",
    ] {
        let name = format!("walcast_slot_{figure}");
        assert_eq!(sample(&instance, &name, KEEP_SIZE).await, None, "{name}");
    }
    assert_eq!(said(&instance, "is close to"), 0, "{}", instance.log_end());
    let checked = case.command(&["check"]).await;
    assert_reports(
        &checked.stdout,
        &["without limit", "set [slot_monitor] wal_disk_size"],
    );
    instance.stop().await;
}

#[tokio::test]
async fn a_role_that_may_not_see_pg_wal_is_warned_once() {
    let postgres = &shared().await.postgres;
    let mut case = Case::on(postgres, "unseen").await;
    case.sql(
        "CREATE ROLE unseen LOGIN REPLICATION; ALTER TABLE items OWNER TO unseen; \
         ALTER DATABASE unseen OWNER TO unseen",
    )
    .await;
    case.config = case
        .config
        .clone()
        .set("postgres.url", postgres.url_for("unseen", "unseen", "unseen"))
        .set("postgres.slot_check_interval", "200ms")
        .set("slot_monitor.wal_disk_size", "100TB");
    let checked = case.command(&["check"]).await;
    let grant = "GRANT pg_monitor TO \"unseen\"";
    let line = checked.stdout.lines().find(|line| line.contains(grant));
    assert!(line.is_some_and(|line| line.starts_with("FAIL")), "{checked:#?}");

    let mut instance = Instance::start(&case.config).await;
    for _ in 0..5 {
        write_a_segment(postgres, &instance).await;
    }
    assert_eq!(
        said(&instance, "may not read the size of pg_wal"),
        1,
        "{}",
        instance.log_end()
    );
    assert_reports(&instance.log(), &["GRANT pg_monitor TO"]);
    assert_eq!(limit(&instance, DISK).await, None);

    // The command that the process log names helps, without a restart.
    case.sql(grant).await;
    await_that("the size of pg_wal", async || {
        limit(&instance, DISK).await.is_some()
    })
    .await;
    let status = instance.status().await;
    assert!(
        status["wal"]["directory_bytes"].as_u64().unwrap() > 0,
        "{status:#}"
    );
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    assert_reports(&checked.stdout, &["disk of pg_wal"]);
    instance.stop().await;
}

/// What `[postgres] failover` costs: the server waits for the standbys that are named, whether or not they are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_delivery_waits_for_is_named() {
    const SYNCHRONISED: &str = "synchronized_standby_slots";
    let (world, mut instance) = delivering("awaiting", 17, &[]).await;
    let awaited = async || instance.status().await["wal"]["awaited_standbys"].clone();
    assert_eq!(awaited().await, serde_json::json!([]));
    let postgres = &world.postgres;
    let make = "SELECT pg_create_physical_replication_slot('standby_1')";
    postgres.execute(make).await.unwrap();
    postgres.set_setting(SYNCHRONISED, "standby_1").await.unwrap();
    postgres.execute("INSERT INTO items VALUES (2)").await.unwrap();
    let end = world.end_of_log().await;
    let message = "no changes are delivered until a standby streams from each of these slots of synchronized_standby_slots";
    await_that("the message about the standby", async || {
        said(&instance, message) == 1
    })
    .await;
    assert_eq!(awaited().await, serde_json::json!(["standby_1"]));
    let metrics = instance.page("metrics").await;
    let figure = metrics
        .lines()
        .find(|line| line.starts_with("walcast_slot_awaited_standbys{"));
    assert!(figure.is_some_and(|line| line.ends_with(" 1")), "{figure:?}");
    assert!(Alert::of("WalcastAwaitsStandby").is_true(&metrics), "{metrics}");
    assert!(instance.position("confirmed").await < end);

    postgres.set_setting(SYNCHRONISED, "").await.unwrap();
    await_that("the row in Kafka", async || {
        instance.position("confirmed").await >= end
    })
    .await;
    let over = "the standbys that the server waited for stream again";
    await_that("the end of it", async || said(&instance, over) == 1).await;
    assert_eq!(said(&instance, message), 1);
    instance.stop().await;
}
