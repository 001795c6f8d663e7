//! Source of the password.

use std::path::{Path, PathBuf};

use walcast_mapper::Secret;

use super::environment::Environment;
use super::passfile;
use crate::error::PostgresError;

/// Source of the password. A file is read for each connection, because it can change while the process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PasswordSource {
    /// The connection string or `PGPASSWORD`.
    Given(Secret),
    /// A file that holds the password and nothing else.
    File(PathBuf),
    /// `PGPASSFILE` or `~/.pgpass`.
    Passfile(PathBuf),
    /// No source.
    Nowhere,
}

impl PasswordSource {
    /// `PGPASSFILE`, or else `~/.pgpass`.
    pub(super) fn passfile(environment: &Environment) -> Self {
        match (environment.variable("PGPASSFILE"), environment.home()) {
            (Some(path), _) => Self::Passfile(path.into()),
            (None, Some(home)) => Self::Passfile(home.join(".pgpass")),
            (None, None) => Self::Nowhere,
        }
    }

    /// Password for a connection, if there is one.
    pub(super) fn look_up(
        &self,
        wanted: &passfile::PasswordQuery<'_>,
    ) -> Result<Option<Secret>, PostgresError> {
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
        Ok(text) => Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(source) => Err(PostgresError::PasswordFile {
            path: path.to_owned(),
            source,
        }),
    }
}
