//! Secrets and certificates, whose keys belong together.

use std::path::{Path, PathBuf};

use walcast_mapper::Secret;

use super::check::Check;
use crate::config::error::{ConfigError, Fault};

impl Check<'_> {
    /// Secret that is given, or in a file.
    pub(super) fn secret(
        &self,
        (key, file_key): (&'static str, &'static str),
        value: Option<&Secret>,
        file: Option<&PathBuf>,
    ) -> Result<Option<Secret>, ConfigError> {
        match (value, file) {
            (Some(_), Some(_)) => {
                let (first, second) = (key, file_key);
                Err(self.document.error_at(key, Fault::Both { first, second }))
            }
            (Some(value), None) => Ok(Some(value.clone())),
            (None, Some(path)) => self.secret_file(file_key, path).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Reads the first line of a file, without its line ending.
    fn secret_file(&self, key: &'static str, path: &Path) -> Result<Secret, ConfigError> {
        let content = std::fs::read_to_string(path).map_err(|source| ConfigError::ReadSecret {
            place: self.document.place_of(key),
            key,
            path: path.to_owned(),
            source,
        })?;
        Ok(Secret::new(content.lines().next().unwrap_or_default()))
    }

    /// Files of a certificate and its key, which are set together.
    pub(super) fn certificate(
        &self,
        (certificate_key, key_key): (&'static str, &'static str),
        certificate_file: Option<&PathBuf>,
        key_file: Option<&PathBuf>,
    ) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
        match (certificate_file, key_file) {
            (None, None) => Ok(None),
            (Some(certificate_file), Some(key_file)) => {
                Ok(Some((certificate_file.clone(), key_file.clone())))
            }
            (Some(_), None) => Err(self.without(certificate_key, key_key)),
            (None, Some(_)) => Err(self.without(key_key, certificate_key)),
        }
    }
}
