//! TLS certificates of the admin port, which are reloaded while it runs.
//!
//! The files are read when a client connects, at most once a second, outside of the threads that serve. While the files cannot be
//! read, or are not read in time, the certificate that was read before stays in use.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::config::{AdminSection, Identity};

/// Minimum interval between two reads: a client that connects a hundred times a second costs no more than one.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// Maximum time that a client waits for a read in progress, from its start; a third of the limit of a handshake.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum duration of the first read.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Certificate files of the configuration.
#[derive(Clone, Debug)]
pub(super) struct TlsFiles {
    identity: Identity,
    client_ca_file: Option<PathBuf>,
}

/// Error of a certificate or a key. It does not show the content of the files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read, or contains no certificate or key.
    #[error("[admin] {key} {} cannot be used: {reason}", path.display())]
    File {
        key: &'static str,
        path: PathBuf,
        reason: String,
    },
    /// Certificate and key do not match.
    #[error("[admin] certificate_file and key_file cannot be used: {0}")]
    Mismatch(#[from] rustls::Error),
    /// Client certificates cannot be verified with the file.
    #[error("[admin] client_ca_file cannot be used: {0}")]
    Authorities(#[from] rustls::server::VerifierBuilderError),
    /// The read did not finish: the file system hangs, or the file is a named pipe.
    #[error(
        "[admin] certificate_file, key_file or client_ca_file cannot be used: they could not be read within {} s",
        START_LIMIT.as_secs()
    )]
    Timeout,
}

impl TlsFiles {
    pub(super) fn of(section: &AdminSection) -> Option<Self> {
        Some(Self {
            identity: section.identity.clone()?,
            client_ca_file: section.client_ca_file.clone(),
        })
    }

    /// Reads the files; blocks on the file system.
    fn read(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match &self.client_ca_file {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificates("client_ca_file", path)?);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let path = &self.identity.key_file;
        let key = PrivateKeyDer::from_pem_file(path).map_err(|error| unusable("key_file", path, &error))?;
        let chain = certificates("certificate_file", &self.identity.certificate_file)?;
        Ok(Arc::new(builder.with_single_cert(chain, key)?))
    }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|found| match found.is_empty() {
            true => Err(rustls_pki_types::pem::Error::NoItemsFound),
            false => Ok(found),
        })
        .map_err(|error| unusable(key, path, &error))
}

fn unusable(key: &'static str, path: &Path, error: &rustls_pki_types::pem::Error) -> TlsError {
    TlsError::File {
        key,
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// TLS configuration, reloaded from its files.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: TlsFiles,
    state: watch::Sender<State>,
}

#[derive(Debug)]
struct State {
    config: Arc<ServerConfig>,
    /// Start of the last read.
    begun: Instant,
    is_reading: bool,
    /// Last error that was logged.
    warned: Option<String>,
}

impl Certificates {
    /// Reads the files for the first time.
    pub(super) async fn read(files: TlsFiles) -> Result<Self, TlsError> {
        let begun = Instant::now();
        let reading = {
            let files = files.clone();
            tokio::task::spawn_blocking(move || files.read())
        };
        let config = match tokio::time::timeout(START_LIMIT, reading).await {
            Ok(Ok(read)) => read?,
            Ok(Err(_)) | Err(_) => return Err(TlsError::Timeout),
        };
        let state = watch::Sender::new(State {
            config,
            begun,
            is_reading: false,
            warned: None,
        });
        Ok(Self { files, state })
    }

    /// TLS configuration for a client that connects now.
    pub(super) async fn current(&self) -> Arc<ServerConfig> {
        let begins = self.state.send_if_modified(|state| {
            let begins = !state.is_reading && state.begun.elapsed() >= READ_INTERVAL;
            if begins {
                (state.is_reading, state.begun) = (true, Instant::now());
            }
            begins
        });
        if begins {
            self.renew();
        }
        let mut state = self.state.subscribe();
        let until = state.borrow().begun + READ_TIMEOUT;
        let is_read = tokio::time::timeout_at(until, state.wait_for(|state| !state.is_reading)).await;
        if is_read.is_err() {
            self.state
                .send_modify(|state| state.warn("the files were not read in time".to_owned()));
        }
        Arc::clone(&self.state.borrow().config)
    }

    /// Reads the files on a thread that may block. A client that disconnects does not cancel the read, and no other read
    /// starts before it ends: a file system that hangs costs one thread.
    fn renew(&self) {
        let (files, state) = (self.files.clone(), self.state.clone());
        tokio::spawn(async move {
            let read = tokio::task::spawn_blocking(move || files.read()).await;
            state.send_modify(|state| {
                state.is_reading = false;
                match read {
                    Ok(Ok(renewed)) => state.renewed(renewed),
                    Ok(Err(error)) => state.warn(error.to_string()),
                    Err(error) => state.warn(error.to_string()),
                }
            });
        });
    }
}

impl State {
    fn renewed(&mut self, renewed: Arc<ServerConfig>) {
        self.config = renewed;
        if self.warned.take().is_some() {
            info!("the certificate files of the admin port can be read again");
        }
    }

    /// Logs each reason once, not for each client.
    fn warn(&mut self, error: String) {
        if self.warned.as_ref() != Some(&error) {
            warn!(error, "the admin port keeps the certificate that was read before");
            self.warned = Some(error);
        }
    }
}

#[cfg(test)]
mod tests;
