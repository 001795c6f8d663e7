//! Changes that cannot be delivered are kept as dead letters, each once, and everything else continues: against real servers, and
//! with the connector killed meanwhile.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod retry;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use walcast_testbed::{RawRecord, has_open_transaction, read_topic, topic_names};
use walcast_tests::{Alert, Case, Instance, assert_reports, await_that, http, shared};

/// Exit code of a connector that halted.
const HALTED: i32 = 3;

/// A case whose tables all have dead letters, with a table `prices (id, price)` beside `items`.
async fn keeping(name: &str) -> Case<'static> {
    with_dead_letters(Case::new(name).await).await
}

/// Such a case of this one.
async fn with_dead_letters(mut case: Case<'_>) -> Case<'_> {
    case.config = case.config.clone().set("dead_letters.on_error", "dead_letter");
    case.sql("CREATE TABLE prices (id int PRIMARY KEY, price numeric(10, 2))")
        .await;
    case
}

/// The committed records of a topic. The broker ends a transaction in one partition after the other: where a record of another topic
/// was seen, those of this topic may not be there yet, so that an open transaction is awaited.
pub(crate) async fn records(topic: &str) -> Vec<RawRecord> {
    let brokers = shared().await.kafka().brokers();
    let mut topics = topic_names(&brokers).await.unwrap();
    topics.retain(|name| name == topic);
    await_that("the end of the open transaction", async || {
        !has_open_transaction(&brokers, &topics).await.unwrap()
    })
    .await;
    committed(topic).await
}

/// The records of a topic that are committed now, whatever is about to be.
async fn committed(topic: &str) -> Vec<RawRecord> {
    let brokers = shared().await.kafka().brokers();
    // A topic that is not there yet has no records.
    let names = topic_names(&brokers).await.unwrap();
    match names.iter().any(|name| name == topic) {
        true => read_topic(&brokers, topic).await.unwrap(),
        false => Vec::new(),
    }
}

/// The committed dead letters of a case, those that were dealt with included: header `walcast.id` and value.
async fn letters(case: &Case<'_>) -> Vec<(String, Value)> {
    let records = records(&format!("{}.dead-letters", case.name())).await;
    let letter = |record: &RawRecord| {
        let value = record.value.as_deref()?;
        let letter = serde_json::from_slice(value).unwrap();
        Some((header(record, "walcast.id"), letter))
    };
    records.iter().filter_map(letter).collect()
}

fn header(record: &RawRecord, name: &str) -> String {
    let found = record.headers.iter().find(|(header, _)| header == name);
    let value = found
        .unwrap_or_else(|| panic!("no header {name} in {record:?}"))
        .1
        .clone();
    String::from_utf8(value.unwrap()).unwrap()
}

/// Has a subject refuse every schema of a table: it holds another one, and a rule.
pub(crate) async fn refuse_schema(subject: &str) {
    let registry = shared().await.registry().url();
    let earlier = r#"{"schema": "{\"type\": \"record\", \"name\": \"Other\", \"fields\": [{\"name\": \"x\", \"type\": \"string\"}]}"}"#;
    let address = format!("{registry}/subjects/{subject}/versions");
    assert_eq!(http("POST", &address, earlier).await.status, 200);
    set_compatibility(subject, "BACKWARD").await;
}

/// Has it take any.
pub(crate) async fn accept_schema(subject: &str) {
    set_compatibility(subject, "NONE").await;
}

async fn set_compatibility(subject: &str, rule: &str) {
    let address = format!("{}/config/{subject}", shared().await.registry().url());
    let set = http("PUT", &address, &format!(r#"{{"compatibility": "{rule}"}}"#)).await;
    assert_eq!(set.status, 200, "{set:?}");
}

async fn await_letters(case: &Case<'_>, count: usize) {
    let topic = format!("{}.dead-letters", case.name());
    await_that(&format!("{count} dead letters"), async || {
        let records = committed(&topic).await;
        records.iter().filter(|record| record.value.is_some()).count() >= count
    })
    .await;
}

/// Text that does not get smaller by compression; two characters for each of 16 bytes.
fn large_row(id: u32) -> String {
    format!("INSERT INTO items SELECT {id}, string_agg(md5(n::text), '') FROM generate_series(1, 2000) n")
}

#[tokio::test]
async fn a_row_that_cannot_be_mapped_is_kept_and_other_rows_and_tables_continue() {
    let case = keeping("dead_row").await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(
        "BEGIN; INSERT INTO items VALUES (1, 'a'); INSERT INTO prices VALUES (1, 'NaN'); \
         INSERT INTO prices VALUES (2, 3.50); INSERT INTO items VALUES (2, 'b'); COMMIT",
    )
    .await;
    case.await_ids([1, 2]).await;
    let kept = letters(&case).await;
    assert_eq!(kept.len(), 1, "{kept:#?}");
    let (id, letter) = &kept[0];
    assert_eq!(letter["id"], id.as_str());
    assert_eq!(letter["table"], "prices");
    assert_eq!(letter["key"], serde_json::json!(["id"]));
    assert_eq!(letter["operation"], "insert");
    assert_eq!(letter["reason"], "mapping");
    assert_eq!(letter["ordinal"], 1);
    assert_eq!(letter["after"], serde_json::json!({"id": "1", "price": "NaN"}));
    let error = letter["error"].as_str().unwrap();
    assert_reports(error, &["column price of public.prices"]);
    assert_eq!(records("dead_row.public.prices").await.len(), 1);

    let record = records("dead_row.dead-letters").await.remove(0);
    assert_eq!(record.key.as_deref(), Some(format!("dead_row@{id}").as_bytes()));
    assert_eq!(header(&record, "walcast.relation"), "public.prices");
    assert_eq!(header(&record, "walcast.error"), error);
    assert_eq!(header(&record, "walcast.lsn"), letter["lsn"].as_str().unwrap());
    assert_eq!(header(&record, "walcast.xid"), letter["xid"].to_string());
    assert_eq!(header(&record, "walcast.ordinal"), "1");

    let status = instance.status().await;
    assert_eq!(
        status["dead_letters"]["public.prices"]["mapping"], 1,
        "{status:#}"
    );
    let metrics = instance.page("metrics").await;
    let counted =
        "walcast_dead_letters_total{connector=\"dead_row\",table=\"public.prices\",reason=\"mapping\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(Alert::of("WalcastDeadLetters").is_true(&metrics), "{metrics}");

    // It is logged once, and counted from then on.
    case.sql("INSERT INTO prices VALUES (3, 'NaN'), (4, 'NaN')").await;
    await_letters(&case, 3).await;
    let message = "change cannot be delivered and is kept as a dead letter";
    assert_eq!(
        instance.log().matches(message).count(),
        1,
        "{}",
        instance.log_end()
    );
    instance.stop().await;

    let listed = case.command(&["dlq", "list"]).await;
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    assert_reports(
        &listed.stdout,
        &[
            id,
            "public.prices",
            "insert",
            "mapping: column price",
            "3 dead letters",
        ],
    );
    let listed = case
        .command(&["dlq", "list", "--table", "public.pri*", "--limit", "2", "--json"])
        .await;
    let lines: Vec<Value> = listed
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{listed:#?}");
    assert_eq!(&lines[0], letter);
    let none = case.command(&["dlq", "list", "--table", "public.items"]).await;
    assert_eq!(none.stdout.trim(), "no dead letters");
}

#[tokio::test]
async fn a_table_without_dead_letters_still_ends_the_connector() {
    let mut case = keeping("dead_rule").await;
    let rule = |tables: &str, on_error: &str| {
        toml::Value::Table(toml::Table::from_iter([
            ("tables".to_owned(), tables.into()),
            ("on_error".to_owned(), on_error.into()),
        ]))
    };
    let rules = toml::Value::Array(vec![rule("public.prices", "halt")]);
    case.config = case.config.clone().set("dead_letters.rules", rules);
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO prices VALUES (1, 'NaN')").await;
    assert_eq!(instance.exit_code().await, HALTED);
    assert_reports(
        &instance.log(),
        &["cannot be mapped", "column price of public.prices"],
    );
    assert_eq!(letters(&case).await.len(), 0);
}

#[tokio::test]
async fn a_row_that_the_topic_does_not_take_is_kept_and_others_continue() {
    let mut case = keeping("dead_size").await;
    let limit = BTreeMap::from([("max.message.bytes".to_owned(), 20_000)]);
    case.config = case.config.clone().set("kafka.topics.config", limit);
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.sql(&large_row(2)).await;
    case.insert([3]).await;
    case.await_ids([1, 3]).await;
    assert_eq!(case.ids().await, [1, 3]);
    let kept = letters(&case).await;
    assert_eq!(kept.len(), 1, "{kept:#?}");
    assert_eq!(kept[0].1["reason"], "size");
    assert_eq!(kept[0].1["after"]["id"], "2");
    // The topic of dead letters takes what a broker takes that was left as shipped.
    assert_eq!(kept[0].1["after"]["note"].as_str().map(str::len), Some(64_000));
    assert!(
        !instance.log().contains("trying again from the checkpoint"),
        "{}",
        instance.log_end()
    );
    instance.stop().await;
}

/// Records are compressed, so that only the broker can say whether one is too large: it refuses the transaction, and the
/// change is kept when it comes again.
#[tokio::test]
async fn a_row_that_only_the_broker_refuses_is_kept_when_it_comes_again() {
    let mut case = keeping("dead_broker").await;
    let limit = BTreeMap::from([("max.message.bytes".to_owned(), 20_000)]);
    case.config = case
        .config
        .clone()
        .set("kafka.topics.config", limit)
        .set_kafka_property("compression.type", "lz4");
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    case.sql(&large_row(2)).await;
    await_letters(&case, 1).await;
    // As large, but not when it is compressed.
    case.sql("INSERT INTO items VALUES (3, repeat('x', 64000))").await;
    case.await_ids([3]).await;
    assert_eq!(case.ids().await, [1, 3]);
    let kept = letters(&case).await;
    assert_eq!(kept.len(), 1, "{kept:#?}");
    assert_eq!(kept[0].1["reason"], "size");
    assert!(instance.log().contains("trying again from the checkpoint"));
    instance.stop().await;
}

/// The producer takes no more than the topic of dead letters is left with: the row is cut, and says so.
#[tokio::test]
async fn a_row_that_is_too_large_for_its_letter_is_cut() {
    let mut case = keeping("dead_cut").await;
    case.config = case
        .config
        .clone()
        .set_kafka_property("message.max.bytes", "20000");
    let mut instance = Instance::start(&case.config).await;
    case.sql(&large_row(1)).await;
    case.insert([2]).await;
    case.await_ids([2]).await;
    let kept = letters(&case).await;
    assert_eq!(kept.len(), 1, "{kept:#?}");
    let note = &kept[0].1["after"]["note"];
    assert_eq!(note["cut"], true);
    assert_eq!(note["bytes"], 64_000);
    let whole = case.text("SELECT note FROM items WHERE id = 1").await;
    let beginning = note["beginning"].as_str().unwrap();
    assert!(whole.starts_with(beginning) && beginning.len() > 1_000);
    instance.stop().await;
}

#[tokio::test]
async fn a_table_whose_schema_is_rejected_is_kept_and_others_continue_until_it_is_accepted() {
    let case = keeping("dead_schema").await;
    refuse_schema("dead_schema.public.prices-value").await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO prices VALUES (1, 1.00)").await;
    case.insert([1]).await;
    case.sql("UPDATE prices SET price = 2.00").await;
    case.insert([2]).await;
    case.await_ids([1, 2]).await;
    let kept = letters(&case).await;
    assert_eq!(kept.len(), 2, "{kept:#?}");
    assert!(
        kept.iter().all(|(_, letter)| letter["reason"] == "schema"),
        "{kept:#?}"
    );
    assert_eq!(kept[1].1["operation"], "update");
    assert_eq!(kept[1].1["after"]["price"], "2.00");
    instance.stop().await;

    accept_schema("dead_schema.public.prices-value").await;
    instance.start_again();
    instance.ready().await;
    case.sql("UPDATE prices SET price = 3.00").await;
    await_that("the update of prices", async || {
        records("dead_schema.public.prices").await.len() == 1
    })
    .await;
    assert_eq!(letters(&case).await.len(), 2);
    instance.stop().await;
}

#[tokio::test]
async fn existing_rows_that_cannot_be_mapped_are_kept() {
    let mut case = keeping("dead_existing").await;
    case.config = case.config.clone().set("snapshot.mode", "initial");
    case.sql("INSERT INTO prices VALUES (1, 1.00), (2, 'NaN'), (3, 3.00); INSERT INTO items VALUES (1, 'a')")
        .await;
    let mut instance = Instance::start(&case.config).await;
    case.insert([2]).await;
    case.await_ids([1, 2]).await;
    let kept = letters(&case).await;
    assert_eq!(kept.len(), 1, "{kept:#?}");
    assert_eq!(kept[0].1["operation"], "read");
    assert_eq!(kept[0].1["after"]["id"], "2");
    assert_eq!(records("dead_existing.public.prices").await.len(), 2);
    instance.stop().await;
}

#[tokio::test]
async fn sigkill_at_any_moment_neither_loses_nor_doubles_a_dead_letter() {
    const ROUNDS: u32 = 6;
    const ROWS: u32 = 40;
    let case = keeping("dead_killed").await;
    let mut instance = Instance::start(&case.config).await;
    for round in 0..ROUNDS {
        let (first, last) = (round * ROWS + 1, (round + 1) * ROWS);
        for id in first..=last {
            let price = if id % 2 == 0 { "'NaN'" } else { "1.00" };
            case.sql(&format!(
                "BEGIN; INSERT INTO items VALUES ({id}, 'a'); INSERT INTO prices VALUES ({id}, {price}); COMMIT"
            ))
            .await;
        }
        // Somewhere in what this round wrote, a little later each time.
        let seen = (first + round * 5) as usize / 2;
        await_letters(&case, seen).await;
        instance.kill9();
        instance.start_again();
        instance.ready().await;
    }
    case.await_ids(1..=ROUNDS * ROWS).await;
    instance.stop().await;
    let kept = letters(&case).await;
    let ids: BTreeSet<&String> = kept.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), kept.len(), "a dead letter is there twice");
    let rows: Vec<String> = kept
        .iter()
        .map(|(_, letter)| letter["after"]["id"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (1..=ROUNDS * ROWS)
        .filter(|id| id % 2 == 0)
        .map(|id| id.to_string())
        .collect();
    assert_eq!(rows, expected, "in the order of the WAL, each once");
    assert_eq!(case.ids().await, (1..=ROUNDS * ROWS).collect::<Vec<_>>());
    assert_eq!(
        records("dead_killed.public.prices").await.len(),
        (ROUNDS * ROWS / 2) as usize
    );
}
