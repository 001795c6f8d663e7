//! Keys: unknown and missing ones, and values of the wrong type.

use expect_test::expect;
use walcast_delivery::CreateMissing;

use super::{MINIMAL, check_error, parse, with};

#[test]
fn unknown_keys_are_reported_with_the_nearest_key() {
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
            r#"walcast.toml:11:1: unknown key "xyz" in [registry]; known keys are url, username, password, password_file, bearer_token, bearer_token_file, ca_file, certificate_file, key_file, proxy, on_incompatible, auto_register"#
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
fn missing_keys_are_reported_with_an_example() {
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
fn values_of_the_wrong_type_are_reported_with_their_line() {
    check_error(
        "name = ",
        expect!["walcast.toml:1:8: string values must be quoted, expected literal string"],
    );
    check_error(
        &with("kafka", "commit_interval = 5"),
        expect![[
            r#"walcast.toml:8:19: invalid type: integer `5`, expected a duration with its unit, such as "10s""#
        ]],
    );
    check_error(
        &with("kafka", "commit_bytes = \"5 apples\""),
        expect![[
            r#"walcast.toml:8:16: "5 apples" is not a size: expected a whole number with B, kB, MB, GB or TB, such as 512MB"#
        ]],
    );
    check_error(
        &with("kafka", "delivery_guarantee = \"twice\""),
        expect!["walcast.toml:8:22: unknown variant `twice`, expected `exactly_once` or `at_least_once`"],
    );
    check_error(
        &with("replay", "retention = \"soon\""),
        expect![[
            r#"walcast.toml:14:13: "soon" is not a duration: expected a number with a unit, such as 5ms, 90s, 1h 30m or 7d"#
        ]],
    );
    check_error(
        &with("kafka.topics", "auto_create = \"yes\""),
        expect![[r#"walcast.toml:14:15: invalid type: string "yes", expected a boolean"#]],
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
fn a_file_with_unresolved_properties_is_rejected() {
    check_error(
        &with("", "unresolved = [\"a: look-ahead\", \"b: mask\"]"),
        expect![
            "walcast.toml:3:1: unresolved is not empty: data would be sent that the Debezium connector withholds; add settings that do the same, then delete each entry: a: look-ahead; b: mask"
        ],
    );
    assert!(parse(&with("", "unresolved = []")).is_ok());
}

#[test]
fn auto_create_selects_what_is_created() {
    for (value, creates) in [
        ("true", CreateMissing::Both),
        ("false", CreateMissing::Neither),
        ("\"slot\"", CreateMissing::Slot),
    ] {
        let config = parse(&with("postgres", &format!("auto_create = {value}"))).unwrap();
        assert_eq!(config.delivery.create_missing, creates);
    }
    let error = parse(&with("postgres", "auto_create = \"yes\"")).err().unwrap();
    let error = error.to_string();
    assert!(error.contains("expected true, false or \"slot\""), "{error}");
}
