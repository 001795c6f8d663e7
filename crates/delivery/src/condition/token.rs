//! SQL tokens, split exactly where Postgres splits them, or rejected.
//!
//! A text that another server version or setting (`standard_conforming_strings`, `backslash_quote`) could split
//! differently is rejected: comments, adjacent string constants, parameters, numbers that run into a word. See
//! <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>.

use crate::condition::error::ConditionError;

/// Token with its byte offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Keyword or unquoted identifier, as written.
    Word(String),
    /// Quoted identifier, without its quotes.
    Quoted(String),
    /// Value of a string constant; `None` if the constant has escapes that only SQL conditions may have.
    Text(Option<String>),
    /// Unsigned numeric constant.
    Number(String),
    /// Operator of one or more characters.
    Operator(String),
    /// Punctuation character: one of `( ) [ ] , . :`.
    Punctuation(char),
}

/// Characters of operators.
const OPERATOR: &str = "+-*/<>=~!@#%^&|`?";

/// Characters one of which an operator of several characters must contain in order to end in `+` or `-`.
const OPERATOR_WITH_SIGN: &str = "~!@#%^&|`?";

/// Splits a text into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ConditionError> {
    let mut scanner = Scanner { text, at: 0 };
    let mut tokens: Vec<Token> = Vec::new();
    while let Some(token) = scanner.next()? {
        let follows_text = matches!(tokens.last(), Some(last) if matches!(last.kind, Kind::Text(_)));
        if follows_text && matches!(token.kind, Kind::Text(_)) {
            return Err(ConditionError::AdjacentTexts { at: token.at });
        }
        tokens.push(token);
    }
    Ok(tokens)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// Whether a character can begin a word. All characters beyond ASCII can, Unicode white space included.
fn begins_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn continues_word(c: char) -> bool {
    begins_word(c) || c.is_ascii_digit() || c == '$'
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take_while(&mut self, holds: impl Fn(char) -> bool) -> String {
        let taken: String = self.rest().chars().take_while(|c| holds(*c)).collect();
        self.at += taken.len();
        taken
    }

    fn next(&mut self) -> Result<Option<Token>, ConditionError> {
        self.take_while(is_space);
        let at = self.at;
        let Some(first) = self.peek() else { return Ok(None) };
        let kind = match first {
            '\'' => Kind::Text(Some(self.quoted('\'')?)),
            '"' => Kind::Quoted(self.quoted('"')?),
            '$' => Kind::Text(Some(self.dollar_quoted()?)),
            '(' | ')' | '[' | ']' | ',' | ':' => {
                self.at += 1;
                Kind::Punctuation(first)
            }
            '.' if !self.rest().chars().nth(1).is_some_and(|c| c.is_ascii_digit()) => {
                self.at += 1;
                Kind::Punctuation(first)
            }
            c if c.is_ascii_digit() || c == '.' => Kind::Number(self.number(at)?),
            c if OPERATOR.contains(c) => Kind::Operator(self.operator(at)?),
            c if begins_word(c) => {
                let word = self.take_while(continues_word);
                if word.eq_ignore_ascii_case("e") && self.peek() == Some('\'') {
                    Kind::Text(self.escaped()?)
                } else {
                    Kind::Word(word)
                }
            }
            found => return Err(ConditionError::Character { found, at }),
        };
        Ok(Some(Token { at, kind }))
    }

    /// Reads the text between two quotes, in which a doubled quote stands for one.
    fn quoted(&mut self, quote: char) -> Result<String, ConditionError> {
        let begin = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            let Some(c) = self.peek() else {
                return Err(ConditionError::OpenQuote { at: begin });
            };
            let at = self.at;
            self.at += c.len_utf8();
            match c {
                '\0' => return Err(ConditionError::Character { found: c, at }),
                c if c == quote && self.peek() == Some(quote) => self.at += 1,
                c if c == quote => return Ok(value),
                _ => {}
            }
            value.push(c);
        }
    }

    /// Reads a string constant with backslash escapes, starting at its quote.
    fn escaped(&mut self) -> Result<Option<String>, ConditionError> {
        let begin = self.at;
        self.at += 1;
        let mut value = Some(String::new());
        loop {
            let Some(c) = self.peek() else {
                return Err(ConditionError::OpenQuote { at: begin });
            };
            let at = self.at;
            self.at += c.len_utf8();
            let mut stands_for = Some(c);
            match c {
                '\0' => return Err(ConditionError::Character { found: c, at }),
                '\'' if self.peek() == Some('\'') => self.at += 1,
                '\'' => return Ok(value),
                '\\' => {
                    let Some(next) = self.peek() else {
                        return Err(ConditionError::OpenQuote { at: begin });
                    };
                    // The setting `backslash_quote` decides whether a quote may be escaped this way.
                    if matches!(next, '\'' | '\0') {
                        return Err(ConditionError::Character { found: '\\', at });
                    }
                    self.at += next.len_utf8();
                    // The meaning of all other escapes depends on the characters that follow.
                    stands_for = (next == '\\').then_some(next);
                }
                _ => {}
            }
            match (&mut value, stands_for) {
                (Some(value), Some(c)) => value.push(c),
                _ => value = None,
            }
        }
    }

    /// Reads the text between two equal tags such as `$$` or `$body$`.
    fn dollar_quoted(&mut self) -> Result<String, ConditionError> {
        let at = self.at;
        let inside = self.rest().get(1..).unwrap_or_default();
        let name: String = inside
            .chars()
            .take_while(|c| begins_word(*c) || c.is_ascii_digit())
            .collect();
        let begins_with_digit = name.chars().next().is_some_and(|c| c.is_ascii_digit());
        if begins_with_digit || !inside.get(name.len()..).unwrap_or_default().starts_with('$') {
            return Err(ConditionError::Character { found: '$', at });
        }
        let tag = format!("${name}$");
        let body = self.rest().get(tag.len()..).unwrap_or_default();
        let Some(length) = body.find(&tag) else {
            return Err(ConditionError::OpenQuote { at });
        };
        let value = body.get(..length).unwrap_or_default().to_owned();
        if let Some(nul) = value.find('\0') {
            let at = at + tag.len() + nul;
            return Err(ConditionError::Character { found: '\0', at });
        }
        self.at += 2 * tag.len() + length;
        Ok(value)
    }

    fn number(&mut self, begin: usize) -> Result<String, ConditionError> {
        let mut number = self.take_while(|c| c.is_ascii_digit());
        if self.peek() == Some('.') {
            self.at += 1;
            number.push('.');
            number.push_str(&self.take_while(|c| c.is_ascii_digit()));
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            let exponent = self.rest().get(1..).unwrap_or_default();
            let signed = exponent.starts_with(['+', '-']);
            let digits = exponent.get(usize::from(signed)..).unwrap_or_default();
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                let length = 1 + usize::from(signed);
                number.push_str(self.rest().get(..length).unwrap_or_default());
                self.at += length;
                number.push_str(&self.take_while(|c| c.is_ascii_digit()));
            }
        }
        let runs_on = |c: char| continues_word(c) || matches!(c, '.' | '\'' | '"');
        if self.peek().is_some_and(runs_on) {
            return Err(ConditionError::Number { at: begin });
        }
        Ok(number)
    }

    fn operator(&mut self, begin: usize) -> Result<String, ConditionError> {
        let mut operator = self.take_while(|c| OPERATOR.contains(c));
        if let Some(offset) = operator.find("--").or_else(|| operator.find("/*")) {
            return Err(ConditionError::Comment { at: begin + offset });
        }
        if !operator.contains(|c| OPERATOR_WITH_SIGN.contains(c)) {
            while operator.len() > 1 && operator.ends_with(['+', '-']) {
                operator.pop();
                self.at -= 1;
            }
        }
        Ok(operator)
    }
}
