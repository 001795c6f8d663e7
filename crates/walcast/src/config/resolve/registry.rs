//! How the schema registry is reached, and the secrets for it.

use std::path::{Path, PathBuf};

use walcast_delivery::OnIncompatible;
use walcast_mapper::Encoding;

use super::{Check, Fault, RawFormat, RawRegistry};
use crate::config::raw::RawOnIncompatible;
use crate::config::{ConfigError, RegistryAuth, RegistrySection, Secret};

impl Check<'_> {
    pub(super) fn registry(
        &self,
        raw: RawRegistry,
        format: &RawFormat,
    ) -> Result<Option<RegistrySection>, ConfigError> {
        let needs_registry = [format.key, format.value].contains(&Encoding::Avro);
        if raw.url.is_none() && !needs_registry {
            return Ok(None);
        }
        let example = "url = \"http://127.0.0.1:8081\" under [registry]";
        let url = self.required("registry.url", raw.url, example)?;
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
        let holds = authority.is_some_and(|authority| !authority.is_empty());
        self.rule(
            "registry.url",
            &url,
            "an address that begins with http:// or https://",
            holds,
        )?;

        let keys = ("registry.password", "registry.password_file");
        let password = self.secret(keys, raw.password, raw.password_file)?;
        let keys = ("registry.bearer_token", "registry.bearer_token_file");
        let token = self.secret(keys, raw.bearer_token, raw.bearer_token_file)?;
        let auth = match (raw.username, password, token) {
            (None, None, None) => RegistryAuth::None,
            (Some(username), Some(password), None) => RegistryAuth::Basic { username, password },
            (None, None, Some(token)) => RegistryAuth::Bearer { token },
            (Some(_), None, None) => {
                return Err(self.without("registry.username", "registry.password or registry.password_file"));
            }
            (None, Some(_), None) => return Err(self.without("registry.password", "registry.username")),
            (_, _, Some(_)) => {
                let fault = Fault::Both {
                    first: "registry.bearer_token",
                    second: "registry.username",
                };
                return Err(self.document.error_at("registry.bearer_token", fault));
            }
        };
        let keys = ("registry.certificate_file", "registry.key_file");
        let identity = self.identity(keys, raw.certificate_file, raw.key_file)?;
        if url.starts_with("http://") {
            for (key, is_set) in [
                ("registry.ca_file", raw.ca_file.is_some()),
                ("registry.certificate_file", identity.is_some()),
            ] {
                if is_set {
                    return Err(self.without(key, "an address in registry.url that begins with https://"));
                }
            }
        }
        Ok(Some(RegistrySection {
            url: url.trim_end_matches('/').to_owned(),
            auth,
            ca_file: raw.ca_file,
            identity,
            on_incompatible: match raw.on_incompatible {
                RawOnIncompatible::Halt => OnIncompatible::Halt,
                RawOnIncompatible::NewSubject => OnIncompatible::NewSubject,
            },
        }))
    }

    pub(super) fn without(&self, key: &'static str, needs: &'static str) -> ConfigError {
        self.document.error_at(key, Fault::Without { key, needs })
    }

    pub(super) fn secret(
        &self,
        (key, file_key): (&'static str, &'static str),
        value: Option<Secret>,
        file: Option<PathBuf>,
    ) -> Result<Option<Secret>, ConfigError> {
        match (value, file) {
            (Some(_), Some(_)) => Err(self.document.error_at(
                key,
                Fault::Both {
                    first: key,
                    second: file_key,
                },
            )),
            (Some(value), None) => Ok(Some(value)),
            (None, Some(path)) => self.secret_file(file_key, &path).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The first line of a file, as editors end even a single line.
    fn secret_file(&self, key: &'static str, path: &Path) -> Result<Secret, ConfigError> {
        let content = std::fs::read_to_string(path).map_err(|source| ConfigError::ReadSecret {
            place: self.document.place_of(key),
            key,
            path: path.to_owned(),
            source,
        })?;
        Ok(Secret::new(content.lines().next().unwrap_or_default()))
    }
}
