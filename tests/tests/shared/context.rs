//! The context of transactions in the headers of their records: from messages of an application, from those of Sequin and Bemi, and
//! from the SQL that walcast prints, against real servers.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod restarts;
mod sql;

use std::collections::BTreeMap;

use walcast_testbed::{Decoder, RawRecord};
use walcast_tests::{Case, Instance, shared};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Headers as names and values.
type Headers = Vec<(String, String)>;

fn headers(pairs: &[(&str, &str)]) -> Headers {
    let owned = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    owned.collect()
}

/// Only a context.
fn context(json: &str) -> Headers {
    headers(&[("walcast.context", json)])
}

/// Headers of context that a record has.
fn headers_of(record: &RawRecord) -> Headers {
    let own = [
        "walcast.context",
        "walcast.context.error",
        "traceparent",
        "tracestate",
    ];
    let found = record
        .headers
        .iter()
        .filter(|(name, _)| own.contains(&name.as_str()));
    let found = found.map(|(name, value)| {
        let value = String::from_utf8(value.clone().unwrap()).unwrap();
        (name.clone(), value)
    });
    found.collect()
}

/// Headers of context of each record of `items`, by the row.
async fn contexts(case: &Case<'_>) -> BTreeMap<u32, Vec<Headers>> {
    let mut decoder = Decoder::new(&shared().await.registry().url()).unwrap();
    let mut contexts: BTreeMap<u32, Vec<Headers>> = BTreeMap::new();
    for record in case.items().await {
        let key = decoder.decode(&record).await.unwrap().key.unwrap();
        let id = key["id"].to_text().unwrap().parse().unwrap();
        contexts.entry(id).or_default().push(headers_of(&record));
    }
    contexts
}

/// Compares the rows that have one record each with what their records are to have.
async fn assert_contexts(case: &Case<'_>, expected: Vec<(u32, Headers)>) {
    let expected: BTreeMap<u32, Vec<Headers>> =
        expected.into_iter().map(|(id, one)| (id, vec![one])).collect();
    assert_eq!(contexts(case).await, expected);
}

/// Statement that sends a message of the transaction.
fn emit(prefix: &str, content: &str) -> String {
    format!("SELECT pg_logical_emit_message(true, '{prefix}', '{content}')")
}

/// Statement that sets the context.
fn set(json: &str) -> String {
    emit("walcast.context", json)
}

fn insert(id: u32) -> String {
    format!("INSERT INTO items VALUES ({id}, 'note')")
}

/// A transaction of these statements.
async fn transaction(case: &Case<'_>, statements: &[String]) {
    case.sql(&format!("BEGIN; {}; COMMIT", statements.join("; ")))
        .await;
}

#[tokio::test]
async fn changes_have_the_context_of_their_own_transaction() {
    let mut case = Case::new("context").await;
    case.config = case.config.set("snapshot.mode", "initial");
    // A row that is read has none.
    transaction(&case, &[set("{}"), insert(0)]).await;
    let mut instance = Instance::start(&case.config).await;

    let (one, two) = (case.client().await, case.client().await);
    for (client, statement) in [
        (&one, "BEGIN".to_owned()),
        (&two, "BEGIN".to_owned()),
        (&one, set(r#"{"by": "one"}"#)),
        (&two, set(r#"{"by": "two"}"#)),
        (&two, insert(1)),
        (&one, insert(2)),
        (&one, set(r#"{"by": "one again"}"#)),
        (&two, insert(3)),
        (&one, insert(4)),
        (&two, "COMMIT".to_owned()),
        (&one, "COMMIT".to_owned()),
    ] {
        client.batch_execute(&statement).await.unwrap();
    }
    let savepoints = [
        set(r#"{"at": "begin"}"#),
        insert(5),
        "SAVEPOINT a".to_owned(),
        set(r#"{"at": "a"}"#),
        insert(99),
        "ROLLBACK TO a".to_owned(),
        insert(6),
        "SAVEPOINT b".to_owned(),
        set(r#"{"at": "b"}"#),
        insert(7),
        "RELEASE b".to_owned(),
        insert(12),
    ];
    transaction(&case, &savepoints).await;
    transaction(&case, &[insert(8), set("{}")]).await;
    let alone = "SELECT pg_logical_emit_message(false, 'walcast.context', '{}')".to_owned();
    transaction(&case, &[alone, insert(9)]).await;
    let trace = format!(r#"{{"traceparent": "{TRACE}", "tracestate": "a=1"}}"#);
    let no_trace = r#"{"traceparent": "00-1-1-1", "tracestate": "a=1"}"#;
    transaction(&case, &[set(&trace), insert(10), set(no_trace), insert(11)]).await;

    case.await_ids(0..13).await;
    instance.stop().await;
    let traced = headers(&[
        ("walcast.context", &trace),
        ("traceparent", TRACE),
        ("tracestate", "a=1"),
    ]);
    let expected = vec![
        (0, headers(&[])),
        (1, context(r#"{"by": "two"}"#)),
        (2, context(r#"{"by": "one"}"#)),
        (3, context(r#"{"by": "two"}"#)),
        (4, context(r#"{"by": "one again"}"#)),
        (5, context(r#"{"at": "begin"}"#)),
        (6, context(r#"{"at": "begin"}"#)),
        (7, context(r#"{"at": "b"}"#)),
        (8, headers(&[])),
        (9, headers(&[])),
        (10, traced),
        (11, context(no_trace)),
        (12, context(r#"{"at": "b"}"#)),
    ];
    assert_contexts(&case, expected).await;
}

#[tokio::test]
async fn contexts_of_sequin_and_bemi_are_understood_and_cleared() {
    let case = Case::new("context_prefixes").await;
    let mut instance = Instance::start(&case.config).await;
    let json = r#"{"user": "anna"}"#;
    let sequin = "sequin:transaction_annotations.set";
    let clear = emit("sequin:transaction_annotations.clear", "");
    transaction(&case, &[emit(sequin, json), insert(1), clear, insert(2)]).await;
    transaction(
        &case,
        &[
            emit("_bemi", json),
            insert(3),
            emit("_bemi_heartbeat", "no"),
            insert(4),
        ],
    )
    .await;
    let clear = emit("walcast.context.clear", "");
    transaction(&case, &[set(json), insert(5), clear, insert(6)]).await;
    case.await_ids(1..7).await;
    instance.stop().await;
    let expected = [1, 3, 4, 5].map(|id| (id, context(json)));
    let cleared = [2, 6].map(|id| (id, headers(&[])));
    assert_contexts(&case, expected.into_iter().chain(cleared).collect()).await;
}

#[tokio::test]
async fn a_context_that_cannot_be_sent_stops_nothing_and_is_counted() {
    let case = Case::new("context_errors").await;
    let mut instance = Instance::start(&case.config).await;
    let large = format!(r#"{{"passphrase": "{}"}}"#, "x".repeat(5_000));
    transaction(
        &case,
        &[set("{\"passphrase\": "), insert(1), set("{}"), insert(2)],
    )
    .await;
    transaction(&case, &[set("[\"passphrase\"]"), insert(3)]).await;
    transaction(&case, &[set("passphrase"), insert(4)]).await;
    transaction(&case, &[set(&large), insert(5)]).await;
    case.await_ids(1..6).await;
    let metrics = instance.page("metrics").await;
    for (reason, count) in [("not_json", 2), ("not_an_object", 1), ("too_large", 1)] {
        let counted = format!(
            "walcast_context_errors_total{{connector=\"context_errors\",reason=\"{reason}\"}} {count}"
        );
        assert!(metrics.contains(&counted), "{counted} is not in {metrics}");
    }
    let log = instance.log();
    instance.stop().await;
    let warning = "context of a transaction cannot be sent";
    assert_eq!(log.matches(warning).count(), 1, "{log}");
    assert!(!log.contains("passphrase"), "{log}");
    let error = |reason| headers(&[("walcast.context.error", reason)]);
    let expected = vec![
        (1, error("not_json")),
        (2, context("{}")),
        (3, error("not_an_object")),
        (4, error("not_json")),
        (5, error("too_large")),
    ];
    assert_contexts(&case, expected).await;
}

#[tokio::test]
async fn without_prefixes_records_have_no_context() {
    let mut case = Case::new("context_off").await;
    let none = toml::Value::Array(Vec::new());
    case.config = case.config.clone().set("context.prefixes", none);
    let mut instance = Instance::start(&case.config).await;
    transaction(&case, &[set("{}"), insert(1)]).await;
    case.await_ids([1]).await;
    instance.stop().await;
    assert_contexts(&case, vec![(1, headers(&[]))]).await;
}
