//! Compacted topics take no record without a key.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_tests::{Case, Instance, assert_reports, await_that};

/// Exit codes, as documented.
const REFUSED: i32 = 1;
const HALTED: i32 = 3;

/// A case whose topics are compacted, and whose truncations are events.
async fn case(name: &str) -> Case<'static> {
    let mut case = Case::new(name).await;
    let operations = ["create", "update", "delete", "truncate"].map(str::to_owned);
    case.config = case
        .config
        .clone()
        .set("kafka.topics.cleanup_policy", "compact,delete")
        .set("events.operations", operations.to_vec());
    case
}

#[tokio::test]
async fn a_truncation_halts_with_the_setting_and_the_rest_comes_after_the_change() {
    let mut case = case("cart").await;
    let wanted = [
        "topic cart.public.items is compacted and takes no record without a key, but the event of a TRUNCATE of public.items has none",
        "take \"truncate\" out of [events] operations",
    ];
    // Before the topic exists, and once it does.
    for deliver in [&[][..], &[1]] {
        if !deliver.is_empty() {
            case.deliver(deliver.iter().copied()).await;
        }
        let checked = case.command(&["check"]).await;
        checked.error(REFUSED);
        let mut lines = checked.stdout.lines();
        let has_all = |line: &str| wanted.iter().all(|part| line.contains(part));
        assert!(
            lines.any(|line| line.starts_with("FAIL ") && has_all(line)),
            "{checked:#?}"
        );
    }

    let mut instance = Instance::start(&case.config).await;
    case.sql("TRUNCATE items; INSERT INTO items VALUES (2, 'two')")
        .await;
    assert_eq!(instance.exit_code().await, HALTED);
    let halt = instance.log();
    assert_reports(
        &halt,
        &["error: change ", " of transaction ", wanted[0], wanted[1]],
    );
    assert_eq!(case.ids().await, [1]);

    case.config = case.config.clone().set(
        "events.operations",
        vec!["create".to_owned(), "update".to_owned(), "delete".to_owned()],
    );
    let mut instance = Instance::start(&case.config).await;
    case.await_ids([2]).await;
    instance.stop().await;
    assert_eq!(case.ids().await, [1, 2]);
    assert_eq!(case.command(&["check"]).await.code, Some(0));
}

#[tokio::test]
async fn a_truncation_and_rows_without_key_become_dead_letters_where_tables_have_them() {
    let mut case = case("cart_kept").await;
    case.sql("CREATE TABLE keyless (note text); ALTER TABLE keyless REPLICA IDENTITY FULL")
        .await;
    case.config = case.config.clone().set("dead_letters.on_error", "dead_letter");
    let mut instance = Instance::start(&case.config).await;
    case.sql(
        "INSERT INTO items VALUES (1, 'one'); TRUNCATE items; INSERT INTO keyless VALUES ('a'), ('b');
         INSERT INTO items VALUES (2, 'two')",
    )
    .await;
    case.await_ids([1, 2]).await;
    await_that("three dead letters", async || {
        instance.assert_running();
        let records = case.everything().await;
        let letters = records
            .iter()
            .filter(|record| record.topic == "cart_kept.dead-letters");
        letters.count() == 3
    })
    .await;
    instance.stop().await;
}
