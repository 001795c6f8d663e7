//! The name of a table.

use std::fmt;

use walcast_pgoutput::Relation;
use walcast_pgoutput::recode::is_unreadable;

/// Schema and name of a table, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Schema of the table.
    pub namespace: String,
    /// Name of the table.
    pub name: String,
}

impl From<&Relation> for TableName {
    fn from(relation: &Relation) -> Self {
        Self {
            namespace: relation.namespace.clone(),
            name: relation.name.clone(),
        }
    }
}

impl TableName {
    /// Whether the name of the table or of its schema is not UTF-8, so that no statement in UTF-8 can contain it: it has U+FFFD in place
    /// of bytes that cannot be read.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        is_unreadable(&self.namespace) || is_unreadable(&self.name)
    }

    /// The [`TablePattern`](crate::pattern::TablePattern) that matches this table and no other.
    #[must_use]
    pub fn as_pattern(&self) -> String {
        pattern(&[&self.namespace, &self.name])
    }

    /// The [`ColumnPattern`](crate::pattern::ColumnPattern) that matches this column of the table and no other.
    #[must_use]
    pub fn column_pattern(&self, column: &str) -> String {
        pattern(&[&self.namespace, &self.name, column])
    }
}

/// Pattern of a name with these parts, in quotes where it would have another meaning.
fn pattern(parts: &[&str]) -> String {
    let is_plain = |name: &&str| {
        let is_lower = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        !name.is_empty() && name.bytes().all(is_lower)
    };
    if parts.iter().all(is_plain) {
        return parts.join(".");
    }
    let quoted = parts
        .iter()
        .map(|name| format!("\"{}\"", name.replace('"', "\"\"")));
    quoted.collect::<Vec<_>>().join(".")
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}
