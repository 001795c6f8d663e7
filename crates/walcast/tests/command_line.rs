//! Behavior of the program in a shell: exit codes, errors on one line, results on stdout and everything else on stderr.
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

fn walcast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_walcast"));
    // The environment of the developer has no influence.
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    walcast(arguments).output().unwrap()
}

/// A local port on which no server listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Asserts the exit code and that the error is one line; returns the line.
fn check_error(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(output.stdout.is_empty(), "errors go to stderr");
    let errors: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    assert!(
        stderr.trim_end().ends_with(errors[0]),
        "the error is the last line: {stderr}"
    );
    errors[0].to_owned()
}

#[test]
fn a_missing_configuration_is_code_2() {
    let error = check_error(&run(&["run", "--config", "/nowhere/walcast.toml"]), 2);
    assert!(error.ends_with("give its path with --config"), "{error}");
}

#[test]
fn an_invalid_configuration_is_code_2_wherever_the_flag_stands() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("walcast.toml");
    fs::write(&path, "nam = \"shop\"\n").unwrap();
    let path = path.to_str().unwrap();
    for arguments in [
        &["check", "--config", path][..],
        &["checkpoint", "--config", path, "show"],
        &["checkpoint", "set", "0/1", "--config", path],
    ] {
        let error = check_error(&run(arguments), 2);
        assert!(error.contains(":1:1: unknown key \"nam\""), "{error}");
    }
    let from_environment = walcast(&["run"]).env("WALCAST_CONFIG", path).output().unwrap();
    check_error(&from_environment, 2);
}

#[test]
fn an_invalid_log_level_is_code_2() {
    let error = check_error(
        &run(&["tail", "postgres://me@127.0.0.1/x", "--log-level", "a=b=c"]),
        2,
    );
    assert!(
        error.starts_with("error: log level \"a=b=c\" cannot be parsed"),
        "{error}"
    );
}

#[test]
fn an_invalid_url_is_code_2_and_shows_no_password() {
    let error = check_error(&run(&["tail", "mysql://me:hunter2@db/shop"]), 2);
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn an_unreachable_server_is_code_5() {
    let url = format!(
        "postgres://me:hunter2@127.0.0.1:{}/shop?sslmode=disable",
        closed_port()
    );
    let error = check_error(&run(&["tail", &url]), 5);
    assert!(error.contains("cannot connect to 127.0.0.1"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

/// As in a container without the package of the certificates: the library reads them from the file that the environment names.
#[test]
fn a_system_without_trusted_authorities_is_an_error_where_they_are_needed() {
    let directory = tempfile::tempdir().unwrap();
    let none = directory.path().join("none.pem");
    fs::write(&none, "").unwrap();
    let check = |arguments: &[&str], code| {
        let output = walcast(arguments).env("SSL_CERT_FILE", &none).output().unwrap();
        check_error(&output, code)
    };
    // The kernel accepts the connection.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!(
        "postgres://me@127.0.0.1:{port}/shop?sslmode=verify-full&sslrootcert=system&sslnegotiation=direct"
    );
    let error = check(&["tail", &url], 2);
    assert!(
        error.contains("sslrootcert=system: no certificates of the system can be read"),
        "{error}"
    );

    let config = directory.path().join("walcast.toml");
    let postgres = format!("postgres://me@127.0.0.1:{}/shop?sslmode=disable", closed_port());
    let run = |registry: &str| {
        let text = format!(
            "name = \"shop\"\n[postgres]\nurl = \"{postgres}\"\n[kafka]\nbrokers = \"127.0.0.1:{}\"\n\
             [registry]\nurl = \"{registry}\"\n",
            closed_port()
        );
        fs::write(&config, text).unwrap();
        check(&["run", "--config", config.to_str().unwrap()], 5)
    };
    let error = run("https://127.0.0.1:9");
    assert!(
        error.contains("the client of the schema registry cannot be set up: ")
            && error.contains("ca-certificates"),
        "{error}"
    );
    // Nothing is encrypted there.
    let error = run(&format!("http://127.0.0.1:{}", closed_port()));
    assert!(error.contains("cannot connect to 127.0.0.1"), "{error}");
}

#[test]
fn completions_and_version_go_to_stdout() {
    for arguments in [&["completions", "bash"][..], &["--version"], &["--help"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stderr.is_empty());
        assert!(String::from_utf8(output.stdout).unwrap().contains("walcast"));
    }
}

#[test]
fn a_closed_stdout_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = walcast(&["completions", "zsh"]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Minimal Debezium connector, with a secret.
const DEBEZIUM: &str = r#"{"name": "shop", "config": {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "plugin.name": "pgoutput",
    "database.hostname": "db", "database.user": "cdc", "database.password": "hunter2", "database.dbname": "shop",
    "topic.prefix": "shop", "snapshot.delay.ms": "4"}}"#;

#[test]
fn a_migrated_configuration_goes_to_stdout_and_its_report_to_stderr() {
    let directory = tempfile::tempdir().unwrap();
    let connector = directory.path().join("shop.json");
    fs::write(&connector, DEBEZIUM).unwrap();
    let output = run(&["migrate", "debezium-config", connector.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let (toml, report) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(toml.contains("topic_prefix = \"shop\""), "{toml}");
    assert!(
        report.contains("snapshot.delay.ms: [snapshot] mode selects the rows"),
        "{report}"
    );
    assert!(
        !toml.contains("hunter2") && !report.contains("hunter2"),
        "{toml}{report}"
    );
}

#[test]
fn a_migrated_configuration_overwrites_a_file_only_with_force() {
    let directory = tempfile::tempdir().unwrap();
    let (connector, output) = (
        directory.path().join("shop.json"),
        directory.path().join("walcast.toml"),
    );
    fs::write(&connector, DEBEZIUM).unwrap();
    fs::write(&output, "mine").unwrap();
    let arguments = [
        "migrate",
        "debezium-config",
        connector.to_str().unwrap(),
        "--output",
        output.to_str().unwrap(),
    ];
    let error = check_error(&run(&arguments), 1);
    assert!(error.ends_with("exists; --force overwrites it"), "{error}");
    assert_eq!(fs::read_to_string(&output).unwrap(), "mine");

    let forced = run(&[&arguments[..], &["--force", "--json"]].concat());
    assert_eq!(forced.status.code(), Some(6), "{forced:?}");
    let report: serde_json::Value = serde_json::from_slice(&forced.stdout).unwrap();
    let threads = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["property"] == "snapshot.delay.ms");
    assert_eq!(threads.unwrap()["became"], "not_yet");
    assert!(fs::read_to_string(&output).unwrap().contains("[postgres]"));
}

#[test]
fn another_connector_class_is_code_2() {
    let directory = tempfile::tempdir().unwrap();
    let connector = directory.path().join("mysql.properties");
    fs::write(
        &connector,
        "connector.class=io.debezium.connector.mysql.MySqlConnector\n",
    )
    .unwrap();
    let error = check_error(
        &run(&["migrate", "debezium-config", connector.to_str().unwrap()]),
        2,
    );
    assert!(error.contains("not the Debezium Postgres connector"), "{error}");
    let error = check_error(&run(&["migrate", "debezium-config", "/nowhere.json"]), 2);
    assert!(error.contains("cannot be read"), "{error}");
}

/// A connector that excludes a column by an expression without a counterpart: the generated file is not used as it is.
#[test]
fn a_migrated_file_that_would_send_an_excluded_column_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (connector, toml) = (path("connector.properties"), path("walcast.toml"));
    fs::write(
        &connector,
        "name=shop\nconnector.class=PostgresConnector\nplugin.name=pgoutput\ndatabase.hostname=127.0.0.1\n\
         database.user=cdc\ndatabase.dbname=shop\ntopic.prefix=shop\nproducer.override.bootstrap.servers=127.0.0.1:9092\n\
         value.converter=io.confluent.connect.avro.AvroConverter\n\
         value.converter.schema.registry.url=http://127.0.0.1:8081\n\
         column.exclude.list=public.users.ssn,public.users.(?!id).*\n",
    )
    .unwrap();
    let migrated = run(&["migrate", "debezium-config", &connector, "--output", &toml]);
    assert_eq!(migrated.status.code(), Some(6), "{migrated:?}");
    for command in ["check", "run"] {
        let error = check_error(&run(&[command, "--config", &toml]), 2);
        assert!(error.contains("unresolved is not empty"), "{error}");
        assert!(error.contains("column.exclude.list: "), "{error}");
    }
}

#[test]
fn a_decision_record_is_written_without_servers_and_not_over_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("walcast.toml");
    let text = "name = \"shop\"\n[postgres]\nurl = \"postgres://me:hunter2@127.0.0.1/shop\"\n\
                [kafka]\nbrokers = \"127.0.0.1:9\"\n[registry]\nurl = \"http://127.0.0.1:9\"\n";
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let printed = run(&["adr", "--offline", "--config", config]);
    assert_eq!(printed.status.code(), Some(0), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(
        printed.starts_with("# Changes of database `shop` in Kafka"),
        "{printed}"
    );
    assert!(!printed.contains("hunter2"), "{printed}");
    let file = directory.path().join("0001.md");
    let arguments = [
        "adr",
        "--offline",
        "--config",
        config,
        "--output",
        file.to_str().unwrap(),
    ];
    assert_eq!(run(&arguments).status.code(), Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), printed);
    let error = check_error(&run(&arguments), 1);
    assert!(error.ends_with("exists; --force overwrites it"), "{error}");
    let forced = run(&[&arguments[..], &["--force"]].concat());
    assert_eq!(forced.status.code(), Some(0), "{forced:?}");
}

#[test]
fn manual_pages_are_written_for_each_command() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let written = run(&["man", path]);
    assert_eq!(written.status.code(), Some(0), "{written:?}");
    for (page, text) in [
        ("walcast.1", "walcast"),
        ("walcast-run.1", "SIGTERM"),
        ("walcast-snapshot-start.1", "snapshot"),
    ] {
        let page = fs::read_to_string(directory.path().join(page)).unwrap();
        assert!(page.contains(text), "{page}");
    }
    assert!(!directory.path().join("walcast-man.1").exists());
    check_error(&run(&["man", &format!("{path}/missing")]), 5);
}
