//! Rows that are read from a standby while changes are streamed from its primary.

use walcast_testbed::PostgresOptions;
use walcast_tests::{Case, Instance, World, await_that};

use super::{await_rows_read, rebuilt, records, rows};

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_from_the_standby_and_changes_from_the_primary() {
    let mut world = World::sharing("standby", PostgresOptions::major(17)).await;
    let standby = world.postgres.standby().await.unwrap();
    let mut case = Case::on(&world.postgres, "standby_rows").await;
    case.sql("INSERT INTO items SELECT n, 'first' FROM generate_series(1, 4000) n")
        .await;
    case.config = case
        .config
        .set("snapshot.mode", "initial")
        .set(
            "snapshot.standby_url",
            standby.url_for("postgres", "postgres", "standby_rows"),
        )
        .set("snapshot.hold_max", "1s")
        .set("snapshot.rows_per_second", 2000);
    await_that("replay of the database", async || {
        standby.client_of("standby_rows").await.is_ok()
    })
    .await;
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    assert!(
        checked
            .stdout
            .contains("ok    postgres standby to read rows from"),
        "{}",
        checked.stdout
    );
    let mut instance = Instance::start(&case.config).await;
    for id in 1..200 {
        case.sql(&format!(
            "UPDATE items SET note = 'changed {id}' WHERE id % 200 = {id}; DELETE FROM items WHERE id = {id} * 7;
             INSERT INTO items VALUES ({id} + 10000, 'new')"
        ))
        .await;
    }
    await_rows_read(&case, &mut instance).await;
    let there = rows(&case, "items").await;
    await_that("all rows in Kafka", async || {
        rebuilt(&records(&case, "items").await) == there
    })
    .await;
    let log = instance.log();
    assert!(log.matches("snapshot taken").count() >= 2, "{log}");
    instance.stop().await;

    // One that was promoted is no standby any more: what it shows lies on another timeline.
    standby.promote().await.unwrap();
    await_that("its promotion", async || {
        let client = standby.client_of("standby_rows").await.unwrap();
        let row = client.query_one("SELECT pg_is_in_recovery()", &[]).await.unwrap();
        !row.get::<_, bool>(0)
    })
    .await;
    instance.start_again();
    instance.ready().await;
    let started = case
        .command(&["snapshot", "start", "--tables", "public.items"])
        .await;
    assert_eq!(started.code, Some(0), "{started:#?}");
    let code = instance.exit_code().await;
    assert_ne!(code, 0);
    assert!(
        instance
            .log()
            .contains("point [snapshot] standby_url at a standby"),
        "{}",
        instance.log()
    );
}
