//! A table of which a change cannot be delivered is set aside, the others are delivered, and it is read again when it is resumed:
//! against real servers, and with the connector killed meanwhile.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use serde_json::Value;
use walcast_testbed::{Decoder, Payload};
use walcast_tests::{Alert, Case, Instance, assert_reports, await_that, run, shared};

use crate::dead_letters::{accept_schema, records, refuse_schema};

/// A case with a table `prices (id, price)` beside `items`, which can be quarantined.
async fn quarantining(name: &str) -> Case<'static> {
    let mut case = Case::new(name).await;
    let rule = toml::Value::Table(toml::Table::from_iter([
        ("tables".to_owned(), "public.prices".into()),
        ("on_error".to_owned(), "quarantine".into()),
    ]));
    let rules = toml::Value::Array(vec![rule]);
    case.config = case.config.clone().set("dead_letters.rules", rules);
    case.sql("CREATE TABLE prices (id int PRIMARY KEY, price numeric(10, 2))")
        .await;
    case
}

/// The records of `prices`: operation, and the id and the price of the row then, in the order of the topic.
async fn prices(case: &Case<'_>) -> Vec<(String, i64, Option<String>)> {
    let mut decoder = Decoder::new(&shared().await.registry().url()).unwrap();
    let records = records(&format!("{}.public.prices", case.name())).await;
    let records = decoder.decode_all(&records).await.unwrap();
    let rows = records.iter().filter_map(|record| match &record.payload {
        Payload::Tombstone => None,
        Payload::Change(change) => {
            let value = record.to_json()["value"].clone();
            let row = if change.op == "d" {
                &value["before"]
            } else {
                &value["after"]
            };
            let price = (change.op != "d").then(|| value["after"]["price"].to_string());
            Some((change.op.clone(), row["id"].as_i64().unwrap(), price))
        }
    });
    rows.collect()
}

/// Operations and ids of the records of `prices`.
async fn operations(case: &Case<'_>) -> Vec<String> {
    let records = prices(case).await;
    records.iter().map(|(op, id, _)| format!("{op} {id}")).collect()
}

/// What `/status` says of a table.
async fn report(instance: &Instance, table: &str) -> Value {
    let status = instance.status().await;
    let tables = status["tables"].as_array().unwrap().iter();
    let found = tables.clone().find(|one| one["table"] == table);
    found
        .cloned()
        .unwrap_or_else(|| panic!("{table} is not among {tables:?}"))
}

async fn await_state(instance: &Instance, state: &str) {
    await_that(&format!("public.prices is {state}"), async || {
        report(instance, "public.prices").await["state"] == state
    })
    .await;
}

#[tokio::test]
async fn a_table_of_a_row_that_cannot_be_mapped_is_set_aside_and_read_again() {
    let case = quarantining("set_aside").await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO prices VALUES (1, 1.00)").await;
    case.sql(
        "BEGIN; INSERT INTO items VALUES (1, 'a'); INSERT INTO prices VALUES (2, 'NaN'); \
         INSERT INTO prices VALUES (3, 3.00); INSERT INTO items VALUES (2, 'b'); COMMIT",
    )
    .await;
    case.sql("DELETE FROM prices WHERE id = 1").await;
    case.insert([3]).await;
    case.await_ids([1, 2, 3]).await;
    assert_eq!(operations(&case).await, ["c 1"]);

    let prices_report = report(&instance, "public.prices").await;
    assert_eq!(prices_report["state"], "quarantined", "{prices_report:#}");
    assert_eq!(prices_report["quarantine"]["reason"], "mapping");
    let finding = prices_report["finding"].as_str().unwrap();
    assert_reports(
        finding,
        &[
            "column price of public.prices",
            "walcast table resume 'public.prices'",
        ],
    );
    let since = prices_report["quarantine"]["since"].as_str().unwrap().to_owned();
    assert!(
        since.ends_with("/1"),
        "the second change of its transaction: {since}"
    );
    assert_eq!(report(&instance, "public.items").await["state"], "streaming");
    let status = instance.status().await;
    let skipped = &status["quarantined_changes"]["public.prices"];
    assert_eq!(skipped["delete"], 1, "{status:#}");
    let metrics = instance.page("metrics").await;
    for line in [
        "walcast_tables{connector=\"set_aside\",state=\"quarantined\"} 1",
        "walcast_tables{connector=\"set_aside\",state=\"streaming\"} 1",
        "walcast_quarantined_changes_total{connector=\"set_aside\",table=\"public.prices\",operation=\"insert\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(Alert::of("WalcastQuarantined").is_true(&metrics), "{metrics}");
    let message = "table is quarantined: its changes are skipped until it is resumed";
    assert_eq!(
        instance.log().matches(message).count(),
        1,
        "{}",
        instance.log_end()
    );

    instance.kill9();
    case.sql("INSERT INTO prices VALUES (4, 4.00)").await;
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    assert_reports(
        &checked.stdout,
        &[
            "WARN  table public.prices",
            &format!("quarantined since {since} (mapping)"),
        ],
    );
    instance.start_again();
    instance.ready().await;
    case.insert([4]).await;
    case.await_ids([4]).await;
    assert_eq!(operations(&case).await, ["c 1"]);
    assert!(
        instance
            .log()
            .contains("table is quarantined: its changes are skipped")
    );
    assert_eq!(
        report(&instance, "public.prices").await["quarantine"]["since"],
        since.as_str()
    );

    let rejected = case
        .command(&["snapshot", "start", "--tables", "public.prices"])
        .await;
    assert_reports(
        rejected.error(1),
        &["is quarantined", "walcast table resume 'public.prices'"],
    );
    let listed = case.command(&["table", "list"]).await;
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    assert_reports(
        &listed.stdout,
        &["public.prices", "quarantined", &since, "streaming"],
    );

    // The row is still there, so that reading fails, and the table is quarantined again.
    let resumed = case.command(&["table", "resume", "public.prices"]).await;
    assert_eq!(resumed.code, Some(0), "{resumed:#?}");
    await_that("second quarantine", async || {
        instance.log().matches(message).count() == 2
    })
    .await;
    await_state(&instance, "quarantined").await;
    assert_eq!(
        report(&instance, "public.prices").await["quarantine"]["since"],
        since.as_str()
    );

    case.sql("UPDATE prices SET price = 2.00 WHERE id = 2").await;
    case.insert([5]).await;
    case.await_ids([5]).await;
    let resumed = case.command(&["table", "resume", "public.prices"]).await;
    assert_eq!(resumed.code, Some(0), "{resumed:#?}");
    assert_reports(&resumed.stdout, &["being read: public.prices"]);
    await_state(&instance, "streaming").await;
    case.sql("INSERT INTO prices VALUES (5, 5.00)").await;
    await_that("the insert into prices", async || {
        operations(&case).await.contains(&"c 5".to_owned())
    })
    .await;
    let operations = operations(&case).await;
    assert_eq!(operations.first().map(String::as_str), Some("c 1"));
    assert_eq!(operations.last().map(String::as_str), Some("c 5"));
    for row in ["r 2", "r 3", "r 4"] {
        assert!(operations.iter().any(|one| one == row), "{operations:?}");
    }
    assert!(
        !operations
            .iter()
            .any(|one| ["c 2", "c 3", "d 1", "u 2"].contains(&one.as_str())),
        "what was skipped stays skipped: {operations:?}"
    );
    let rejected = case.command(&["table", "resume", "public.prices"]).await;
    assert_reports(rejected.error(1), &["public.prices is not quarantined"]);
    instance.stop().await;
    let checked = case.command(&["check"]).await;
    assert!(!checked.stdout.contains("quarantined"), "{checked:#?}");
}

#[tokio::test]
async fn sigkill_neither_loses_a_quarantine_nor_the_rows_of_a_resumed_table() {
    const ROUNDS: u32 = 4;
    const ROWS: u32 = 20;
    let case = quarantining("aside_killed").await;
    refuse_schema("aside_killed.public.prices-value").await;
    let mut instance = Instance::start(&case.config).await;
    for round in 0..ROUNDS {
        let (first, last) = (round * ROWS + 1, (round + 1) * ROWS);
        for id in first..=last {
            case.sql(&format!(
                "BEGIN; INSERT INTO items VALUES ({id}, 'a'); INSERT INTO prices VALUES ({id}, {id}.00); COMMIT"
            ))
            .await;
        }
        // Somewhere in what this round wrote, a little later each time.
        case.await_ids([first + round * 4]).await;
        instance.kill9();
        instance.start_again();
        instance.ready().await;
    }
    case.await_ids(1..=ROUNDS * ROWS).await;
    let quarantine = report(&instance, "public.prices").await;
    assert_eq!(quarantine["quarantine"]["reason"], "schema", "{quarantine:#}");
    assert!(prices(&case).await.is_empty());

    accept_schema("aside_killed.public.prices-value").await;
    let resumed = case.command(&["table", "resume", "public.prices"]).await;
    assert_eq!(resumed.code, Some(0), "{resumed:#?}");
    instance.kill9();
    case.sql("UPDATE prices SET price = price + 1000 WHERE id % 3 = 0; DELETE FROM prices WHERE id % 5 = 0")
        .await;
    instance.start_again();
    instance.ready().await;
    await_state(&instance, "streaming").await;
    case.insert([ROUNDS * ROWS + 1]).await;
    case.await_ids([ROUNDS * ROWS + 1]).await;
    instance.stop().await;

    // The changes after the resumption came, and then the rows, or the rows as the changes left them.
    let mut last = BTreeMap::new();
    for (op, id, price) in prices(&case).await {
        match op.as_str() {
            "d" => last.remove(&id),
            _ => last.insert(id, price),
        };
    }
    let ids: Vec<String> = last.keys().map(ToString::to_string).collect();
    let expected = case
        .text("SELECT string_agg(id::text, ',' ORDER BY id) FROM prices")
        .await;
    assert_eq!(ids.join(","), expected);
    assert_eq!(case.ids().await, (1..=ROUNDS * ROWS + 1).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_connector_that_only_reads_reports_the_rows_that_it_did_not_read() {
    let mut case = quarantining("aside_read_only").await;
    case.config = case.config.clone().set("snapshot.mode", "initial_only");
    case.insert([1, 2]).await;
    case.sql("INSERT INTO prices VALUES (1, 1.00), (2, 'NaN')").await;
    for _ in 0..2 {
        let ended = case.run_to_end().await;
        assert_reports(
            ended.error(3),
            &[
                "rows of public.prices are not in Kafka",
                "walcast table resume 'public.prices'",
            ],
        );
        // The broker may end the last transaction after its process has ended.
        case.await_transactions().await;
        assert_eq!(case.ids().await, [1, 2]);
    }

    let rejected = case.command(&["table", "resume", "public.items"]).await;
    assert_reports(rejected.error(1), &["public.items is not quarantined"]);
    case.sql("UPDATE prices SET price = 2.00 WHERE id = 2").await;
    let resumed = case.command(&["table", "resume", "public.prices"]).await;
    assert_eq!(resumed.code, Some(0), "{resumed:#?}");
    assert_reports(&resumed.stdout, &["resumed: public.prices", "the next start"]);
    let ended = case.run_to_end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let operations = operations(&case).await;
    assert!(
        operations.ends_with(&["r 1".to_owned(), "r 2".to_owned()]),
        "{operations:?}"
    );
    assert_eq!(case.ids().await, [1, 2], "the other rows are not read again");
}

#[tokio::test]
async fn a_stopped_connector_resumes_a_table_with_its_next_start() {
    let case = quarantining("aside_stopped").await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO prices VALUES (1, 1.00)").await;
    case.sql("INSERT INTO prices VALUES (2, 'NaN')").await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    await_state(&instance, "quarantined").await;

    // The checkpoint of a connector that runs is not changed.
    let elsewhere = case.config.clone().set("admin.listen", "127.0.0.1:1");
    let rejected = run(&elsewhere, &["table", "resume", "public.prices"]).await;
    assert_reports(
        rejected.error(1),
        &[
            "no connector answers",
            "is running",
            "where its admin port can be reached",
        ],
    );
    instance.stop().await;

    case.sql("UPDATE prices SET price = 2.00 WHERE id = 2; INSERT INTO prices VALUES (3, 3.00)")
        .await;
    let resumed = case
        .command(&["table", "resume", "public.prices", "--json"])
        .await;
    assert_eq!(resumed.code, Some(0), "{resumed:#?}");
    let tables: Value = serde_json::from_str(&resumed.stdout).unwrap();
    assert_eq!(tables["tables"], serde_json::json!(["public.prices"]));
    let rejected = case.command(&["table", "resume", "public.prices"]).await;
    assert_reports(rejected.error(1), &["public.prices is not quarantined"]);

    instance.start_again();
    instance.ready().await;
    await_state(&instance, "streaming").await;
    case.insert([2]).await;
    case.await_ids([2]).await;
    instance.stop().await;
    let mut last = BTreeMap::new();
    for (_, id, price) in prices(&case).await {
        last.insert(id, price);
    }
    let ids: Vec<i64> = last.keys().copied().collect();
    assert_eq!(ids, [1, 2, 3], "{last:?}");
}
