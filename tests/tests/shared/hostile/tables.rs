//! Tables whose names make the topic of another one: their rows do not get there.

use walcast_testbed::read_topic;
use walcast_tests::{Case, Instance, assert_reports, await_that, shared};

const REFUSED: i32 = 1;
const HALTED: i32 = 3;

const BOTH: [&str; 3] = ["\"public.a b\"", "\"public.a_b\"", "share topic"];

async fn records(case: &Case<'_>) -> usize {
    let topic = format!("{}.public.a_b", case.name());
    let records = read_topic(&shared().await.kafka().brokers(), &topic).await;
    records.map_or(0, |records| records.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tables_with_one_topic_are_refused() {
    let case = Case::new("one_topic").await;
    case.sql("CREATE TABLE a_b (id int PRIMARY KEY); CREATE TABLE \"a b\" (id int PRIMARY KEY)")
        .await;
    let checked = case.command(&["check"]).await;
    checked.error(REFUSED);
    let failed = checked
        .stdout
        .lines()
        .find(|line| line.starts_with("FAIL "))
        .unwrap();
    assert_reports(failed, &BOTH);
    assert_reports(failed, &["topic one_topic.public.a_b"]);
    assert_reports(&case.halts().await, &BOTH);
    assert!(!case.is_set_up().await);

    // Either way out that the message names.
    let excluded = case
        .config
        .clone()
        .set("postgres.exclude", vec!["public.\"a b\""]);
    let ended = walcast_tests::run(&excluded, &["check"]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    case.sql("ALTER TABLE \"a b\" RENAME TO other").await;
    assert_eq!(case.command(&["check"]).await.code, Some(0));
}

/// The forger is created, filled and dropped while the connector streams: nothing of it is there when it is decoded.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_again_gets_no_rows_into_the_topic_of_another() {
    let case = Case::new("forged_rows").await;
    case.sql("CREATE TABLE a_b (id int PRIMARY KEY); CREATE PUBLICATION walcast_forged_rows FOR ALL TABLES")
        .await;
    let mut instance = Instance::start(&case.config).await;
    // A table that is made again under its own name is the same.
    case.sql("INSERT INTO a_b VALUES (1)").await;
    await_that("the first record", async || records(&case).await == 1).await;
    case.sql("DROP TABLE a_b; CREATE TABLE a_b (id int PRIMARY KEY); INSERT INTO a_b VALUES (2)")
        .await;
    await_that("the second record", async || records(&case).await == 2).await;

    case.sql(
        "BEGIN; CREATE TABLE \"a b\" (id int PRIMARY KEY); INSERT INTO \"a b\" VALUES (66); DROP TABLE \"a b\"; COMMIT",
    )
    .await;
    assert_eq!(instance.exit_code().await, HALTED, "{}", instance.log_end());
    assert_reports(&instance.log(), &BOTH);
    assert_eq!(records(&case).await, 2);
}

/// A topic is free once its table has another name.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_may_have_the_topic_of_one_that_was_renamed() {
    let case = Case::new("renamed_away").await;
    case.sql("CREATE TABLE a_b (id int PRIMARY KEY); CREATE PUBLICATION walcast_renamed_away FOR ALL TABLES")
        .await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO a_b VALUES (1)").await;
    await_that("the first record", async || records(&case).await == 1).await;
    case.sql("ALTER TABLE a_b RENAME TO elsewhere; CREATE TABLE \"a b\" (id int PRIMARY KEY)")
        .await;
    case.sql("INSERT INTO \"a b\" VALUES (2)").await;
    await_that("the second record", async || records(&case).await == 2).await;
    instance.stop().await;
}
