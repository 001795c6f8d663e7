//! Conditions in SQL that stay inside their parentheses.

use crate::condition::error::ConditionError;
use crate::condition::token::{Kind, tokens};

/// SQL expression with balanced parentheses that closes only what it opens: between parentheses it is at most one
/// expression. The server decides whether the expression is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlCondition(String);

impl SqlCondition {
    /// Parses a condition. Rejected are unbalanced parentheses, semicolons, comments, unclosed quotes, and texts that
    /// Postgres could split into other tokens depending on its settings.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is empty or does not stay inside its parentheses.
    pub(super) fn parse(text: &str) -> Result<Self, ConditionError> {
        let tokens = tokens(text)?;
        if tokens.is_empty() {
            return Err(ConditionError::Empty);
        }
        let mut open = Vec::new();
        for token in &tokens {
            let at = token.at;
            match token.kind {
                Kind::Punctuation(bracket @ ('(' | '[')) => open.push((bracket, at)),
                Kind::Punctuation(bracket @ (')' | ']')) => {
                    let expected = if bracket == ')' { '(' } else { '[' };
                    if open.pop().map(|(opened, _)| opened) != Some(expected) {
                        return Err(ConditionError::Parentheses { at });
                    }
                }
                _ => {}
            }
        }
        match open.pop() {
            Some((_, at)) => Err(ConditionError::Parentheses { at }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Text of the condition.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.0
    }
}
