//! A pattern for the prefixes of logical decoding messages, which are any text and not names.

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::expression::{PatternError, anchored};

/// A pattern for prefixes of messages, such as `audit`, `app.*` or `/(outbox|audit)\..+/`.
///
/// `*` stands for any characters, and everything else means itself, upper and lower case too. Between slashes stands a
/// regular expression for the whole prefix, in which upper and lower case are the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PrefixPattern {
    text: String,
    expression: Option<Regex>,
}

impl TryFrom<String> for PrefixPattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        let between = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let expression = match between.filter(|expression| !expression.is_empty()) {
            None => None,
            Some(expression) => Some(anchored(expression, true).map_err(|cause| PatternError::Regex {
                text: text.clone(),
                cause,
            })?),
        };
        Ok(Self { text, expression })
    }
}

impl From<PrefixPattern> for String {
    fn from(pattern: PrefixPattern) -> Self {
        pattern.text
    }
}

/// Patterns with equal text are equal.
impl PartialEq for PrefixPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PrefixPattern {}

impl PrefixPattern {
    /// A pattern that matches every prefix.
    pub(crate) fn any() -> Self {
        Self {
            text: "*".to_owned(),
            expression: None,
        }
    }

    /// Whether the pattern matches a prefix.
    #[must_use]
    pub fn matches(&self, prefix: &str) -> bool {
        match &self.expression {
            Some(expression) => expression.is_match(prefix),
            None => starred(&self.text, prefix),
        }
    }
}

/// Whether `text` matches `pattern`, in which `*` matches any characters or none.
fn starred(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        // The pattern has no `*`.
        return rest.is_empty();
    };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::PrefixPattern;

    fn matches(pattern: &str, text: &str) -> bool {
        PrefixPattern::try_from(pattern.to_owned()).unwrap().matches(text)
    }

    #[test]
    fn a_star_matches_any_characters() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "any", true),
            ("", "", true),
            ("", "any", false),
            ("audit", "audit", true),
            ("audit", "Audit", false),
            ("audit", "audits", false),
            ("audit*", "audits", true),
            ("*.done", "order.done", true),
            ("*.done", "order.done.not", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_regular_expression_is_for_the_whole_prefix() {
        for (pattern, text, expected) in [
            ("/audit/", "audit", true),
            ("/audit/", "AUDIT", true),
            ("/audit/", "audits", false),
            (r"/app\..+/", "app.x", true),
            (r"/app\..+/", "app.", false),
            ("/a|b/", "b", true),
            ("/a|b/", "ab", false),
            // A prefix may begin with a slash as well.
            ("/", "/", true),
            ("//", "//", true),
            ("/etc", "/etc", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn invalid_expressions_are_rejected_with_their_text() {
        let refused = PrefixPattern::try_from("/(/".to_owned()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "\"/(/\" is not a regular expression: unclosed group"
        );
    }
}
