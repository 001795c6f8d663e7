//! What was delivered is read back: the history of a row, who set its columns, where a record comes from, and the offsets of a
//! position.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::HashMap;

use serde_json::{Value, json};
use walcast_testbed::ConnectorConfig;
use walcast_tests::{Case, Instance, assert_reports, await_that, lsn};

/// More than one, so that the partition of a key has to be found.
const PARTITIONS: i64 = 3;

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, total numeric(10,2) NOT NULL, coupon text, status text NOT NULL, \
                      placed timestamp NOT NULL)";

/// A running connector that captures `orders`, with this change of its configuration.
async fn orders(
    name: &str,
    configure: impl FnOnce(ConnectorConfig) -> ConnectorConfig,
) -> (Case<'static>, Instance) {
    let mut case = Case::new(name).await;
    case.config = configure(case.config.set("kafka.topics.partitions", PARTITIONS));
    case.sql(ORDERS).await;
    let instance = Instance::start(&case.config).await;
    (case, instance)
}

/// Order 8471 is placed among others, is changed by a coupon, and refunded.
async fn order_8471(case: &Case<'_>) {
    case.sql(
        "INSERT INTO orders SELECT id, 5, NULL, 'new', '2026-12-01 09:00' FROM generate_series(1, 20) id",
    )
    .await;
    for statement in [
        "INSERT INTO orders VALUES (8471, 89.99, NULL, 'new', '2026-12-01 10:00:00.5')",
        "UPDATE orders SET total = 79.99, coupon = 'SAVE10' WHERE id = 8471",
        "UPDATE orders SET total = 1 WHERE id < 100",
        "UPDATE orders SET total = 0, status = 'refunded' WHERE id = 8471",
    ] {
        case.sql(statement).await;
    }
    await_changes(case, "8471", 3).await;
}

/// What a command prints as JSON.
async fn shown(case: &Case<'_>, arguments: &[&str]) -> Value {
    let finished = case.command(arguments).await;
    assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:#?}");
    serde_json::from_str(&finished.stdout).unwrap()
}

async fn history(case: &Case<'_>, key: &str, more: &[&str]) -> Value {
    let arguments = ["history", "public.orders", key, "--json"];
    shown(case, &[&arguments[..], more].concat()).await
}

fn changes(history: &Value) -> &Vec<Value> {
    history["changes"].as_array().unwrap()
}

/// Waits until the history of a key has this many changes.
async fn await_changes(case: &Case<'_>, key: &str, count: usize) {
    await_that("the changes of a row in Kafka", async || {
        let finished = case.command(&["history", "public.orders", key, "--json"]).await;
        let history: Option<Value> = serde_json::from_str(&finished.stdout).ok();
        history.is_some_and(|history| changes(&history).len() >= count)
    })
    .await;
    // Of the other partitions, of the other topics and of the checkpoint.
    case.await_transactions().await;
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} of {value}"))
}

async fn assert_story(case: &Case<'_>) {
    let history = history(case, "8471", &[]).await;
    let all = changes(&history);
    let operations: Vec<&str> = all.iter().map(|change| text(change, "operation")).collect();
    assert_eq!(operations, ["create", "update", "update"], "{history:#}");
    assert_eq!(all[0]["changed"]["total"], json!({"new": "89.99"}));
    assert_eq!(
        all[1]["changed"],
        json!({"total": {"old": "89.99", "new": "79.99"}, "coupon": {"old": null, "new": "SAVE10"}})
    );
    assert_eq!(
        all[2]["changed"],
        json!({"total": {"old": "79.99", "new": "0.00"}, "status": {"old": "new", "new": "refunded"}})
    );
    assert_eq!(all[0]["after"]["placed"], "2026-12-01 10:00:00.5");
    let positions: Vec<u64> = all.iter().map(|change| lsn(text(change, "lsn"))).collect();
    assert!(
        positions.is_sorted() && positions[0] < positions[2],
        "{history:#}"
    );
    assert!(
        all.iter()
            .all(|change| change["partition"] == all[0]["partition"])
    );
    assert_eq!(
        (&history["complete"], &history["notes"]),
        (&json!(true), &json!([]))
    );
}

async fn assert_blame(case: &Case<'_>) {
    let history = history(case, "8471", &[]).await;
    let all = changes(&history);
    let blame = shown(case, &["blame", "public.orders", "8471", "--json"]).await;
    for (column, value, change) in [
        ("id", json!(8471), 0),
        ("total", json!("0.00"), 2),
        ("coupon", json!("SAVE10"), 1),
        ("status", json!("refunded"), 2),
    ] {
        let found = &blame["columns"][column];
        assert_eq!(
            (&found["value"], &found["exact"]),
            (&value, &json!(true)),
            "{blame:#}"
        );
        assert_eq!(found["change"]["id"], all[change]["id"], "{column}: {blame:#}");
    }
}

#[tokio::test]
async fn the_story_of_an_order_is_read_from_avro_records() {
    let (case, mut instance) = orders("history_avro", |config| config).await;
    order_8471(&case).await;
    assert_story(&case).await;
    assert_blame(&case).await;

    let printed = case.command(&["history", "public.orders", "8471"]).await;
    let wanted = [
        "  total   89.99 → 79.99\n",
        "  coupon  null → \"SAVE10\"\n",
        "  status  \"new\" → \"refunded\"\n",
        "\n3 changes\n",
    ];
    assert_reports(&printed.stdout, &wanted);
    assert_eq!(printed.code, Some(0), "{printed:#?}");
    let printed = case.command(&["blame", "public.orders", "8471"]).await;
    assert_reports(&printed.stdout, &["coupon  \"SAVE10\""]);
    instance.stop().await;
}

#[tokio::test]
async fn the_story_of_an_order_is_read_from_json_records() {
    let json = |config: ConnectorConfig| {
        config
            .set("format.key", "json")
            .set("format.value", "json_schema")
    };
    let (case, mut instance) = orders("history_json", json).await;
    order_8471(&case).await;
    assert_story(&case).await;
    assert_blame(&case).await;
    instance.stop().await;
}

#[tokio::test]
async fn a_part_of_a_history_and_the_row_of_then_are_shown() {
    let (case, mut instance) = orders("history_part", |config| config).await;
    order_8471(&case).await;
    let whole = history(&case, "8471", &[]).await;
    let all = changes(&whole);
    let (coupon, refund) = (text(&all[1], "lsn"), text(&all[2], "lsn"));

    let of_coupon = history(&case, "8471", &["--columns", "coupon"]).await;
    let ids: Vec<&Value> = changes(&of_coupon).iter().map(|change| &change["id"]).collect();
    assert_eq!(ids, [&all[0]["id"], &all[1]["id"]]);
    for from in [refund, text(&all[2], "committed_at")] {
        let last = history(&case, "8471", &["--from", from]).await;
        assert_eq!(changes(&last).len(), 1, "{last:#}");
        assert_eq!(
            changes(&last)[0]["changed"]["total"],
            json!({"old_unknown": true, "new": "0.00"})
        );
    }
    let first = history(&case, "8471", &["--to", coupon]).await;
    assert_eq!(changes(&first).len(), 2, "{first:#}");

    for at in [coupon, text(&all[1], "committed_at")] {
        let then = history(&case, "8471", &["--at", at]).await;
        assert_eq!(then["row"]["total"], "79.99", "{then:#}");
        assert_eq!(then["row"]["status"], "new", "{then:#}");
        assert_eq!(then["last_change"]["id"], all[1]["id"]);
    }
    let before = history(&case, "8471", &["--at", "0/1"]).await;
    assert_eq!(before["row"], Value::Null);
    instance.stop().await;
}

#[tokio::test]
async fn a_row_is_followed_over_updates_of_its_key_and_its_deletion() {
    let (case, mut instance) = orders("history_moved", |config| config).await;
    for statement in [
        "INSERT INTO orders VALUES (8471, 89.99, NULL, 'new', '2026-12-01 10:00')",
        "UPDATE orders SET id = 9000 WHERE id = 8471",
        "UPDATE orders SET status = 'paid' WHERE id = 9000",
    ] {
        case.sql(statement).await;
    }
    await_changes(&case, "9000", 4).await;
    for key in ["8471", "id=9000"] {
        let history = history(&case, key, &[]).await;
        let operations = changes(&history).iter().map(|change| text(change, "operation"));
        let operations: Vec<&str> = operations.collect();
        assert_eq!(
            operations,
            ["create", "delete", "create", "update"],
            "{key}: {history:#}"
        );
        let all = changes(&history);
        assert_eq!(all[1]["new_key"], r#"{"id":9000}"#);
        assert_eq!(all[2]["old_key"], r#"{"id":8471}"#);
        // The other columns are those that the row had under its former key.
        assert_eq!(all[2]["changed"], json!({"id": {"old": 8471, "new": 9000}}));
        assert_eq!(
            all[3]["changed"],
            json!({"status": {"old": "new", "new": "paid"}})
        );
    }
    let blame = shown(&case, &["blame", "public.orders", "8471", "--json"]).await;
    assert_eq!(
        blame["columns"]["total"]["change"]["operation"], "create",
        "{blame:#}"
    );
    assert_eq!(blame["columns"]["status"]["value"], "paid", "{blame:#}");

    case.sql("DELETE FROM orders").await;
    await_changes(&case, "9000", 5).await;
    let history = history(&case, "9000", &[]).await;
    // The tombstone after the delete is no change of its own.
    assert_eq!(changes(&history).len(), 5, "{history:#}");
    let blame = case.command(&["blame", "public.orders", "9000"]).await;
    assert_reports(&blame.stdout, &["the row was deleted: "]);
    instance.stop().await;
}

#[tokio::test]
async fn rows_of_tables_that_share_a_topic_have_their_own_histories() {
    let mut case = Case::new("history_shared").await;
    let mut route = toml::Table::new();
    route.insert("pattern".to_owned(), r"history_shared\.public\.t[12]".into());
    route.insert("topic".to_owned(), "history_shared.all".into());
    case.config = case
        .config
        .set("kafka.topics.partitions", PARTITIONS)
        .set("names.routes", vec![route]);
    case.sql(
        "CREATE TABLE t1 (id int PRIMARY KEY, name text); CREATE TABLE t2 (id int PRIMARY KEY, name text)",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    for statement in [
        "INSERT INTO t1 VALUES (1, 'of t1')",
        "INSERT INTO t2 VALUES (1, 'of t2')",
        "DELETE FROM t2",
        "UPDATE t1 SET id = 2",
        "INSERT INTO t1 VALUES (3, 'last')",
    ] {
        case.sql(statement).await;
    }
    await_that("the last row in Kafka", async || {
        let finished = case.command(&["history", "public.t1", "3"]).await;
        finished.code == Some(0)
    })
    .await;
    case.await_transactions().await;
    for (table, key, expected) in [
        ("public.t1", "1", &["create", "delete", "create"][..]),
        ("public.t1", "2", &["create", "delete", "create"]),
        ("public.t2", "1", &["create", "delete"]),
    ] {
        let history = shown(&case, &["history", table, key, "--json"]).await;
        let operations = changes(&history).iter().map(|change| text(change, "operation"));
        assert_eq!(operations.collect::<Vec<_>>(), expected, "{table}: {history:#}");
        // The partition of the key is known, and nothing is missing.
        assert_eq!(history["notes"], json!([]), "{table}: {history:#}");
    }
    let blame = shown(&case, &["blame", "public.t1", "1", "--json"]).await;
    assert_eq!(blame["columns"]["name"]["value"], "of t1", "{blame:#}");
    instance.stop().await;
}

/// Offsets by partition, from lines `topic,partition,offset`.
fn offsets(csv: &str, topic: &str) -> HashMap<i32, i64> {
    let lines = csv.lines().filter_map(|line| {
        let [name, partition, offset] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line:?} is not topic,partition,offset");
        };
        (name == topic).then(|| (partition.parse().unwrap(), offset.parse().unwrap()))
    });
    lines.collect()
}

#[tokio::test]
async fn offsets_of_a_position_and_of_a_time_divide_the_topics_there() {
    let mut case = Case::new("history_offsets").await;
    case.config = case.config.set("kafka.topics.partitions", PARTITIONS);
    case.deliver(1..=30).await;
    let records = case.items().await;
    let change = shown(&case, &["history", "public.items", "15", "--json"]).await;
    let change = &changes(&change)[0];
    let position = lsn(text(change, "lsn"));
    for point in [text(change, "lsn"), text(change, "committed_at")] {
        let printed = case
            .command(&["checkpoint", "at", point, "--offsets", "csv"])
            .await;
        assert_eq!(printed.code, Some(0), "{printed:#?}");
        let offsets = offsets(&printed.stdout, "history_offsets.public.items");
        assert_eq!(
            offsets.len(),
            usize::try_from(PARTITIONS).unwrap(),
            "{printed:#?}"
        );
        for record in &records {
            let is_read = record.offset >= offsets[&record.partition];
            let is_wanted = record.change_id().unwrap().commit_lsn >= position;
            assert_eq!(is_read, is_wanted, "{point}: {record:?} of {offsets:?}");
        }
        let found = shown(&case, &["checkpoint", "at", point, "--json"]).await;
        assert_eq!(found["first"]["lsn"], change["lsn"], "{found:#}");
        assert_eq!(found["first"]["xid"], change["xid"], "{found:#}");
    }
    let behind = shown(&case, &["checkpoint", "at", "FFFFFFFF/0", "--json"]).await;
    assert_eq!(behind["first"], Value::Null, "{behind:#}");
    let unknown = case
        .command(&["checkpoint", "at", "0/1", "--tables", "public.nothing"])
        .await;
    assert_reports(unknown.error(2), &["no delivered table matches public.nothing"]);
}

#[tokio::test]
async fn a_record_is_explained_with_its_transaction() {
    let (case, mut instance) = orders("history_explain", |config| config).await;
    case.sql(
        "BEGIN; INSERT INTO orders VALUES (8471, 89.99, NULL, 'new', '2026-12-01 10:00'); INSERT INTO items VALUES (1, 'x'); COMMIT",
    )
    .await;
    await_changes(&case, "8471", 1).await;
    let history = history(&case, "8471", &[]).await;
    let change = &changes(&history)[0];
    let place = format!(
        "history_explain.public.orders/{}/{}",
        change["partition"], change["offset"]
    );
    for target in [place.as_str(), text(change, "id"), text(change, "lsn")] {
        let report = shown(&case, &["explain", target, "--json"]).await;
        if target != text(change, "lsn") {
            assert_eq!(report["place"], place, "{report:#}");
        }
        assert_eq!(report["lsn"], change["lsn"], "{report:#}");
        assert_eq!(report["xid"], change["xid"], "{report:#}");
        assert_eq!(report["value_schema"]["version"], 1, "{report:#}");
        assert_eq!(report["key_schema"]["version"], 1, "{report:#}");
        assert_eq!(report["neighbours"].as_array().unwrap().len(), 1, "{report:#}");
        assert!(lsn(text(&report["checkpoint"], "end_lsn")) > lsn(text(&report, "lsn")));
        for stage in ["committed_at", "processed_at", "produced_at"] {
            assert!(text(&report, stage).ends_with('Z'), "{report:#}");
        }
    }
    let printed = case.command(&["explain", &place]).await;
    assert_reports(
        &printed.stdout,
        &[
            "record ",
            "version 1 of history_explain.public.orders-value",
            "same position",
        ],
    );
    let beyond = case
        .command(&["explain", "history_explain.public.orders/0/1000"])
        .await;
    assert_reports(
        beyond.error(1),
        &["no record of offset 1000 is in history_explain.public.orders/0"],
    );
    instance.stop().await;
}

#[tokio::test]
async fn an_unknown_table_and_an_unknown_key_are_named() {
    let (case, mut instance) = orders("history_unknown", |config| config).await;
    case.sql("INSERT INTO orders VALUES (1, 1, NULL, 'new', '2026-12-01')")
        .await;
    await_changes(&case, "1", 1).await;
    let table = case.command(&["history", "public.ordres", "1"]).await;
    assert_reports(
        table.error(2),
        &[
            "topic history_unknown.public.ordres does not exist",
            "check the name",
        ],
    );
    let key = case.command(&["blame", "public.orders", "2"]).await;
    assert_reports(
        key.error(1),
        &["no record of public.orders 2 is in history_unknown.public.orders"],
    );
    // The key of `orders` is a number: no partition can be found for another one, and all of them are read.
    let text = case.command(&["history", "public.orders", "x"]).await;
    assert_reports(text.error(1), &["no record of public.orders x"]);
    instance.stop().await;
}

#[tokio::test]
async fn compaction_makes_a_history_incomplete() {
    let compacted = |config: ConnectorConfig| config.set("kafka.topics.cleanup_policy", "compact");
    let (case, mut instance) = orders("history_compacted", compacted).await;
    order_8471(&case).await;
    let history = history(&case, "8471", &[]).await;
    assert_eq!(history["complete"], false, "{history:#}");
    let note = history["notes"][0].as_str().unwrap();
    assert_reports(note, &["history_compacted.public.orders is compacted"]);
    let printed = case.command(&["blame", "public.orders", "8471"]).await;
    assert_reports(
        &printed.stdout,
        &["note: history_compacted.public.orders is compacted"],
    );
    instance.stop().await;
}
