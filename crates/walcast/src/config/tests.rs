mod format;
mod fuzzed;
mod hidden;
mod selection;
mod topics;

use std::env::VarError;
use std::fs;
use std::path::Path;
use std::time::Duration;

use expect_test::{Expect, expect};
use walcast_delivery::Guarantee;
use walcast_postgres::Environment;

use super::{Config, ConfigError, RegistryAuth, Surroundings};

const MINIMAL: &str = r#"
name = "shop"

[postgres]
url = "postgres://walcast@db/shop"

[kafka]
brokers = "127.0.0.1:9092"

[registry]
url = "http://127.0.0.1:8081"
"#;

fn lookup(name: &str) -> Result<String, VarError> {
    match name {
        "PASSWORD" => Ok("hunter2".to_owned()),
        _ => Err(VarError::NotPresent),
    }
}

fn surroundings(lookup: super::expand::Lookup<'_>) -> Surroundings<'_> {
    Surroundings {
        lookup,
        postgres: Environment::default(),
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse("walcast.toml", text, &surroundings(&lookup))
}

/// The minimal configuration with lines added to one of its tables (`""`: before all tables).
fn with(table: &str, lines: &str) -> String {
    match table {
        "" => MINIMAL.replacen("name = \"shop\"\n", &format!("name = \"shop\"\n{lines}\n"), 1),
        table if MINIMAL.contains(&format!("[{table}]\n")) => {
            MINIMAL.replacen(&format!("[{table}]\n"), &format!("[{table}]\n{lines}\n"), 1)
        }
        table => format!("{MINIMAL}\n[{table}]\n{lines}\n"),
    }
}

fn check_error(text: &str, expected: Expect) {
    let error = parse(text).expect_err("the configuration was taken");
    let printed = crate::exit::one_line(&error);
    assert!(!printed.contains('\n'), "more than one line: {printed}");
    assert!(!printed.contains("hunter2"), "the password is printed: {printed}");
    expected.assert_eq(&printed);
}

#[test]
fn ten_lines_are_enough() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.postgres.slot, "walcast_shop");
    assert_eq!(config.postgres.publication, "walcast_shop");
    assert_eq!(config.postgres.tables, ["public.*".parse().unwrap()]);
    assert_eq!(config.postgres.connect.database(), "shop");
    assert_eq!(config.kafka.topic_prefix, "shop");
    assert_eq!(config.kafka.guarantee, Guarantee::ExactlyOnce);
    assert_eq!(config.replay.keep, Duration::ZERO);
    assert_eq!(
        config.admin.listen.map(|address| address.to_string()).as_deref(),
        Some("127.0.0.1:8080")
    );
}

#[test]
fn a_hyphen_in_the_name_becomes_an_underscore_in_the_slot() {
    let config = parse(&MINIMAL.replace("\"shop\"", "\"web-shop\"")).unwrap();
    assert_eq!(
        (config.postgres.slot.as_str(), config.kafka.topic_prefix.as_str()),
        ("walcast_web_shop", "web-shop")
    );
}

#[test]
fn unknown_keys_are_named_with_the_nearest() {
    check_error(
        &MINIMAL.replace("brokers", "broker"),
        expect![[r#"walcast.toml:8:1: unknown key "broker" in [kafka]; did you mean "brokers"?"#]],
    );
    check_error(
        &with("", "postgress = 1"),
        expect![[
            r#"walcast.toml:3:1: unknown key "postgress" outside of any table; did you mean "postgres"?"#
        ]],
    );
    check_error(
        &with("", "slot = \"s\""),
        expect![[r#"walcast.toml:3:1: unknown key "slot" outside of any table; it belongs in [postgres]"#]],
    );
    check_error(
        &with("kafka", "name = \"x\""),
        expect![[r#"walcast.toml:8:1: unknown key "name" in [kafka]; it belongs outside of any table"#]],
    );
    check_error(
        &with("kafka.topics", "Partitions = 3"),
        expect![[
            r#"walcast.toml:14:1: unknown key "Partitions" in [kafka.topics]; did you mean "partitions"?"#
        ]],
    );
    check_error(
        &with("registry", "xyz = 3"),
        expect![[
            r#"walcast.toml:11:1: unknown key "xyz" in [registry]; known are url, username, password, password_file, bearer_token, bearer_token_file, ca_file, certificate_file, key_file, on_incompatible"#
        ]],
    );
    check_error(
        &with("kafka", "topics = { partition = 1 }"),
        expect![[
            r#"walcast.toml:8:12: unknown key "partition" in [kafka.topics]; did you mean "partitions"?"#
        ]],
    );
}

#[test]
fn what_is_missing_is_shown() {
    check_error(
        "",
        expect![[r#"walcast.toml: name is missing; add for example: name = "shop""#]],
    );
    check_error(
        "name = \"shop\"",
        expect![[
            r#"walcast.toml: postgres.url is missing; add for example: url = "postgres://walcast@db:5432/shop?sslmode=verify-full&sslrootcert=system" under [postgres]"#
        ]],
    );
    check_error(
        &MINIMAL.replace("brokers", "# brokers"),
        expect![[
            r#"walcast.toml: kafka.brokers is missing; add for example: brokers = "127.0.0.1:9092" under [kafka]"#
        ]],
    );
    check_error(
        &MINIMAL.replace("url = \"http", "# "),
        expect![[
            r#"walcast.toml: registry.url is missing; add for example: url = "http://127.0.0.1:8081" under [registry]"#
        ]],
    );
}

#[test]
fn values_of_the_wrong_kind_point_at_their_line() {
    check_error(
        "name = ",
        expect!["walcast.toml:1:8: string values must be quoted, expected literal string"],
    );
    check_error(
        &with("kafka", "commit_interval_ms = \"5\""),
        expect![[r#"walcast.toml:8:22: invalid type: string "5", expected u64"#]],
    );
    check_error(
        &with("kafka", "commit_bytes = \"5 apples\""),
        expect![[
            r#"walcast.toml:8:16: "5 apples" is no size: wanted a whole number with B, kB, MB, GB or TB, such as 512MB"#
        ]],
    );
    check_error(
        &with("kafka", "delivery = \"twice\""),
        expect!["walcast.toml:8:12: unknown variant `twice`, expected `exactly_once` or `at_least_once`"],
    );
    check_error(
        &with("replay", "keep = \"soon\""),
        expect![[r#"walcast.toml:14:8: "soon" is no length of time: wanted one such as 90s, 1h 30m or 7d"#]],
    );
    check_error(
        &with("postgres", "create = \"yes\""),
        expect![[r#"walcast.toml:5:10: invalid type: string "yes", expected a boolean"#]],
    );
    check_error(
        &with("registry", "password = 12345"),
        expect!["walcast.toml:11:12: invalid type: number, expected a string in quotes"],
    );
    check_error(
        &with("log", "format = \"xml\""),
        expect!["walcast.toml:14:10: unknown variant `xml`, expected `human` or `json`"],
    );
    check_error(
        &MINIMAL.replace("[postgres]\nurl = \"postgres://walcast@db/shop\"", "postgres = 5"),
        expect!["walcast.toml:4:12: invalid type: integer `5`, expected a table"],
    );
}

#[test]
fn values_that_break_a_rule_are_quoted_with_the_rule() {
    check_error(
        &MINIMAL.replace("\"shop\"", "\"Shop\""),
        expect![[
            r#"walcast.toml:2:1: name is "Shop"; wanted up to 55 of a-z, 0-9, _ and -, beginning with a letter"#
        ]],
    );
    check_error(
        &with("postgres", "slot = \"my-slot\""),
        expect![[
            r#"walcast.toml:5:1: postgres.slot is "my-slot"; wanted up to 63 of a-z, 0-9 and _, as Postgres names slots"#
        ]],
    );
    check_error(
        &with("postgres", "publication = \"\""),
        expect![[
            r#"walcast.toml:5:1: postgres.publication is ""; wanted a Postgres name of up to 63 bytes"#
        ]],
    );
    check_error(
        &with("postgres", "tables = []"),
        expect![[
            r#"walcast.toml:5:1: postgres.tables is "[]"; wanted at least one pattern such as "public.*""#
        ]],
    );
    check_error(
        &with("postgres", "tables = [\"orders\"]"),
        expect![[
            r#"walcast.toml:5:11: postgres.tables: "orders" is not a table pattern: write schema.table, such as public.orders or public.*"#
        ]],
    );
    check_error(
        &MINIMAL.replace(
            "shop\"\n\n[kafka",
            "shop?sslmod=require&password=hunter2\"\n\n[kafka",
        ),
        expect![[r#"walcast.toml:5:1: postgres.url: unknown connection parameter "sslmod""#]],
    );
    check_error(
        &MINIMAL.replace("postgres://walcast@", "postgresql//walcast:hunter2@"),
        expect![
            "walcast.toml:5:1: postgres.url: the connection string is malformed: neither a postgres:// URL nor key=value pairs"
        ],
    );
    check_error(
        &with("postgres", "logical_decoding_work_mem = \"256\""),
        expect![[
            r#"walcast.toml:5:1: postgres.logical_decoding_work_mem is "256"; wanted a size with its unit, as in postgresql.conf, such as "256MB""#
        ]],
    );
    check_error(
        &with("postgres", "queue_bytes = 10"),
        expect!["walcast.toml:5:1: postgres.queue_bytes is 10; wanted a number from 65536 to 4294967296"],
    );
    check_error(
        &with("kafka", "topic_prefix = \"a/b\""),
        expect![[
            r#"walcast.toml:8:1: kafka.topic_prefix is "a/b"; wanted up to 120 of A-Z, a-z, 0-9, dot, _ and -, as Kafka names topics"#
        ]],
    );
    check_error(
        &with("kafka", "transaction_timeout_ms = 10"),
        expect![
            "walcast.toml:8:1: kafka.transaction_timeout_ms is 10; wanted a number from 1000 to 2147483647"
        ],
    );
    check_error(
        &with("kafka", "split_over_bytes = \"1kB\""),
        expect!["walcast.toml:8:1: kafka.split_over_bytes is 1024; wanted a number of at least 1048576"],
    );
    check_error(
        &with("kafka.topics", "partitions = 0"),
        expect!["walcast.toml:14:1: kafka.topics.partitions is 0; wanted a number from 1 to 100000"],
    );
    check_error(
        &with("kafka.topics", "cleanup_policy = \"never\""),
        expect![[
            r#"walcast.toml:14:1: kafka.topics.cleanup_policy is "never"; wanted "delete", "compact" or "compact,delete""#
        ]],
    );
    check_error(
        &with(
            "kafka.topics",
            "cleanup_policy = \"compact\"\nconfig.cleanup.policy = \"delete\"",
        ),
        expect![
            "walcast.toml:14:1: kafka.topics.cleanup_policy and cleanup.policy in [kafka.topics.config] are both set; keep one of them"
        ],
    );
    check_error(
        &with("kafka.properties", "linger.ms = [5]"),
        expect![[
            r#"walcast.toml:14:8: kafka.properties is "linger.ms"; wanted a string, a number or a boolean as its value"#
        ]],
    );
    check_error(
        &with("replay", "history_interval = \"10ms\""),
        expect![[r#"walcast.toml:14:1: replay.history_interval is "10ms"; wanted at least "1s""#]],
    );
    check_error(
        &with("guard", "wal_disk = 100"),
        expect![[r#"walcast.toml:14:1: guard.wal_disk is "100B"; wanted at least "80MB""#]],
    );
    check_error(
        &with("events", "heartbeat_interval_ms = 5"),
        expect!["walcast.toml:14:1: events.heartbeat_interval_ms is 5; wanted a number from 100 to 3600000"],
    );
    check_error(
        &with("events", "transaction_topic = \"a b\""),
        expect![[
            r#"walcast.toml:14:1: events.transaction_topic is "a b"; wanted a name of A-Z, a-z, 0-9, dot, _ and -"#
        ]],
    );
    check_error(
        &with("events", "operations = [\"insert\"]"),
        expect![
            "walcast.toml:14:15: unknown variant `insert`, expected one of `create`, `update`, `delete`, `truncate`"
        ],
    );
    check_error(
        &with("retry", "delay_min_ms = 60000"),
        expect!["walcast.toml:14:1: retry.delay_min_ms is 60000; wanted a number from 1 to 30000"],
    );
    check_error(
        &with("admin", "listen = \"8080\""),
        expect![[
            r#"walcast.toml:14:1: admin.listen is "8080"; wanted host:port such as "127.0.0.1:8080", or "off""#
        ]],
    );
    check_error(
        &with("log", "level = \"a=b=c\""),
        expect![[
            r#"walcast.toml:14:1: log.level is "a=b=c"; wanted error, warn, info, debug or trace, or a list as in RUST_LOG"#
        ]],
    );
}

#[test]
fn registry_credentials_are_whole_or_absent() {
    check_error(
        &MINIMAL.replace("http://", "http://me:${PASSWORD}@"),
        expect![
            "walcast.toml:11:1: registry.url holds a password; use username with password or password_file instead"
        ],
    );
    check_error(
        &MINIMAL.replace("http://127", "ftp://127"),
        expect![[
            r#"walcast.toml:11:1: registry.url is "ftp://127.0.0.1:8081"; wanted an address that begins with http:// or https://"#
        ]],
    );
    check_error(
        &with("registry", "username = \"me\""),
        expect![
            "walcast.toml:11:1: registry.username is set without registry.password or registry.password_file; set both or neither"
        ],
    );
    check_error(
        &with("registry", "password = \"${PASSWORD}\""),
        expect!["walcast.toml:11:1: registry.password is set without registry.username; set both or neither"],
    );
    check_error(
        &with("registry", "bearer_token = \"${PASSWORD}\"\nusername = \"me\""),
        expect![
            "walcast.toml:11:1: registry.bearer_token and registry.username are both set; keep one of them"
        ],
    );
    check_error(
        &with("registry", "password = \"${PASSWORD}\"\npassword_file = \"p\""),
        expect![
            "walcast.toml:11:1: registry.password and registry.password_file are both set; keep one of them"
        ],
    );
    check_error(
        &with("registry", "username = \"me\"\npassword_file = \"/nowhere/p\""),
        expect![
            "walcast.toml:12:1: cannot read registry.password_file /nowhere/p: No such file or directory (os error 2)"
        ],
    );
}

#[test]
fn variables_come_from_the_environment() {
    let text = with("registry", "username = \"me\"\npassword = \"${PASSWORD}\"");
    let config = parse(&text).unwrap();
    let RegistryAuth::Basic { password, .. } = &config.registry.as_ref().unwrap().auth else {
        panic!("not basic")
    };
    assert_eq!(password.reveal(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
    check_error(
        &MINIMAL.replace("@db", ":${SHOP_PASSWORD}@db"),
        expect![
            "walcast.toml:5:7: postgres.url: environment variable SHOP_PASSWORD is not set; set it, or write $${SHOP_PASSWORD} if the text itself is meant"
        ],
    );
    check_error(
        &with("postgres", "tables = [\"public.a\", \"${TABLE}\"]"),
        expect![
            "walcast.toml:5:23: postgres.tables: environment variable TABLE is not set; set it, or write $${TABLE} if the text itself is meant"
        ],
    );
    check_error(
        &with("kafka.properties", "sasl.password = \"${SASL\""),
        expect![[
            r#"walcast.toml:14:17: kafka.properties.sasl.password: "${" begins a variable that does not end with "}"; write $${ if the text itself is meant"#
        ]],
    );
}

#[test]
fn a_secret_file_is_read_to_the_end_of_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, "hunter2\n").unwrap();
    let config = parse(&with("registry", &format!("bearer_token_file = {path:?}"))).unwrap();
    let RegistryAuth::Bearer { token } = &config.registry.as_ref().unwrap().auth else {
        panic!("not bearer")
    };
    assert_eq!(token.reveal(), "hunter2");
}

#[test]
fn properties_may_be_quoted_or_not() {
    let lines = "security.protocol = \"SASL_SSL\"\n\"sasl.username\" = \"me\"\nsasl.password = \"${PASSWORD}\"\nlinger.ms = 5\n\
                 socket.keepalive.enable = true";
    let config = parse(&with("kafka.properties", lines)).unwrap();
    let properties: Vec<(&str, &str)> = config
        .kafka
        .properties
        .0
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        properties,
        [
            ("linger.ms", "5"),
            ("sasl.password", "hunter2"),
            ("sasl.username", "me"),
            ("security.protocol", "SASL_SSL"),
            ("socket.keepalive.enable", "true"),
        ]
    );
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn the_admin_server_can_be_switched_off() {
    for off in ["", "off"] {
        assert_eq!(
            parse(&with("admin", &format!("listen = {off:?}")))
                .unwrap()
                .admin
                .listen,
            None
        );
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nowhere/walcast.toml")).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot read configuration /nowhere/walcast.toml: "),
        "{error}"
    );
}

#[test]
fn every_example_can_be_used() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut seen = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") && !path.ends_with("Cargo.toml") {
            let text = fs::read_to_string(&path).unwrap();
            let any_variable = |_: &str| Ok("value".to_owned());
            Config::parse(&path.display().to_string(), &text, &surroundings(&any_variable)).unwrap();
            seen += 1;
        }
    }
    assert!(seen >= 2, "only {seen} examples");
}
