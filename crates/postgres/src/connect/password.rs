//! Where a password comes from, and that it is never printed.

use std::fmt;
use std::path::{Path, PathBuf};

use super::passfile;
use crate::error::PostgresError;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, to be sent to the server only.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Where the password is looked up, each time a connection is made: a file can change while we run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PasswordSource {
    /// In the URL or `PGPASSWORD`.
    Given(Secret),
    /// `[postgres] password_file`: the file holds the password and nothing else.
    File(PathBuf),
    /// `PGPASSFILE` or `~/.pgpass`.
    Passfile(PathBuf),
    /// Nowhere.
    Nowhere,
}

impl PasswordSource {
    /// The password for a connection, if there is one.
    pub(super) fn look_up(&self, wanted: &passfile::Wanted<'_>) -> Result<Option<Secret>, PostgresError> {
        match self {
            PasswordSource::Given(secret) => Ok(Some(secret.clone())),
            PasswordSource::File(path) => read_password(path).map(Some),
            PasswordSource::Passfile(path) => Ok(passfile::look_up(path, wanted)),
            PasswordSource::Nowhere => Ok(None),
        }
    }
}

fn read_password(path: &Path) -> Result<Secret, PostgresError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Secret(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(source) => Err(PostgresError::PasswordFile {
            path: path.to_owned(),
            source,
        }),
    }
}
