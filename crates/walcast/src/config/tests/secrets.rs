//! Secrets: where they come from, and that nothing prints them.

use std::fs;

use expect_test::expect;
use walcast_kafka::RegistryAuth;

use super::{MINIMAL, check_error, parse, with};

#[test]
fn registry_credentials_are_complete_or_absent() {
    check_error(
        &MINIMAL.replace("http://", "http://me:${PASSWORD}@"),
        expect![
            "walcast.toml:11:1: registry.url contains a password; use username with password or password_file instead"
        ],
    );
    check_error(
        &MINIMAL.replace("http://127", "ftp://127"),
        expect![[
            r#"walcast.toml:11:1: registry.url is "ftp://127.0.0.1:8081"; expected one address that begins with http:// or https://"#
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
            "walcast.toml:5:7: postgres.url: environment variable SHOP_PASSWORD is not set; set it, or write $${SHOP_PASSWORD} to keep the text unchanged"
        ],
    );
    check_error(
        &with("postgres", "tables = [\"public.a\", \"${TABLE}\"]"),
        expect![
            "walcast.toml:5:23: postgres.tables: environment variable TABLE is not set; set it, or write $${TABLE} to keep the text unchanged"
        ],
    );
    check_error(
        &with("kafka.properties", "sasl.password = \"${SASL\""),
        expect![[
            r#"walcast.toml:14:17: kafka.properties.sasl.password: "${" begins a variable that does not end with "}"; write $${ to keep the text unchanged"#
        ]],
    );
}

#[test]
fn a_secret_is_the_first_line_of_its_file() {
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
fn debug_output_contains_no_secret() {
    let text = with(
        "kafka.properties",
        "\"sasl.password\" = \"hunter2\"\n[admin]\ntoken = \"hunter2\"\n[[columns.hash]]\ncolumns = [\"a.b.c\"]\n\
         algorithm = \"md5\"\nsalt = \"hunter2\"\n[snapshot]\nstandby_url = \"postgres://u:hunter2@b/d\"",
    );
    let text = text.replace("walcast@db", "walcast:hunter2@db").replace(
        "[registry]\n",
        "[registry]\nusername = \"u\"\npassword = \"hunter2\"\n",
    );
    let config = parse(&text).unwrap();
    let shown = format!("{config:?}");
    assert!(
        shown.contains("columns.hash[0].salt") && !shown.contains("hunter2"),
        "{shown}"
    );
}
