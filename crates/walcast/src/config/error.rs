//! Errors of a configuration, with their position.

use std::fmt;
use std::path::PathBuf;

use walcast_delivery::condition::ConditionError;
use walcast_kafka::KafkaError;
use walcast_mapper::pattern::PatternError;
use walcast_postgres::ConninfoError;

use super::duration::ConfigDuration;
use super::expand::ExpandError;

/// Error of a configuration: one line with the position and the fix.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration {}: {source}; give its path with --config", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// A file named in the configuration cannot be read.
    #[error("{place}: cannot read {key} {}: {source}", path.display())]
    ReadSecret {
        /// Position of the key.
        place: Place,
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The content is invalid.
    #[error("{place}: {fault}")]
    Content {
        /// Position.
        place: Place,
        /// Description.
        #[source]
        fault: Box<Fault>,
    },
}

/// Error of the content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Not TOML, or a value of the wrong type.
    #[error("{message}")]
    Toml {
        /// Message of the parser, on one line.
        message: String,
    },
    /// Unknown key.
    #[error("unknown key {key:?} {table}; {hint}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Table of the key.
        table: TableLabel,
        /// Suggestion.
        hint: Hint,
    },
    /// Missing required key.
    #[error("{key} is missing; add for example: {example}")]
    Missing {
        /// The key, with its table.
        key: &'static str,
        /// A line to add.
        example: &'static str,
    },
    /// Variable that cannot be expanded.
    #[error("{key}: {source}")]
    Expand {
        /// The key, with its table.
        key: String,
        /// Cause.
        #[source]
        source: ExpandError,
    },
    /// Invalid connection string, which is not printed because it may contain a password.
    #[error("postgres.url: {source}")]
    Url {
        /// Cause.
        #[source]
        source: ConninfoError,
    },
    /// Invalid condition.
    #[error("{key}: {source}; write one such as \"placed > '2024-01-01'\"")]
    Condition {
        /// The key, with its table.
        key: &'static str,
        /// Cause.
        #[source]
        source: ConditionError,
    },
    /// Invalid table pattern.
    #[error("{key}: {source}")]
    Pattern {
        /// The key, with its table.
        key: &'static str,
        /// Cause.
        #[source]
        source: PatternError,
    },
    /// Property that librdkafka rejects, or that would break the guarantee.
    #[error("[kafka.properties] {source}")]
    Property {
        /// Cause.
        #[source]
        source: KafkaError,
    },
    /// Invalid value.
    #[error("{key} is {value:?}; expected {wanted}")]
    Value {
        /// The key, with its table.
        key: &'static str,
        /// The value.
        value: String,
        /// Description of valid values.
        wanted: &'static str,
    },
    /// A number outside its bounds.
    #[error("{key} is {value}; expected a number {}", Bounds(*min, *max))]
    Range {
        /// The key, with its table.
        key: &'static str,
        /// The number.
        value: u64,
        /// Minimum.
        min: u64,
        /// Maximum.
        max: u64,
    },
    /// A duration outside its bounds.
    #[error("{key} is \"{value}\"; expected a duration from \"{min}\" to \"{max}\"")]
    DurationRange {
        /// The key, with its table.
        key: &'static str,
        /// The duration.
        value: ConfigDuration,
        /// Minimum.
        min: ConfigDuration,
        /// Maximum.
        max: ConfigDuration,
    },
    /// Two mutually exclusive keys.
    #[error("{first} and {second} are both set; keep one of them")]
    Both {
        /// First key.
        first: &'static str,
        /// Second key.
        second: &'static str,
    },
    /// Key that requires another key.
    #[error("{key} is set without {needs}; set both or neither")]
    Without {
        /// The key.
        key: &'static str,
        /// Required key.
        needs: &'static str,
    },
    /// A generated file that does not withhold all that its source withheld.
    #[error(
        "unresolved is not empty: data would be sent that the Debezium connector withholds; add settings that do the same, then \
         delete each entry: {}",
        entries.join("; ")
    )]
    Unresolved {
        /// The entries: a property, and what is missing.
        entries: Vec<String>,
    },
    /// Password in a value that is printed.
    #[error("{key} contains a password; use {instead} instead")]
    PasswordInUrl {
        /// The key.
        key: &'static str,
        /// Keys to use instead.
        instead: &'static str,
    },
}

/// Position in a file; line and column count from 1 and are absent for errors about the whole file.
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

/// Name of a table as written in the file, without the outer brackets.
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

/// Suggestion for an unknown key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Another table has the key.
    BelongsIn(TableLabel),
    /// The table has a similar key.
    Nearest(&'static str),
    /// The table has no similar key: all its keys.
    Known(&'static [&'static str]),
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hint::BelongsIn(table) => write!(f, "it belongs {table}"),
            Hint::Nearest(key) => write!(f, "did you mean {key:?}?"),
            Hint::Known(keys) => write!(f, "known keys are {}", keys.join(", ")),
        }
    }
}

/// Text of the bounds of a number.
struct Bounds(u64, u64);

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (min, u64::MAX) => write!(f, "of at least {min}"),
            (min, max) => write!(f, "from {min} to {max}"),
        }
    }
}
