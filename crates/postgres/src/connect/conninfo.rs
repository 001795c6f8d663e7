//! What a connection string says, parameter by parameter, before it means anything.

use std::collections::BTreeMap;

use super::environment::Environment;
use super::{keywords, url};

/// A connection string, or the environment that completes it, is wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConninfoError {
    /// The text is neither a URL nor `key=value` pairs.
    #[error("the connection string is malformed: {problem}")]
    Malformed {
        /// What is wrong; never quotes the text, which may hold a password.
        problem: &'static str,
    },
    /// A parameter that nobody knows.
    #[error("unknown connection parameter {name:?}")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// A parameter of libpq that has no meaning here.
    #[error("connection parameter {name:?} is not supported: {instead}")]
    Unsupported {
        /// Its name.
        name: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A parameter has a value it cannot have.
    #[error("connection parameter {name}={value:?} is invalid: {wanted} is wanted")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What can stand there.
        wanted: &'static str,
    },
    /// Two parameters contradict each other.
    #[error("connection parameters contradict each other: {0}")]
    Contradiction(&'static str),
    /// Nobody said which role to connect as.
    #[error("no user is given; write it into the URL (postgres://user@host/database) or set PGUSER")]
    NoUser,
}

/// The parameters taken: libpq's name, the environment variable that gives it when the text does not.
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

/// Parameters of libpq that are refused rather than silently ignored, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("gssdelegation", "GSS is not spoken"),
    ("gsslib", "GSS is not spoken"),
    ("krbsrvname", "GSS is not spoken"),
    ("load_balance_hosts", "hosts are tried in the order given"),
    ("replication", "walcast sets it by itself"),
    (
        "require_auth",
        "use channel_binding=require and sslmode=verify-full",
    ),
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
    ("ssl_max_protocol_version", "TLS 1.2 and 1.3 are spoken"),
    ("ssl_min_protocol_version", "TLS 1.2 and 1.3 are spoken"),
];

/// The parameters of a connection string by name, as written.
#[derive(Default)]
pub(super) struct Parameters(BTreeMap<&'static str, String>);

impl Parameters {
    /// Reads a URL or `key=value` pairs.
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

    /// Sets a parameter; the last one said wins, as in libpq.
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

    /// Takes what the text leaves open from the environment.
    pub(super) fn complete(&mut self, environment: &Environment) {
        for (name, variable) in KNOWN {
            let Some(value) = variable.and_then(|variable| environment.variable(variable)) else {
                continue;
            };
            self.0.entry(name).or_insert_with(|| value.to_owned());
        }
    }

    /// Whether a parameter is given.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_empty())
    }

    /// A parameter; one that is empty counts as not given, as in libpq.
    pub(super) fn take(&mut self, name: &'static str) -> Option<String> {
        debug_assert!(
            KNOWN.iter().any(|(known, _)| *known == name),
            "{name} is not in the list"
        );
        self.0.remove(name).filter(|value| !value.is_empty())
    }
}
