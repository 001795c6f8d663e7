//! Tests of the written configuration.

use expect_test::expect;
use walcast_mapper::TableName;
use walcast_mapper::pattern::TablePattern;
use walcast_postgres::{Survey, SurveyedSlot, SurveyedTable};

use super::decisions::Decision;
use super::found::Found;
use super::settings::{Settings, name_of, pattern, schemas};
use super::text::text;
use crate::cli::check::Finding;
use crate::config::{Config, parse_for_test};

fn table(namespace: &str, name: &str, rows: u64, bytes: u64, partitions: u64) -> SurveyedTable {
    SurveyedTable {
        name: TableName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        },
        rows,
        bytes,
        partitions,
    }
}

fn finding(name: &str, ok: bool, warning: bool, detail: &str) -> Finding {
    Finding {
        name: name.to_owned(),
        ok,
        warning,
        detail: detail.to_owned(),
    }
}

fn found() -> Found {
    Found {
        database: "shop".to_owned(),
        server_version: 170_006,
        survey: Survey {
            tables: vec![
                table("public", "audit", 10, 8192, 0),
                table("sales", "orders", 1_200_000, 3 << 30, 12),
            ],
            publications: vec!["reports".to_owned()],
            slots: vec![SurveyedSlot {
                name: "reports".to_owned(),
                plugin: "pgoutput".to_owned(),
                active: true,
                retained_bytes: 4096,
            }],
            settings: vec![("wal_level".to_owned(), "replica".to_owned())],
        },
        decisions: vec![Decision {
            why: "interval: microseconds are exact only without months and years",
            setting: "interval = \"string\"",
            columns: vec!["sales.orders.lead_time".to_owned()],
        }],
        findings: vec![
            finding("connection", true, false, "db:5432 as walcast"),
            finding(
                "wal_level",
                false,
                false,
                "wal_level is replica; ALTER SYSTEM SET wal_level = logical",
            ),
            finding(
                "table public.audit",
                true,
                true,
                "is left out: it has no replica identity",
            ),
        ],
        script: vec![
            "-- to be run once".to_owned(),
            "ALTER ROLE \"walcast\" REPLICATION;".to_owned(),
        ],
    }
}

fn settings(found: &Found) -> Settings {
    Settings {
        name: "shop".to_owned(),
        url: "postgres://walcast@db/shop".to_owned(),
        had_password: true,
        brokers: "kafka:9092".to_owned(),
        registry: Some("http://registry:8081".to_owned()),
        schemas: schemas(&found.survey),
    }
}

fn parsed(text: &str) -> Config {
    parse_for_test(text, &|_: &str| Err(std::env::VarError::NotPresent))
        .unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

#[test]
fn configuration_has_its_findings_as_comments() {
    let found = found();
    let written = text(&settings(&found), Some(&found));
    expect![[r#"
        # Written by walcast init for database shop (Postgres 17.6): 2 tables, about 1200010 rows, 3072 MB.
        # docs/configuration.md describes every key. walcast check says what is left to do, walcast run streams.

        name = "shop"

        [postgres]
        # The password of the command line is not written here. It comes from the environment variable PGPASSWORD, from
        # ~/.pgpass, or from a file with the password alone, which only the user of the connector can read:
        # password_file = "/etc/walcast/postgres-password"
        url = "postgres://walcast@db/shop"
        # Tables that are created later are captured too, if a pattern matches them.
        tables = ["public.*", "sales.*"]
        # Tables that need a decision:
        #   table public.audit: is left out: it has no replica identity
        # exclude = ["schema.table"]
        # Changes of partitions are sent as those of their table; "leaf" gives each partition a topic of its own:
        #   sales.orders (12 partitions)
        # partitions = "root"
        # Publications of the database: reports.
        # Slots of the database: reports (pgoutput, in use, retains 4096 bytes of WAL).

        [kafka]
        brokers = "kafka:9092"

        [registry]
        url = "http://registry:8081"

        [snapshot]
        # The first start reads the existing rows: 2 tables, about 1200010 rows, 3072 MB.
        # Large tables:
        #   sales.orders: about 1200000 rows, 3072 MB
        # Each of these settings changes how much is read, or how fast:
        # parallelism = 4
        # bytes_per_second = "20MB"
        # With mode = "never", only changes are streamed:
        # mode = "never"

        [types]
        # interval: microseconds are exact only without months and years: sales.orders.lead_time
        # interval = "string"

        # SQL of walcast check --sql. walcast check --fix executes what the role of the connector may execute.
        #   -- to be run once
        #   ALTER ROLE "walcast" REPLICATION;

        # Settings of the server: wal_level = replica.
        # Found by walcast check in Postgres:
        #   FAIL  wal_level: wal_level is replica; ALTER SYSTEM SET wal_level = logical
    "#]]
    .assert_eq(&written);
    let config = parsed(&written);
    assert_eq!(config.name, "shop");
    assert!(config.registry.is_some());
}

/// A comment that is a setting can be uncommented.
#[test]
fn commented_settings_are_valid() {
    let found = found();
    let is_setting = |line: &str| {
        let key = line.split_once(" = ").map_or("", |(key, _)| key);
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let written = text(&settings(&found), Some(&found));
    let mut settings = 0;
    let lines = written.lines().map(|line| match line.strip_prefix("# ") {
        Some(setting) if is_setting(setting) => {
            settings += 1;
            setting
        }
        _ => line,
    });
    let uncommented: Vec<&str> = lines.collect();
    parsed(&uncommented.join("\n"));
    assert_eq!(settings, 7, "{uncommented:#?}");
}

#[test]
fn names_of_any_kind_are_comments_and_patterns() {
    let hostile = "a\"b\n[kafka]\r\u{1b}${HOME}.*";
    let mut found = found();
    found.database = hostile.to_owned();
    found.survey.tables = vec![table(hostile, hostile, 1, 2 << 30, 1)];
    found.survey.publications = vec![hostile.to_owned(); 12];
    found.findings = vec![
        finding(&format!("table {hostile}"), false, false, hostile),
        finding(hostile, false, false, hostile),
    ];
    found.script = vec![format!("GRANT {hostile};")];
    let mut settings = settings(&found);
    settings.registry = None;
    let written = text(&settings, Some(&found));
    let config = parsed(&written);
    assert_eq!(config.kafka.brokers, "kafka:9092");
    assert!(config.registry.is_none());
    let captured = &config.postgres.tables;
    assert!(
        captured
            .iter()
            .all(|pattern| pattern.matches(&found.survey.tables[0].name)),
        "{captured:?}"
    );
    assert!(written.contains(" and 2 more."), "{written}");
}

#[test]
fn an_empty_database_keeps_the_default_tables() {
    let found = Found {
        database: "shop".to_owned(),
        server_version: 120_022,
        ..Found::default()
    };
    let written = text(&settings(&found), Some(&found));
    assert!(
        written.contains("# The database has no table yet.\n# tables = [\"public.*\"]\n"),
        "{written}"
    );
    assert!(
        written.contains("# walcast check found nothing else to do in Postgres.\n"),
        "{written}"
    );
    assert_eq!(
        parsed(&written).postgres.tables,
        ["public.*".parse::<TablePattern>().unwrap()]
    );
    // Before the database is asked.
    parsed(&text(&settings(&found), None));
}

#[test]
fn names_of_databases_are_names_of_connectors() {
    for (database, name) in [
        ("shop", "shop"),
        ("My-Shop 2", "my_shop_2"),
        ("2024_orders", "orders"),
        ("größe_", "gr__e"),
        ("名前", "source"),
        ("x".repeat(63).as_str(), "x".repeat(55).as_str()),
    ] {
        assert_eq!(name_of(database), name);
    }
}

#[test]
fn schemas_are_quoted_where_a_pattern_would_fold_them() {
    for (schema, quoted) in [
        ("public", "public.*"),
        ("Mixed", "\"Mixed\".*"),
        ("a.b\"c", "\"a.b\"\"c\".*"),
    ] {
        assert_eq!(pattern(schema), quoted);
        let table = TableName {
            namespace: schema.to_owned(),
            name: "t".to_owned(),
        };
        let pattern: TablePattern = quoted.parse().unwrap();
        assert!(pattern.matches(&table), "{pattern}");
    }
}
