//! Configuration of the client of the schema registry, from `[registry]`.

use walcast_delivery::OnIncompatible;
use walcast_kafka::{ClientIdentity, RegistryAuth, RegistryConfig, RegistryTls};
use walcast_mapper::config::Encoding;

use super::check::Check;
use crate::config::error::{ConfigError, Fault};
use crate::config::raw::{RawFormat, RawRegistry};

impl Check<'_> {
    pub(super) fn registry(
        &self,
        raw: &RawRegistry,
        format: &RawFormat,
    ) -> Result<Option<RegistryConfig>, ConfigError> {
        let needs_registry = [format.key, format.value].contains(&Encoding::Avro);
        if raw.url.is_none() && !needs_registry {
            return Ok(None);
        }
        let url = self.registry_url(raw)?;
        if raw.on_incompatible == OnIncompatible::NewSubject && !raw.auto_register {
            return Err(self.without("registry.on_incompatible", "registry.auto_register = true"));
        }
        let auth = self.registry_auth(raw)?;
        let tls = self.registry_tls(raw, url)?;
        if let Some(proxy) = &raw.proxy {
            let url = reqwest::Url::parse(proxy.reveal()).ok();
            let is_usable = url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            let wanted = "an address that begins with http:// or https:// and names a host";
            // The value may contain a password.
            self.rule("registry.proxy", "[redacted]", wanted, is_usable)?;
        }
        Ok(Some(RegistryConfig {
            url: url.trim_end_matches('/').to_owned(),
            auth,
            tls,
            proxy: raw.proxy.clone(),
            auto_register: raw.auto_register,
        }))
    }

    fn registry_url<'r>(&self, raw: &'r RawRegistry) -> Result<&'r str, ConfigError> {
        let example = "url = \"http://127.0.0.1:8081\" under [registry]";
        let url = self.required("registry.url", raw.url.as_deref(), example)?;
        let authority = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"))
            .map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        if authority.is_some_and(|authority| authority.contains('@')) {
            let fault = Fault::PasswordInUrl {
                key: "registry.url",
                instead: "username with password or password_file",
            };
            return Err(self.document.error_at("registry.url", fault));
        }
        let holds = authority.is_some_and(|authority| !authority.is_empty()) && !url.contains(',');
        let wanted = "one address that begins with http:// or https://";
        self.rule("registry.url", url, wanted, holds)?;
        Ok(url)
    }

    fn registry_auth(&self, raw: &RawRegistry) -> Result<RegistryAuth, ConfigError> {
        let keys = ("registry.password", "registry.password_file");
        let password = self.secret(keys, raw.password.as_ref(), raw.password_file.as_ref())?;
        let keys = ("registry.bearer_token", "registry.bearer_token_file");
        let token = self.secret(keys, raw.bearer_token.as_ref(), raw.bearer_token_file.as_ref())?;
        match (raw.username.clone(), password, token) {
            (None, None, None) => Ok(RegistryAuth::None),
            (Some(user), Some(password), None) => Ok(RegistryAuth::Basic { user, password }),
            (None, None, Some(token)) => Ok(RegistryAuth::Bearer { token }),
            (Some(_), None, None) => {
                Err(self.without("registry.username", "registry.password or registry.password_file"))
            }
            (None, Some(_), None) => Err(self.without("registry.password", "registry.username")),
            (_, _, Some(_)) => {
                let fault = Fault::Both {
                    first: "registry.bearer_token",
                    second: "registry.username",
                };
                Err(self.document.error_at("registry.bearer_token", fault))
            }
        }
    }

    fn registry_tls(&self, raw: &RawRegistry, url: &str) -> Result<RegistryTls, ConfigError> {
        let keys = ("registry.certificate_file", "registry.key_file");
        let files = self.certificate(keys, raw.certificate_file.as_ref(), raw.key_file.as_ref())?;
        if url.starts_with("http://") {
            for (key, is_set) in [
                ("registry.ca_file", raw.ca_file.is_some()),
                ("registry.certificate_file", files.is_some()),
            ] {
                if is_set {
                    return Err(self.without(key, "an address in registry.url that begins with https://"));
                }
            }
        }
        Ok(RegistryTls {
            ca_file: raw.ca_file.clone(),
            identity: files.map(|(certificate_file, key_file)| ClientIdentity {
                certificate_file,
                key_file,
            }),
        })
    }
}
