//! Tables that are captured later, and slots that cannot give everything any more.

use walcast_testbed::PostgresOptions;
use walcast_tests::{Case, Instance, World, await_that};

use super::{await_rows_read, rebuilt, records, rows};

async fn case(name: &str) -> Case<'static> {
    let mut case = super::case(name).await;
    case.config = case.config.set("postgres.slot_check_interval", "200ms");
    case
}

async fn await_same(case: &Case<'_>, table: &str) {
    let there = rows(case, table).await;
    await_that("all rows in Kafka", async || {
        rebuilt(&records(case, table).await) == there
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_made_while_streaming_is_published_and_filled() {
    let case = case("later").await;
    case.insert([1]).await;
    let mut instance = Instance::start(&case.config).await;
    await_rows_read(&case, &mut instance).await;
    // Before it is noticed, while it is, and after.
    case.sql(
        "CREATE TABLE late (id int PRIMARY KEY, note text);
         INSERT INTO late SELECT n, 'early' FROM generate_series(1, 200) n",
    )
    .await;
    for id in 201..=400 {
        case.sql(&format!("INSERT INTO late VALUES ({id}, 'meanwhile'); DELETE FROM late WHERE id = {id} - 200 AND id % 2 = 0"))
            .await;
    }
    await_that("its publication", async || {
        case.holds("SELECT EXISTS (SELECT FROM pg_publication_tables WHERE tablename = 'late')")
            .await
    })
    .await;
    await_same(&case, "late").await;
    await_rows_read(&case, &mut instance).await;
    case.sql("UPDATE late SET note = 'changed' WHERE id = 399").await;
    await_same(&case, "late").await;
    let log = instance.log();
    assert!(log.contains("tables added to the publication"), "{log}");
    assert!(!log.contains("trying again"), "the stream continues: {log}");
    instance.stop().await;
    // It is known now: a start reads nothing again, and halts where it is missing.
    let count = records(&case, "late").await.len();
    case.deliver([2]).await;
    assert_eq!(records(&case, "late").await.len(), count);
    case.sql(&format!("ALTER PUBLICATION {} DROP TABLE late", case.slot()))
        .await;
    let ended = case.run_to_end().await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wider_configuration_is_filled_at_the_next_start() {
    let mut case = case("wider").await;
    case.sql("CREATE TABLE more (id int PRIMARY KEY, note text); INSERT INTO more VALUES (1, 'a'), (2, 'b')")
        .await;
    case.config = case
        .config
        .set("postgres.tables", vec!["public.items".to_owned()]);
    case.deliver([1]).await;
    assert!(records(&case, "more").await.is_empty());
    case.sql("UPDATE more SET note = 'c' WHERE id = 2").await;
    case.config = case.config.set("postgres.tables", vec!["public.*".to_owned()]);
    let mut instance = Instance::start(&case.config).await;
    await_same(&case, "more").await;
    await_rows_read(&case, &mut instance).await;
    instance.stop().await;
    assert_eq!(records(&case, "more").await.len(), 2);
}

/// Servers without the fix of 2025 still leave out the changes of a table that was published while a transaction ran.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_server_forgets_no_table_that_was_published_while_a_transaction_ran() {
    let world = World::sharing("later_old", PostgresOptions::major(12)).await;
    let case = Case::on(&world.postgres, "later_old_db").await;
    let mut case = case;
    case.config = case
        .config
        .set("snapshot.mode", "initial")
        .set("postgres.slot_check_interval", "200ms");
    case.insert([1]).await;
    let mut instance = Instance::start(&case.config).await;
    await_rows_read(&case, &mut instance).await;
    case.sql("CREATE TABLE late (id int PRIMARY KEY, note text)")
        .await;
    // It has begun before the table is published, and is decoded after.
    let client = case.client().await;
    client
        .batch_execute("BEGIN; INSERT INTO late VALUES (1, 'within')")
        .await
        .unwrap();
    await_that("its publication", async || {
        case.holds("SELECT EXISTS (SELECT FROM pg_publication_tables WHERE tablename = 'late')")
            .await
    })
    .await;
    client
        .batch_execute("INSERT INTO late VALUES (2, 'within'); COMMIT")
        .await
        .unwrap();
    await_same(&case, "late").await;
    for id in 3..10 {
        case.sql(&format!("INSERT INTO late VALUES ({id}, 'after')"))
            .await;
    }
    await_same(&case, "late").await;
    assert!(
        instance.log().contains("restarting the stream"),
        "{}",
        instance.log()
    );
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_was_lost_is_made_again_where_that_is_wanted() {
    let mut case = case("needed").await;
    case.deliver([1, 2]).await;
    case.drop_slot().await;
    case.sql("UPDATE items SET note = 'missed' WHERE id = 1").await;
    let ended = case.run_to_end().await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    case.config = case.config.set("snapshot.mode", "when_needed");
    let mut instance = Instance::start(&case.config).await;
    await_same(&case, "items").await;
    await_rows_read(&case, &mut instance).await;
    assert!(
        instance.log().contains("all rows are read again"),
        "{}",
        instance.log()
    );
    instance.stop().await;
    // Another client advances it.
    case.sql("UPDATE items SET note = 'passed over' WHERE id = 2")
        .await;
    let advance = format!(
        "SELECT pg_replication_slot_advance('{}', pg_current_wal_lsn())",
        case.slot()
    );
    case.text(&advance).await;
    case.deliver([3]).await;
    await_same(&case, "items").await;
}
