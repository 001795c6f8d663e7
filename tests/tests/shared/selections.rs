//! Names and patterns: those of the configuration that match nothing, and names of columns that Avro does not have.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_testbed::read_topic;
use walcast_tests::{Case, Instance, assert_reports, await_that, shared};

use crate::schema_changes::await_rows;

/// Exit codes, as documented.
const REFUSED: i32 = 1;
const USAGE: i32 = 2;

fn mask(column: &str) -> Vec<toml::Value> {
    let mut rule = toml::Table::new();
    rule.insert("columns".to_owned(), vec![column.to_owned()].into());
    rule.insert("length".to_owned(), 3.into());
    vec![rule.into()]
}

#[tokio::test]
async fn a_mask_of_a_column_that_does_not_exist_ends_a_start_and_never_a_stream() {
    let mut case = Case::new("unmatched_mask").await;
    let plain = case.config.clone();
    case.config = plain.clone().set("columns.mask", mask("public.items.notes"));
    let wanted = [
        "columns.mask.columns: \"public.items.notes\" matches no column of public.items",
        "did you mean \"public.items.note\"?",
    ];
    let ended = case.run_to_end().await;
    assert_reports(ended.error(USAGE), &wanted);
    let checked = case.command(&["check"]).await;
    checked.error(REFUSED);
    assert_reports(&checked.stdout, &["FAIL  columns.mask.columns", wanted[1]]);
    assert!(!case.is_set_up().await);

    case.config = plain
        .set("columns.mask", mask("public.items.note"))
        .set("postgres.exclude", vec!["public.itemz".to_owned()]);
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    let unmatched = "postgres.exclude: \"public.itemz\" matches no table, so it withholds nothing; did you mean \"public.items\"?";
    assert_reports(&checked.stdout, &["WARN  postgres.exclude", unmatched]);
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    assert_reports(
        &instance.log(),
        &["postgres.exclude", "matches no table, so it withholds nothing"],
    );

    case.sql("ALTER TABLE items RENAME COLUMN note TO remark; INSERT INTO items VALUES (2, 'clear')")
        .await;
    await_rows(
        "unmatched_mask.public.items",
        &[r#"{"id":1,"note":"***"}"#, r#"{"id":2,"remark":"clear"}"#],
    )
    .await;
    assert_reports(
        &instance.log(),
        &["the table has no such column", "public.items.note"],
    );
    instance.stop().await;
}

#[tokio::test]
async fn a_column_may_have_any_name_and_two_that_become_one_field_concern_their_table_only() {
    let mut case = Case::new("column_names").await;
    case.sql("CREATE TABLE twins (id int PRIMARY KEY, \"a b\" text)")
        .await;
    let mut rule = toml::Table::new();
    rule.insert("tables".to_owned(), "public.twins".into());
    rule.insert("on_error".to_owned(), "dead_letter".into());
    case.config = case
        .config
        .set("dead_letters.rules", vec![toml::Value::Table(rule)]);
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO twins VALUES (1, 'one')").await;
    await_rows("column_names.public.twins", &[r#"{"a_b":"one","id":1}"#]).await;
    case.sql(
        "ALTER TABLE items ADD COLUMN \"First Name\" text;
         ALTER TABLE twins ADD COLUMN \"a-b\" text;
         INSERT INTO twins VALUES (2, 'two', 'too');
         INSERT INTO items VALUES (1, 'n', 'f')",
    )
    .await;
    await_rows(
        "column_names.public.items",
        &[r#"{"First_Name":"f","id":1,"note":"n"}"#],
    )
    .await;
    await_that("the dead letter", async || {
        let brokers = shared().await.kafka().brokers();
        let letters = read_topic(&brokers, "column_names.dead-letters").await;
        letters.is_ok_and(|letters| letters.len() == 1)
    })
    .await;
    assert_reports(
        &instance.log(),
        &["would both be field a_b", "rename one of them"],
    );
    instance.stop().await;
}
