//! A connection string that has been understood.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::conninfo::{ConninfoError, Parameters};
use super::environment::Environment;
use super::hosts;
use super::passfile::Wanted;
use super::password::{PasswordSource, Secret};
use super::tls_files::{RootCertificates, TlsFiles};
use crate::error::PostgresError;

/// How long a connection may take when `connect_timeout` does not say: long enough for a slow network, short enough to
/// try the next host.
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// `sslmode`: when TLS is used, and what of the server's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS only if the server refuses to go without.
    Allow,
    /// TLS if the server has it.
    Prefer,
    /// TLS; the certificate is checked only when root certificates are there.
    Require,
    /// TLS, with a certificate of a known authority.
    VerifyCa,
    /// As before, and the certificate is for the host's name.
    VerifyFull,
}

/// `channel_binding`: whether SCRAM proves that it runs inside the very TLS session we see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// When the server has it.
    Prefer,
    /// Or not at all.
    Require,
}

/// `target_session_attrs`: which of several hosts will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAttributes {
    /// The first that can be reached.
    Any,
    /// One where sessions write by default.
    ReadWrite,
    /// One where they do not.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One in recovery.
    Standby,
    /// One in recovery, else any.
    PreferStandby,
}

/// Names of the values of a parameter, as libpq writes them.
macro_rules! words {
    ($type:ident, $parameter:literal, $wanted:literal, $($word:literal => $value:ident),+) => {
        impl $type {
            /// As libpq writes it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($type::$value => $word),+ }
            }
        }

        impl FromStr for $type {
            type Err = ConninfoError;

            fn from_str(text: &str) -> Result<Self, ConninfoError> {
                match text {
                    $($word => Ok($type::$value),)+
                    _ => Err(ConninfoError::Invalid { name: $parameter, value: text.to_owned(), wanted: $wanted }),
                }
            }
        }
    };
}

words!(SslMode, "sslmode", "disable, allow, prefer, require, verify-ca or verify-full",
    "disable" => Disable, "allow" => Allow, "prefer" => Prefer, "require" => Require,
    "verify-ca" => VerifyCa, "verify-full" => VerifyFull);
words!(ChannelBinding, "channel_binding", "disable, prefer or require",
    "disable" => Disable, "prefer" => Prefer, "require" => Require);
words!(SessionAttributes, "target_session_attrs", "any, read-write, read-only, primary, standby or prefer-standby",
    "any" => Any, "read-write" => ReadWrite, "read-only" => ReadOnly, "primary" => Primary,
    "standby" => Standby, "prefer-standby" => PreferStandby);

/// One place where the server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or address.
    Tcp {
        /// What TLS and `~/.pgpass` know it by.
        name: String,
        /// Where to connect to instead of looking the name up (`hostaddr`).
        address: Option<std::net::IpAddr>,
        /// The port.
        port: u16,
    },
    /// A folder with a socket in it.
    Unix {
        /// The folder.
        folder: PathBuf,
        /// The port, which is part of the socket's name.
        port: u16,
    },
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Tcp { name, port, .. } if name.contains(':') => write!(f, "[{name}]:{port}"),
            Host::Tcp { name, port, .. } => write!(f, "{name}:{port}"),
            Host::Unix { folder, port } => write!(f, "{}/.s.PGSQL.{port}", folder.display()),
        }
    }
}

/// `keepalives…` and `tcp_user_timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TcpOptions {
    pub(super) keepalives: bool,
    pub(super) keepalives_idle: Option<Duration>,
    pub(super) keepalives_interval: Option<Duration>,
    pub(super) keepalives_count: Option<u32>,
    pub(super) user_timeout_ms: u32,
}

/// `sslnegotiation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsNegotiation {
    /// Asks first; any server.
    Postgres,
    /// Begins with the handshake; 17 and later.
    Direct,
}

/// All that is needed to connect. `Debug` shows no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectConfig {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) password: PasswordSource,
    password_in_text: bool,
    pub(super) application_name: Option<String>,
    pub(super) options: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) tcp: TcpOptions,
    pub(super) ssl_mode: SslMode,
    pub(super) tls_negotiation: TlsNegotiation,
    pub(super) tls_files: TlsFiles,
    pub(super) server_name_indication: bool,
    pub(super) channel_binding: ChannelBinding,
    pub(super) session_attributes: SessionAttributes,
}

impl ConnectConfig {
    /// Reads a URL or `key=value` pairs; what they leave open comes from the environment, then from libpq's defaults.
    ///
    /// # Errors
    /// Text that is neither, unknown or unsupported parameters, values that cannot be, no user.
    pub fn parse(text: &str, environment: &Environment) -> Result<Self, ConninfoError> {
        let mut given = Parameters::parse(text)?;
        let password_in_text = given.holds("password");
        given.complete(environment);
        refuse_other_encodings(&mut given)?;

        let user = given
            .take("user")
            .or_else(|| environment.user().map(str::to_owned))
            .ok_or(ConninfoError::NoUser)?;
        let database = given.take("dbname").unwrap_or_else(|| user.clone());
        let password = match (given.take("password"), given.take("passfile")) {
            (Some(password), _) => PasswordSource::Given(Secret::new(password)),
            (None, Some(path)) => PasswordSource::Passfile(path.into()),
            (None, None) => match environment.home() {
                Some(home) => PasswordSource::Passfile(home.join(".pgpass")),
                None => PasswordSource::Nowhere,
            },
        };
        let (ssl_mode, tls_files) = tls(&mut given, environment)?;
        let tls_negotiation = tls_negotiation(&mut given, ssl_mode)?;
        Ok(Self {
            hosts: hosts::read(&mut given)?,
            user,
            database,
            password,
            password_in_text,
            application_name: given
                .take("application_name")
                .or(given.take("fallback_application_name")),
            options: given.take("options"),
            connect_timeout: connect_timeout(&mut given)?,
            tcp: tcp(&mut given)?,
            ssl_mode,
            tls_negotiation,
            tls_files,
            server_name_indication: flag(&mut given, "sslsni")?,
            channel_binding: word(&mut given, "channel_binding")?.unwrap_or(ChannelBinding::Prefer),
            session_attributes: word(&mut given, "target_session_attrs")?.unwrap_or(SessionAttributes::Any),
        })
    }

    /// With the password taken from a file that holds nothing else; a password in the connection string itself stays.
    #[must_use]
    pub fn with_password_file(mut self, path: PathBuf) -> Self {
        if !self.password_in_text {
            self.password = PasswordSource::File(path);
        }
        self
    }

    /// With the primary looked for among several hosts where it is not said what will do: a standby cannot be led on.
    #[must_use]
    pub(crate) fn for_primary(mut self) -> Self {
        if self.hosts.len() > 1 && self.session_attributes == SessionAttributes::Any {
            self.session_attributes = SessionAttributes::Primary;
        }
        self
    }

    /// Whether the password is in the connection string itself.
    #[must_use]
    pub fn has_password_in_text(&self) -> bool {
        self.password_in_text
    }

    /// The hosts, in the order they are tried.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The role.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// `application_name`, when the connection string gives one.
    pub(crate) fn application_name(&self) -> Option<&str> {
        self.application_name.as_deref()
    }

    /// When TLS is used.
    #[must_use]
    pub fn ssl_mode(&self) -> SslMode {
        self.ssl_mode
    }

    /// Which of several hosts will do.
    #[must_use]
    pub fn session_attributes(&self) -> SessionAttributes {
        self.session_attributes
    }

    /// The password for one of the hosts, looked up now.
    pub(super) fn password_for(&self, host: &Host) -> Result<Option<Secret>, PostgresError> {
        let (host, port) = match host {
            Host::Tcp { name, port, .. } => (name.as_str(), *port),
            Host::Unix { folder, port } if hosts::is_default_folder(folder) => ("localhost", *port),
            Host::Unix { folder, port } => (folder.to_str().unwrap_or_default(), *port),
        };
        self.password.look_up(&Wanted {
            host,
            port,
            database: &self.database,
            user: &self.user,
        })
    }
}

fn refuse_other_encodings(given: &mut Parameters) -> Result<(), ConninfoError> {
    if let Some(value) = given.take("client_encoding") {
        let plain = value.to_ascii_lowercase().replace(['-', '_'], "");
        if plain != "utf8" && plain != "auto" {
            return Err(ConninfoError::Invalid {
                name: "client_encoding",
                value,
                wanted: "UTF8",
            });
        }
    }
    match given.take("gssencmode").as_deref() {
        None | Some("disable" | "prefer") => Ok(()),
        Some(value) => Err(ConninfoError::Invalid {
            name: "gssencmode",
            value: value.to_owned(),
            wanted: "disable",
        }),
    }
}

/// `sslmode` and the files, with libpq's rules of how they bear on each other.
fn tls(given: &mut Parameters, environment: &Environment) -> Result<(SslMode, TlsFiles), ConninfoError> {
    let mode: Option<SslMode> = word(given, "sslmode")?;
    let roots = given.take("sslrootcert");
    let default_file = |name| environment.default_file(name);
    let files = |roots, given: &mut Parameters| TlsFiles {
        roots,
        certificate: given
            .take("sslcert")
            .map(PathBuf::from)
            .or_else(|| default_file("postgresql.crt")),
        key: given
            .take("sslkey")
            .map(PathBuf::from)
            .or_else(|| default_file("postgresql.key")),
    };
    if roots.as_deref() == Some("system") {
        let mode = mode.unwrap_or(SslMode::VerifyFull);
        if mode != SslMode::VerifyFull {
            return Err(ConninfoError::Contradiction(
                "sslrootcert=system trusts every public authority, so it needs sslmode=verify-full",
            ));
        }
        return Ok((mode, files(RootCertificates::System, given)));
    }
    let mode = mode.unwrap_or(SslMode::Prefer);
    let roots = match roots.map(PathBuf::from).or_else(|| default_file("root.crt")) {
        Some(path) => RootCertificates::File(path),
        None if mode >= SslMode::VerifyCa => {
            return Err(ConninfoError::Contradiction(
                "sslmode=verify-ca and verify-full need sslrootcert (a file, or system)",
            ));
        }
        None => RootCertificates::None,
    };
    // With root certificates there, `require` checks them: libpq does so for compatibility, people rely on it.
    let mode = match (mode, &roots) {
        (SslMode::Require, RootCertificates::File(path)) if path.exists() => SslMode::VerifyCa,
        _ => mode,
    };
    Ok((mode, files(roots, given)))
}

fn tls_negotiation(given: &mut Parameters, mode: SslMode) -> Result<TlsNegotiation, ConninfoError> {
    match given.take("sslnegotiation").as_deref() {
        None | Some("postgres") => Ok(TlsNegotiation::Postgres),
        Some("direct") if mode >= SslMode::Require => Ok(TlsNegotiation::Direct),
        Some("direct") => Err(ConninfoError::Contradiction(
            "sslnegotiation=direct needs sslmode=require or stronger",
        )),
        Some(other) => Err(ConninfoError::Invalid {
            name: "sslnegotiation",
            value: other.to_owned(),
            wanted: "postgres or direct",
        }),
    }
}

/// Zero and negative numbers wait for ever, as in libpq.
fn connect_timeout(given: &mut Parameters) -> Result<Option<Duration>, ConninfoError> {
    let Some(seconds) = number::<i64>(given, "connect_timeout")? else {
        return Ok(Some(CONNECT_TIMEOUT_DEFAULT));
    };
    Ok(u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs))
}

/// A peer that vanished without a word is noticed after about a minute of silence; the system's own two hours would be
/// two hours without a leader.
const KEEPALIVES_IDLE_DEFAULT: Duration = Duration::from_secs(30);
const KEEPALIVES_INTERVAL_DEFAULT: Duration = Duration::from_secs(10);
const KEEPALIVES_COUNT_DEFAULT: u32 = 3;
const USER_TIMEOUT_MS_DEFAULT: u32 = 60_000;

fn tcp(given: &mut Parameters) -> Result<TcpOptions, ConninfoError> {
    let mut seconds = |name, default| {
        let given = number::<u64>(given, name)?;
        // Zero means the system's default.
        Ok(match given {
            None => Some(default),
            Some(0) => None,
            Some(seconds) => Some(Duration::from_secs(seconds)),
        })
    };
    Ok(TcpOptions {
        keepalives_idle: seconds("keepalives_idle", KEEPALIVES_IDLE_DEFAULT)?,
        keepalives_interval: seconds("keepalives_interval", KEEPALIVES_INTERVAL_DEFAULT)?,
        keepalives_count: Some(number(given, "keepalives_count")?.unwrap_or(KEEPALIVES_COUNT_DEFAULT))
            .filter(|count| *count > 0),
        user_timeout_ms: number(given, "tcp_user_timeout")?.unwrap_or(USER_TIMEOUT_MS_DEFAULT),
        keepalives: flag(given, "keepalives")?,
    })
}

/// A switch that is on unless it is 0.
fn flag(given: &mut Parameters, name: &'static str) -> Result<bool, ConninfoError> {
    Ok(number::<u32>(given, name)?.unwrap_or(1) != 0)
}

fn number<N: FromStr>(given: &mut Parameters, name: &'static str) -> Result<Option<N>, ConninfoError> {
    given
        .take(name)
        .map(|value| {
            value.trim().parse().map_err(|_| ConninfoError::Invalid {
                name,
                value,
                wanted: "a whole number",
            })
        })
        .transpose()
}

fn word<W: FromStr<Err = ConninfoError>>(
    given: &mut Parameters,
    name: &'static str,
) -> Result<Option<W>, ConninfoError> {
    given.take(name).map(|value| value.parse()).transpose()
}

#[cfg(test)]
mod tests;
