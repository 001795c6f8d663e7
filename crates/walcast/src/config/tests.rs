//! Tests of the configuration: what is accepted, and the error of what is not.

mod admin;
mod format;
mod fuzzed;
mod keys;
mod polling;
mod properties;
mod secrets;
mod selection;
mod stream_snapshots;
mod topics;
mod values;

use std::env::VarError;
use std::fs;
use std::path::Path;
use std::time::Duration;

use expect_test::Expect;
use walcast_delivery::Guarantee;
use walcast_postgres::Environment;

use super::{Config, ConfigError, ConfigInputs};

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

fn inputs(lookup: super::expand::Lookup<'_>) -> ConfigInputs<'_> {
    ConfigInputs {
        lookup,
        postgres: Environment::default(),
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse("walcast.toml", text, &inputs(&lookup))
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
    let error = parse(text).expect_err("the configuration was accepted");
    let printed = walcast_delivery::one_line(&error);
    assert!(!printed.contains('\n'), "more than one line: {printed}");
    assert!(!printed.contains("hunter2"), "the password is printed: {printed}");
    expected.assert_eq(&printed);
}

#[test]
fn a_minimal_configuration_is_valid() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.postgres.slot, "walcast_shop");
    assert_eq!(config.postgres.publication, "walcast_shop");
    assert_eq!(config.postgres.tables, ["public.*".parse().unwrap()]);
    assert_eq!(config.postgres.connect.database(), "shop");
    assert_eq!(config.kafka.topic_prefix, "shop");
    assert_eq!(config.kafka.guarantee, Guarantee::ExactlyOnce);
    assert_eq!(config.delivery.replay.retention, Duration::ZERO);
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
    // The derived name of a slot must not be that of a bookmark either; another one can be set.
    let named = MINIMAL.replace("\"shop\"", "\"bm-shop\"");
    let error = parse(&named).unwrap_err().to_string();
    assert!(error.contains("postgres.slot is \"walcast_bm_shop\""), "{error}");
    let with_slot = named.replace("[postgres]\n", "[postgres]\nslot = \"walcast_bmshop\"\n");
    assert_eq!(parse(&with_slot).unwrap().postgres.slot, "walcast_bmshop");
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nowhere/walcast.toml")).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot read configuration /nowhere/walcast.toml: "),
        "{error}"
    );
}

#[test]
fn the_configuration_of_the_readme_is_valid() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, text) = readme.split_once("```toml\n").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    parse(text).unwrap();
}

#[test]
fn every_example_is_valid() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut folders = vec![examples.clone()];
    let entries = fs::read_dir(examples).unwrap();
    folders.extend(
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir()),
    );
    let mut seen = 0;
    for entry in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") && !path.ends_with("Cargo.toml") {
            let text = fs::read_to_string(&path).unwrap();
            let any_variable = |_: &str| Ok("value".to_owned());
            Config::parse(&path.display().to_string(), &text, &inputs(&any_variable)).unwrap();
            seen += 1;
        }
    }
    assert!(seen >= 6, "only {seen} examples");
}

/// Each block is a whole configuration, but for the servers.
#[test]
fn every_configuration_of_the_patterns_is_valid() {
    let patterns = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/patterns.md");
    let patterns = fs::read_to_string(patterns).unwrap();
    let blocks = patterns.split("```toml\n").skip(1);
    let mut seen = 0;
    for block in blocks {
        let (block, _) = block.split_once("```").unwrap();
        let mut table: toml::Table = toml::from_str(MINIMAL).unwrap();
        for (key, value) in toml::from_str::<toml::Table>(block).unwrap() {
            match (table.get_mut(&key), value) {
                (Some(toml::Value::Table(there)), toml::Value::Table(more)) => there.extend(more),
                (_, value) => drop(table.insert(key, value)),
            }
        }
        parse(&table.to_string()).unwrap_or_else(|error| panic!("{error}\n{block}"));
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} configurations");
}
