//! Parameters of a connection string, before their values are interpreted.

use std::collections::BTreeMap;

use super::conninfo_error::ConninfoError;
use super::environment::Environment;
use super::{keywords, url};

/// Supported parameters: the name in libpq, and the environment variable that supplies the default.
const KNOWN: &[(&str, Option<&str>)] = &[
    ("application_name", Some("PGAPPNAME")),
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("client_encoding", None),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("dbname", Some("PGDATABASE")),
    ("fallback_application_name", None),
    ("gssencmode", Some("PGGSSENCMODE")),
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("keepalives", None),
    ("keepalives_count", None),
    ("keepalives_idle", None),
    ("keepalives_interval", None),
    ("options", Some("PGOPTIONS")),
    ("passfile", Some("PGPASSFILE")),
    ("password", Some("PGPASSWORD")),
    ("port", Some("PGPORT")),
    ("require_auth", Some("PGREQUIREAUTH")),
    ("sslcert", Some("PGSSLCERT")),
    ("sslkey", Some("PGSSLKEY")),
    ("sslmode", Some("PGSSLMODE")),
    ("sslnegotiation", Some("PGSSLNEGOTIATION")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("sslsni", Some("PGSSLSNI")),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    ("tcp_user_timeout", None),
    ("user", Some("PGUSER")),
];

/// Parameters of libpq that are rejected instead of silently ignored, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("gssdelegation", "GSSAPI is not supported"),
    ("gsslib", "GSSAPI is not supported"),
    ("krbsrvname", "GSSAPI is not supported"),
    ("load_balance_hosts", "hosts are tried in the order given"),
    ("replication", "the connector sets it itself"),
    (
        "requirepeer",
        "use a socket folder that only the server can write to",
    ),
    ("requiressl", "write sslmode=require"),
    ("service", "write the parameters themselves"),
    ("sslcompression", "TLS compression is not safe"),
    ("sslcrl", "revocation lists are not read"),
    ("sslcrldir", "revocation lists are not read"),
    (
        "sslpassword",
        "keep the key unencrypted and readable for its owner only",
    ),
    ("ssl_max_protocol_version", "TLS 1.2 and 1.3 are supported"),
    ("ssl_min_protocol_version", "TLS 1.2 and 1.3 are supported"),
];

/// Parameters of a connection string by name.
#[derive(Default)]
pub(super) struct Parameters(BTreeMap<&'static str, String>);

impl Parameters {
    /// Parses a URL or `key=value` pairs.
    pub(super) fn parse(text: &str) -> Result<Self, ConninfoError> {
        let pairs = match text.split_once("://") {
            Some(("postgres" | "postgresql", rest)) => url::parse(rest)?,
            _ => keywords::parse(text)?,
        };
        let mut parameters = Self::default();
        for (name, value) in pairs {
            parameters.set(&name, value)?;
        }
        Ok(parameters)
    }

    /// Sets a parameter; the last value counts, as in libpq.
    fn set(&mut self, name: &str, value: String) -> Result<(), ConninfoError> {
        if let Some((known, _)) = KNOWN.iter().find(|(known, _)| *known == name) {
            self.0.insert(known, value);
            return Ok(());
        }
        let name = name.to_owned();
        Err(
            match UNSUPPORTED.iter().find(|(unsupported, _)| *unsupported == name) {
                Some((_, instead)) => ConninfoError::Unsupported { name, instead },
                None => ConninfoError::Unknown { name },
            },
        )
    }

    /// Takes missing parameters from the environment.
    pub(super) fn complete(&mut self, environment: &Environment) {
        for (name, variable) in KNOWN {
            let Some(value) = variable.and_then(|variable| environment.variable(variable)) else {
                continue;
            };
            self.0.entry(name).or_insert_with(|| value.to_owned());
        }
    }

    /// Parameters by name.
    pub(super) fn into_pairs(self) -> impl Iterator<Item = (&'static str, String)> {
        self.0.into_iter()
    }

    /// Whether a parameter is set.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_empty())
    }

    /// Value of a parameter; an empty value counts as not set, as in libpq.
    pub(super) fn take(&mut self, name: &'static str) -> Option<String> {
        debug_assert!(
            KNOWN.iter().any(|(known, _)| *known == name),
            "{name} is not in the list"
        );
        self.0.remove(name).filter(|value| !value.is_empty())
    }
}
