//! A single message transform in the configuration of a connector.

use crate::debezium::rule::Value;

/// Transform with its alias.
pub(super) struct Transform<'v, 'g> {
    pub(super) alias: &'v str,
    pub(super) value: &'v Value<'g>,
}

impl<'g> Transform<'_, 'g> {
    /// A property of the transform; empty if it is not set.
    pub(super) fn part(&self, name: &str) -> &'g str {
        self.value
            .given
            .connector(&self.property(name))
            .unwrap_or("")
            .trim()
    }

    /// Full name of a property of the transform.
    pub(super) fn property(&self, name: &str) -> String {
        format!("transforms.{}.{name}", self.alias)
    }
}
