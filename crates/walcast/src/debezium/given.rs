//! The properties of a connector, and of the Connect worker it runs on.

use std::path::{Path, PathBuf};

use super::properties_file::{self, PropertiesError};

/// What a file says, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) connector: Vec<(String, String)>,
    /// `None`: no worker file was given.
    pub(crate) worker: Option<Vec<(String, String)>>,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// It cannot be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no JSON.
    #[error("{}: not JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// It is JSON, but not a connector.
    #[error("{}: {problem}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// It is no `.properties` file.
    #[error("{}: not a properties file", path.display())]
    Properties {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PropertiesError,
    },
    /// It is of another connector.
    #[error(
        "connector.class is {class:?}, not the Debezium Postgres connector (io.debezium.connector.postgresql.PostgresConnector)"
    )]
    OtherConnector {
        /// What it says.
        class: String,
    },
}

/// The class of the connector that can be migrated.
const CONNECTOR_CLASS: &str = "io.debezium.connector.postgresql.PostgresConnector";
/// Connect takes the last part of a class's name too, with or without `Connector`.
const CONNECTOR_ALIASES: [&str; 3] = [CONNECTOR_CLASS, "PostgresConnector", "Postgres"];

impl Given {
    /// Reads a connector's file, JSON or properties, and the worker's properties.
    ///
    /// # Errors
    /// A file cannot be read, or is of another connector.
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

    /// The same from texts, for tests.
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

    /// A property of the connector.
    pub(crate) fn connector(&self, name: &str) -> Option<&str> {
        value_of(&self.connector, name)
    }

    /// A property of the worker.
    pub(crate) fn worker(&self, name: &str) -> Option<&str> {
        self.worker.as_deref().and_then(|worker| value_of(worker, name))
    }

    /// A property that a connector may set in place of its worker.
    pub(crate) fn either(&self, name: &str) -> Option<&str> {
        self.connector(name).or_else(|| self.worker(name))
    }
}

/// Of several of one name the last one counts, as in Java.
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

/// `{"name": …, "config": {…}}` as it is posted to Connect, or the inner object as it is put.
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
                return Err(shape(format!("{key} is neither text nor a number")));
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
