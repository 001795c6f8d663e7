//! Exposed secrets: files that other users can read, and passwords that are sent unencrypted.
//!
//! An exposed secret may be intentional and does not stop a connector. Every start logs a warning, and `walcast check` lists the
//! exposed secrets.

use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use walcast_kafka::is_secret_property;
use walcast_postgres::{ConnectConfig, Environment};

use super::document::Document;
use super::raw::{RawConfig, RawKafka, RawRegistry};

/// Possibly exposed secret; [`Exposed::is_exposed`] checks the permissions of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exposed {
    /// The configuration file contains secrets.
    Configuration {
        file: String,
        /// Keys with secret values.
        keys: Vec<String>,
    },
    /// A file contains a secret.
    File { key: String, path: PathBuf },
    /// A password or a token is sent unencrypted.
    ClearText {
        key: &'static str,
        what: &'static str,
        fix: &'static str,
    },
    /// An unverified server can request the password in cleartext.
    Unverified { key: &'static str },
}

impl Exposed {
    /// Whether the secret is exposed; `configuration` is the path of the configuration file.
    pub(super) fn is_exposed(&self, configuration: &Path) -> bool {
        match self {
            Exposed::Configuration { .. } => others_can_read(configuration),
            Exposed::File { path, .. } => others_can_read(path),
            Exposed::ClearText { .. } | Exposed::Unverified { .. } => true,
        }
    }
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exposed::Configuration { file, keys } => write!(
                f,
                "{file} is readable by others and contains a secret ({}); run chmod 0600 on it, or write \"${{VARIABLE}}\" or a file's name instead",
                keys.join(", ")
            ),
            Exposed::File { key, path } => write!(
                f,
                "{key} {} is readable by others; run chmod 0600 on it",
                path.display()
            ),
            Exposed::ClearText { key, what, fix } => {
                write!(f, "{key}: {what} is sent unencrypted; {fix}")
            }
            Exposed::Unverified { key } => write!(
                f,
                "{key}: require_auth allows the password in cleartext and sslmode does not verify the server, so any program that \
                 answers in its place gets the password; set sslmode=verify-full and sslrootcert, or leave password out of require_auth"
            ),
        }
    }
}

/// Possibly exposed secrets of a configuration.
pub(super) fn of(document: &Document<'_>, raw: &RawConfig, environment: &Environment) -> Vec<Exposed> {
    let mut exposed = Vec::new();
    let keys: Vec<String> = document
        .written()
        .filter(|(key, text)| holds_secret(key, text))
        .map(|(key, _)| key.to_owned())
        .collect();
    if !keys.is_empty() {
        let file = document.file().to_owned();
        exposed.push(Exposed::Configuration { file, keys });
    }
    let mut file = |key: &str, path: &Path| {
        exposed.push(Exposed::File {
            key: key.to_owned(),
            path: path.to_owned(),
        });
    };
    for (key, path) in [
        ("postgres.password_file", &raw.postgres.password_file),
        ("snapshot.password_file", &raw.snapshot.password_file),
        ("registry.password_file", &raw.registry.password_file),
        ("registry.bearer_token_file", &raw.registry.bearer_token_file),
        ("registry.key_file", &raw.registry.key_file),
        ("admin.token_file", &raw.admin.token_file),
        ("admin.key_file", &raw.admin.key_file),
    ] {
        if let Some(path) = path {
            file(key, path);
        }
    }
    for property in ["ssl.key.location", "ssl.keystore.location"] {
        if let Some(path) = property_of(&raw.kafka, property) {
            file(&format!("kafka.properties.{property}"), Path::new(path));
        }
    }
    for (key, url) in [
        ("postgres.url", &raw.postgres.url),
        ("snapshot.standby_url", &raw.snapshot.standby_url),
    ] {
        // An invalid URL is reported elsewhere.
        let connect = url
            .as_ref()
            .and_then(|url| ConnectConfig::parse(url.reveal(), environment).ok());
        if connect.is_some_and(|connect| connect.may_send_password_unverified()) {
            exposed.push(Exposed::Unverified { key });
        }
    }
    exposed.extend(registry_in_clear_text(&raw.registry));
    exposed.extend(kafka_in_clear_text(&raw.kafka));
    exposed
}

/// Whether the literal text of a key, in which variables are empty, is or contains a secret.
fn holds_secret(key: &str, text: &str) -> bool {
    match key {
        "postgres.url" | "snapshot.standby_url" => {
            // The user may come from a variable, which is empty here.
            let environment = Environment::from_variables([("PGUSER", "user")]);
            match ConnectConfig::parse(text, &environment) {
                Ok(connect) => connect.has_password_in_text(),
                // The text is incomplete without its variables: a false warning is better than a missing one.
                Err(_) => text.contains('@') && text.contains(':'),
            }
        }
        "snapshot.password" | "registry.password" | "registry.bearer_token" | "admin.token" => {
            !text.is_empty()
        }
        "registry.proxy" => text.contains('@'),
        _ => match key.strip_prefix("kafka.properties.") {
            Some(property) => is_secret_property(property) && !text.is_empty(),
            None => key.starts_with("columns.hash[") && key.ends_with("].salt") && !text.is_empty(),
        },
    }
}

fn registry_in_clear_text(raw: &RawRegistry) -> Option<Exposed> {
    let authority = raw.url.as_deref()?.strip_prefix("http://")?;
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let has_secret = raw.password.is_some()
        || raw.password_file.is_some()
        || raw.bearer_token.is_some()
        || raw.bearer_token_file.is_some();
    (has_secret && !is_loopback(authority)).then_some(Exposed::ClearText {
        key: "registry.url",
        what: "the password or token",
        fix: "use https://",
    })
}

fn kafka_in_clear_text(raw: &RawKafka) -> Option<Exposed> {
    let is = |property, expected: &str| {
        property_of(raw, property).is_some_and(|value| value.trim().eq_ignore_ascii_case(expected))
    };
    let mechanism_is_plain = is("sasl.mechanism", "PLAIN") || is("sasl.mechanisms", "PLAIN");
    let mut brokers = raw
        .brokers
        .as_deref()
        .unwrap_or_default()
        .split(',')
        .map(str::trim);
    (is("security.protocol", "SASL_PLAINTEXT") && mechanism_is_plain && !brokers.all(is_loopback)).then_some(
        Exposed::ClearText {
            key: "kafka.properties.sasl.mechanism",
            what: "the password",
            fix: "set security.protocol to SASL_SSL, or sasl.mechanism to SCRAM-SHA-512",
        },
    )
}

/// Value of a property with dots in its name, which TOML parses as nested tables unless the name is quoted.
fn property_of<'r>(raw: &'r RawKafka, name: &str) -> Option<&'r str> {
    if let Some(value) = raw.properties.get(name) {
        return value.as_str();
    }
    let mut parts = name.split('.');
    let mut value = raw.properties.get(parts.next()?)?;
    for part in parts {
        value = value.get(part)?;
    }
    value.as_str()
}

/// Whether the text of `host:port` names the loopback interface.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Whether other users can read a file, by libpq's rule for private keys: a file of root may be readable by its group. A missing
/// file is not readable.
fn others_can_read(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| {
        let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
        metadata.permissions().mode() & forbidden != 0
    })
}

#[cfg(test)]
mod tests;
