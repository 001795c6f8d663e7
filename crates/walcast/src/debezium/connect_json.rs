//! Configurations of connectors in the JSON of Connect's REST interface.

use serde_json::{Map, Value};

/// Class of the supported connector. Connect also accepts the last part of the class name, with or without `Connector`.
pub(super) const CONNECTOR_ALIASES: [&str; 3] = [
    "io.debezium.connector.postgresql.PostgresConnector",
    "PostgresConnector",
    "Postgres",
];

/// Error: the JSON does not determine the configuration of one connector.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShapeError {
    /// Not JSON.
    #[error("not JSON")]
    Json(#[from] serde_json::Error),
    /// Not an object.
    #[error("not an object; `GET /connectors/NAME` returns the configuration of a connector")]
    NotAnObject,
    /// `config` is not an object.
    #[error("config is not an object")]
    Config,
    /// A list of connectors without their configurations.
    #[error("connector {name:?} has no configuration; `GET /connectors?expand=info` returns it")]
    NotExpanded {
        /// The connector.
        name: String,
    },
    /// A value of a property that Connect does not return.
    #[error("{property} is not a string, a number or a boolean")]
    Property {
        /// The property.
        property: String,
    },
    /// Several connectors.
    #[error("several connectors: {}; select one with --connector", names.join(", "))]
    Several {
        /// Their names.
        names: Vec<String>,
    },
    /// The selected connector is not there.
    #[error("no connector {name:?}; there is {}", known.join(", "))]
    Missing {
        /// The selected connector.
        name: String,
        /// The connectors that are there.
        known: Vec<String>,
    },
}

/// Property with the release of the connector.
pub(super) const PLUGIN_VERSION: &str = "connector.plugin.version";

/// Release of a connector in the response to the request for its status: Kafka 4.1 and later report it.
pub(super) fn version_in_status(status: &Value) -> Option<&str> {
    status.pointer("/connector/version")?.as_str()
}

type Pairs = Vec<(String, String)>;

/// Parses one of
///
/// - `{"name": …, "config": {…}}`: the body of `POST /connectors`, and the response of `GET /connectors/NAME`,
/// - `{…}`: the body of `PUT /connectors/NAME/config`, and the response of `GET /connectors/NAME/config`,
/// - `{"NAME": {"info": {"name": …, "config": {…}}}, …}`: the response of `GET /connectors?expand=info`, also with `expand=status`,
///   which contains the release. `name` selects one of its connectors; without a name, the only one, or the only one of Debezium for
///   Postgres.
pub(super) fn parse(text: &str, name: Option<&str>) -> Result<Pairs, ShapeError> {
    let value: Value = serde_json::from_str(text)?;
    let outer = value.as_object().ok_or(ShapeError::NotAnObject)?;
    let mut connectors = match is_list(outer) {
        true => expanded(outer)?,
        false => vec![single(outer)?],
    };
    let is_debeziums = |pairs: &Pairs| {
        pairs.iter().any(|(property, class)| {
            property == "connector.class" && CONNECTOR_ALIASES.contains(&class.as_str())
        })
    };
    let all = names(&connectors);
    match name {
        Some(name) => connectors.retain(|pairs| name_of(pairs) == name),
        None if connectors.len() > 1 => connectors.retain(is_debeziums),
        None => {}
    }
    let selected = names(&connectors);
    match (connectors.pop(), connectors.is_empty(), name) {
        (Some(pairs), true, _) => Ok(pairs),
        (Some(_), false, _) => Err(ShapeError::Several { names: selected }),
        (None, _, Some(name)) => Err(ShapeError::Missing {
            name: name.to_owned(),
            known: all,
        }),
        (None, _, None) => Err(ShapeError::Several { names: all }),
    }
}

/// Whether an object lists connectors: only such a list has objects as values, except for `config`.
fn is_list(outer: &Map<String, Value>) -> bool {
    !outer.contains_key("config") && !outer.is_empty() && outer.values().all(Value::is_object)
}

fn expanded(outer: &Map<String, Value>) -> Result<Vec<Pairs>, ShapeError> {
    let connector = |(name, connector): (&String, &Value)| {
        let info = connector.get("info").and_then(Value::as_object);
        let info = info.ok_or_else(|| ShapeError::NotExpanded { name: name.clone() })?;
        let mut pairs = single(info)?;
        if let Some(release) = connector.get("status").and_then(version_in_status) {
            pairs.retain(|(property, _)| property != PLUGIN_VERSION);
            pairs.push((PLUGIN_VERSION.to_owned(), release.to_owned()));
        }
        Ok(pairs)
    };
    outer.iter().map(connector).collect()
}

fn single(connector: &Map<String, Value>) -> Result<Pairs, ShapeError> {
    let (name, config) = match connector.get("config") {
        Some(config) => (
            connector.get("name"),
            config.as_object().ok_or(ShapeError::Config)?,
        ),
        None => (None, connector),
    };
    let mut pairs = Pairs::new();
    for (key, value) in name
        .map(|name| ("name", name))
        .into_iter()
        .chain(config.iter().map(|(key, value)| (key.as_str(), value)))
    {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null => continue,
            Value::Array(_) | Value::Object(_) => {
                return Err(ShapeError::Property {
                    property: key.to_owned(),
                });
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

fn name_of(pairs: &Pairs) -> &str {
    let name = pairs.iter().rev().find(|(property, _)| property == "name");
    name.map_or("", |(_, name)| name)
}

fn names(connectors: &[Pairs]) -> Vec<String> {
    connectors.iter().map(|pairs| name_of(pairs).to_owned()).collect()
}
