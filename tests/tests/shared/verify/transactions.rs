//! Transactions are whole: the topics have as many events as their ends count.

use serde_json::json;
use walcast_testbed::{RawRecord, read_topic};
use walcast_tests::{Instance, await_that, shared};

use super::{DIFFERENT, IDENTICAL, case, plant, records, replaced, verify};

#[tokio::test]
async fn a_transaction_that_lacks_an_event_is_named() {
    let mut case = case("whole").await;
    case.config = case
        .config
        .clone()
        .set("events.transactions", true)
        .set("format.key", "json")
        .set("format.value", "json");
    case.sql("CREATE TABLE other (id int PRIMARY KEY)").await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(
        "BEGIN; INSERT INTO items VALUES (1, 'one'), (2, 'two'); INSERT INTO other VALUES (1); COMMIT;
         BEGIN; UPDATE items SET id = 3 WHERE id = 2; DELETE FROM items WHERE id = 1; COMMIT;
         INSERT INTO items VALUES (4, 'last')",
    )
    .await;
    let brokers = shared().await.kafka().brokers();
    let ends = async || -> Vec<RawRecord> {
        let mut found = read_topic(&brokers, "whole.transaction").await.unwrap();
        found.retain(|record| record.header("walcast.id").unwrap().ends_with(b"/end"));
        found
    };
    await_that("the ends of all transactions", async || ends().await.len() >= 3).await;
    // A change of the key is a delete and an insert, each delete with a tombstone.
    assert_eq!(records(&case, "items").await.len(), 2 + 3 + 2 + 1);

    let (finished, report) = verify(&case, &[]).await;
    assert_eq!(finished.code, IDENTICAL, "{finished:#?}");
    let counts = &report["certificate"]["transactions"];
    assert_eq!(counts, &json!({"checked": 4, "incomplete": 0}), "{report:#}");

    // An end that counts one event more is that of a transaction of which one was lost.
    let counted: &[u8] = br#""public.items","event_count":2"#;
    let has_count = |record: &RawRecord| {
        let value = record.value.as_deref().unwrap_or_default();
        value.windows(counted.len()).any(|part| part == counted)
    };
    let first = ends().await.into_iter().find(has_count).unwrap();
    let value = replaced(
        first.value.as_deref().unwrap(),
        counted,
        br#""public.items","event_count":3"#,
    );
    plant(&RawRecord {
        value: Some(value),
        ..first
    })
    .await;
    let (finished, report) = verify(&case, &[]).await;
    assert_eq!(finished.code, DIFFERENT, "{finished:#?}");
    assert_eq!(report["certificate"]["verdict"], "different");
    let incomplete = report["incomplete_transactions"].as_array().unwrap();
    assert_eq!(incomplete.len(), 1, "{report:#}");
    assert_eq!(incomplete[0]["table"], "public.items");
    assert_eq!(incomplete[0]["events"], 3);
    assert_eq!(incomplete[0]["found"], 2);
    // Rows are compared without regard to transactions.
    let table = ["--tables", "public.other"];
    assert_eq!(verify(&case, &table).await.0.code, IDENTICAL);
    instance.stop().await;
}
