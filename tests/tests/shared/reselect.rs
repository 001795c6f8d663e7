//! Values that the WAL left out, selected by the row's key: those of now, and the placeholder where the row is gone.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use serde_json::{Value, json};
use walcast_testbed::TreeDecoder;
use walcast_tests::{Case, Instance, shared};

/// Stored out of line: longer than a page's share of a row, and compression is off.
const LONG: &str = "repeat('it''s \\ é; ', 400)";

/// Id, note and other column of each update, in the order of the topic.
async fn updates(case: &Case<'_>) -> Vec<Value> {
    let mut decoder = TreeDecoder::new(&shared().await.registry().url()).unwrap();
    let mut updates = Vec::new();
    for record in case.items().await {
        let Some(value) = record.value.as_deref() else {
            continue;
        };
        let value = decoder.decode(value).await.unwrap().value;
        if value["op"] == "u" {
            let after = &value["after"];
            updates.push(json!([after["id"], after["note"], after["other"]]));
        }
    }
    updates
}

#[tokio::test]
async fn values_that_the_wal_left_out_are_the_current_ones() {
    let mut case = Case::new("reselected").await;
    case.config = case.config.set("format.unavailable_values", "reselect");
    case.sql("ALTER TABLE items ADD other text; ALTER TABLE items ALTER note SET STORAGE EXTERNAL")
        .await;
    // What follows the first row is read when all of it has happened.
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO items (id, note) VALUES (0, 'first')").await;
    case.await_ids([0]).await;
    instance.stop().await;

    case.sql(&format!(
        "INSERT INTO items SELECT n, {LONG}, NULL FROM generate_series(1, 3) n"
    ))
    .await;
    case.sql("UPDATE items SET other = 'x' WHERE id > 0").await;
    case.sql("UPDATE items SET note = 'later' WHERE id = 2").await;
    case.sql("DELETE FROM items WHERE id = 3").await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO items (id) VALUES (4)").await;
    case.await_ids([4]).await;
    instance.stop().await;

    let long = case.text("SELECT note FROM items WHERE id = 1").await;
    assert_eq!(long, "it's \\ é; ".repeat(400));
    assert_eq!(
        updates(&case).await,
        [
            json!([1, long, "x"]),
            json!([2, "later", "x"]),
            json!([3, "__debezium_unavailable_value", "x"]),
            json!([2, "later", "x"]),
        ]
    );
}
