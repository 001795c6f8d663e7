//! Names and notices of a database that are made to look like lines of walcast, or to move a cursor.

use walcast_tests::{Case, Instance, assert_reports, await_that};

use super::sockets::{assert_harmless, run_against};

const REFUSED: i32 = 1;
const HALTED: i32 = 3;

/// A table's name: the second line of a log, the title of a window, a colour, the other direction.
const NAME: &str = "we\"ird\n2026-01-01T00:00:00Z ERROR forged\u{1b}]0;P\u{7}\u{1b}[31m\u{202e}x";

/// What NAME is printed as.
const PRINTED: &str = "we\"ird\\n2026-01-01T00:00:00Z ERROR forged\\u{1b}]0;P\\u{7}\\u{1b}[31m\\u{202e}x";

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Lines of a log for people begin with time and level of walcast's own.
fn assert_no_line_is_forged(log: &str) {
    assert_harmless(log);
    for line in log.lines() {
        assert!(
            !line.contains("Z ERROR forged") || line.contains("\\n2026"),
            "{line}"
        );
        assert!(!line.starts_with("2026-01-01"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_name_forges_no_line_of_the_process_log() {
    for format in ["human", "json"] {
        let mut case = Case::new(&format!("forged_name_{format}")).await;
        case.sql(&format!("CREATE TABLE {} (id int PRIMARY KEY)", quoted(NAME)))
            .await;
        case.config = case.config.clone().set("log.format", format);
        let mut instance = Instance::start(&case.config).await;
        case.sql(&format!("INSERT INTO {} VALUES (1)", quoted(NAME)))
            .await;
        case.insert([1]).await;
        case.await_ids([1]).await;
        instance.stop().await;
        let log = instance.log();
        assert_no_line_is_forged(&log);
        if format == "human" {
            assert_reports(&log, &[&format!("relation mapped relation=public.{PRINTED}")]);
        } else {
            let mapped = log
                .lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
                .find(|event| event["relation"] == format!("public.{NAME}"));
            assert!(mapped.is_some(), "{log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_a_table_forges_no_finding_and_no_error() {
    let mut case = Case::new("forged_finding").await;
    let name = "x\nok    everything  is fine\u{1b}[2J\u{2066}";
    let tables = vec![format!("public.{}", quoted(name))];
    case.config = case.config.set("postgres.tables", tables);
    case.sql(&format!("CREATE TABLE {} (id int)", quoted(name))).await;
    let checked = run_against(None, &case.config, &["check"], &[]).await;
    checked.error(REFUSED);
    assert_harmless(&checked.stdout);
    let json = run_against(None, &case.config, &["check", "--json"], &[]).await;
    let findings: Vec<serde_json::Value> = serde_json::from_str(&json.stdout).unwrap();
    assert_harmless(&json.stdout);
    assert_eq!(
        checked.stdout.lines().count(),
        findings.len(),
        "{}",
        checked.stdout
    );
    assert!(
        !checked
            .stdout
            .lines()
            .any(|line| line.starts_with("ok    everything"))
    );
    assert_reports(
        &checked.stdout,
        &["x\\nok    everything  is fine\\u{1b}[2J\\u{2066}"],
    );

    let ended = run_against(None, &case.config, &["run"], &[]).await;
    assert_reports(
        ended.error(HALTED),
        &["table public.x; ok    everything", "\\u{1b}[2J"],
    );
    assert_harmless(&ended.stderr);
}

/// An event trigger, or a function that walcast comes to call, writes notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_no_line_of_the_process_log() {
    let case = Case::new("noted").await;
    case.sql(
        "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE NOTICE E'hi\\n2026-01-01T00:00:00Z ERROR forged \\x1b[31m'; END $$; \
         CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION note()",
    )
    .await;
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    instance.stop().await;
    assert!(!instance.log().contains("forged"), "{}", instance.log());

    // For developers it is one line.
    case.sql("DROP EVENT TRIGGER note; DROP PUBLICATION walcast_noted")
        .await;
    case.drop_slot().await;
    let mut case = Case::new("noted_debug").await;
    case.sql(
        "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE NOTICE E'hi\\n2026-01-01T00:00:00Z ERROR forged \\x1b[31m'; END $$; \
         CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION note()",
    )
    .await;
    case.config = case
        .config
        .clone()
        .set("log.level", "walcast_postgres=debug,info");
    let mut instance = Instance::start(&case.config).await;
    await_that("the notice", async || instance.log().contains("forged")).await;
    instance.stop().await;
    assert_no_line_is_forged(&instance.log());
}
