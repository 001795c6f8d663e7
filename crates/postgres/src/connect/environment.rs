//! Environment from which libpq takes defaults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Environment variables and home directory, of the process or of a test.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    home: Option<PathBuf>,
}

impl Environment {
    /// Environment of the process: `PG*`, `USER`, `LOGNAME` and `HOME`. A variable that is not UTF-8 is ignored.
    #[must_use]
    pub fn of_process() -> Self {
        let wanted = |name: &str| name.starts_with("PG") || name == "USER" || name == "LOGNAME";
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| wanted(name))
            .collect();
        Self {
            variables,
            home: std::env::home_dir(),
        }
    }

    /// Environment with these variables only.
    #[must_use]
    pub fn from_variables<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            variables: variables.into_iter().map(own).collect(),
            home: None,
        }
    }

    /// Sets the home directory.
    #[must_use]
    pub fn with_home(mut self, home: PathBuf) -> Self {
        self.home = Some(home);
        self
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    pub(super) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// User name of the operating system, which is libpq's default for the role.
    pub(super) fn user(&self) -> Option<&str> {
        self.variable("USER").or_else(|| self.variable("LOGNAME"))
    }

    /// Default file of libpq, such as `~/.postgresql/root.crt`, if it exists.
    pub(super) fn default_file(&self, name: &str) -> Option<PathBuf> {
        let path = self.home()?.join(".postgresql").join(name);
        path.exists().then_some(path)
    }
}
