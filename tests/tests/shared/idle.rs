//! An idle captured table holds back no log of what others write.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_tests::{Case, Instance, await_that};

/// Writes that the connector does not capture continue until what it has confirmed, and what the slot keeps, lies behind a
/// moment at which they had begun.
async fn confirmed_follows(case: &Case<'_>, write: impl AsyncFn()) {
    write().await;
    let target = case.text("SELECT pg_current_wal_lsn()").await;
    let slot = case.slot();
    let past = |column: &str| {
        format!("SELECT {column} >= '{target}' FROM pg_replication_slots WHERE slot_name = '{slot}'")
    };
    await_that("the confirmed position to follow", async || {
        write().await;
        case.holds(&past("confirmed_flush_lsn")).await
    })
    .await;
    // What the server keeps follows what it decodes; it notes that down with its own checkpoints.
    await_that("the kept log to follow", async || {
        write().await;
        case.sql("CHECKPOINT").await;
        case.holds(&past("restart_lsn")).await
    })
    .await;
}

async fn idle_case(name: &str) -> (Case<'static>, Instance) {
    let mut case = Case::new(name).await;
    let tables = vec!["public.items".to_owned()];
    case.config = case
        .config
        .set("postgres.idle_interval", "500ms")
        .set("postgres.tables", tables);
    let instance = Instance::start(&case.config).await;
    (case, instance)
}

#[tokio::test]
async fn an_idle_table_beside_a_busy_other_database_holds_back_no_log() {
    let (case, mut instance) = idle_case("idle_database").await;
    let busy = Case::new("busy").await;
    let fill = "INSERT INTO items SELECT coalesce(max(id), 0) + 1, repeat('x', 100000) FROM items";
    confirmed_follows(&case, async || busy.sql(fill).await).await;
    assert_eq!(case.items().await, [], "it was idle");

    // It has not stopped to listen.
    case.insert([1]).await;
    case.await_ids([1]).await;
    instance.stop().await;
}

#[tokio::test]
async fn an_idle_table_beside_a_busy_uncaptured_one_holds_back_no_log() {
    let (case, mut instance) = idle_case("idle_table").await;
    case.sql("CREATE TABLE busy (id serial PRIMARY KEY, note text)")
        .await;
    let fill = "INSERT INTO busy (note) VALUES (repeat('x', 100000))";
    confirmed_follows(&case, async || case.sql(fill).await).await;
    assert_eq!(case.items().await, [], "it was idle");

    case.insert([1]).await;
    case.await_ids([1]).await;
    instance.stop().await;
}

#[tokio::test]
async fn an_idle_position_survives_a_restart_and_loses_nothing() {
    let (case, mut instance) = idle_case("idle_restart").await;
    let before = case.position().await;
    await_that("an idle checkpoint", async || {
        case.sql("SELECT pg_logical_emit_message(true, 'other', repeat('x', 1000))")
            .await;
        case.position().await != before
    })
    .await;
    instance.stop().await;
    case.insert([1]).await;
    case.deliver([2]).await;
    assert_eq!(case.ids().await, [1, 2]);
}
