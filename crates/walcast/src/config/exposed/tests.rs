use std::env::VarError;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use expect_test::{Expect, expect};

use crate::config::{Config, parse_for_test};

fn lookup(name: &str) -> Result<String, VarError> {
    match name {
        "SECRET" => Ok("hunter2".to_owned()),
        _ => Err(VarError::NotPresent),
    }
}

/// Checks the warnings for a configuration with these URLs and additional lines.
fn check(postgres_url: &str, registry_url: &str, more: &str, expected: Expect) {
    let text = format!(
        "name = \"shop\"\nadmin.listen = \"off\"\npostgres.url = \"{postgres_url}\"\nkafka.brokers = \"k:9092\"\n\
         registry.url = \"{registry_url}\"\n{more}"
    );
    let config = parse_for_test(&text, &lookup).unwrap();
    let lines: Vec<String> = config.exposed.iter().map(ToString::to_string).collect();
    let printed = lines.join("\n");
    assert!(!printed.contains("hunter2"), "{printed}");
    expected.assert_eq(&printed);
}

#[test]
fn only_literal_secrets_are_reported() {
    let (url, https) = ("postgres://walcast@db/shop", "https://r");
    check(url, https, "", expect![""]);
    check("postgres://walcast:${SECRET}@db/shop", https, "", expect![""]);
    check("host=db user=walcast password=${SECRET}", https, "", expect![""]);
    let (literal, more) = (
        "postgres://walcast:hunter2@db/shop",
        "registry.username = \"u\"\nregistry.password = \"hunter2\"\nadmin.token = \"hunter2\"\nsnapshot.standby_url = \"host=b password=hunter2 user=u\"\n\
         kafka.properties.sasl.password = \"hunter2\"\nkafka.properties.\"ssl.key.password\" = \"${SECRET}\"",
    );
    check(
        literal,
        https,
        more,
        expect![[
            r#"walcast.toml is readable by others and contains a secret (admin.token, kafka.properties.sasl.password, postgres.url, registry.password, snapshot.standby_url); run chmod 0600 on it, or write "${VARIABLE}" or a file's name instead"#
        ]],
    );
    check(
        url,
        https,
        "[[columns.hash]]\ncolumns = [\"a.b.c\"]\nalgorithm = \"md5\"\nsalt = \"hunter2\"",
        expect![[
            r#"walcast.toml is readable by others and contains a secret (columns.hash[0].salt); run chmod 0600 on it, or write "${VARIABLE}" or a file's name instead"#
        ]],
    );
}

#[test]
fn files_with_secrets_are_checked() {
    let more = "registry.certificate_file = \"r.crt\"\nregistry.key_file = \"r.key\"\npostgres.password_file = \"p\"\n\
                kafka.properties.ssl.key.location = \"k.key\"";
    check(
        "postgres://walcast@db/shop",
        "https://r",
        more,
        expect![[r#"
            postgres.password_file p is readable by others; run chmod 0600 on it
            registry.key_file r.key is readable by others; run chmod 0600 on it
            kafka.properties.ssl.key.location k.key is readable by others; run chmod 0600 on it"#]],
    );
}

#[test]
fn unencrypted_passwords_are_reported() {
    let url = "postgres://walcast@db/shop";
    let registry = "registry.username = \"u\"\nregistry.password = \"${SECRET}\"\n";
    let plain = "kafka.properties.security.protocol = \"sasl_plaintext\"\nkafka.properties.\"sasl.mechanism\" = \"PLAIN\"";
    check(
        url,
        "http://registry:8081",
        &format!("{registry}{plain}"),
        expect![[r#"
            registry.url: the password or token is sent unencrypted; use https://
            kafka.properties.sasl.mechanism: the password is sent unencrypted; set security.protocol to SASL_SSL, or sasl.mechanism to SCRAM-SHA-512"#]],
    );
    for loopback in [
        "http://127.0.0.1:8081",
        "http://localhost/api",
        "http://[::1]:8081",
    ] {
        check(url, loopback, registry, expect![""]);
    }
}

#[test]
fn a_cleartext_password_for_an_unverified_server_is_reported() {
    let check = |url: &str, expected| check(url, "https://r", "", expected);
    check(
        "postgres://walcast@db/shop?require_auth=scram-sha-256,password",
        expect![[
            r#"postgres.url: require_auth allows the password in cleartext and sslmode does not verify the server, so any program that answers in its place gets the password; set sslmode=verify-full and sslrootcert, or leave password out of require_auth"#
        ]],
    );
    for safe in [
        "postgres://walcast@db/shop?require_auth=!password",
        "postgres://walcast@db/shop?require_auth=password&sslmode=verify-full&sslrootcert=system",
        "postgres://walcast@localhost,127.0.0.1/shop?require_auth=password",
        "postgres://walcast@db/shop?require_auth=password&hostaddr=::1",
        "host=/run/postgresql user=walcast require_auth=password",
    ] {
        check(safe, expect![""]);
    }
}

/// Warnings for a configuration file and a password file with these modes.
fn warned(mode: u32, password_mode: u32) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (file, password) = (folder.path().join("walcast.toml"), folder.path().join("password"));
    let text = format!(
        "name = \"shop\"\nkafka.brokers = \"k:9092\"\nregistry.url = \"http://r\"\nadmin.token = \"hunter2\"\n\
         [postgres]\nurl = \"postgres://u@db/shop\"\npassword_file = {password:?}\n"
    );
    for (path, text, mode) in [
        (&file, text.as_str(), mode),
        (&password, "hunter2\n", password_mode),
    ] {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let config = Config::load(&file).unwrap();
    config.exposed.iter().map(ToString::to_string).collect()
}

#[test]
fn only_files_readable_by_others_are_reported() {
    assert_eq!(warned(0o600, 0o400), Vec::<String>::new());
    let both = warned(0o644, 0o604);
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(
        both[0].contains("walcast.toml is readable by others and contains a secret (admin.token)"),
        "{both:?}"
    );
    assert!(
        both[1].starts_with("postgres.password_file /") && both[1].ends_with("run chmod 0600 on it"),
        "{both:?}"
    );
    assert_eq!(warned(0o666, 0o600).len(), 1);
}
