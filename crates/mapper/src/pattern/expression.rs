//! Regular expressions in patterns, and the error of a text that is no pattern.

use regex::{Regex, RegexBuilder};

/// Error in a pattern.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The text does not have the parts of a name.
    #[error("{text:?} is not a {kind} pattern: {problem}")]
    Parts {
        /// The text.
        text: String,
        /// Kind of pattern.
        kind: &'static str,
        /// The error.
        problem: &'static str,
    },
    /// The text between the slashes is not a regular expression.
    #[error("{text:?} is not a regular expression: {}", reason(cause))]
    Regex {
        /// The text.
        text: String,
        /// The error of the regular expression.
        cause: regex::Error,
    },
}

/// Reason of a regular expression's error, without the marker of its position.
pub(crate) fn reason(cause: &regex::Error) -> String {
    let text = cause.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// Compiles a regular expression that has to match the whole text, as Java's `matches` does.
///
/// # Errors
/// The text is not a regular expression.
pub(crate) fn anchored(expression: &str, ignore_case: bool) -> Result<Regex, regex::Error> {
    // Compiled alone first: an error should quote the configured text, and `a)(b` is invalid.
    Regex::new(expression)?;
    RegexBuilder::new(&format!(r"\A(?:{expression})\z"))
        .case_insensitive(ignore_case)
        .build()
}
