//! From a host to a transport: address resolution, timeouts, and TLS negotiation.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::config::{ConnectConfig, SslMode, TlsNegotiation};
use super::hosts::Host;
use super::login::{AuthPolicy, LoginFault};
use super::socket::Socket;
use super::tls;
use super::transport::{Channel, Transport};
use crate::error::PostgresError;

/// Server with its resolved address. Both kinds of connection use the same endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(super) host: Host,
    address: Address,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.host, f)?;
        match (&self.host, &self.address) {
            (Host::Tcp { name, .. }, Address::Tcp(address)) if *name != address.ip().to_string() => {
                write!(f, " ({address})")
            }
            _ => Ok(()),
        }
    }
}

impl Endpoint {
    /// Resolves all addresses of a host.
    pub(super) async fn resolve(host: &Host) -> Result<Vec<Endpoint>, PostgresError> {
        let at = |address| Endpoint {
            host: host.clone(),
            address,
        };
        match host {
            Host::Unix { folder, port } => {
                Ok(vec![at(Address::Unix(folder.join(format!(".s.PGSQL.{port}"))))])
            }
            Host::Tcp {
                address: Some(address),
                port,
                ..
            } => Ok(vec![at(Address::Tcp((*address, *port).into()))]),
            Host::Tcp { name, port, .. } => {
                let failed = |source| PostgresError::Resolve {
                    host: name.clone(),
                    source,
                };
                let found: Vec<_> = tokio::net::lookup_host((name.as_str(), *port))
                    .await
                    .map_err(failed)?
                    .map(|address| at(Address::Tcp(address)))
                    .collect();
                if found.is_empty() {
                    return Err(failed(io::Error::new(
                        io::ErrorKind::NotFound,
                        "it has no address",
                    )));
                }
                Ok(found)
            }
        }
    }

    async fn socket(&self, config: &ConnectConfig) -> Result<Socket, PostgresError> {
        let connected = match &self.address {
            Address::Tcp(address) => Socket::tcp(*address, config.tcp).await,
            Address::Unix(path) => Socket::unix(path).await,
        };
        connected.map_err(|source| PostgresError::Unreachable {
            endpoint: self.to_string(),
            source,
        })
    }

    /// Whether the server is on this machine, judged by its address.
    fn is_local(&self) -> bool {
        match &self.address {
            Address::Unix(_) => true,
            Address::Tcp(address) => address.ip().to_canonical().is_loopback(),
        }
    }

    /// Authentication policy for the server.
    fn auth_policy(&self, config: &ConnectConfig, is_encrypted: bool) -> AuthPolicy {
        let is_verified = is_encrypted && config.ssl_mode >= SslMode::VerifyCa;
        AuthPolicy {
            endpoint: self.to_string(),
            required: config.require_auth.clone(),
            is_unverified: !is_verified && !self.is_local(),
            is_encrypted,
            mode: config.ssl_mode.as_str(),
        }
    }

    /// Error of a broken connection. With TLS 1.3 a server rejects the client certificate only after the handshake: the error is a
    /// failed handshake then, which a retry does not resolve.
    pub(super) fn broken(&self, doing: &'static str, source: io::Error) -> PostgresError {
        if tls::is_certificate_rejected(&source) {
            return PostgresError::TlsHandshake {
                endpoint: self.to_string(),
                source,
            };
        }
        if let Some(fault) = LoginFault::of(&source) {
            return PostgresError::Login {
                endpoint: self.to_string(),
                fault: fault.clone(),
            };
        }
        PostgresError::Broken {
            endpoint: self.to_string(),
            doing,
            source,
        }
    }
}

/// Whether a connection is to be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    Plain,
    IfOffered,
    Demanded,
}

/// Attempts that `sslmode` requires, in order.
fn attempts(mode: SslMode, host: &Host) -> &'static [Encryption] {
    match (host, mode) {
        // Postgres has no TLS on Unix sockets, and libpq ignores sslmode there.
        (Host::Unix { .. }, _) | (_, SslMode::Disable) => &[Encryption::Plain],
        (_, SslMode::Allow) => &[Encryption::Plain, Encryption::Demanded],
        (_, SslMode::Prefer) => &[Encryption::IfOffered, Encryption::Plain],
        (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => &[Encryption::Demanded],
    }
}

/// Connects and calls `authenticate`, once for each encryption that `sslmode` allows: which of them `pg_hba.conf` admits is known
/// only from its error.
pub(super) async fn dial<T>(
    config: &ConnectConfig,
    endpoint: &Endpoint,
    authenticate: impl AsyncFn(Transport) -> Result<T, PostgresError>,
) -> Result<T, PostgresError> {
    let all = async {
        let mut attempts = attempts(config.ssl_mode, &endpoint.host).iter().peekable();
        loop {
            let encryption = *attempts.next().unwrap_or(&Encryption::Plain);
            let outcome = match channel(config, endpoint, encryption).await {
                Ok(channel) => {
                    let policy = endpoint.auth_policy(config, matches!(channel, Channel::Tls(_)));
                    authenticate(Transport::new(channel, policy)).await
                }
                Err(error) => Err(error),
            };
            match outcome {
                Err(error) if attempts.peek().is_some() && depends_on_encryption(&error) => {
                    tracing::debug!(%endpoint, %error, "trying the other encryption that sslmode allows");
                }
                outcome => return outcome,
            }
        }
    };
    match config.connect_timeout {
        None => all.await,
        Some(limit) => tokio::time::timeout(limit, all).await.unwrap_or_else(|_| {
            Err(PostgresError::ConnectTimeout {
                endpoint: endpoint.to_string(),
                limit,
            })
        }),
    }
}

/// `invalid_authorization_specification`: no entry of `pg_hba.conf` matches. A wrong password has another code.
const NOT_ADMITTED: &str = "28000";

fn depends_on_encryption(error: &PostgresError) -> bool {
    matches!(error, PostgresError::TlsHandshake { .. })
        || error
            .server_error()
            .is_some_and(|error| error.code == NOT_ADMITTED)
}

async fn channel(
    config: &ConnectConfig,
    endpoint: &Endpoint,
    encryption: Encryption,
) -> Result<Channel, PostgresError> {
    let mut socket = endpoint.socket(config).await?;
    let host_name = match (&endpoint.host, encryption) {
        (Host::Unix { .. }, _) | (_, Encryption::Plain) => return Ok(Channel::Plain(socket)),
        (Host::Tcp { name, .. }, Encryption::IfOffered | Encryption::Demanded) => name,
    };
    if config.tls_negotiation == TlsNegotiation::Postgres {
        let offered = request_tls(&mut socket)
            .await
            .map_err(|source| endpoint.broken("requesting TLS", source))?;
        if !offered {
            return match encryption {
                Encryption::Demanded => Err(PostgresError::TlsNotSupported {
                    endpoint: endpoint.to_string(),
                    mode: config.ssl_mode.as_str(),
                }),
                Encryption::IfOffered | Encryption::Plain => Ok(Channel::Plain(socket)),
            };
        }
    }
    let stream = tls::handshake(config, socket, host_name, &endpoint.to_string()).await?;
    Ok(Channel::Tls(Box::new(stream)))
}

/// Requests TLS, and returns whether the server supports it. Exactly one byte is read: data that a man in the middle appends must
/// not be treated as encrypted.
async fn request_tls(socket: &mut Socket) -> io::Result<bool> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).await?;
    let mut answer = [0];
    socket.read_exact(&mut answer).await?;
    match &answer {
        b"S" => Ok(true),
        b"N" => Ok(false),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the answer is neither yes nor no; is this a Postgres server?",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Endpoint, SslMode};
    use crate::connect::{ConnectConfig, Environment, Host};

    /// Whether a server at this address counts as unverified with this `sslmode`.
    fn is_unverified(address: &str, mode: &str, is_encrypted: bool) -> bool {
        let url = format!("postgres://walcast@db/shop?sslmode={mode}&sslrootcert=/nowhere");
        let config = ConnectConfig::parse(&url, &Environment::default()).unwrap();
        assert_eq!(config.ssl_mode(), mode.parse::<SslMode>().unwrap());
        let endpoint = Endpoint {
            host: config.hosts()[0].clone(),
            address: Address::Tcp(address.parse().unwrap()),
        };
        endpoint.auth_policy(&config, is_encrypted).is_unverified
    }

    #[test]
    fn only_a_checked_certificate_or_this_machine_verifies_a_server() {
        for mode in ["disable", "allow", "prefer", "require"] {
            assert!(is_unverified("192.0.2.1:5432", mode, false), "{mode}");
            assert!(is_unverified("192.0.2.1:5432", mode, true), "{mode}");
            for here in [
                "127.0.0.1:5432",
                "127.1.2.3:5432",
                "[::1]:5432",
                "[::ffff:127.0.0.1]:5432",
            ] {
                assert!(!is_unverified(here, mode, false), "{mode}, {here}");
            }
        }
        for mode in ["verify-ca", "verify-full"] {
            assert!(!is_unverified("192.0.2.1:5432", mode, true), "{mode}");
        }
        let socket = Host::Unix {
            folder: "/run/postgresql".into(),
            port: 5432,
        };
        let config = ConnectConfig::parse("postgres://walcast@db/shop", &Environment::default()).unwrap();
        let endpoint = Endpoint {
            host: socket,
            address: Address::Unix("/run/postgresql/.s.PGSQL.5432".into()),
        };
        assert!(!endpoint.auth_policy(&config, false).is_unverified);
    }
}
