//! Where the server may be: `host`, `hostaddr` and `port`, each a list.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::config::Host;
use super::conninfo::{ConninfoError, Parameters};

const PORT_DEFAULT: u16 = 5432;

/// Where distributions and the upstream build put the socket.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Reads the lists; they have the same length, or one port for all.
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

/// Whether `~/.pgpass` calls the folder `localhost`.
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

/// Where libpq would look when nothing is said: a socket in the usual folder, else the local machine over TCP.
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
        // Without the @ behind it, a user and a password are taken for a host and a port: it is not shown.
        _ => Err(ConninfoError::Malformed {
            problem: "a port is no number from 1 to 65535 (behind a password there must be an @ and a host)",
        }),
    }
}
