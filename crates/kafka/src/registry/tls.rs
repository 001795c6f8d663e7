//! TLS with the schema registry: trusted CAs, client certificate, and TLS errors among the causes of a failure.

use std::error::Error;
use std::io;
use std::path::Path;

use reqwest::{Certificate, ClientBuilder, Identity};
use walcast_mapper::Secret;

use super::error::{RegistryError, TlsFile};
use crate::config::RegistryConfig;

/// HTTP client with the certificates of the configuration.
pub(super) fn client(config: &RegistryConfig) -> Result<ClientBuilder, RegistryError> {
    let tls = &config.tls;
    let mut client = ClientBuilder::new();
    if let Some(path) = &tls.ca_file {
        let unusable = |reason: String| unusable(TlsFile::CaCertificates, path, reason);
        let bytes = read(TlsFile::CaCertificates, path)?;
        let authorities =
            Certificate::from_pem_bundle(&bytes).map_err(|error| unusable(error.to_string()))?;
        if authorities.is_empty() {
            return Err(unusable("the file holds no PEM certificate".to_owned()));
        }
        client = client.tls_certs_only(authorities);
    } else if !uses_tls(config) {
        // The library reads the system's authorities in any case, and a system without any would be an error.
        client = client.tls_certs_only([]);
    }
    if let Some(files) = &tls.identity {
        let mut bytes = read(TlsFile::Certificate, &files.certificate_file)?;
        bytes.push(b'\n');
        bytes.extend(read(TlsFile::Key, &files.key_file)?);
        // The library's error does not say which of the two files is wrong.
        let identity = Identity::from_pem(&bytes).map_err(|_| {
            let reason = format!(
                "it is not the unencrypted private key of certificate {}, both in PEM",
                files.certificate_file.display()
            );
            unusable(TlsFile::Key, &files.key_file, reason)
        })?;
        client = client.identity(identity);
    }
    Ok(client)
}

/// Whether the registry or its proxy has an `https` URL. Redirects are not followed.
fn uses_tls(config: &RegistryConfig) -> bool {
    let proxy = config.proxy.as_ref().map(Secret::reveal);
    let mut urls = std::iter::once(config.url.as_str()).chain(proxy);
    urls.any(|url| !url.starts_with("http://"))
}

fn read(file: TlsFile, path: &Path) -> Result<Vec<u8>, RegistryError> {
    std::fs::read(path).map_err(|error| unusable(file, path, error.to_string()))
}

fn unusable(file: TlsFile, path: &Path, reason: String) -> RegistryError {
    RegistryError::TlsFile {
        file,
        path: path.to_owned(),
        reason,
    }
}

/// An error, its cause, and so on.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| match cause.downcast_ref() {
        // The middleware's error displays the error that it holds, and does not return it as its source.
        Some(reqwest_middleware::Error::Middleware(held)) => Some(held.as_ref()),
        Some(reqwest_middleware::Error::Reqwest(held)) => Some(held),
        None => (*cause).source(),
    })
}

/// Text of the last cause: the outer causes repeat the URL and say only that something failed.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// Whether an error of the TLS library is among the causes.
pub(super) fn is_tls_failure(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(is_of_tls)
}

/// Whether the connection was closed after it was established and before a response, without an error of the TLS library.
pub(super) fn was_closed_early(error: &(dyn Error + 'static)) -> bool {
    let sent = causes(error).find_map(|cause| cause.downcast_ref::<reqwest::Error>());
    sent.is_some_and(|sent| sent.is_request() && !sent.is_connect() && !sent.is_timeout())
        && !is_tls_failure(error)
}

/// Whether an error is one of the TLS library, which may be wrapped in one or two I/O errors.
fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
    error.is::<rustls::Error>() || wrapped.is_some_and(|wrapped| is_of_tls(wrapped))
}
