//! Rewrites of texts by a regular expression, in Java's syntax.

use regex::{Captures, Regex};

use super::route_error::RouteError;
use crate::pattern::anchored;

/// A regular expression and its replacement, in Java's syntax.
#[derive(Clone, Debug)]
pub(super) struct Rewrite {
    whole: Regex,
    anywhere: Regex,
    replacement: Vec<Piece>,
}

impl PartialEq for Rewrite {
    fn eq(&self, other: &Self) -> bool {
        self.whole.as_str() == other.whole.as_str() && self.replacement == other.replacement
    }
}

impl Eq for Rewrite {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Rewrite {
    pub(super) fn new(pattern: &str, replacement: &str) -> Result<Self, RouteError> {
        let failed = |cause| RouteError::Regex {
            text: pattern.to_owned(),
            cause,
        };
        let anywhere = Regex::new(pattern).map_err(failed)?;
        let replacement = pieces(replacement, &anywhere).ok_or_else(|| RouteError::Group {
            text: replacement.to_owned(),
            pattern: pattern.to_owned(),
        })?;
        Ok(Self {
            whole: anchored(pattern, false).map_err(failed)?,
            anywhere,
            replacement,
        })
    }

    /// The same expression with a text as its replacement.
    pub(super) fn replaced_by(&self, text: &str) -> Self {
        Self {
            replacement: vec![Piece::Text(text.to_owned())],
            ..self.clone()
        }
    }

    /// The replacement of every text; `None` if it depends on groups of the pattern.
    pub(super) fn constant(&self) -> Option<String> {
        let texts = self.replacement.iter().map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Group(_) => None,
        });
        texts.collect()
    }

    /// Whether the pattern matches the whole text.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }

    /// The text with its first match replaced; `None` when the pattern does not match the whole text.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        if !self.whole.is_match(text) {
            return None;
        }
        let found: Captures<'_> = self.anywhere.captures(text)?;
        let place = found.get(0)?;
        let mut replaced = text.get(..place.start())?.to_owned();
        for piece in &self.replacement {
            match piece {
                Piece::Text(text) => replaced.push_str(text),
                Piece::Group(number) => {
                    replaced.push_str(found.get(*number).map_or("", |group| group.as_str()))
                }
            }
        }
        replaced.push_str(text.get(place.end()..)?);
        Some(replaced)
    }
}

/// Parses a replacement in Java's syntax; `None` when it refers to a group that the pattern does not have.
fn pieces(text: &str, regex: &Regex) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => plain.push(rest.next()?),
            '$' => {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                let group = match rest.next()? {
                    '{' => {
                        let name: String = rest.by_ref().take_while(|next| *next != '}').collect();
                        regex.capture_names().position(|known| known == Some(&name))?
                    }
                    first => {
                        let mut number = usize::try_from(first.to_digit(10)?).ok()?;
                        // Takes as many digits as form the number of an existing group.
                        while let Some(digit) = rest.peek().and_then(|next| next.to_digit(10)) {
                            let longer = number * 10 + usize::try_from(digit).ok()?;
                            if longer >= regex.captures_len() {
                                break;
                            }
                            number = longer;
                            rest.next();
                        }
                        number
                    }
                };
                if group >= regex.captures_len() {
                    return None;
                }
                pieces.push(Piece::Group(group));
            }
            other => plain.push(other),
        }
    }
    pieces.push(Piece::Text(plain));
    Some(pieces)
}
