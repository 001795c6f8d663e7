//! `[admin]`.

use std::net::{SocketAddr, ToSocketAddrs};

use super::check::Check;
use crate::config::error::{ConfigError, Fault};
use crate::config::host::Host;
use crate::config::raw::RawAdmin;
use crate::config::sections::{AdminSection, Identity};

impl Check<'_> {
    pub(super) fn admin(&self, raw: &RawAdmin) -> Result<AdminSection, ConfigError> {
        let listen = self.listen(&raw.listen)?;
        let keys = ("admin.token", "admin.token_file");
        let token = self.secret(keys, raw.token.as_ref(), raw.token_file.as_ref())?;
        let keys = ("admin.certificate_file", "admin.key_file");
        let files = self.certificate(keys, raw.certificate_file.as_ref(), raw.key_file.as_ref())?;
        if files.is_none() {
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
            self.admin_url(url, files.is_some())?;
        }
        let hosts = raw.allowed_hosts.iter();
        Ok(AdminSection {
            listen,
            token,
            allowed_hosts: hosts
                .map(|host| self.allowed_host(host))
                .collect::<Result<_, _>>()?,
            identity: files.map(|(certificate_file, key_file)| Identity {
                certificate_file,
                key_file,
            }),
            client_ca_file: raw.client_ca_file.clone(),
            url: raw.url.as_deref().map(|url| url.trim_end_matches('/').to_owned()),
            ca_file: raw.ca_file.clone(),
            connect_api: raw.connect_api,
        })
    }

    /// Address of the admin server; `None`: disabled.
    fn listen(&self, raw: &str) -> Result<Option<SocketAddr>, ConfigError> {
        if matches!(raw, "" | "off") {
            return Ok(None);
        }
        let address = raw
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next());
        let wanted = "host:port such as \"127.0.0.1:8080\", or \"off\"";
        self.rule("admin.listen", raw, wanted, address.is_some())?;
        Ok(address)
    }

    fn admin_url(&self, url: &str, has_certificate: bool) -> Result<(), ConfigError> {
        let scheme = if has_certificate { "https://" } else { "http://" };
        let authority = url.strip_prefix(scheme).map(|rest| rest.trim_end_matches('/'));
        if authority.is_some_and(|authority| authority.contains('@')) {
            let fault = Fault::PasswordInUrl {
                key: "admin.url",
                instead: "token or token_file",
            };
            return Err(self.document.error_at("admin.url", fault));
        }
        let holds = authority.is_some_and(|authority| Host::of_authority(authority).is_some());
        let wanted = "https:// (http:// without certificate_file), a host and a port";
        self.rule("admin.url", url, wanted, holds)
    }

    fn allowed_host(&self, text: &str) -> Result<Host, ConfigError> {
        let key = "admin.allowed_hosts";
        let wanted = "DNS names and IP addresses without a port, such as \"walcast.shop.svc\"";
        Host::parse(text).ok_or_else(|| self.wrong_at(key, key, text, wanted))
    }
}
