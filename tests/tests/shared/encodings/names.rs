//! Names and enum labels that have no equivalent in UTF-8 concern their own table only.

use std::collections::BTreeSet;

use serde_json::json;
use walcast_tests::{Instance, assert_reports, await_that};

use super::{await_dead_rows, case_in};
use crate::schema_changes::{await_rows, rows};

/// Statement that is built from a name as it is stored, which no statement in UTF-8 can contain.
fn with_name(sql: &str, encoding: &str, bytes: &str) -> String {
    format!("DO $$ BEGIN EXECUTE format('{sql}', convert_from('\\x{bytes}', '{encoding}')); END $$")
}

/// Statements of an output that rename what has no equivalent in UTF-8.
fn renames(output: &str) -> BTreeSet<String> {
    let bodies = output.split("DO $$").skip(1);
    let bodies = bodies.filter_map(|rest| rest.split_once("END $$"));
    bodies.map(|(body, _)| format!("DO $${body}END $$")).collect()
}

/// The server cannot convert byte 81 of Windows-1252, and ends each query that returns the name, and the stream.
#[tokio::test]
async fn a_table_whose_name_cannot_be_converted_concerns_no_other_table() {
    let mut case = case_in("WIN1252", "names_win1252").await;
    case.config = case.config.clone().set("postgres.slot_check_interval", "200ms");
    let (name, late) = ("636166c381", "7461c381");
    let named = |sql: &str, bytes: &str| with_name(sql, "WIN1252", bytes);
    let slot = case.slot();
    for statement in [
        "CREATE TABLE items (id int PRIMARY KEY, note text); INSERT INTO items VALUES (1, 'é')",
        &named("CREATE TABLE %I (id int PRIMARY KEY)", name),
        &format!("CREATE PUBLICATION {slot} FOR ALL TABLES"),
    ] {
        case.sql(statement).await;
    }
    let left_out = ["its name is not UTF-8", "caf\u{FFFD}\u{FFFD}"];
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    assert_reports(&checked.stdout, &left_out);

    let mut instance = Instance::start(&case.config).await;
    case.await_ids([1]).await;
    for statement in [
        named("INSERT INTO %I VALUES (1)", name).as_str(),
        "INSERT INTO items VALUES (2, 'ñ')",
    ] {
        case.sql(statement).await;
    }
    case.await_ids([2]).await;
    // Another one comes while changes are streamed, and inspections continue.
    for statement in [
        named("CREATE TABLE %I (id int PRIMARY KEY)", late).as_str(),
        "CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (7)",
    ] {
        case.sql(statement).await;
    }
    // A table of FOR ALL TABLES is streamed before it is found and read: the row can come as both.
    await_that("the row of the later table", async || {
        let rows = rows("names_win1252.public.later").await;
        assert!(rows.iter().all(|row| row == r#"{"id":7}"#), "{rows:?}");
        !rows.is_empty()
    })
    .await;
    // Under a name that can be converted, it is a new table.
    case.sql(&named("ALTER TABLE %I RENAME TO cafe", name)).await;
    await_rows("names_win1252.public.cafe", &[r#"{"id":1}"#]).await;
    await_rows(
        "names_win1252.public.items",
        &[r#"{"id":1,"note":"é"}"#, r#"{"id":2,"note":"ñ"}"#],
    )
    .await;
    assert_reports(&instance.log(), &left_out);
    instance.stop().await;
}

/// No pattern selects the partition by its own name.
#[tokio::test]
async fn a_partition_whose_name_cannot_be_converted_is_named() {
    let mut case = case_in("WIN1252", "names_partition").await;
    case.config = case.config.clone().set("postgres.tables", vec!["public.events"]);
    let partition = with_name(
        "CREATE TABLE %I PARTITION OF events DEFAULT",
        "WIN1252",
        "636166c381",
    );
    for statement in [
        "CREATE TABLE events (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        partition.as_str(),
    ] {
        case.sql(statement).await;
    }
    let checked = case.command(&["check"]).await;
    assert_reports(&checked.stdout, &["its name is not UTF-8", "caf\u{FFFD}\u{FFFD}"]);
}

#[tokio::test]
async fn an_enum_label_that_is_not_utf8_is_a_value_without_form() {
    let mut case = case_in("SQL_ASCII", "labels_sql_ascii").await;
    case.config = case.config.clone().set("dead_letters.on_error", "dead_letter");
    let named = |sql: &str| with_name(sql, "SQL_ASCII", "6dfc6465");
    for statement in [
        named("CREATE TYPE mood AS ENUM (''gut'', %L)").as_str(),
        "CREATE TABLE moods (id int PRIMARY KEY, mood mood); INSERT INTO moods VALUES (1, 'gut')",
    ] {
        case.sql(statement).await;
    }
    let mut instance = Instance::start(&case.config).await;
    await_rows("labels_sql_ascii.public.moods", &[r#"{"id":1,"mood":"gut"}"#]).await;
    for statement in [
        named("INSERT INTO moods VALUES (2, %L)").as_str(),
        "INSERT INTO moods VALUES (3, 'gut')",
    ] {
        case.sql(statement).await;
    }
    await_rows(
        "labels_sql_ascii.public.moods",
        &[r#"{"id":1,"mood":"gut"}"#, r#"{"id":3,"mood":"gut"}"#],
    )
    .await;
    await_dead_rows(&case, &[json!({"id": "2", "mood": {"hex": "6dfc6465"}})]).await;
    instance.stop().await;
}

/// The server ends the stream at the description of the table, and the queries that describe it.
#[tokio::test]
async fn names_of_columns_types_and_labels_without_equivalent_do_not_end_the_connector() {
    let mut case = case_in("WIN1252", "columns_win1252").await;
    case.config = case.config.clone().set("dead_letters.on_error", "dead_letter");
    case.sql(
        "CREATE TABLE items (id int PRIMARY KEY, note text);
         DO $$ BEGIN
             EXECUTE format('CREATE TYPE mood AS ENUM (''gut'', %L)', convert_from('\\x6d81', 'WIN1252'));
             EXECUTE format('CREATE TYPE %I AS ENUM (''a'')', convert_from('\\x74c381', 'WIN1252'));
             EXECUTE format('CREATE TABLE moods (id int PRIMARY KEY, %I text, mood mood, k %I)',
                 convert_from('\\x6ec381', 'WIN1252'), convert_from('\\x74c381', 'WIN1252'));
         END $$;
         INSERT INTO moods VALUES (1, 'read', 'gut', 'a')",
    )
    .await;
    let named = ["column n\\xc3\\x81", "type t\\xc3\\x81", "enum label m\\x81"];
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    assert_reports(&checked.stdout, &named);
    let statements = renames(&checked.stdout);
    assert_eq!(statements.len(), 3, "{checked:#?}");

    let mut instance = Instance::start(&case.config).await;
    let topic = "columns_win1252.public.moods";
    let read = r#"{"id":1,"k":"a","mood":"gut","n__":"read"}"#;
    let streamed = r#"{"id":2,"k":"a","mood":"gut","n__":"streamed"}"#;
    await_rows(topic, &[read]).await;
    case.sql("INSERT INTO moods VALUES (2, 'streamed', 'gut', 'a'); INSERT INTO items VALUES (1, 'é')")
        .await;
    await_rows(topic, &[read, streamed]).await;
    case.await_ids([1]).await;
    case.sql(&with_name(
        "INSERT INTO moods VALUES (3, ''x'', %L, ''a'')",
        "WIN1252",
        "6d81",
    ))
    .await;
    let row = json!({"id": "3", "n\u{FFFD}\u{FFFD}": "x", "mood": {"hex": "6d81"}, "k": "a"});
    await_dead_rows(&case, &[row]).await;
    assert_reports(&instance.log(), &named);
    // The statements that were named are those that help.
    for statement in &statements {
        case.sql(statement).await;
    }
    case.sql("INSERT INTO moods VALUES (4, 'renamed', 'new_label', 'a')")
        .await;
    let renamed = r#"{"id":4,"k":"a","mood":"new_label","new_name":"renamed"}"#;
    await_rows(topic, &[read, streamed, renamed]).await;
    instance.stop().await;
    let checked = case.command(&["check"]).await;
    assert!(renames(&checked.stdout).is_empty(), "{checked:#?}");
}

/// No statement can read the partition, and none can read the column of a partition.
#[tokio::test]
async fn rows_of_partitions_that_cannot_be_named_are_read_once_they_are_renamed() {
    const DENIED: i32 = 7;
    let case = case_in("WIN1252", "partitions_win1252").await;
    case.sql(
        "DO $$ BEGIN
             EXECUTE format('CREATE TABLE events (id int PRIMARY KEY, %I text) PARTITION BY RANGE (id)',
                 convert_from('\\x6ec381', 'WIN1252'));
             EXECUTE format('CREATE TABLE %I PARTITION OF events DEFAULT', convert_from('\\x70c381', 'WIN1252'));
         END $$;
         INSERT INTO events VALUES (1, 'read')",
    )
    .await;
    let checked = case.command(&["check"]).await;
    let failed = checked.stdout.lines().find(|line| line.starts_with("FAIL "));
    assert_reports(
        failed.unwrap_or_default(),
        &["existing rows", "public.events", "names without equivalent"],
    );
    let ended = case.run_to_end().await;
    let statements = renames(ended.error(DENIED));
    assert_eq!(statements.len(), 2, "{ended:#?}");
    assert!(statements.is_subset(&renames(&checked.stdout)), "{checked:#?}");
    for statement in &statements {
        case.sql(statement).await;
    }
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO events VALUES (2, 'streamed')").await;
    await_rows(
        "partitions_win1252.public.events",
        &[
            r#"{"id":1,"new_name":"read"}"#,
            r#"{"id":2,"new_name":"streamed"}"#,
        ],
    )
    .await;
    instance.stop().await;
}

/// No statement can read the partition: of the other tables everything is compared.
#[tokio::test]
async fn a_partition_that_cannot_be_named_keeps_no_other_table_from_verification() {
    const UNDECIDED: Option<i32> = Some(2);
    let mut case = case_in("WIN1252", "unreadable_win1252").await;
    // Existing rows could not be read.
    case.config = case.config.clone().set("snapshot.mode", "never");
    let partition = with_name("CREATE TABLE %I PARTITION OF events DEFAULT", "WIN1252", "70c381");
    for statement in [
        "CREATE TABLE items (id int PRIMARY KEY, note text);
         CREATE TABLE events (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        partition.as_str(),
    ] {
        case.sql(statement).await;
    }
    let mut instance = Instance::start(&case.config).await;
    case.sql("INSERT INTO items VALUES (1, 'é')").await;
    case.await_ids([1]).await;
    let verified = case.command(&["verify", "--json"]).await;
    assert_eq!(verified.code, UNDECIDED, "{verified:#?}");
    let report: serde_json::Value = serde_json::from_str(&verified.stdout).unwrap();
    let certificate = &report["certificate"];
    let reason = certificate["not_compared"]["public.events"].as_str();
    assert_reports(reason.unwrap_or_default(), &["the name of partition", "DO $$"]);
    assert_eq!(
        certificate["topics"][0]["topic"],
        "unreadable_win1252.public.items"
    );
    assert_eq!(certificate["topics"][0]["identical"], 1, "{certificate:#}");
    assert_eq!(certificate["verdict"], "undecided");
    instance.stop().await;
}
