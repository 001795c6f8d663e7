//! The context of changes that are read again.

use std::collections::BTreeMap;

use walcast_tests::{Case, Instance, await_that};

use super::{Headers, assert_contexts, context, headers_of, insert, set, transaction};

/// Rows under each of the two contexts of a large transaction.
const ROWS: u32 = 120;

/// The connector is killed when a part of the transaction is in Kafka: the message that set the context is in that part.
#[tokio::test]
async fn a_kill_in_the_middle_of_a_transaction_changes_no_context() {
    let mut case = Case::new("context_killed").await;
    case.config = case.config.clone().set("kafka.split_over_bytes", "1MB");
    let mut instance = Instance::start(&case.config).await;
    // 20 kB each.
    let rows = |from: u32| {
        format!(
            "INSERT INTO items SELECT n, repeat(md5(n::text), 640) FROM generate_series({from}, {}) n",
            from + ROWS - 1
        )
    };
    let (first, second) = (r#"{"part": 1}"#, r#"{"part": 2}"#);
    transaction(&case, &[set(first), rows(1), set(second), rows(1 + ROWS)]).await;
    await_that("a part of the transaction", async || {
        !case.items().await.is_empty()
    })
    .await;
    instance.kill9();
    instance.start_again();
    instance.ready().await;
    case.await_ids(1..=2 * ROWS).await;
    instance.stop().await;
    let expected = (1..=2 * ROWS).map(|id| (id, context(if id <= ROWS { first } else { second })));
    assert_contexts(&case, expected.collect()).await;
}

/// Every record that is delivered again has the headers that it had.
#[tokio::test]
async fn a_replay_gives_the_same_context() {
    let mut case = Case::new("context_replayed").await;
    case.config = case
        .config
        .clone()
        .set("replay.retention", "1h")
        .set("replay.history_interval", "1s");
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    instance.stop().await;
    let position = case.position().await;

    let mut instance = Instance::start(&case.config).await;
    transaction(
        &case,
        &[set(r#"{"a": 1}"#), insert(2), insert(3), set("{"), insert(4)],
    )
    .await;
    case.await_ids(1..5).await;
    instance.stop().await;
    let moved = case.command(&["checkpoint", "set", &position]).await;
    assert_eq!(moved.code, Some(0), "{moved:#?}");
    let mut instance = Instance::start(&case.config).await;
    await_that("the replay", async || case.items().await.len() >= 7).await;
    instance.stop().await;

    let mut found: BTreeMap<String, Vec<Headers>> = BTreeMap::new();
    for record in case.items().await {
        let id = record.change_id().unwrap().to_string();
        found.entry(id).or_default().push(headers_of(&record));
    }
    let replayed: Vec<&Vec<Headers>> = found.values().filter(|headers| headers.len() == 2).collect();
    assert_eq!(replayed.len(), 3, "{found:#?}");
    assert!(
        replayed
            .iter()
            .all(|both| both[0] == both[1] && !both[0].is_empty()),
        "{found:#?}"
    );
}
