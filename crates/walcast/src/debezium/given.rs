//! Properties of a connector and of its Connect worker.

use std::path::{Path, PathBuf};

use super::connect_json::{self, PLUGIN_VERSION, ShapeError};
use super::properties_file::{self, PropertiesError};

/// Properties in the order of the files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) connector: Vec<(String, String)>,
    /// `None` without a worker file.
    pub(crate) worker: Option<Vec<(String, String)>>,
}

/// Error of an input file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// The file cannot be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The JSON does not have the form of a connector, or of the connector that is asked for.
    #[error("{}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ShapeError,
    },
    /// The file is not a `.properties` file.
    #[error("{}: not a properties file", path.display())]
    Properties {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PropertiesError,
    },
    /// The configuration is that of a different connector class.
    #[error(
        "connector.class is {class:?}, not the Debezium Postgres connector (io.debezium.connector.postgresql.PostgresConnector)"
    )]
    OtherConnector {
        /// Value of `connector.class`.
        class: String,
    },
}

impl Given {
    /// Reads a connector's file, JSON or properties, and the worker's properties. `name` selects one of several connectors.
    ///
    /// # Errors
    /// A file cannot be read, does not determine one connector, or configures a different connector class.
    pub(crate) fn read(
        connector: &Path,
        name: Option<&str>,
        worker: Option<&Path>,
    ) -> Result<Self, InputError> {
        let pairs = pairs(connector, &read(connector)?, name)?;
        let worker = match worker {
            Some(path) => Some(properties(path, &read(path)?)?),
            None => None,
        };
        Self {
            connector: pairs,
            worker,
        }
        .checked()
    }

    /// Parses texts, for tests.
    #[cfg(test)]
    pub(crate) fn of(connector: &str, worker: Option<&str>) -> Result<Self, InputError> {
        Self::of_named(connector, None, worker)
    }

    /// Parses texts with one of several connectors, for tests.
    #[cfg(test)]
    pub(crate) fn of_named(
        connector: &str,
        name: Option<&str>,
        worker: Option<&str>,
    ) -> Result<Self, InputError> {
        let worker = worker
            .map(|text| properties(Path::new("worker"), text))
            .transpose()?;
        Self {
            connector: pairs(Path::new("connector"), connector, name)?,
            worker,
        }
        .checked()
    }

    fn checked(mut self) -> Result<Self, InputError> {
        only_last(&mut self.connector);
        if let Some(worker) = &mut self.worker {
            only_last(worker);
        }
        let class = self.connector("connector.class").unwrap_or_default();
        if connect_json::CONNECTOR_ALIASES.contains(&class) {
            return Ok(self);
        }
        Err(InputError::OtherConnector {
            class: class.to_owned(),
        })
    }

    /// Sets the release of the connector, as the worker reports it.
    pub(crate) fn set_release(&mut self, release: String) {
        self.connector.retain(|(name, _)| name != PLUGIN_VERSION);
        self.connector.push((PLUGIN_VERSION.to_owned(), release));
    }

    /// Value of a property of the connector.
    pub(crate) fn connector(&self, name: &str) -> Option<&str> {
        value_of(&self.connector, name)
    }

    /// Value of a property of the worker.
    pub(crate) fn worker(&self, name: &str) -> Option<&str> {
        self.worker.as_deref().and_then(|worker| value_of(worker, name))
    }

    /// Value of a property of the worker that the connector can override.
    pub(crate) fn either(&self, name: &str) -> Option<&str> {
        self.connector(name).or_else(|| self.worker(name))
    }
}

/// Keeps the last of several properties with the same name, as Java does.
fn only_last(pairs: &mut Vec<(String, String)>) {
    let names: Vec<String> = pairs.iter().map(|(name, _)| name.clone()).collect();
    let mut at = 0;
    pairs.retain(|(name, _)| {
        at += 1;
        !names.iter().skip(at).any(|later| later == name)
    });
}

fn value_of<'g>(pairs: &'g [(String, String)], name: &str) -> Option<&'g str> {
    pairs
        .iter()
        .find(|(given, _)| given == name)
        .map(|(_, value)| value.as_str())
}

fn read(path: &Path) -> Result<String, InputError> {
    std::fs::read_to_string(path).map_err(|source| InputError::Read {
        path: path.to_owned(),
        source,
    })
}

fn pairs(path: &Path, text: &str, name: Option<&str>) -> Result<Vec<(String, String)>, InputError> {
    if !text.trim_start().starts_with(['{', '[']) {
        return properties(path, text);
    }
    connect_json::parse(text, name).map_err(|source| InputError::Shape {
        path: path.to_owned(),
        source,
    })
}

fn properties(path: &Path, text: &str) -> Result<Vec<(String, String)>, InputError> {
    properties_file::parse(text).map_err(|source| InputError::Properties {
        path: path.to_owned(),
        source,
    })
}
