//! Certificates and keys on disk.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Files for TLS, read for each connection, because certificates may be renewed while the process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TlsFiles {
    pub(super) roots: RootCertificates,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

/// Trusted CAs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RootCertificates {
    /// None.
    None,
    /// The CAs in a PEM file.
    File(PathBuf),
    /// The CAs of the system.
    System,
}

/// Certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsSetupError {
    /// A file cannot be read.
    #[error("{parameter} {} cannot be read: {source}", path.display())]
    File {
        /// Connection parameter of the file.
        parameter: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A file is not PEM, or has none of the required sections.
    #[error("{parameter} {} holds no usable PEM section: {source}", path.display())]
    Pem {
        /// Connection parameter of the file.
        parameter: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error of the parser.
        source: PemError,
    },
    /// Other users can read the private key.
    #[error("sslkey {} can be read by other users; run chmod 0600 on it", path.display())]
    KeyIsOpen {
        /// Path of the file.
        path: PathBuf,
    },
    /// A certificate without a key.
    #[error("sslcert {} is given without a key; give sslkey", path.display())]
    KeyMissing {
        /// Path of the certificate.
        path: PathBuf,
    },
    /// The system's certificates cannot be found.
    #[error("sslrootcert=system: no certificates of the system can be read: {problem}")]
    NoSystemRoots {
        /// Error of the loader.
        problem: String,
    },
    /// The TLS library rejects the certificates.
    #[error("certificates cannot be used: {0}")]
    Rejected(#[from] rustls::Error),
}

/// Trusted certificates.
pub(super) struct Roots {
    pub(super) store: RootCertStore,
    /// The certificates themselves, because a server may present one of them as its own.
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

/// A client's certificate chain and its key.
pub(super) type ClientIdentity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl TlsFiles {
    /// Trusted certificates; `None` when there are none.
    pub(super) fn roots(&self) -> Result<Option<Roots>, TlsSetupError> {
        let certificates = match &self.roots {
            RootCertificates::None => return Ok(None),
            RootCertificates::File(path) => certificates("sslrootcert", path)?,
            RootCertificates::System => {
                let found = rustls_native_certs::load_native_certs();
                if found.certs.is_empty() {
                    let problem = found
                        .errors
                        .first()
                        .map_or("none installed".to_owned(), ToString::to_string);
                    return Err(TlsSetupError::NoSystemRoots { problem });
                }
                found.certs
            }
        };
        let mut store = RootCertStore::empty();
        let (added, _unusable) = store.add_parsable_certificates(certificates.iter().cloned());
        if added == 0 {
            return Err(TlsSetupError::Rejected(rustls::Error::NoCertificatesPresented));
        }
        Ok(Some(Roots { store, certificates }))
    }

    /// Client certificate, if there is one.
    pub(super) fn client_identity(&self) -> Result<Option<ClientIdentity>, TlsSetupError> {
        let Some(path) = &self.certificate else {
            return Ok(None);
        };
        let key_path = self
            .key
            .as_ref()
            .ok_or_else(|| TlsSetupError::KeyMissing { path: path.clone() })?;
        let chain = certificates("sslcert", path)?;
        check_key_is_private(key_path)?;
        let key = PrivateKeyDer::from_pem_slice(&read("sslkey", key_path)?).map_err(|source| {
            TlsSetupError::Pem {
                parameter: "sslkey",
                path: key_path.clone(),
                source,
            }
        })?;
        Ok(Some((chain, key)))
    }
}

fn read(parameter: &'static str, path: &Path) -> Result<Vec<u8>, TlsSetupError> {
    std::fs::read(path).map_err(|source| TlsSetupError::File {
        parameter,
        path: path.to_owned(),
        source,
    })
}

fn certificates(parameter: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let pem = |source| TlsSetupError::Pem {
        parameter,
        path: path.to_owned(),
        source,
    };
    let bytes = read(parameter, path)?;
    let found = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem)?;
    if found.is_empty() {
        return Err(pem(PemError::NoItemsFound));
    }
    Ok(found)
}

/// Checks the mode of the key file by libpq's rule: accessible to the owner only, or, when owned by root, readable by a group.
fn check_key_is_private(path: &Path) -> Result<(), TlsSetupError> {
    let metadata = std::fs::metadata(path).map_err(|source| TlsSetupError::File {
        parameter: "sslkey",
        path: path.to_owned(),
        source,
    })?;
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.permissions().mode() & forbidden != 0 {
        return Err(TlsSetupError::KeyIsOpen {
            path: path.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    /// A PEM section whose content is no certificate.
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    #[test]
    fn each_fault_of_a_file_has_its_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (certificate, key, other) = (path("client.crt"), path("client.key"), path("notes.txt"));
        write(&certificate, CERTIFICATE).unwrap();
        write(&key, "a key").unwrap();
        write(&other, "no PEM").unwrap();
        let roots = |path: &Path| {
            let files = TlsFiles {
                roots: RootCertificates::File(path.to_owned()),
                certificate: None,
                key: None,
            };
            files.roots().err().unwrap()
        };
        assert!(matches!(
            roots(&path("missing.crt")),
            TlsSetupError::File {
                parameter: "sslrootcert",
                ..
            }
        ));
        assert!(matches!(roots(&other), TlsSetupError::Pem { .. }));
        assert!(matches!(roots(&certificate), TlsSetupError::Rejected(_)));

        let identity = |key: Option<&Path>| {
            let files = TlsFiles {
                roots: RootCertificates::None,
                certificate: Some(certificate.clone()),
                key: key.map(Path::to_owned),
            };
            files.client_identity().err().unwrap()
        };
        assert!(matches!(identity(None), TlsSetupError::KeyMissing { .. }));
        set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(identity(Some(&key)), TlsSetupError::KeyIsOpen { .. }));
        set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(
            identity(Some(&key)),
            TlsSetupError::Pem {
                parameter: "sslkey",
                ..
            }
        ));
    }
}
