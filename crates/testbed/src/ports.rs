//! Free loopback ports that no two testbeds on a machine can both take.
//!
//! A port is held by a file lock for as long as its [`Port`] lives, also while its server is stopped, so that a
//! restart finds its port again. Ports lie below the usual range for outgoing connections (from 32768), which the kernel
//! could otherwise hand to a client while the server is down.

use std::fs::{File, create_dir_all};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use crate::error::{Error, Result, file_error};

const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A loopback port reserved for one server of this testbed.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    /// The lock is on the open file: it ends with this value, or with the process.
    _lock: File,
}

impl Port {
    /// Reserves a port on which nothing listens now.
    pub(crate) fn reserve() -> Result<Port> {
        let folder = lock_folder();
        create_dir_all(&folder).map_err(file_error("create", &folder))?;
        let count = PORTS.end - PORTS.start;
        let first = rand::random_range(0..count);
        for step in 0..count {
            let number = PORTS.start + (first + step) % count;
            let path = folder.join(number.to_string());
            let lock = File::create(&path).map_err(file_error("create", &path))?;
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Port { number, _lock: lock });
            }
        }
        Err(Error::NoFreePort {
            from: PORTS.start,
            to: PORTS.end,
        })
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

fn lock_folder() -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    std::env::temp_dir().join(format!("walcast-testbed-ports-{uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn reserved_ports_differ_though_nothing_listens() {
        let ports: Vec<Port> = (0..50).map(|_| Port::reserve().unwrap()).collect();
        let numbers: HashSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
    }
}
