//! Properties of a connector and of its Connect worker.

use std::path::{Path, PathBuf};

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
    /// The file is not JSON.
    #[error("{}: not JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The JSON does not have the form of a connector.
    #[error("{}: {problem}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Description.
        problem: String,
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

/// Class of the supported connector.
const CONNECTOR_CLASS: &str = "io.debezium.connector.postgresql.PostgresConnector";
/// Connect also accepts the last part of the class name, with or without `Connector`.
const CONNECTOR_ALIASES: [&str; 3] = [CONNECTOR_CLASS, "PostgresConnector", "Postgres"];

impl Given {
    /// Reads a connector's file, JSON or properties, and the worker's properties.
    ///
    /// # Errors
    /// A file cannot be read, or configures a different connector class.
    pub(crate) fn read(connector: &Path, worker: Option<&Path>) -> Result<Self, InputError> {
        let text = read(connector)?;
        let is_json = text.trim_start().starts_with('{');
        let pairs = if is_json {
            json(connector, &text)?
        } else {
            properties(connector, &text)?
        };
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
        let path = Path::new("connector");
        let pairs = match connector.trim_start().starts_with('{') {
            true => json(path, connector)?,
            false => properties(path, connector)?,
        };
        let worker = worker
            .map(|text| properties(Path::new("worker"), text))
            .transpose()?;
        Self {
            connector: pairs,
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
        if CONNECTOR_ALIASES.contains(&class) {
            return Ok(self);
        }
        Err(InputError::OtherConnector {
            class: class.to_owned(),
        })
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

fn properties(path: &Path, text: &str) -> Result<Vec<(String, String)>, InputError> {
    properties_file::parse(text).map_err(|source| InputError::Properties {
        path: path.to_owned(),
        source,
    })
}

/// Parses `{"name": …, "config": {…}}`, the body of a POST to Connect, or the inner object, the body of a PUT.
fn json(path: &Path, text: &str) -> Result<Vec<(String, String)>, InputError> {
    let shape = |problem: String| InputError::Shape {
        path: path.to_owned(),
        problem,
    };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|source| InputError::Json {
        path: path.to_owned(),
        source,
    })?;
    let outer = value
        .as_object()
        .ok_or_else(|| shape("not an object".to_owned()))?;
    let (name, config) = match outer.get("config") {
        Some(config) => (
            outer.get("name"),
            config
                .as_object()
                .ok_or_else(|| shape("config is not an object".to_owned()))?,
        ),
        None => (None, outer),
    };
    let mut pairs = Vec::new();
    for (key, value) in name
        .map(|name| ("name", name))
        .into_iter()
        .chain(config.iter().map(|(key, value)| (key.as_str(), value)))
    {
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(flag) => flag.to_string(),
            serde_json::Value::Null => continue,
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                return Err(shape(format!("{key} is not a string, a number or a boolean")));
            }
        };
        if !pairs
            .iter()
            .any(|(known, known_text)| known == key && *known_text == text)
        {
            pairs.push((key.to_owned(), text));
        }
    }
    Ok(pairs)
}
