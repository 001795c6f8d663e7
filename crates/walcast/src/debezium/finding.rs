//! What became of the properties of a connector.

use serde::Serialize;

/// Result of the migration of one property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) property: String,
    /// `connector`, `worker`, or `default` for a property that is not set.
    pub(crate) of: Origin,
    pub(crate) became: Became,
    /// Keys of walcast.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<String>,
    /// Reason for the missing counterpart, or the remaining manual step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Whether the property withholds data.
    #[serde(skip)]
    pub(crate) withholds: bool,
}

/// Source of a property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    Connector,
    Worker,
    Default,
}

/// Kind of result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Became {
    /// Translated to a key, or to a part of one.
    Mapped,
    /// Translated, with a remaining manual step.
    ByHand,
    /// No counterpart is needed.
    NotNeeded,
    /// Translated in part: the rest has no exact counterpart.
    Partly,
    /// Not supported yet.
    NotYet,
    /// This value has no exact counterpart.
    Refused,
    /// Not a property of Debezium's Postgres connector.
    Unknown,
}

impl Became {
    /// Whether the migrated configuration lacks a setting of the connector.
    pub(crate) fn is_missing(self) -> bool {
        match self {
            Became::Mapped | Became::ByHand | Became::NotNeeded => false,
            Became::Partly | Became::NotYet | Became::Refused | Became::Unknown => true,
        }
    }
}

impl Finding {
    /// Whether the file must not be used before an operator has replaced what is missing.
    pub(crate) fn is_unresolved(&self) -> bool {
        self.withholds && self.became.is_missing()
    }
}
