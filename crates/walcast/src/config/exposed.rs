//! What others can get at that they should not: files with secrets that they can read, passwords that go over the network as
//! they are.
//!
//! None of it stops a connector, because whoever set it up may know why. It is warned of at every start, and `walcast check`
//! lists it.

use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use walcast_kafka::is_secret_property;
use walcast_postgres::{ConnectConfig, Environment};

use super::document::Document;
use super::raw::{RawConfig, RawKafka, RawRegistry};

/// Something that is exposed, if what it speaks of is as it fears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exposed {
    /// The configuration holds secrets.
    Configuration {
        file: String,
        /// The keys whose values they are.
        keys: Vec<String>,
    },
    /// A file holds a secret.
    File { key: String, path: PathBuf },
    /// A password or a token is sent as it is.
    ClearText {
        key: &'static str,
        what: &'static str,
        fix: &'static str,
    },
}

impl Exposed {
    /// Whether it is so, for the configuration in this file.
    pub(super) fn is_so(&self, configuration: &Path) -> bool {
        match self {
            Exposed::Configuration { .. } => others_can_read(configuration),
            Exposed::File { path, .. } => others_can_read(path),
            Exposed::ClearText { .. } => true,
        }
    }
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exposed::Configuration { file, keys } => write!(
                f,
                "{file} can be read by others and holds a secret ({}); run chmod 0600 on it, or write \"${{VARIABLE}}\" or a file's name instead",
                keys.join(", ")
            ),
            Exposed::File { key, path } => write!(
                f,
                "{key} {} can be read by others; run chmod 0600 on it",
                path.display()
            ),
            Exposed::ClearText { key, what, fix } => {
                write!(f, "{key}: {what} goes over the network unencrypted; {fix}")
            }
        }
    }
}

/// Everything in a configuration that may be exposed.
pub(super) fn of(document: &Document<'_>, raw: &RawConfig) -> Vec<Exposed> {
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
    exposed.extend(registry_in_clear_text(&raw.registry));
    exposed.extend(kafka_in_clear_text(&raw.kafka));
    exposed
}

/// Whether the text of a key, without what comes from variables, is a secret or holds one.
fn holds_secret(key: &str, text: &str) -> bool {
    match key {
        "postgres.url" | "snapshot.url" => {
            // Where a variable stood for the user, there is none.
            let environment = Environment::from_variables([("PGUSER", "nobody")]);
            match ConnectConfig::parse(text, &environment) {
                Ok(connect) => connect.has_password_in_text(),
                // Only what variables stood for can be what is missing: better said once too often.
                Err(_) => text.contains('@') && text.contains(':'),
            }
        }
        "registry.password" | "registry.bearer_token" | "admin.token" => !text.is_empty(),
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
    let is = |property, wanted: &str| {
        property_of(raw, property).is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted))
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

/// `linger.ms = 5` is a table `linger` to TOML.
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

/// Whether `host:port` is on this machine, as far as its text tells.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// libpq's rule for private keys: for its owner only, or, when it belongs to root, readable by a group. What is not there is not
/// read by anybody.
fn others_can_read(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| {
        let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
        metadata.permissions().mode() & forbidden != 0
    })
}

#[cfg(test)]
mod tests;
