//! Settings of the role or the database change no value and end no session of the connector.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_tests::{Case, Instance, await_that};

use crate::schema_changes::rows;

/// Settings that would end sessions, hide rows, forbid writes, or print values in other formats.
const SETTINGS: [&str; 15] = [
    "statement_timeout = '5s'",
    "lock_timeout = '1ms'",
    "idle_in_transaction_session_timeout = '1s'",
    "idle_session_timeout = '1s'",
    "transaction_timeout = '5s'",
    "default_transaction_read_only = on",
    "default_transaction_isolation = 'serializable'",
    "search_path = 'nowhere'",
    "row_security = on",
    "datestyle = 'German'",
    "intervalstyle = 'sql_standard'",
    "bytea_output = 'escape'",
    "extra_float_digits = -3",
    "timezone = 'Asia/Tokyo'",
    "client_encoding = 'LATIN1'",
];

const TABLE: &str = "CREATE TABLE formats (id int PRIMARY KEY, day date DEFAULT '2024-02-03', at timestamptz, span interval, bytes bytea,
         number float8, umlaut text, big text);
     ALTER TABLE formats ALTER COLUMN big SET STORAGE EXTERNAL";

const ROW: &str = "'2024-12-24', '2024-12-24 18:00:00+01', '1 year 2 days 03:04:05', '\\xdeadbeef', 0.1 + 0.2, 'Grüße', repeat('x', 5000)";

/// Delivers an existing row, a streamed row, and an update of which WAL does not have the large value.
async fn deliver_all(case: &mut Case<'static>) -> Vec<String> {
    let config = case.config.clone().set("snapshot.mode", "initial");
    case.config = config.set("format.unavailable_values", "reselect");
    let topic = format!("{}.public.formats", case.name());
    let mut instance = Instance::start(&case.config).await;
    case.sql(&format!("INSERT INTO formats VALUES (2, {ROW})")).await;
    case.sql("UPDATE formats SET number = 1e-7 WHERE id = 2").await;
    case.sql("CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (1)")
        .await;
    // Longer than the time limits of idle sessions.
    await_that("the rows", async || rows(&topic).await.len() == 3).await;
    let later = format!("{}.public.later", case.name());
    await_that("the later table", async || rows(&later).await.len() == 1).await;
    assert_eq!(instance.status().await["reconnects"], 0);
    instance.stop().await;
    rows(&topic).await
}

#[tokio::test]
async fn settings_of_the_role_change_no_value_and_end_no_session() {
    let mut plain = Case::new("plain_role").await;
    let mut odd = Case::new("odd_role").await;
    for case in [&mut plain, &mut odd] {
        case.config = case.config.clone().set("postgres.slot_check_interval", "2s");
        case.sql(TABLE).await;
        case.sql(&format!("INSERT INTO formats VALUES (1, {ROW})")).await;
    }
    odd.sql("CREATE ROLE odd SUPERUSER LOGIN PASSWORD 'odd'").await;
    for setting in SETTINGS {
        odd.sql(&format!("ALTER ROLE odd SET {setting}")).await;
    }
    let url = odd.postgres.url_for("odd", "odd", "odd_role");
    odd.config = odd.config.clone().set("postgres.url", url);
    assert_eq!(deliver_all(&mut odd).await, deliver_all(&mut plain).await);
}
