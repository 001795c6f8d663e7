//! Patterns of tables, columns and names: globs over the parts of a name, or a regular expression over the whole name.

mod expression;
mod glob;
mod prefix;

use std::fmt;
use std::str::FromStr;

use regex::Regex;
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::table_name::TableName;
pub use expression::PatternError;
pub(crate) use expression::{anchored, reason};
use glob::Glob;
pub use prefix::PrefixPattern;

/// Properties of one kind of pattern.
struct Form {
    kind: &'static str,
    parts: usize,
    /// Hint for too few parts.
    example: &'static str,
    /// Hint for too many parts.
    excess: &'static str,
}

/// A pattern of any kind.
#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    choice: Choice,
}

#[derive(Clone, Debug)]
enum Choice {
    /// One glob for each part of the name.
    Parts(Vec<Glob>),
    /// A regular expression over the parts joined by dots, unquoted.
    Whole(Regex),
}

impl Pattern {
    fn parse(text: &str, form: &Form) -> Result<Self, PatternError> {
        let trimmed = text.trim();
        let failed = |problem| PatternError::Parts {
            text: text.to_owned(),
            kind: form.kind,
            problem,
        };
        let choice = match trimmed.strip_prefix('/') {
            Some(rest) => {
                let expression = rest
                    .strip_suffix('/')
                    .filter(|expression| !expression.is_empty())
                    .ok_or_else(|| failed("a regular expression stands between two slashes"))?;
                Choice::Whole(anchored(expression, true).map_err(|cause| PatternError::Regex {
                    text: text.to_owned(),
                    cause,
                })?)
            }
            None => Choice::Parts(globs(trimmed, form).map_err(failed)?),
        };
        Ok(Self {
            text: trimmed.to_owned(),
            choice,
        })
    }

    fn matches(&self, parts: &[&str]) -> bool {
        match &self.choice {
            Choice::Parts(globs) => {
                globs.len() == parts.len() && globs.iter().zip(parts).all(|(glob, part)| glob.matches(part))
            }
            Choice::Whole(regex) => regex.is_match(&parts.join(".")),
        }
    }

    /// The parts of the name, if the pattern is a name without `*`.
    fn literal<const PARTS: usize>(&self) -> Option<[String; PARTS]> {
        let Choice::Parts(globs) = &self.choice else {
            return None;
        };
        let parts: Option<Vec<String>> = globs.iter().map(Glob::literal).collect();
        parts?.try_into().ok()
    }
}

fn globs(text: &str, form: &Form) -> Result<Vec<Glob>, &'static str> {
    let mut globs = Vec::with_capacity(form.parts);
    let mut rest = text;
    while globs.len() < form.parts {
        if !globs.is_empty() {
            rest = rest.strip_prefix('.').ok_or(form.example)?;
        }
        let (glob, after) = Glob::parse(rest)?;
        globs.push(glob);
        rest = after;
    }
    if rest.is_empty() {
        Ok(globs)
    } else {
        Err(form.excess)
    }
}

macro_rules! pattern_kind {
    ($(#[$doc:meta])* $name:ident, $form:expr, $expecting:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Pattern);

        impl FromStr for $name {
            type Err = PatternError;

            fn from_str(text: &str) -> Result<Self, PatternError> {
                Pattern::parse(text, &$form).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.text)
            }
        }

        /// Patterns with equal text are equal.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.text == other.0.text
            }
        }

        impl Eq for $name {}

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }
    };
}

pattern_kind! {
    /// A pattern for tables, such as `public.*`, `"Mixed Case"."with.dot"` or `/public\.orders_[0-9]+/`.
    ///
    /// Unquoted text is folded to lower case, as in SQL, and `*` stands for any characters; inside quotes every
    /// character means itself. Between slashes stands a regular expression for the whole of `schema.table`, in which
    /// upper and lower case are the same.
    TablePattern,
    Form {
        kind: "table",
        parts: 2,
        example: "write schema.table, such as public.orders or public.*",
        excess: "something follows the table's name; quote names with dots in them",
    },
    "a table pattern such as \"public.*\""
}

pattern_kind! {
    /// A pattern for columns, such as `public.users.email`, `*.*.password*` or `/.*\.(email|phone)/`: as
    /// [`TablePattern`], over `schema.table.column`.
    ColumnPattern,
    Form {
        kind: "column",
        parts: 3,
        example: "write schema.table.column, such as public.users.email or *.*.email",
        excess: "something follows the column's name; quote names with dots in them",
    },
    "a column pattern such as \"public.users.email\""
}

pattern_kind! {
    /// A pattern for one name, such as `id`, `"Id"` or `/(tenant|user)_id/`: as [`TablePattern`], without the dots.
    NamePattern,
    Form {
        kind: "name",
        parts: 1,
        example: "write a name, such as id",
        excess: "something follows the name; quote names with dots in them",
    },
    "a name such as \"id\""
}

impl TablePattern {
    /// Whether the pattern is the name of one table.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        match &self.0.choice {
            Choice::Parts(globs) => globs.iter().all(Glob::is_literal),
            Choice::Whole(_) => false,
        }
    }

    /// The table, if the pattern is the name of one.
    #[must_use]
    pub fn literal(&self) -> Option<TableName> {
        let [namespace, name] = self.0.literal()?;
        Some(TableName { namespace, name })
    }

    /// Whether the pattern matches a table.
    #[must_use]
    pub fn matches(&self, table: &TableName) -> bool {
        self.0.matches(&[&table.namespace, &table.name])
    }
}

impl ColumnPattern {
    /// The table and the column, if the pattern is the name of one column.
    #[must_use]
    pub fn literal(&self) -> Option<(TableName, String)> {
        let [namespace, name, column] = self.0.literal()?;
        Some((TableName { namespace, name }, column))
    }

    /// The name of the column, if the pattern gives it without `*`, for whatever tables.
    #[must_use]
    pub fn column(&self) -> Option<String> {
        match &self.0.choice {
            Choice::Parts(globs) => globs.last()?.literal(),
            Choice::Whole(_) => None,
        }
    }

    /// Whether the pattern matches a column of a table.
    #[must_use]
    pub fn matches(&self, table: &TableName, column: &str) -> bool {
        self.0.matches(&[&table.namespace, &table.name, column])
    }
}

impl NamePattern {
    /// Whether the pattern matches a name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.matches(&[name])
    }
}
