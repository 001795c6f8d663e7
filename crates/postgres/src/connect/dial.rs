//! From a host to a transport: addresses, timeouts, and the negotiation of TLS.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::config::{ConnectConfig, Host, SslMode, TlsNegotiation};
use super::socket::Socket;
use super::tls;
use super::transport::Transport;
use crate::error::PostgresError;

/// One server: what it is called, and where exactly it was found. Both kinds of connection go to the same one.
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
    /// All addresses of a host.
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

    /// The error of a connection that broke off. With TLS 1.3 a server says only afterwards that it does not take our
    /// certificate: that is a failed handshake, which does not get better by trying again.
    pub(super) fn broken(&self, doing: &'static str, source: io::Error) -> PostgresError {
        if tls::is_certificate_refused(&source) {
            return PostgresError::TlsHandshake {
                endpoint: self.to_string(),
                source,
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

/// What `sslmode` has us try, in order.
fn attempts(mode: SslMode, host: &Host) -> &'static [Encryption] {
    match (host, mode) {
        // Postgres speaks no TLS on Unix sockets, and libpq ignores sslmode there.
        (Host::Unix { .. }, _) | (_, SslMode::Disable) => &[Encryption::Plain],
        (_, SslMode::Allow) => &[Encryption::Plain, Encryption::Demanded],
        (_, SslMode::Prefer) => &[Encryption::IfOffered, Encryption::Plain],
        (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => &[Encryption::Demanded],
    }
}

/// Connects and has `authenticate` go on, once for each way that `sslmode` allows: which of them `pg_hba.conf` lets in is
/// known only when it refuses.
pub(super) async fn dial<T>(
    config: &ConnectConfig,
    endpoint: &Endpoint,
    authenticate: impl AsyncFn(Transport) -> Result<T, PostgresError>,
) -> Result<T, PostgresError> {
    let all = async {
        let mut attempts = attempts(config.ssl_mode, &endpoint.host).iter().peekable();
        loop {
            let encryption = *attempts.next().unwrap_or(&Encryption::Plain);
            let outcome = match transport(config, endpoint, encryption).await {
                Ok(transport) => authenticate(transport).await,
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

/// `invalid_authorization_specification`: no entry of `pg_hba.conf` fits. A wrong password is another one.
const NOT_ADMITTED: &str = "28000";

fn depends_on_encryption(error: &PostgresError) -> bool {
    matches!(error, PostgresError::TlsHandshake { .. })
        || error
            .server_error()
            .is_some_and(|error| error.code == NOT_ADMITTED)
}

async fn transport(
    config: &ConnectConfig,
    endpoint: &Endpoint,
    encryption: Encryption,
) -> Result<Transport, PostgresError> {
    let mut socket = endpoint.socket(config).await?;
    let host_name = match (&endpoint.host, encryption) {
        (Host::Unix { .. }, _) | (_, Encryption::Plain) => return Ok(Transport::Plain(socket)),
        (Host::Tcp { name, .. }, Encryption::IfOffered | Encryption::Demanded) => name,
    };
    if config.tls_negotiation == TlsNegotiation::Postgres {
        let offered = ask_for_tls(&mut socket)
            .await
            .map_err(|source| endpoint.broken("asking for TLS", source))?;
        if !offered {
            return match encryption {
                Encryption::Demanded => Err(PostgresError::TlsRefused {
                    endpoint: endpoint.to_string(),
                    mode: config.ssl_mode.as_str(),
                }),
                Encryption::IfOffered | Encryption::Plain => Ok(Transport::Plain(socket)),
            };
        }
    }
    let stream = tls::handshake(config, socket, host_name, &endpoint.to_string()).await?;
    Ok(Transport::Tls(Box::new(stream)))
}

/// Whether the server speaks TLS. Exactly one byte is read: whatever a man in the middle sends along with it must not
/// be taken for something that came encrypted.
async fn ask_for_tls(socket: &mut Socket) -> io::Result<bool> {
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
