//! Parsed connection string.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use walcast_mapper::Secret;

use super::conninfo::Parameters;
use super::conninfo_error::ConninfoError;
use super::environment::Environment;
use super::hosts::{self, Host};
use super::passfile::PasswordQuery;
use super::password::PasswordSource;
use super::require_auth::{AuthMethod, RequireAuth};
use super::tls_files::{RootCertificates, TlsFiles};
use super::without_password::without_password;
use crate::error::PostgresError;

/// Default of `connect_timeout`: long enough for a slow network, short enough to try the next host.
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// `sslmode`: whether TLS is used, and how the server's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS only if the server rejects unencrypted connections.
    Allow,
    /// TLS if the server supports it.
    Prefer,
    /// TLS; the certificate is checked only when root certificates exist.
    Require,
    /// TLS, with a certificate of a trusted CA.
    VerifyCa,
    /// TLS, with a certificate of a trusted CA for the host's name.
    VerifyFull,
}

/// `channel_binding`: whether SCRAM is bound to the TLS session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// When the server supports it.
    Prefer,
    /// Always; otherwise the connection fails.
    Require,
}

/// `target_session_attrs`: required attributes of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAttributes {
    /// Any host that can be reached.
    Any,
    /// A host where sessions are read-write by default.
    ReadWrite,
    /// A host where sessions are read-only by default.
    ReadOnly,
    /// A host that is not in recovery.
    Primary,
    /// A host in recovery.
    Standby,
    /// A host in recovery, or else any host.
    PreferStandby,
}

/// Names of a parameter's values in libpq.
macro_rules! words {
    ($type:ident, $parameter:literal, $wanted:literal, $($word:literal => $value:ident),+) => {
        impl $type {
            /// Name of the value in libpq.
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
    /// A TLS request before the handshake; supported by every version.
    Postgres,
    /// The handshake at once; 17 and later.
    Direct,
}

/// Connection parameters. `Debug` shows no password.
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
    pub(super) require_auth: Option<RequireAuth>,
    pub(super) session_attributes: SessionAttributes,
}

impl ConnectConfig {
    /// Parses a URL or `key=value` pairs. Missing parameters come from the environment, then from libpq's defaults.
    ///
    /// # Errors
    /// A text that is neither, an unknown or unsupported parameter, an invalid value, or no user.
    pub fn parse(text: &str, environment: &Environment) -> Result<Self, ConninfoError> {
        let mut given = Parameters::parse(text)?;
        let password_in_text = given.holds("password");
        given.complete(environment);
        reject_other_encodings(&mut given)?;

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
            require_auth: word(&mut given, "require_auth")?,
            session_attributes: word(&mut given, "target_session_attrs")?.unwrap_or(SessionAttributes::Any),
        })
    }

    /// The connection string `text` without its password, as a URL; unchanged if it has none.
    ///
    /// # Errors
    /// A text that is neither a URL nor `key=value` pairs, or an unknown or unsupported parameter.
    pub fn without_password(text: &str) -> Result<String, ConninfoError> {
        without_password(text)
    }

    /// Takes the password from a file that holds nothing else, unless the connection string has a password.
    #[must_use]
    pub fn with_password_file(mut self, path: PathBuf) -> Self {
        if !self.password_in_text {
            self.password = PasswordSource::File(path);
        }
        self
    }

    /// Requires the primary among several hosts, unless the connection string requires other attributes: leadership needs the primary.
    #[must_use]
    pub(crate) fn for_primary(mut self) -> Self {
        if self.hosts.len() > 1 && self.session_attributes == SessionAttributes::Any {
            self.session_attributes = SessionAttributes::Primary;
        }
        self
    }

    /// Whether the connection string holds a password.
    #[must_use]
    pub fn has_password_in_text(&self) -> bool {
        self.password_in_text
    }

    /// Hosts in the order in which they are tried.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Role of the connection.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Database of the connection.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// `application_name` of the connection string, if it has one.
    pub(crate) fn application_name(&self) -> Option<&str> {
        self.application_name.as_deref()
    }

    /// `sslmode`.
    #[must_use]
    pub fn ssl_mode(&self) -> SslMode {
        self.ssl_mode
    }

    /// Whether an unverified server that requests the cleartext password receives it: `require_auth` names `password`, TLS does not
    /// verify the server, and one of the hosts is not on this machine, judged by its name.
    #[must_use]
    pub fn may_send_password_unverified(&self) -> bool {
        let is_local = |host: &Host| match host {
            Host::Unix { .. } => true,
            Host::Tcp { name, address, .. } => match address.or_else(|| name.parse().ok()) {
                Some(address) => address.to_canonical().is_loopback(),
                None => name == "localhost",
            },
        };
        let names_password = |required: &RequireAuth| required.names(AuthMethod::Password);
        self.require_auth.as_ref().is_some_and(names_password)
            && self.ssl_mode < SslMode::VerifyCa
            && !self.hosts.iter().all(is_local)
    }

    /// Required session attributes.
    #[must_use]
    pub fn session_attributes(&self) -> SessionAttributes {
        self.session_attributes
    }

    /// Password for one of the hosts, looked up now.
    pub(super) fn password_for(&self, host: &Host) -> Result<Option<Secret>, PostgresError> {
        let (host, port) = match host {
            Host::Tcp { name, port, .. } => (name.as_str(), *port),
            Host::Unix { folder, port } if hosts::is_default_folder(folder) => ("localhost", *port),
            Host::Unix { folder, port } => (folder.to_str().unwrap_or_default(), *port),
        };
        self.password.look_up(&PasswordQuery {
            host,
            port,
            database: &self.database,
            user: &self.user,
        })
    }
}

fn reject_other_encodings(given: &mut Parameters) -> Result<(), ConninfoError> {
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

/// `sslmode` and the certificate files, with libpq's rules for their interaction.
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
    // With existing root certificates `require` verifies the CA, as in libpq, for compatibility.
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

/// `connect_timeout`. Zero and negative numbers mean no limit, as in libpq.
fn connect_timeout(given: &mut Parameters) -> Result<Option<Duration>, ConninfoError> {
    let Some(seconds) = number::<i64>(given, "connect_timeout")? else {
        return Ok(Some(CONNECT_TIMEOUT_DEFAULT));
    };
    Ok(u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs))
}

/// Default keepalive settings. A vanished peer is detected after about a minute; with the operating system's two hours there would
/// be no leader for two hours.
const KEEPALIVES_IDLE_DEFAULT: Duration = Duration::from_secs(30);
const KEEPALIVES_INTERVAL_DEFAULT: Duration = Duration::from_secs(10);
const KEEPALIVES_COUNT_DEFAULT: u32 = 3;
const USER_TIMEOUT_MS_DEFAULT: u32 = 60_000;

fn tcp(given: &mut Parameters) -> Result<TcpOptions, ConninfoError> {
    let mut seconds = |name, default| {
        let given = number::<u64>(given, name)?;
        // Zero means the operating system's default.
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

/// Flag, which is set unless it is 0.
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
