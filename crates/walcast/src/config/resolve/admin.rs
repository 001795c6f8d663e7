//! Where figures and state are served, and to whom.

use std::net::ToSocketAddrs;
use std::path::PathBuf;

use super::{Check, Fault, RawAdmin};
use crate::config::{AdminSection, ConfigError, Identity};

impl Check<'_> {
    pub(super) fn admin(&self, raw: RawAdmin) -> Result<AdminSection, ConfigError> {
        let listen = match raw.listen.as_str() {
            "" | "off" => None,
            listen => {
                let address = listen
                    .to_socket_addrs()
                    .ok()
                    .and_then(|mut addresses| addresses.next());
                let wanted = "host:port such as \"127.0.0.1:8080\", or \"off\"";
                self.rule("admin.listen", listen, wanted, address.is_some())?;
                address
            }
        };
        let keys = ("admin.token", "admin.token_file");
        let token = self.secret(keys, raw.token, raw.token_file)?;
        let keys = ("admin.certificate_file", "admin.key_file");
        let identity = self.identity(keys, raw.certificate_file, raw.key_file)?;
        if identity.is_none() {
            for (key, is_set) in [
                ("admin.client_ca_file", raw.client_ca_file.is_some()),
                ("admin.ca_file", raw.ca_file.is_some()),
            ] {
                if is_set {
                    return Err(self.without(key, "admin.certificate_file and admin.key_file"));
                }
            }
        }
        if let Some(url) = &raw.url {
            let scheme = if identity.is_some() { "https://" } else { "http://" };
            let authority = url.strip_prefix(scheme).map(|rest| rest.trim_end_matches('/'));
            if authority.is_some_and(|authority| authority.contains('@')) {
                let fault = Fault::PasswordInUrl {
                    key: "admin.url",
                    instead: "token or token_file",
                };
                return Err(self.document.error_at("admin.url", fault));
            }
            let holds = authority.is_some_and(|authority| !authority.is_empty() && !authority.contains('/'));
            let wanted = "https:// (http:// without certificate_file), a host and a port";
            self.rule("admin.url", url, wanted, holds)?;
        }
        Ok(AdminSection {
            listen,
            token,
            identity,
            client_ca_file: raw.client_ca_file,
            url: raw.url.map(|url| url.trim_end_matches('/').to_owned()),
            ca_file: raw.ca_file,
        })
    }

    /// A certificate means nothing without its key, nor a key without its certificate.
    pub(super) fn identity(
        &self,
        (certificate_key, key_key): (&'static str, &'static str),
        certificate_file: Option<PathBuf>,
        key_file: Option<PathBuf>,
    ) -> Result<Option<Identity>, ConfigError> {
        match (certificate_file, key_file) {
            (None, None) => Ok(None),
            (Some(certificate_file), Some(key_file)) => Ok(Some(Identity {
                certificate_file,
                key_file,
            })),
            (Some(_), None) => Err(self.without(certificate_key, key_key)),
            (None, Some(_)) => Err(self.without(key_key, certificate_key)),
        }
    }
}
