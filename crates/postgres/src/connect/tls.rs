//! TLS session with the server.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, ClientConfig};
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::config::{ConnectConfig, SslMode, TlsNegotiation};
use super::socket::Socket;
use super::tls_files::TlsSetupError;
use super::verifier::Verifier;
use crate::error::PostgresError;

/// ALPN protocol name for direct TLS.
const ALPN: &[u8] = b"postgresql";

/// Reads certificates and keys, for each connection, because they may be renewed while the process runs.
pub(super) fn prepare(config: &ConnectConfig) -> Result<ClientConfig, TlsSetupError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let checks_authority = config.ssl_mode >= SslMode::VerifyCa;
    let verifier = Verifier {
        provider: Arc::clone(&provider),
        roots: if checks_authority {
            config.tls_files.roots()?
        } else {
            None
        },
        checks_name: config.ssl_mode == SslMode::VerifyFull,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut client = match config.tls_files.client_identity()? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    client.enable_sni = config.server_name_indication;
    if config.tls_negotiation == TlsNegotiation::Direct {
        client.alpn_protocols = vec![ALPN.to_vec()];
    }
    Ok(client)
}

/// Whether the server rejected the client certificate, or requires one.
pub(super) fn is_certificate_rejected(error: &io::Error) -> bool {
    let Some(rustls::Error::AlertReceived(alert)) = error.get_ref().and_then(|inner| inner.downcast_ref())
    else {
        return false;
    };
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            // The certificate was signed by another CA of the same name.
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired
    )
}

/// Performs the handshake.
pub(super) async fn handshake(
    config: &ConnectConfig,
    socket: Socket,
    host_name: &str,
    endpoint: &str,
) -> Result<TlsStream<Socket>, PostgresError> {
    let failed = |source| PostgresError::TlsHandshake {
        endpoint: endpoint.to_owned(),
        source,
    };
    let name = ServerName::try_from(host_name.to_owned())
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    let connector = TlsConnector::from(Arc::new(prepare(config)?));
    connector.connect(name, socket).await.map_err(|source| {
        let is_tls = source.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        if is_tls {
            failed(source)
        } else {
            PostgresError::Broken {
                endpoint: endpoint.to_owned(),
                doing: "performing the TLS handshake",
                source,
            }
        }
    })
}
