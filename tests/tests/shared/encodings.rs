//! Databases with other encodings than UTF8: text is delivered in UTF-8, and bytes that have no equivalent there are values without
//! form, which the settings for such values concern.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod names;

use serde_json::{Value, json};
use walcast_tests::{Case, Instance, assert_reports, await_that, shared};

use crate::dead_letters::records;
use crate::schema_changes::{await_rows, rows};

/// Exit code of a connector that halted.
const HALTED: i32 = 3;

/// A case whose database has this encoding. Existing rows are read.
async fn case_in(encoding: &str, name: &str) -> Case<'static> {
    let postgres = &shared().await.postgres;
    let sql = format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    );
    let client = postgres.client_of("postgres").await.unwrap();
    client.batch_execute(&sql).await.unwrap();
    let config = Case::config_of(postgres, name).await;
    Case::existing(postgres, name, &config.set("snapshot.mode", "initial"))
}

/// Row of the table of each dead letter, by column, in the order of the topic.
async fn dead_rows(case: &Case<'_>) -> Vec<Value> {
    let letters = records(&format!("{}.dead-letters", case.name())).await;
    let rows = letters.iter().filter_map(|letter| {
        let letter: Value = serde_json::from_slice(letter.value.as_deref()?).unwrap();
        Some(letter["after"].clone())
    });
    rows.collect()
}

async fn await_dead_rows(case: &Case<'_>, expected: &[Value]) {
    await_that(&format!("{} dead letters", expected.len()), async || {
        dead_rows(case).await.len() >= expected.len()
    })
    .await;
    assert_eq!(dead_rows(case).await, expected);
}

#[tokio::test]
async fn names_keys_and_values_of_latin1_are_delivered_in_utf8() {
    let case = case_in("LATIN1", "in_latin1").await;
    case.sql(
        "CREATE TYPE laune AS ENUM ('fröhlich', 'müde');
         CREATE TABLE \"größe\" (\"schlüssel\" text PRIMARY KEY, notiz text DEFAULT 'ähnlich', laune laune, liste text[]);
         INSERT INTO \"größe\" VALUES ('äöü', E'Stra\\ttße', 'müde', '{é,\"à b\"}')",
    )
    .await;
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    assert_reports(&checked.stdout, &["server encoding", "LATIN1"]);

    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO \"größe\" (\"schlüssel\", laune) VALUES ('ß', 'fröhlich')")
        .await;
    case.sql("UPDATE \"größe\" SET \"schlüssel\" = 'ÿ' WHERE \"schlüssel\" = 'ß'")
        .await;
    await_rows(
        "in_latin1.public.gr__e",
        &[
            r#"{"laune":"müde","liste":"Array([Union(1, String(\"é\")), Union(1, String(\"à b\"))])","notiz":"Stra\ttße","schl_ssel":"äöü"}"#,
            r#"{"laune":"fröhlich","liste":null,"notiz":"ähnlich","schl_ssel":"ß"}"#,
            r#"{"laune":"fröhlich","liste":null,"notiz":"ähnlich","schl_ssel":"ÿ"}"#,
        ],
    )
    .await;
    instance.stop().await;
}

#[tokio::test]
async fn text_of_several_bytes_is_delivered_in_utf8() {
    let case = case_in("EUC_JP", "in_euc_jp").await;
    case.sql(
        "CREATE TABLE \"注文x\" (k text PRIMARY KEY, \"v品\" text);
         INSERT INTO \"注文x\" VALUES ('番号', '品名 \\ ｱ')",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO \"注文x\" VALUES ('東京', 'ーズ')").await;
    await_rows(
        "in_euc_jp.public.__x",
        &[r#"{"k":"番号","v_":"品名 \\ ｱ"}"#, r#"{"k":"東京","v_":"ーズ"}"#],
    )
    .await;
    instance.stop().await;
}

/// The server cannot convert byte 81 of Windows-1252, and ends COPY and the stream at it.
#[tokio::test]
async fn a_character_without_equivalent_has_no_form_and_ends_nothing() {
    let mut case = case_in("WIN1252", "in_win1252").await;
    case.config = case.config.clone().set("dead_letters.on_error", "dead_letter");
    case.sql(
        "CREATE TABLE items (id int PRIMARY KEY, note text);
         INSERT INTO items VALUES (1, 'é'), (2, convert_from('\\x8140', 'WIN1252')), (3, E'a\\\\\\t€')",
    )
    .await;
    // A process begins with the conversion by the server: here COPY fails, in the second process the stream.
    let mut instance = Instance::start(&case.config).await;
    case.await_ids([1, 3]).await;
    case.sql("INSERT INTO items VALUES (4, convert_from('\\xc381', 'WIN1252')), (5, 'ñ')")
        .await;
    case.await_ids([5]).await;
    assert_reports(
        &instance.log(),
        &["the server cannot convert a text from WIN1252 to UTF-8"],
    );
    instance.stop().await;

    case.sql("INSERT INTO items VALUES (6, 'before')").await;
    case.sql("INSERT INTO items VALUES (7, convert_from('\\x8d', 'WIN1252')), (8, 'œ')")
        .await;
    case.sql("UPDATE items SET note = 'ok' WHERE id = 7").await;
    let mut instance = Instance::start(&case.config).await;
    await_that("the last change", async || {
        rows("in_win1252.public.items").await.len() >= 6
    })
    .await;
    assert_eq!(
        rows("in_win1252.public.items").await,
        [
            r#"{"id":1,"note":"é"}"#,
            r#"{"id":3,"note":"a\\\t€"}"#,
            r#"{"id":5,"note":"ñ"}"#,
            r#"{"id":6,"note":"before"}"#,
            r#"{"id":8,"note":"œ"}"#,
            r#"{"id":7,"note":"ok"}"#,
        ]
    );
    await_dead_rows(
        &case,
        &[
            json!({"id": "2", "note": {"hex": "8140"}}),
            json!({"id": "4", "note": {"hex": "c381"}}),
            json!({"id": "7", "note": {"hex": "8d"}}),
        ],
    )
    .await;
    instance.stop().await;
}

#[tokio::test]
async fn bytes_of_unknown_encoding_are_delivered_if_they_are_utf8_and_kept_otherwise() {
    let mut case = case_in("SQL_ASCII", "in_sql_ascii").await;
    case.config = case.config.clone().set("dead_letters.on_error", "dead_letter");
    // The name of the last table is not UTF-8, so that no statement in UTF-8 can contain it.
    case.sql(&format!(
        "CREATE TABLE wörter (id int PRIMARY KEY, note text);
         INSERT INTO wörter VALUES (1, 'grün'), (2, convert_from('\\xe9', 'SQL_ASCII'));
         DO $$ BEGIN
             EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY)', convert_from('\\x636166e9', 'SQL_ASCII'));
             EXECUTE format('CREATE TABLE columns (id int PRIMARY KEY, %I text)', convert_from('\\x6eef7665', 'SQL_ASCII'));
         END $$;
         INSERT INTO columns VALUES (1, 'read');
         CREATE PUBLICATION {} FOR ALL TABLES",
        case.slot()
    ))
    .await;
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    assert_reports(
        &checked.stdout,
        &[
            "WARN  postgres server encoding",
            "SQL_ASCII",
            "its name is not UTF-8",
            "caf\u{FFFD}",
        ],
    );

    let mut instance = Instance::start(&case.config).await;
    // Rows that are read after their change come twice.
    await_rows("in_sql_ascii.public.w_rter", &[r#"{"id":1,"note":"grün"}"#]).await;
    case.sql("INSERT INTO wörter VALUES (3, 'blau – grün'), (4, convert_from('\\xff80', 'SQL_ASCII'))")
        .await;
    case.sql(
        "DO $$ BEGIN
             EXECUTE format('INSERT INTO %I VALUES (1)', convert_from('\\x636166e9', 'SQL_ASCII'));
             EXECUTE format('ALTER TABLE wörter ADD %I text', convert_from('\\x6eef7665', 'SQL_ASCII'));
         END $$;
         INSERT INTO wörter VALUES (5, 'rot', 'x')",
    )
    .await;
    await_rows(
        "in_sql_ascii.public.w_rter",
        &[
            r#"{"id":1,"note":"grün"}"#,
            r#"{"id":3,"note":"blau – grün"}"#,
            r#"{"id":5,"n_ve":"x","note":"rot"}"#,
        ],
    )
    .await;
    await_dead_rows(
        &case,
        &[
            json!({"id": "2", "note": {"hex": "e9"}}),
            json!({"id": "4", "note": {"hex": "ff80"}}),
        ],
    )
    .await;
    case.sql("INSERT INTO columns VALUES (2, 'streamed')").await;
    await_rows(
        "in_sql_ascii.public.columns",
        &[r#"{"id":1,"n_ve":"read"}"#, r#"{"id":2,"n_ve":"streamed"}"#],
    )
    .await;
    assert_reports(
        &instance.log(),
        &["table is left out: its name is not UTF-8", "caf\u{FFFD}"],
    );
    assert_eq!(instance.status().await["reconnects"], 0);
    instance.stop().await;
}

#[tokio::test]
async fn bytes_of_unknown_encoding_halt_or_are_null_by_setting() {
    let mut case = case_in("SQL_ASCII", "ascii_halt").await;
    case.sql("CREATE TABLE items (id int PRIMARY KEY, note text)")
        .await;
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO items VALUES (1, 'a')").await;
    case.await_ids([1]).await;
    case.sql("INSERT INTO items VALUES (2, convert_from('\\xe9', 'SQL_ASCII'))")
        .await;
    assert_eq!(instance.exit_code().await, HALTED);
    assert_reports(
        &instance.log(),
        &["column note of public.items", "it is not UTF-8"],
    );

    case.config = case.config.clone().set("types.unwritable", "null");
    let mut instance = Instance::start(&case.config).await;
    await_rows(
        "ascii_halt.public.items",
        &[r#"{"id":1,"note":"a"}"#, r#"{"id":2,"note":null}"#],
    )
    .await;
    instance.stop().await;
}
