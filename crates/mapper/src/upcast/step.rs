//! Steps of upcasters, as the configuration declares them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::path::Path;
use super::step_error::StepError;

/// One change of a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StepText", into = "StepText")]
pub struct Step {
    text: StepText,
    pub(super) path: Path,
    pub(super) operation: Operation,
}

/// What a step does with its member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// The member gets another name in its object.
    Rename(String),
    /// A member that does not exist is added, with this value in JSON.
    Default(String),
    /// The member goes to another object.
    Move(Path),
    /// A text is divided among new members of its object.
    Split { separator: String, into: Vec<String> },
    /// The value is written as another type.
    Retype(JsonType),
    /// The member is removed.
    Drop,
}

/// Type of a value in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonType {
    /// Text.
    String,
    /// A number without a fraction and an exponent.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// An array, of which the value becomes the only item.
    Array,
}

/// The configured form of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct StepText {
    /// Member that gets the name `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rename: Option<String>,
    /// Member that is added with `value` where it does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Member that goes to the path `to`.
    #[serde(default, rename = "move", skip_serializing_if = "Option::is_none")]
    pub moved: Option<String>,
    /// Text that is divided at `at` among the members `into`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Member whose value becomes one of the type `as`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retype: Option<String>,
    /// Member that is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<String>,
    /// New name or path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Value of a new member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Separator of the parts of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Names of the members with the parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<Vec<String>>,
    /// Type of the value.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub json_type: Option<JsonType>,
}

/// Key under which a date or time of TOML comes as a value.
const DATE: &str = "$__toml_private_datetime";

impl TryFrom<StepText> for Step {
    type Error = StepError;

    fn try_from(text: StepText) -> Result<Self, StepError> {
        let (path, operation) = text.parsed()?;
        Ok(Self {
            text,
            path,
            operation,
        })
    }
}

impl StepText {
    fn parsed(&self) -> Result<(Path, Operation), StepError> {
        let StepText {
            to, value, at, into, ..
        } = self;
        let keys = (to, value, at, into, self.json_type);
        let operations = [
            ("rename", &self.rename),
            ("default", &self.default),
            ("move", &self.moved),
            ("split", &self.split),
            ("retype", &self.retype),
            ("drop", &self.drop),
        ];
        let mut named = operations
            .into_iter()
            .filter_map(|(operation, path)| path.as_deref().map(|path| (operation, path)));
        let (Some((operation, path)), None) = (named.next(), named.next()) else {
            return Err(StepError::Operation);
        };
        let path = Path::parse(path)?;
        let operation = match (operation, keys) {
            ("rename", (Some(to), None, None, None, None)) => Operation::Rename(name(to)?),
            ("rename", _) => return Err(StepError::Keys("rename", "to")),
            ("default", (None, Some(value), None, None, None)) => Operation::Default(json(value)?),
            ("default", _) => return Err(StepError::Keys("default", "value")),
            ("move", (Some(to), None, None, None, None)) => {
                let to = Path::parse(to)?;
                if !path.is_single() || !to.is_single() {
                    return Err(StepError::Move);
                }
                Operation::Move(to)
            }
            ("move", _) => return Err(StepError::Keys("move", "to")),
            ("split", (None, None, Some(at), Some(into), None)) if !at.is_empty() && into.len() > 1 => {
                Operation::Split {
                    separator: at.clone(),
                    into: into.iter().map(|part| name(part)).collect::<Result<_, _>>()?,
                }
            }
            ("split", _) => return Err(StepError::Keys("split", "at and into with two names or more")),
            ("retype", (None, None, None, None, Some(json_type))) => Operation::Retype(json_type),
            ("retype", _) => return Err(StepError::Keys("retype", "as")),
            (_, (None, None, None, None, None)) => Operation::Drop,
            (_, _) => return Err(StepError::Keys("drop", "nothing")),
        };
        Ok((path, operation))
    }
}

impl From<Step> for StepText {
    fn from(step: Step) -> Self {
        step.text
    }
}

/// The name of a member in the object of another one.
fn name(text: &str) -> Result<String, StepError> {
    let path = Path::parse(text)?;
    match path.parents.is_empty() {
        true => Ok(path.name),
        false => Err(StepError::Path(text.to_owned())),
    }
}

fn json(value: &Value) -> Result<String, StepError> {
    let text = value.to_string();
    match text.contains(DATE) {
        true => Err(StepError::Date),
        false => Ok(text),
    }
}
