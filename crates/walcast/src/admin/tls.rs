//! TLS for those who ask: certificates are read again for each connection, because they are renewed while we run.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use crate::config::{AdminSection, Identity};

/// How long a handshake may take; a client over a slow network needs a second.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// How many may shake hands at once: more than scrapers and people do.
const HANDSHAKES_MAX: usize = 32;

/// What is shown to whoever asks, and who may.
#[derive(Clone, Debug)]
pub(super) struct TlsFiles {
    identity: Identity,
    client_ca_file: Option<PathBuf>,
}

/// Certificates or a key cannot be used. What the files hold is not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read, or holds nothing of what is wanted.
    #[error("[admin] {key} {} cannot be used: {reason}", path.display())]
    File {
        key: &'static str,
        path: PathBuf,
        reason: String,
    },
    /// They do not go together.
    #[error("[admin] certificate_file and key_file cannot be used: {0}")]
    Refused(#[from] rustls::Error),
    /// Nobody could be believed.
    #[error("[admin] client_ca_file cannot be used: {0}")]
    Authorities(#[from] rustls::server::VerifierBuilderError),
}

/// Why there can be no TLS.
#[derive(Debug)]
pub(super) enum Unusable {
    Files(TlsError),
    Address(io::Error),
}

impl TlsFiles {
    pub(super) fn of(section: &AdminSection) -> Option<Self> {
        Some(Self {
            identity: section.identity.clone()?,
            client_ca_file: section.client_ca_file.clone(),
        })
    }

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

/// Connections whose handshake is behind them. One that hangs in it keeps nobody else waiting.
#[derive(Debug)]
pub(crate) struct TlsListener {
    address: SocketAddr,
    shaken: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    /// The task that accepts, and through it those that shake hands.
    _accepting: JoinSet<()>,
}

impl TlsListener {
    pub(super) fn over(listener: TcpListener, files: TlsFiles) -> Result<Self, Unusable> {
        let config = files.read().map_err(Unusable::Files)?;
        let address = listener.local_addr().map_err(Unusable::Address)?;
        let (shook, shaken) = mpsc::channel(1);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, files, config, shook));
        Ok(Self {
            address,
            shaken,
            _accepting: accepting,
        })
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.shaken.recv().await {
            Some(connection) => connection,
            // The task lives as long as we do; it ends without us only with the runtime.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept(
    mut listener: TcpListener,
    files: TlsFiles,
    mut config: Arc<ServerConfig>,
    shook: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let places = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let mut shaking = JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        while shaking.try_join_next().is_some() {}
        // It waits by itself after errors, such as too many open files.
        let (stream, address) = axum::serve::Listener::accept(&mut listener).await;
        match files.read() {
            Ok(renewed) => config = renewed,
            Err(error) => warn!(%error, "the certificate of before is shown"),
        }
        let (acceptor, shook) = (TlsAcceptor::from(Arc::clone(&config)), shook.clone());
        shaking.spawn(async move {
            match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
                // Nobody takes it only when nothing is served any more.
                Ok(Ok(stream)) => drop(shook.send((stream, address)).await),
                Ok(Err(error)) => debug!(%address, %error, "a handshake failed"),
                Err(_) => debug!(%address, "a handshake was not ended in time"),
            }
            drop(place);
        });
    }
}
