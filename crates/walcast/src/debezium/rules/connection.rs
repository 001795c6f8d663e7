//! Connection to Postgres.

use std::fmt::Write;

use crate::debezium::draft::{Setting, reference};
use crate::debezium::rule::Translate::{By, WithAnother};
use crate::debezium::rule::{Outcome, Rule, Value, becomes, not_needed, not_yet, secret};

const URL: &str = "postgres.url";
const PASSWORD: &str = "secrets are never copied: set PGPASSWORD, [postgres] password_file, or ~/.pgpass";
const DRIVER: &str =
    "the property configures the JDBC driver; libpq's parameters can be appended to [postgres] url";

pub(super) const RULES: &[Rule] = &[
    becomes("database.hostname", URL, By(url))
        .default("localhost")
        .always(),
    becomes("database.port", URL, WithAnother).default("5432"),
    becomes("database.user", URL, WithAnother),
    secret("database.password", PASSWORD),
    becomes("database.dbname", URL, WithAnother),
    becomes("database.sslmode", URL, WithAnother).default("prefer"),
    becomes("database.sslcert", URL, WithAnother),
    becomes("database.sslkey", URL, WithAnother),
    secret(
        "database.sslpassword",
        "secrets are never copied: decrypt the key, and restrict it to walcast's user",
    ),
    becomes("database.sslrootcert", URL, WithAnother),
    not_yet(
        "database.sslfactory",
        "a Java class cannot be loaded; TLS is set in [postgres] url",
    ),
    not_needed(
        "database.tcpKeepAlive",
        "TCP keepalives are on; append keepalives=0 to [postgres] url to disable them",
    )
    .default("true"),
    not_needed(
        "database.query.timeout.ms",
        "only the catalog is queried, and a lost connection is detected",
    ),
    not_needed(
        "connection.validation.timeout.ms",
        "connect_timeout of [postgres] url limits a connection attempt, 10 s by default",
    ),
    not_yet(
        "database.initial.statements",
        "session parameters can be set with ALTER ROLE … SET",
    )
    .default(""),
    not_yet(
        "database.connection.factory.class",
        "cloud tokens are not supported; a password file that another program renews is read at each connection",
    ),
    not_yet("database.include.list", "a connector captures one database").default(""),
    not_yet("database.exclude.list", "a connector captures one database").default(""),
    not_yet("database.*", DRIVER),
    not_yet("driver.*", DRIVER),
    not_needed(
        "guardrail.collections.max",
        "memory does not grow with the number of tables",
    )
    .default("0"),
    not_needed(
        "guardrail.collections.limit.action",
        "memory does not grow with the number of tables",
    )
    .default("warn"),
    not_needed(
        "custom.sanitize.pattern",
        "values of rows and secrets are never logged",
    ),
];

/// Builds the connection string.
fn url(value: &Value<'_>) -> Outcome {
    let given = value.given;
    let mut from = vec![value.property];
    let mut take = |property: &'static str, default: &'static str| {
        let text = given.connector(property);
        if text.is_some() && property != value.property {
            from.push(property);
        }
        text.unwrap_or(default).to_owned()
    };
    let host = take("database.hostname", "localhost");
    let port = take("database.port", "5432");
    let user = take("database.user", "");
    let database = take("database.dbname", "");
    let parameters = ["sslmode", "sslcert", "sslkey", "sslrootcert"].map(|name| match name {
        "sslmode" => (name, take("database.sslmode", "")),
        "sslcert" => (name, take("database.sslcert", "")),
        "sslkey" => (name, take("database.sslkey", "")),
        _ => (name, take("database.sslrootcert", "")),
    });
    if let Err(_invalid) = port.parse::<u16>() {
        return Outcome::Refused(format!("database.port = {port} is not a port"));
    }
    let mut by_hand = Vec::new();
    let mut part = |property: &str, text: &str| {
        if let Some(inside) = reference(text) {
            by_hand.push(format!("{property} (${{{inside}}})"));
        }
        percent(text)
    };
    let host = if host.contains(':') && reference(&host).is_none() {
        format!("[{host}]")
    } else {
        part("database.hostname", &host)
    };
    let mut url = format!(
        "postgres://{}@{host}:{port}/{}",
        part("database.user", &user),
        part("database.dbname", &database)
    );
    let mut separator = '?';
    for (name, text) in parameters {
        if !text.is_empty() {
            // Writing to a string does not fail.
            let written = write!(
                url,
                "{separator}{name}={}",
                part(&format!("database.{name}"), &text)
            );
            debug_assert!(written.is_ok());
            separator = '&';
        }
    }
    let mut setting = Setting::new(URL, url).from(&from);
    if !by_hand.is_empty() {
        setting = setting.by_hand(format!(
            "{} came from a config provider of Connect: write the values into url",
            by_hand.join(", ")
        ));
    } else if given.connector("database.sslkey").is_some() {
        setting = setting.by_hand(
            "database.sslkey is usually DER (.pk8) for Java and must be PEM here: \
             openssl pkcs8 -inform DER -in client.pk8 -out client.key -nocrypt"
                .to_owned(),
        );
    }
    Outcome::line(setting)
}

/// Percent-encodes all bytes except letters, digits and `-._~/`.
fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let written = write!(out, "%{byte:02X}");
            debug_assert!(written.is_ok());
        }
    }
    out
}
