//! Conditions as real servers parse them: what is accepted stays inside of its parentheses.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use walcast_delivery::condition::{Condition, Dialect};
use walcast_testbed::{Postgres, PostgresOptions};

/// Texts that are tried on each server, of which about a third are accepted.
const TEXTS: usize = 6000;

/// The name of the only column that a contained condition leaves.
const MARKER: &str = "walcast_marker";

/// What texts are made of: everything that opens, closes, hides or cuts something for the scanner.
const PIECES: [&str; 52] = [
    "id", "note", "tags", "active", "5", "1.5e3", "'a'", "'it''s'", "'", "''", "E'", "e'\\\\'", "E'\\n'",
    "\\", "\\'", "\"note\"", "\"", "$$", "$a$", "$1", "$", "(", ")", "(id)", "[", "]", "[1]", ",", ";", "--",
    "/*", "*/", "-", ">-", "*", "=", "<>", "::text", ":", ".", "AND", "OR", "NOT", "IS NULL", "IN (1)",
    "U&'", "X'", "B'1'", "\n", " ", "\u{e9}", "\u{a0}",
];

fn texts() -> Vec<String> {
    let piece = prop::sample::select(PIECES.to_vec());
    let comparison = prop::sample::select(vec!["id = 5 AND ", "active OR ", "NOT ", ""]);
    let glue = prop::sample::select(vec!["", " "]);
    let text = (comparison, prop::collection::vec((piece, glue), 1..9)).prop_map(|(first, pieces)| {
        pieces
            .iter()
            .fold(first.to_owned(), |text, (piece, glue)| text + glue + piece)
    });
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    (0..TEXTS)
        .map(|_| text.new_tree(&mut runner).unwrap().current())
        .collect()
}

/// The columns of a statement as the server names them, or the `SQLSTATE` with which it rejects the statement.
async fn columns(client: &Client, statement: &str) -> Result<Vec<String>, SqlState> {
    let prepared = client.prepare(statement).await;
    let prepared = prepared.map_err(|error| error.code().unwrap().clone())?;
    Ok(prepared
        .columns()
        .iter()
        .map(|column| column.name().to_owned())
        .collect())
}

/// Whether the server takes a condition for one expression, whatever stands around it. One that left its parentheses would
/// make another statement of one of these: of the second one with two columns, of the third one an open bracket. Only a
/// statement with a syntax error runs nothing of the condition; one with another error is parsed, so the others are too.
async fn is_contained(client: &Client, sql: &str) -> bool {
    let table = "(SELECT ctid, id, note, tags, active FROM ONLY public.t) AS t";
    let chosen = format!("SELECT 1 AS {MARKER} FROM {table} WHERE (\n{sql}\n)");
    let chosen = columns(client, &chosen).await;
    if chosen == Err(SqlState::SYNTAX_ERROR) {
        return true;
    }
    let shown = columns(client, &format!("SELECT ((\n{sql}\n)) AS {MARKER} FROM {table}")).await;
    let listed = columns(
        client,
        &format!("SELECT ARRAY[\n{sql}\n] AS {MARKER} FROM {table}"),
    )
    .await;
    let is_parsed = shown != Err(SqlState::SYNTAX_ERROR) && listed != Err(SqlState::SYNTAX_ERROR);
    match chosen {
        Ok(chosen) => chosen == [MARKER] && shown.is_ok_and(|shown| shown == [MARKER]) && is_parsed,
        Err(_) => is_parsed,
    }
}

async fn check(major: u16) {
    let server = Postgres::start(PostgresOptions::major(major)).await.unwrap();
    server
        .execute("CREATE TABLE public.t (id int PRIMARY KEY, note text, tags text[], active boolean)")
        .await
        .unwrap();
    let client = server.client().await.unwrap();
    for standard_conforming_strings in ["on", "off"] {
        let set = format!(
            "SET standard_conforming_strings = {standard_conforming_strings}; SET backslash_quote = on"
        );
        client.batch_execute(&set).await.unwrap();
        let (mut accepted, mut executed) = (0, 0);
        for text in texts() {
            for dialect in [Dialect::Comparisons, Dialect::Sql] {
                let Ok(condition) = Condition::parse(&text, dialect) else {
                    continue;
                };
                // With the setting off a backslash escapes in plain quotes too. Our sessions set it on.
                if dialect == Dialect::Sql && standard_conforming_strings == "off" && text.contains('\\') {
                    continue;
                }
                let sql = condition.sql();
                accepted += 1;
                assert!(is_contained(&client, &sql).await, "{major}: {text:?} as {sql:?}");
                executed += usize::from(
                    columns(&client, &format!("SELECT (\n{sql}\n) FROM public.t"))
                        .await
                        .is_ok(),
                );
            }
        }
        assert!(
            accepted > 500 && executed > 100,
            "{major}: {accepted} accepted, {executed} valid"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_conditions_stay_inside_of_their_parentheses() {
    for major in [12, 17] {
        check(major).await;
    }
}

/// The check sees a condition that leaves its parentheses.
#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_leave_their_parentheses_are_seen() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server
        .execute("CREATE TABLE public.t (id int PRIMARY KEY, note text, tags text[], active boolean)")
        .await
        .unwrap();
    let client = server.client().await.unwrap();
    for escaping in ["true) OR (true", "true) LIMIT (1"] {
        let is_seen = !is_contained(&client, escaping).await;
        let is_rejected = Condition::parse(escaping, Dialect::Sql).is_err();
        assert!(is_rejected && is_seen, "{escaping}");
    }
}
