//! Checks of the URLs of a registry and of its proxy. No error text shows the URL.

use reqwest::Url;

use super::error::{AddressProblem, RegistryError};

/// Checks the URL of a registry.
///
/// # Errors
/// The URL is not an HTTP URL with a host, or it holds credentials. Credentials are separate settings, because URLs are printed.
pub(super) fn check(url: &str) -> Result<(), RegistryError> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(RegistryError::Address {
            problem: AddressProblem::Scheme,
        });
    };
    let authority = rest.split('/').next().unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err(RegistryError::Address {
            problem: AddressProblem::Scheme,
        });
    }
    if authority.contains('@') {
        return Err(RegistryError::Address {
            problem: AddressProblem::Credentials,
        });
    }
    if authority.is_empty() {
        return Err(RegistryError::Address {
            problem: AddressProblem::NoHost,
        });
    }
    Ok(())
}

/// Checks the URL of a proxy.
///
/// # Errors
/// The URL is not an HTTP URL with a host.
pub(super) fn check_proxy(url: &str) -> Result<(), RegistryError> {
    let proxy = Url::parse(url).ok();
    if proxy.is_some_and(|proxy| matches!(proxy.scheme(), "http" | "https") && proxy.has_host()) {
        return Ok(());
    }
    Err(RegistryError::Proxy {
        problem: "must begin with http:// or https:// and name a host",
    })
}
