//! The ids under which a schema registry knows schemas.

use std::fmt;

/// Id of a schema in a schema registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SchemaId(u32);

impl SchemaId {
    /// Wraps the registry's id.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The id as a number.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Ids of the schemas of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaIds {
    /// Id of the key schema; `None` where no key schema is registered.
    pub key: Option<SchemaId>,
    /// Id of the value schema; `None` where no value schema is registered.
    pub value: Option<SchemaId>,
}
