//! The commands beside `run`: what they print for people and for programs, and that they change nothing.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use walcast_testbed::ConnectorConfig;
use walcast_tests::{Case, Finished, Instance, LIMIT, assert_reports, await_that, command, shared};

#[tokio::test]
async fn check_reports_preconditions_before_anything_is_created_and_creates_nothing() {
    let case = Case::new("check_new").await;
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    assert!(!checked.stdout.contains("FAIL"), "{}", checked.stdout);
    // The role of the tests is a superuser, which is more than the connector needs.
    let excessive = [
        "WARN  postgres privileges ",
        "WARN  postgres physical replication ",
    ];
    for line in checked.stdout.lines() {
        let is_known = excessive.iter().any(|warning| line.starts_with(warning));
        assert!(is_known || line.starts_with("ok    "), "{line:?} is no finding");
    }
    assert_eq!(checked.stdout.matches("WARN  ").count(), excessive.len());
    assert_reports(
        &checked.stdout,
        &["kafka brokers", "schema registry", "wal_level"],
    );
    assert!(!case.is_set_up().await);
}

#[tokio::test]
async fn check_names_tables_whose_first_change_would_halt_the_connector() {
    let mut case = Case::new("check_names").await;
    case.sql("CREATE TABLE odd (id int PRIMARY KEY, \"a b\" text, \"a-b\" text)")
        .await;
    let checked = case.command(&["check"]).await;
    checked.error(1);
    let wanted = [
        "FAIL  records of public.odd",
        "columns \"a b\" and \"a-b\" of public.odd",
        "names.adjust_fields",
    ];
    assert_reports(&checked.stdout, &wanted);
    let plain = case.config.clone();
    case.config = plain.clone().set("names.adjust_fields", "avro_unicode");
    assert_eq!(case.command(&["check"]).await.code, Some(0));
    case.config = plain.set("dead_letters.on_error", "dead_letter");
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    assert_reports(&checked.stdout, &["WARN  records of public.odd"]);
}

#[tokio::test]
async fn check_of_a_running_connector_does_not_disturb_it() {
    let case = Case::new("check_running").await;
    let mut instance = Instance::start(&case.config).await;
    let checked = case.command(&["check", "--json"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    let findings: Value = serde_json::from_str(&checked.stdout).unwrap();
    let findings = findings.as_array().unwrap();
    assert!(findings.len() >= 5, "{findings:#?}");
    for finding in findings {
        assert_eq!(finding["ok"], true, "{finding}");
        assert!(!finding["name"].as_str().unwrap().is_empty());
        assert!(!finding["detail"].as_str().unwrap().is_empty());
    }
    case.insert([1]).await;
    case.await_ids([1]).await;
    let top = ["top", "--once", "--interval", "100ms"];
    await_that("the change in top", async || {
        let shown = case.command(&[&top[..], &["--json"]].concat()).await;
        assert_eq!(shown.code, Some(0), "{shown:#?}");
        let view: Value = serde_json::from_str(&shown.stdout).unwrap();
        assert_eq!(view["name"], "check_running");
        view["state"] == "streaming"
            && view["tables"][0]["table"] == "public.items"
            && view["tables"][0]["changes"] == 1
            && view["lsn"]["checkpointed"].is_string()
    })
    .await;
    let shown = case.command(&top).await;
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    assert_reports(
        &shown.stdout,
        &["check_running  ", "LSN   confirmed ", "public.items  "],
    );
    assert_eq!(instance.status().await["reconnects"], 0);
    instance.stop().await;
    let unanswered = case.command(&top).await;
    assert_reports(unanswered.error(5), &["no connector answers"]);
}

#[tokio::test]
async fn check_finds_everything_that_is_wrong_at_once() {
    let mut case = Case::new("check_wrong").await;
    case.sql("CREATE TABLE keyless (note text)").await;
    case.config = case
        .config
        .set("registry.url", "http://127.0.0.1:1")
        .set("postgres.tables", vec!["public.*", "public.keyless", "sales.*"]);
    let checked = case.command(&["check", "--json"]).await;
    assert_reports(checked.error(1), &["checks failed"]);
    let findings: Value = serde_json::from_str(&checked.stdout).unwrap();
    let failed = findings
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["ok"] == false);
    let failed: Vec<String> = failed.map(Value::to_string).collect();
    assert_eq!(failed.len(), 3, "{failed:#?}");
    let wanted = [
        "no answer from http://127.0.0.1:1",
        "table public.keyless",
        "tables sales.*",
    ];
    assert_reports(&failed.join("\n"), &wanted);
    assert!(!case.is_set_up().await);
}

/// Runs `walcast` with these arguments to its end, without a configuration of the test's.
async fn ended(arguments: &[&str]) -> Finished {
    let ended = tokio::time::timeout(LIMIT, command(arguments).output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("walcast {arguments:?} did not end"));
    Finished::from(ended.unwrap())
}

/// The configuration that `init` writes is one, holds no password, and names what is missing; `check --fix` creates what the role may
/// create, and prints the rest.
#[tokio::test]
async fn a_written_configuration_is_checked_and_set_up() {
    let case = Case::new("written").await;
    case.sql(
        "CREATE ROLE written LOGIN PASSWORD 'geheim'; GRANT CREATE ON DATABASE written TO written;
         ALTER TABLE items OWNER TO written; ALTER TABLE items ADD took interval;
         CREATE TABLE audit (note text); ALTER TABLE audit OWNER TO written",
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("walcast.toml").display().to_string();
    let url = case.postgres.url_for("written", "geheim", "written");
    let (brokers, registry) = (shared().await.kafka().brokers(), shared().await.registry().url());
    let init = [
        "init",
        &url,
        "--brokers",
        &brokers,
        "--registry",
        &registry,
        "--output",
        &file,
    ];
    let written = ended(&init).await;
    assert_eq!(written.code, Some(0), "{written:#?}");
    written.assert_silent_about(&["geheim"]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("geheim"), "{text}");
    let wanted = [
        "name = \"written\"",
        "# password_file = ",
        "tables = [\"public.*\"]",
        "#   table public.audit: is left out",
        "public.items.took\n# interval = \"string\"",
        "#   ALTER ROLE \"written\" REPLICATION;",
        "#   FAIL  role: role written may not replicate",
    ];
    assert_reports(&text, &wanted);
    assert_reports(ended(&init).await.error(1), &["exists", "--force"]);

    let checked = ended(&["check", "--config", &file]).await;
    checked.error(1);
    assert_reports(&checked.stdout, &["FAIL  postgres role"]);
    let asked = ended(&["check", "--fix", "--config", &file]).await;
    assert_reports(asked.error(1), &["nothing was changed", "--yes"]);
    assert_reports(&asked.stdout, &["CREATE PUBLICATION \"walcast_written\""]);
    let is_published = "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = 'walcast_written')";
    assert!(!case.holds(is_published).await);

    let fixed = ended(&["check", "--fix", "--yes", "--config", &file]).await;
    assert_reports(fixed.error(1), &["1 of 2 statements are left"]);
    let wanted = [
        "not permitted  ALTER ROLE \"written\" REPLICATION;",
        "done           CREATE PUBLICATION",
    ];
    assert_reports(&fixed.stdout, &wanted);
    assert!(case.holds(is_published).await);

    // What an administrator has to do.
    case.sql("ALTER ROLE written REPLICATION").await;
    let fixed = ended(&["check", "--fix", "--yes", "--json", "--config", &file]).await;
    assert_eq!(fixed.code, Some(0), "{fixed:#?}");
    let report: Value = serde_json::from_str(&fixed.stdout).unwrap();
    assert_eq!(report["statements"], serde_json::json!([]), "{report}");
    let checked = ended(&["check", "--config", &file]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
}

/// A running `walcast tail`.
struct Tail {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Tail {
    /// Starts it and waits until it streams: its slot is active.
    async fn start(case: &Case<'_>, more: &[&str]) -> Tail {
        let url = case.postgres.url_for("postgres", "postgres", case.name());
        let arguments: Vec<&str> = ["tail", &url].iter().chain(more).copied().collect();
        let mut child = command(&arguments).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        await_that("a temporary slot that streams", async || {
            assert!(child.try_wait().unwrap().is_none(), "tail ended");
            case.holds(
                "SELECT EXISTS (SELECT FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid \
                 WHERE s.temporary AND s.database = current_database() AND r.state = 'streaming')",
            )
            .await
        })
        .await;
        Tail { child, lines }
    }

    async fn line(&mut self) -> Value {
        let line = tokio::time::timeout(LIMIT, self.lines.next_line()).await;
        let line = line.expect("a line comes").unwrap().expect("tail continues");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    /// Ctrl-C; tail must end with success and print nothing more.
    async fn interrupt(mut self) {
        let pid = self.child.id().expect("it runs").to_string();
        let signalled = tokio::process::Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .await;
        assert!(signalled.unwrap().success());
        let ended = tokio::time::timeout(LIMIT, self.child.wait()).await;
        assert_eq!(ended.expect("it ends").unwrap().code(), Some(0));
        assert_eq!(self.lines.next_line().await.unwrap(), None);
    }
}

/// Nothing of a tail is left in the database.
async fn assert_no_trace(case: &Case<'_>, publications: &str) {
    let slots = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
    await_that("the end of the temporary slot", async || {
        case.text(slots).await == "0"
    })
    .await;
    assert_eq!(
        case.text("SELECT count(*) FROM pg_publication").await,
        publications
    );
}

#[tokio::test]
async fn tail_prints_a_line_for_each_change_in_order_and_leaves_no_trace() {
    let case = Case::new("tail").await;
    case.sql("INSERT INTO items VALUES (1, 'before tail')").await;
    let mut tail = Tail::start(&case, &[]).await;
    case.sql("INSERT INTO items VALUES (2, 'two'), (3, 'three')")
        .await;
    case.sql("BEGIN; UPDATE items SET note = 'zwei' WHERE id = 2; DELETE FROM items WHERE id = 3; COMMIT")
        .await;
    let mut lines = Vec::new();
    for _ in 0..4 {
        lines.push(tail.line().await);
    }
    let printed: Vec<(&str, &Value, &Value)> = lines
        .iter()
        .map(|line| {
            (
                line["op"].as_str().unwrap(),
                &line["after"]["id"],
                &line["after"]["note"],
            )
        })
        .collect();
    let (two, three, null) = (Value::from(2), Value::from(3), Value::Null);
    let expected = [
        ("insert", &two, &Value::from("two")),
        ("insert", &three, &Value::from("three")),
        ("update", &two, &Value::from("zwei")),
        ("delete", &null, &null),
    ];
    assert_eq!(printed, expected, "{lines:#?}");
    assert_eq!(lines[3]["before"]["id"], three);
    for line in &lines {
        assert_eq!(line["table"], "items", "{line}");
    }
    tail.interrupt().await;
    assert_no_trace(&case, "0").await;
}

#[tokio::test]
async fn tail_shows_the_chosen_tables_only() {
    let case = Case::new("tail_chosen").await;
    case.sql("CREATE TABLE other (id int PRIMARY KEY)").await;
    let mut tail = Tail::start(&case, &["--table", "public.items"]).await;
    case.sql("INSERT INTO other VALUES (1); INSERT INTO items VALUES (7, 'x')")
        .await;
    assert_eq!(tail.line().await["after"]["id"], 7);
    tail.interrupt().await;
    assert_no_trace(&case, "0").await;
}

#[tokio::test]
async fn tail_leaves_a_publication_that_it_did_not_make() {
    let case = Case::new("tail_publication").await;
    case.sql("CREATE PUBLICATION mine FOR TABLE items").await;
    let mut tail = Tail::start(&case, &["--publication", "mine"]).await;
    case.insert([1]).await;
    assert_eq!(tail.line().await["after"]["id"], 1);
    tail.interrupt().await;
    assert_no_trace(&case, "1").await;
}

#[tokio::test]
async fn tail_of_a_database_that_does_not_exist_is_refused() {
    let url = shared()
        .await
        .postgres
        .url_for("postgres", "hidden-word", "no_such_database");
    let output = command(&["tail", &url]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(7));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_reports(
        &said,
        &["error: ", "database \"no_such_database\" does not exist"],
    );
    assert!(!said.contains("hidden-word"));
}

#[tokio::test]
async fn checkpoint_show_prints_the_position_for_people_and_programs() {
    let case = Case::new("show").await;
    let none = case.command(&["checkpoint", "show"]).await;
    assert_eq!(
        (none.code, none.stdout.trim()),
        (Some(0), "show has no checkpoint yet")
    );
    assert_eq!(case.checkpoint().await, Value::Null);

    case.deliver([1]).await;
    let json = case.checkpoint().await;
    assert_eq!(json["slot"], "walcast_show");
    assert_eq!(json["database"], "show");
    assert_eq!(json["state"], "streaming");
    let identifier = case
        .text("SELECT system_identifier FROM pg_control_system()")
        .await;
    assert_eq!(json["system_identifier"], identifier.as_str());
    let end_lsn = json["end_lsn"].as_str().unwrap();
    let shown = case.command(&["checkpoint", "show"]).await;
    assert_reports(&shown.stdout, &["show", end_lsn, "walcast_show", &identifier]);
    let listed = case.command(&["checkpoint", "list"]).await;
    assert_reports(&listed.stdout, &["POSITION", end_lsn, "current"]);
}

#[tokio::test]
async fn the_configuration_may_be_named_before_or_after_the_action() {
    let case = Case::new("named").await;
    let folder = tempfile::tempdir().unwrap();
    let path = case.config.write_to(folder.path()).unwrap();
    let path = path.to_str().unwrap();
    for arguments in [
        ["checkpoint", "show", "--config", path],
        ["checkpoint", "--config", path, "show"],
    ] {
        let output = command(&arguments).output().await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

#[tokio::test]
async fn a_missing_configuration_is_named() {
    let output = command(&["run", "--config", "/no/such/walcast.toml"])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_reports(&said, &["error: ", "/no/such/walcast.toml", "--config"]);
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[tokio::test]
async fn completions_are_printed_for_every_shell() {
    for (shell, sign) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef walcast"),
        ("fish", "complete -c walcast"),
    ] {
        let output = command(&["completions", shell]).output().await.unwrap();
        assert_eq!(output.status.code(), Some(0));
        let script = String::from_utf8(output.stdout).unwrap();
        assert_reports(&script, &[sign, "checkpoint", "accept-gap"]);
    }
}

#[tokio::test]
async fn help_has_examples_and_exit_codes() {
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["check", "--help"],
        &["tail", "--help"],
        &["checkpoint", "set", "--help"],
    ] {
        let output = command(arguments).output().await.unwrap();
        assert_eq!(output.status.code(), Some(0));
        let help = String::from_utf8(output.stdout).unwrap();
        assert_reports(&help, &["Usage: walcast", "Examples:", "Exit codes:"]);
    }
}

#[tokio::test]
async fn a_decision_record_has_the_tables_and_levels_that_the_servers_report() {
    let case = Case::new("adr").await;
    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    case.await_ids([1]).await;
    case.await_transactions().await;
    let written = case.command(&["adr"]).await;
    assert_eq!(written.code, Some(0), "{written:#?}");
    let wanted = [
        "# Changes of database `adr` in Kafka",
        "| `public.items` | `adr.public.items` |",
        "captured tables: 1.",
        "- Compatibility: ",
    ];
    assert_reports(&written.stdout, &wanted);
    for lacking in ["Not answered", "[level of the registry]"] {
        assert!(!written.stdout.contains(lacking), "{}", written.stdout);
    }
    assert_eq!(case.command(&["adr"]).await.stdout, written.stdout);
    instance.stop().await;
    let written = case.command(&["adr"]).await;
    assert_eq!(written.code, Some(0), "{written:#?}");
    let wanted = [
        "| `public.items` | `adr.public.items` |",
        "| the running connector | its version",
        "no connector answers at ",
    ];
    assert_reports(&written.stdout, &wanted);
}

#[tokio::test]
async fn every_command_is_silent_about_passwords() {
    let mut case = Case::new("silent").await;
    case.deliver([1]).await;
    let secret = "Xk7-not-to-be-printed";
    let url = case.postgres.url_for("postgres", secret, case.name());
    case.config = with_secrets(case.config.clone(), &url, secret);
    for arguments in [
        &["check", "--log-level", "trace"][..],
        &["checkpoint", "show", "--log-level", "trace"],
        &["checkpoint", "list", "--log-level", "trace"],
        &["adr", "--log-level", "trace"],
    ] {
        let finished = case.command(arguments).await;
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        finished.assert_silent_about(&[secret]);
    }
}

fn with_secrets(config: ConnectorConfig, url: &str, secret: &str) -> ConnectorConfig {
    config
        .set("postgres.url", url)
        .set("registry.username", "walcast")
        .set("registry.password", secret)
        .set_kafka_property("sasl.username", "walcast")
        .set_kafka_property("sasl.password", secret)
}
