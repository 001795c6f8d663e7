//! Hosts of the server: the lists `host`, `hostaddr` and `port`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::conninfo::Parameters;
use super::conninfo_error::ConninfoError;

const PORT_DEFAULT: u16 = 5432;

/// Socket directories of distributions and of the upstream build.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Host of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A host name or address.
    Tcp {
        /// Name for TLS and `~/.pgpass`.
        name: String,
        /// Address that is used instead of resolving the name (`hostaddr`).
        address: Option<IpAddr>,
        /// Port.
        port: u16,
    },
    /// A directory with a Unix socket.
    Unix {
        /// Directory.
        folder: PathBuf,
        /// Port, which is part of the socket's name.
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

/// Reads the lists, which have the same length; one port may stand for all hosts.
pub(super) fn read(given: &mut Parameters) -> Result<Vec<Host>, ConninfoError> {
    let names = list(given.take("host"));
    let addresses = list(given.take("hostaddr"));
    let ports = list(given.take("port"))
        .into_iter()
        .map(port)
        .collect::<Result<Vec<_>, _>>()?;

    let count = names.len().max(addresses.len()).max(1);
    for (length, problem) in [
        (names.len(), "as many hosts as hostaddr entries are wanted"),
        (addresses.len(), "as many hostaddr entries as hosts are wanted"),
    ] {
        if length != 0 && length != count {
            return Err(ConninfoError::Contradiction(problem));
        }
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(ConninfoError::Contradiction(
            "as many ports as hosts are wanted, or one for all",
        ));
    }
    (0..count)
        .map(|index| {
            let port = ports
                .get(index)
                .or(ports.first())
                .copied()
                .unwrap_or(PORT_DEFAULT);
            let name = names.get(index).map(String::as_str).unwrap_or_default();
            host(
                name,
                addresses.get(index).map(String::as_str).unwrap_or_default(),
                port,
            )
        })
        .collect()
}

/// Whether `~/.pgpass` has the directory as `localhost`.
pub(super) fn is_default_folder(folder: &Path) -> bool {
    SOCKET_FOLDERS.iter().any(|default| folder == Path::new(default))
}

fn host(name: &str, address: &str, port: u16) -> Result<Host, ConninfoError> {
    let address = match address {
        "" => None,
        text => Some(text.parse::<IpAddr>().map_err(|_| ConninfoError::Invalid {
            name: "hostaddr",
            value: text.to_owned(),
            wanted: "an IP address",
        })?),
    };
    Ok(match (name, address) {
        ("", None) => local(port),
        ("", Some(address)) => Host::Tcp {
            name: address.to_string(),
            address: Some(address),
            port,
        },
        (folder, None) if folder.starts_with('/') => Host::Unix {
            folder: PathBuf::from(folder),
            port,
        },
        (name, address) => Host::Tcp {
            name: name.to_owned(),
            address,
            port,
        },
    })
}

/// Default of libpq: a socket in a default directory, or else TCP to the local machine.
fn local(port: u16) -> Host {
    let holds_socket = |folder: &&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    match SOCKET_FOLDERS.iter().copied().find(holds_socket) {
        Some(folder) => Host::Unix {
            folder: folder.into(),
            port,
        },
        None => Host::Tcp {
            name: "localhost".to_owned(),
            address: None,
            port,
        },
    }
}

fn list(text: Option<String>) -> Vec<String> {
    text.map(|text| text.split(',').map(|part| part.trim().to_owned()).collect())
        .unwrap_or_default()
}

fn port(text: String) -> Result<u16, ConninfoError> {
    if text.is_empty() {
        return Ok(PORT_DEFAULT);
    }
    match text.parse() {
        Ok(port) if port != 0 => Ok(port),
        // Without an @, a user and a password are parsed as a host and a port, so the text is not shown.
        _ => Err(ConninfoError::Malformed {
            problem: "a port is not a number from 1 to 65535 (behind a password there must be an @ and a host)",
        }),
    }
}
