//! TLS with the schema registry: whom we believe, and how we show who we are.

use std::error::Error;
use std::io;
use std::path::Path;

use reqwest::{Certificate, ClientBuilder, Identity};

use super::RegistryError;
use crate::RegistryTls;

/// A client that trusts and shows these certificates.
pub(super) fn client(tls: &RegistryTls) -> Result<ClientBuilder, RegistryError> {
    let mut client = ClientBuilder::new();
    if let Some(path) = &tls.ca_file {
        let unusable = |reason: String| unusable("ca_file", path, reason);
        let bytes = read("ca_file", path)?;
        let authorities =
            Certificate::from_pem_bundle(&bytes).map_err(|error| unusable(error.to_string()))?;
        if authorities.is_empty() {
            return Err(unusable("it holds no certificate in PEM".to_owned()));
        }
        client = client.tls_certs_only(authorities);
    }
    if let Some(files) = &tls.identity {
        let mut bytes = read("certificate_file", &files.certificate_file)?;
        bytes.push(b'\n');
        bytes.extend(read("key_file", &files.key_file)?);
        // The library's own words would be the first thing that comes to its mind about any of the two files.
        let identity = Identity::from_pem(&bytes).map_err(|_| {
            let reason = format!(
                "with certificate_file {} it is no certificate with its unencrypted private key, both in PEM",
                files.certificate_file.display()
            );
            unusable("key_file", &files.key_file, reason)
        })?;
        client = client.identity(identity);
    }
    Ok(client)
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, RegistryError> {
    std::fs::read(path).map_err(|error| unusable(key, path, error.to_string()))
}

fn unusable(key: &'static str, path: &Path, reason: String) -> RegistryError {
    RegistryError::TlsFile {
        key,
        path: path.to_owned(),
        reason,
    }
}

/// An error, what caused it, and what caused that.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// Whether the TLS library is among the causes.
pub(super) fn is_to_blame(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(is_of_tls)
}

/// Whether a connection stood and was closed before anything was answered, without a word from the TLS library.
pub(super) fn was_cut_off(error: &(dyn Error + 'static)) -> bool {
    let sent = causes(error).find_map(|cause| cause.downcast_ref::<reqwest::Error>());
    sent.is_some_and(|sent| sent.is_request() && !sent.is_connect() && !sent.is_timeout())
        && !is_to_blame(error)
}

/// It is packed into an error of the system, once or twice, whose own cause is only what is below that.
fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    let packed = error.downcast_ref().and_then(io::Error::get_ref);
    error.is::<rustls::Error>() || packed.is_some_and(|packed| is_of_tls(packed))
}
