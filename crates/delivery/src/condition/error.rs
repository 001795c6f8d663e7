//! Why a text is not a condition.

/// Maximum length of a condition in bytes. A condition is stored with every checkpoint until its rows are read.
pub const CONDITION_BYTES_MAX: usize = 16 * 1024;

/// Maximum nesting depth of parentheses and `NOT`: the parser recurses, and so does all code that traverses the result.
pub(crate) const DEPTH_MAX: usize = 64;

/// Reason why a text is not a condition of its dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// The text is longer than [`CONDITION_BYTES_MAX`].
    #[error("the condition is {bytes} bytes long; {CONDITION_BYTES_MAX} are allowed")]
    TooLong {
        /// Length of the text in bytes.
        bytes: usize,
    },
    /// The text is empty.
    #[error("the condition is empty")]
    Empty,
    /// A character is not allowed outside quotes.
    #[error("{found:?} at byte {at} is not allowed in a condition")]
    Character {
        /// Character that was found.
        found: char,
        /// Byte offset of the character.
        at: usize,
    },
    /// A comment, which would hide the text after it.
    #[error("a comment begins at byte {at}; conditions have none")]
    Comment {
        /// Byte offset of the comment.
        at: usize,
    },
    /// A quote is not closed.
    #[error("the quote that begins at byte {at} is not closed")]
    OpenQuote {
        /// Byte offset of the opening quote.
        at: usize,
    },
    /// Adjacent string constants, which Postgres joins if a line break separates them.
    #[error("a second string constant follows at byte {at}; write one")]
    AdjacentTexts {
        /// Byte offset of the second constant.
        at: usize,
    },
    /// A number is followed by a character that is neither white space nor an operator.
    #[error("the number at byte {at} runs into what follows it")]
    Number {
        /// Byte offset of the number.
        at: usize,
    },
    /// A parenthesis or bracket is not balanced.
    #[error("the parentheses do not match at byte {at}")]
    Parentheses {
        /// Byte offset of the parenthesis or bracket.
        at: usize,
    },
    /// Parentheses or `NOT` are nested too deeply.
    #[error("the condition is nested more than {} levels deep", DEPTH_MAX)]
    TooDeep,
    /// The text does not follow the grammar of [`Comparisons`](super::Dialect::Comparisons).
    #[error(
        "at byte {at}, {expected} is expected instead of {found}; conditions compare columns with constants \
         (=, <>, <, <=, >, >=, IN, BETWEEN, LIKE, IS NULL, AND, OR, NOT)"
    )]
    Syntax {
        /// Byte offset of the unexpected token.
        at: usize,
        /// Token that was found.
        found: String,
        /// Token that was expected.
        expected: &'static str,
    },
}
