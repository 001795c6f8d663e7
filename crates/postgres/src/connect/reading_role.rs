//! Role that reads rows, where it differs from the connector's role.

use std::path::PathBuf;

use walcast_mapper::Secret;

use super::config::ConnectConfig;
use super::environment::Environment;
use super::password::PasswordSource;

/// Separate role for reading rows. It needs `SELECT` and no `REPLICATION`, so that conditions run with the least privileges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadingRole {
    user: String,
    password: PasswordSource,
}

impl ReadingRole {
    /// Role with its password, which is given, in a file that holds nothing else, or in `~/.pgpass` (`PGPASSFILE`). `PGPASSWORD` is the
    /// password of the connector's role.
    #[must_use]
    pub fn new(
        user: String,
        password: Option<Secret>,
        password_file: Option<PathBuf>,
        environment: &Environment,
    ) -> Self {
        let password = match (password, password_file) {
            (Some(password), _) => PasswordSource::Given(password),
            (None, Some(path)) => PasswordSource::File(path),
            (None, None) => PasswordSource::passfile(environment),
        };
        Self { user, password }
    }

    /// Name of the role.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl ConnectConfig {
    /// The same server and settings with another role.
    pub(crate) fn with_role(mut self, role: &ReadingRole) -> Self {
        self.user.clone_from(&role.user);
        self.password.clone_from(&role.password);
        self
    }
}
