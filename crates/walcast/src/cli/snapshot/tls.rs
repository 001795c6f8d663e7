//! TLS of requests to the connector: trusted certificate authorities and client certificate.

use std::path::Path;

use reqwest::{Certificate, Client, ClientBuilder, Identity};

use crate::config::AdminSection;
use crate::exit::UsageError;

pub(super) fn client(section: &AdminSection) -> Result<ClientBuilder, UsageError> {
    let mut client = Client::builder();
    if let Some(path) = &section.ca_file {
        let bytes = read("ca_file", path)?;
        let authorities =
            Certificate::from_pem_bundle(&bytes).map_err(|error| unusable("ca_file", path, &error))?;
        if authorities.is_empty() {
            return Err(unusable("ca_file", path, &"the file contains no PEM certificate"));
        }
        client = client.tls_certs_only(authorities);
    }
    if let (Some(files), Some(_)) = (&section.identity, &section.client_ca_file) {
        let mut bytes = read("certificate_file", &files.certificate_file)?;
        bytes.push(b'\n');
        bytes.extend(read("key_file", &files.key_file)?);
        let wanted =
            "certificate_file and key_file are not a PEM certificate and its unencrypted PEM private key";
        let identity =
            Identity::from_pem(&bytes).map_err(|_| unusable("key_file", &files.key_file, &wanted))?;
        client = client.identity(identity);
    }
    Ok(client)
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, UsageError> {
    std::fs::read(path).map_err(|error| unusable(key, path, &error))
}

fn unusable(key: &str, path: &Path, reason: &dyn std::fmt::Display) -> UsageError {
    UsageError(format!(
        "[admin] {key} {} cannot be used: {reason}",
        path.display()
    ))
}
