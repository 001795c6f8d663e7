//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

use walcast_mapper::PatternError;
use walcast_postgres::ConninfoError;

use super::expand::ExpandError;

/// A configuration that cannot be used; one line, with the place and the fix.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration {}: {source}; give its path with --config", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file named in the configuration cannot be read.
    #[error("{place}: cannot read {key} {}: {source}", path.display())]
    ReadSecret {
        /// Where it is named.
        place: Place,
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The content is wrong.
    #[error("{place}: {fault}")]
    Content {
        /// Where.
        place: Place,
        /// What.
        #[source]
        fault: Box<Fault>,
    },
}

/// What is wrong with the content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Not TOML, or a value of the wrong type.
    #[error("{message}")]
    Toml {
        /// The parser's words, on one line.
        message: String,
    },
    /// A key that does not exist.
    #[error("unknown key {key:?} {table}; {hint}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The table it stands in.
        table: TableLabel,
        /// What may have been meant.
        hint: Hint,
    },
    /// A key that has to be there.
    #[error("{key} is missing; add for example: {example}")]
    Missing {
        /// The key, with its table.
        key: &'static str,
        /// A line to add.
        example: &'static str,
    },
    /// A variable that cannot be replaced.
    #[error("{key}: {source}")]
    Expand {
        /// The key, with its table.
        key: String,
        /// Why.
        #[source]
        source: ExpandError,
    },
    /// A connection string that cannot be used; the text itself may hold a password and is not shown.
    #[error("postgres.url: {source}")]
    Url {
        /// Why.
        #[source]
        source: ConninfoError,
    },
    /// A text that is no table pattern.
    #[error("{key}: {source}")]
    Pattern {
        /// The key, with its table.
        key: &'static str,
        /// Why.
        #[source]
        source: PatternError,
    },
    /// A value that breaks a rule.
    #[error("{key} is {value:?}; wanted {wanted}")]
    Value {
        /// The key, with its table.
        key: &'static str,
        /// The value.
        value: String,
        /// The rule.
        wanted: &'static str,
    },
    /// A number outside its bounds.
    #[error("{key} is {value}; wanted a number {}", Bounds(*min, *max))]
    Range {
        /// The key, with its table.
        key: &'static str,
        /// The number.
        value: u64,
        /// The least that is allowed.
        min: u64,
        /// The most that is allowed.
        max: u64,
    },
    /// Two keys of which only one can be meant.
    #[error("{first} and {second} are both set; keep one of them")]
    Both {
        /// One.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A key that means nothing without another.
    #[error("{key} is set without {needs}; set both or neither")]
    Without {
        /// The key.
        key: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// A password in a place that is printed.
    #[error("{key} holds a password; use {instead} instead")]
    PasswordInUrl {
        /// The key.
        key: &'static str,
        /// Where it belongs.
        instead: &'static str,
    },
}

/// A line of a file, counted from 1; no line when the whole file is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line_and_column: Option<(usize, usize)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line_and_column {
            Some((line, column)) => write!(f, "{}:{line}:{column}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// A table, as it is written, without the outer brackets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableLabel(pub(crate) String);

impl fmt::Display for TableLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            "" => f.write_str("outside of any table"),
            table => write!(f, "in [{table}]"),
        }
    }
}

/// What may have been meant by an unknown key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// The key exists in another table.
    BelongsIn(TableLabel),
    /// A key of the same table looks like it.
    Nearest(&'static str),
    /// None does: these exist.
    Known(&'static [&'static str]),
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hint::BelongsIn(table) => write!(f, "it belongs {table}"),
            Hint::Nearest(key) => write!(f, "did you mean {key:?}?"),
            Hint::Known(keys) => write!(f, "known are {}", keys.join(", ")),
        }
    }
}

/// The bounds of a number, in words.
struct Bounds(u64, u64);

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (min, u64::MAX) => write!(f, "of at least {min}"),
            (min, max) => write!(f, "from {min} to {max}"),
        }
    }
}
