//! Errors in routes.

use crate::pattern::reason;

/// Error in a route.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The text is not a regular expression.
    #[error("{text:?} is not a regular expression: {}", reason(cause))]
    Regex {
        /// The text.
        text: String,
        /// The error of the regular expression.
        cause: regex::Error,
    },
    /// A replacement names a group that the pattern does not have.
    #[error(
        "{text:?} refers to a group that {pattern:?} does not have; groups are $1 or ${{name}}, \\$ is a dollar"
    )]
    Group {
        /// The replacement.
        text: String,
        /// The pattern.
        pattern: String,
    },
    /// Only one of `key_pattern` and `key_value` is set.
    #[error("key_pattern and key_value belong together; set both or neither")]
    Pair,
    /// The name of the key field is empty.
    #[error("key_field is empty; set unique_keys = false if keys are to stay as they are")]
    KeyField,
}
