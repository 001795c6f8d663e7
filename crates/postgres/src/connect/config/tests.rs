use expect_test::{Expect, expect};

use super::{ConnectConfig, Environment};

fn check(text: &str, variables: &[(&str, &str)], expected: &Expect) {
    let environment = Environment::from_variables(variables.iter().copied());
    expected.assert_eq(&match ConnectConfig::parse(text, &environment) {
        Ok(config) => {
            let hosts: Vec<String> = config.hosts.iter().map(ToString::to_string).collect();
            format!(
                "{}@{}/{} {:?} {:?} sslmode={} {:?} attrs={}",
                config.user,
                hosts.join(","),
                config.database,
                config.password,
                config.connect_timeout,
                config.ssl_mode.as_str(),
                config.tls_files.roots,
                config.session_attributes.as_str(),
            )
        }
        Err(error) => format!("error: {error}"),
    });
}

#[test]
fn connection_string_precedes_environment_and_environment_precedes_defaults() {
    check(
        "postgres://a:b@db/x",
        &[("PGUSER", "c"), ("PGPASSWORD", "d"), ("PGPORT", "1")],
        &expect!["a@db:1/x Given([redacted]) Some(10s) sslmode=prefer None attrs=any"],
    );
    check(
        "host=db",
        &[
            ("USER", "me"),
            ("PGSSLMODE", "disable"),
            ("PGTARGETSESSIONATTRS", "primary"),
            ("PGCONNECT_TIMEOUT", "0"),
        ],
        &expect!["me@db:5432/me Nowhere None sslmode=disable None attrs=primary"],
    );
    check(
        "postgres://a@h1:1,h2:2/x",
        &[("PGPASSFILE", "/p")],
        &expect![[r#"a@h1:1,h2:2/x Passfile("/p") Some(10s) sslmode=prefer None attrs=any"#]],
    );
    check(
        "host=/run/pg user=a",
        &[],
        &expect!["a@/run/pg/.s.PGSQL.5432/a Nowhere Some(10s) sslmode=prefer None attrs=any"],
    );
}

#[test]
fn tls_parameters_interact_as_in_libpq() {
    check(
        "postgres://a@db?sslrootcert=system",
        &[],
        &expect!["a@db:5432/a Nowhere Some(10s) sslmode=verify-full System attrs=any"],
    );
    check(
        "postgres://a@db?sslrootcert=system&sslmode=require",
        &[],
        &expect![
            "error: connection parameters contradict each other: sslrootcert=system trusts every public authority, so it needs sslmode=verify-full"
        ],
    );
    check(
        "postgres://a@db?sslmode=verify-full",
        &[],
        &expect![
            "error: connection parameters contradict each other: sslmode=verify-ca and verify-full need sslrootcert (a file, or system)"
        ],
    );
    check(
        "postgres://a@db?sslmode=require&sslrootcert=/",
        &[],
        &expect![[r#"a@db:5432/a Nowhere Some(10s) sslmode=verify-ca File("/") attrs=any"#]],
    );
    check(
        "postgres://a@db?sslnegotiation=direct",
        &[],
        &expect![
            "error: connection parameters contradict each other: sslnegotiation=direct needs sslmode=require or stronger"
        ],
    );
}

#[test]
fn errors_name_the_parameter() {
    check(
        "postgres://a@db?sslmod=require",
        &[],
        &expect![[r#"error: unknown connection parameter "sslmod""#]],
    );
    check(
        "postgres://a@db?sslmode=on",
        &[],
        &expect![[
            r#"error: connection parameter sslmode="on" is invalid: disable, allow, prefer, require, verify-ca or verify-full is wanted"#
        ]],
    );
    check(
        "postgres://a@db?sslcrl=x",
        &[],
        &expect![[r#"error: connection parameter "sslcrl" is not supported: revocation lists are not read"#]],
    );
    check(
        "postgres://a@db?client_encoding=LATIN1",
        &[],
        &expect![[r#"error: connection parameter client_encoding="LATIN1" is invalid: UTF8 is wanted"#]],
    );
    check(
        "postgres://a@db:x/y",
        &[],
        &expect![
            "error: the connection string is malformed: a port is not a number from 1 to 65535 (behind a password there must be an @ and a host)"
        ],
    );
    check(
        "postgres://a@h1,h2:1,h3/y?port=1,2",
        &[],
        &expect![
            "error: connection parameters contradict each other: as many ports as hosts are wanted, or one for all"
        ],
    );
    check(
        "postgres://db",
        &[],
        &expect![
            "error: no user is given; write it into the URL (postgres://user@host/database) or set PGUSER"
        ],
    );
    check(
        "mysql://db",
        &[],
        &expect!["error: the connection string is malformed: neither a postgres:// URL nor key=value pairs"],
    );
}

#[test]
fn no_password_is_ever_printed() {
    let environment = Environment::default();
    let config = ConnectConfig::parse("postgres://a:geheim@db/x", &environment).unwrap();
    assert!(!format!("{config:?}").contains("geheim"));
    for text in [
        "postgres://a:geheim%@db",
        "a:geheim@db",
        "password=geheim user",
        "password='geheim",
    ] {
        let error = ConnectConfig::parse(text, &environment).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("geheim"), "{error:?}");
    }
}
