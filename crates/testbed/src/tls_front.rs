//! A TLS server in front of one that speaks none, as a registry is put behind a balancer.

use std::io;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::error::{Error, Result};
use crate::state::StateFolder;
use crate::tls::{Tls, TlsOptions};

/// Takes TLS off and forwards to a port on loopback. Dropping it closes the port; open connections end with their clients.
#[derive(Debug)]
pub struct TlsFront {
    port: u16,
    tls: Tls,
    accepting: JoinHandle<()>,
    _state: StateFolder,
}

impl TlsFront {
    /// Opens a loopback port with a certificate of an authority of its own. A client without TLS is turned away, whatever
    /// [`TlsOptions::required`] says.
    ///
    /// # Errors
    /// When no port can be opened, or no certificate be made.
    pub async fn start(target_port: u16, options: &TlsOptions) -> Result<TlsFront> {
        let state = StateFolder::create("tls-front")?;
        let tls = Tls::create(state.path().to_path_buf())?;
        let files = tls.issue_server(&options.server_names, state.path(), options.expired.into())?;
        let failed = |source| Error::Process {
            action: "set up",
            program: "the tls front".to_owned(),
            source,
        };
        let certificates = CertificateDer::from_pem_file(&files.certificate).map_err(other);
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(other);
        let builder =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| failed(other(error)))?;
        let builder = if options.client_certificate_required {
            let mut roots = RootCertStore::empty();
            let authority = CertificateDer::from_pem_file(tls.ca()).map_err(|error| failed(other(error)))?;
            roots.add(authority).map_err(|error| failed(other(error)))?;
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| failed(other(error)))?)
        } else {
            builder.with_no_client_auth()
        };
        let config = builder
            .with_single_cert(vec![certificates.map_err(failed)?], key.map_err(failed)?)
            .map_err(|error| failed(other(error)))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(TlsFront {
            port,
            tls,
            accepting: tokio::spawn(accept(listener, acceptor, target_port)),
            _state: state,
        })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority that made the certificate.
    pub fn tls(&self) -> &Tls {
        &self.tls
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, target_port: u16) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Err(error) = forward(client, acceptor, target_port).await {
                tracing::trace!(%error, "a connection through the tls front ended");
            }
        });
    }
}

async fn forward(client: TcpStream, acceptor: TlsAcceptor, target_port: u16) -> io::Result<()> {
    let mut client = match acceptor.accept(client).into_fallible().await {
        Ok(client) => client,
        Err((error, mut socket)) => {
            // Closed with something unread, a socket is reset, and the client may not see why it was turned away.
            socket.shutdown().await?;
            tokio::io::copy(
                &mut (&mut socket).take(MORE_THAN_A_REQUEST),
                &mut tokio::io::sink(),
            )
            .await?;
            return Err(error);
        }
    };
    let mut target = TcpStream::connect(("127.0.0.1", target_port)).await?;
    copy_bidirectional(&mut client, &mut target).await?;
    Ok(())
}

/// What a client may have sent before it learns that it was turned away, in bytes.
const MORE_THAN_A_REQUEST: u64 = 1 << 20;
