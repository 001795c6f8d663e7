//! The columns in which a row differs are named, and no others.

use serde_json::{Value, json};
use walcast_testbed::RawRecord;
use walcast_tests::{Instance, await_that};

use super::{DIFFERENT, case, foreign, plant, records, replaced, verify};

/// The only difference of a report.
fn only(report: &Value) -> Value {
    let differences = report["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{report:#}");
    differences[0].clone()
}

#[tokio::test]
async fn a_value_that_was_not_sent_does_not_differ() {
    let case = case("unsent_columns").await;
    case.sql(
        "CREATE TABLE big (id int PRIMARY KEY, note text, large text); ALTER TABLE big ALTER large SET STORAGE EXTERNAL",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(
        "INSERT INTO big VALUES (1, 'one', repeat('x', 9000)); UPDATE big SET note = 'two' WHERE id = 1",
    )
    .await;
    await_that("the row and its update in Kafka", async || {
        records(&case, "big").await.len() == 2
    })
    .await;
    let update = records(&case, "big").await.remove(1);
    let value = replaced(update.value.as_deref().unwrap(), b"two", b"owt");
    plant(&RawRecord {
        value: Some(value),
        ..foreign(&update)
    })
    .await;
    let (finished, report) = verify(&case, &["--tables", "public.big"]).await;
    assert_eq!(finished.code, DIFFERENT, "{finished:#?}");
    assert_eq!(only(&report)["columns"], json!(["note"]), "{report:#}");
    instance.stop().await;
}

#[tokio::test]
async fn rows_of_a_shared_topic_differ_in_their_own_columns() {
    let mut case = case("shared_columns").await;
    let mut route = toml::Table::new();
    route.insert("pattern".to_owned(), r"shared_columns\.public\.t[12]".into());
    route.insert("topic".to_owned(), "shared_columns.public.all".into());
    case.config = case.config.clone().set("names.routes", vec![route]);
    // A null is in a record, and in no value of the source.
    case.sql(
        "CREATE TABLE t1 (id int PRIMARY KEY, name text, nothing text);
         CREATE TABLE t2 (id int PRIMARY KEY, name text, nothing text);
         INSERT INTO t1 VALUES (1, 'of t1'); INSERT INTO t2 VALUES (1, 'of t2')",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    await_that("both rows in Kafka", async || {
        records(&case, "all").await.len() == 2
    })
    .await;
    let has_name = |record: &&RawRecord| {
        let value = record.value.as_deref().unwrap_or_default();
        value.windows(5).any(|part| part == b"of t2")
    };
    let all = records(&case, "all").await;
    let original = all.iter().find(has_name).unwrap();
    let value = replaced(original.value.as_deref().unwrap(), b"of t2", b"by t2");
    plant(&RawRecord {
        value: Some(value),
        ..foreign(original)
    })
    .await;
    let (finished, report) = verify(&case, &["--tables", "public.t2"]).await;
    assert_eq!(finished.code, DIFFERENT, "{finished:#?}");
    let difference = only(&report);
    assert_eq!(difference["kind"], "different");
    assert_eq!(difference["columns"], json!(["name"]), "{report:#}");
    assert_eq!(difference["source"], json!({"id": 1, "name": "of t2"}));
    assert_eq!(difference["record"], json!({"id": 1, "name": "by t2"}));

    // The table is known, and the row is read again.
    let (repaired, report) = verify(&case, &["--tables", "public.t2", "--repair"]).await;
    assert_eq!(repaired.code, super::IDENTICAL, "{repaired:#?}");
    assert_eq!(report["repair"]["read"], 1, "{report:#}");
    instance.stop().await;
}
