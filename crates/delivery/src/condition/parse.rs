//! Parser of [`Dialect::Comparisons`](crate::condition::Dialect::Comparisons).

use crate::condition::error::{ConditionError, DEPTH_MAX};
use crate::condition::expression::{Comparison, Expression, Literal, Operand, TypeName};
use crate::condition::token::{Kind, Token, tokens};

/// Words that are not columns unless they are quoted.
const RESERVED: [&str; 12] = [
    "and", "between", "false", "ilike", "in", "is", "like", "not", "null", "or", "select", "true",
];

/// Parses a whole text.
pub(super) fn expression(text: &str) -> Result<Expression, ConditionError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        end: text.len(),
        depth: 0,
    };
    if parser.tokens.is_empty() {
        return Err(ConditionError::Empty);
    }
    let expression = parser.any()?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.unexpected("AND, OR or the end")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    end: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |token| token.at)
    }

    fn unexpected(&self, expected: &'static str) -> ConditionError {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(Kind::Word(word)) => format!("{word:?}"),
            Some(Kind::Quoted(name)) => format!("{name:?}"),
            Some(Kind::Text(_)) => "a text".to_owned(),
            Some(Kind::Number(number)) => number.clone(),
            Some(Kind::Operator(operator)) => format!("{operator:?}"),
            Some(Kind::Punctuation(punctuation)) => format!("{punctuation:?}"),
        };
        ConditionError::Syntax {
            at: self.at(),
            found,
            expected,
        }
    }

    /// Consumes a keyword if it comes next.
    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Kind::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.next += usize::from(found);
        found
    }

    fn punctuation(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(&Kind::Punctuation(wanted));
        self.next += usize::from(found);
        found
    }

    fn expect_punctuation(&mut self, wanted: char, expected: &'static str) -> Result<(), ConditionError> {
        match self.punctuation(wanted) {
            true => Ok(()),
            false => Err(self.unexpected(expected)),
        }
    }

    fn deeper<O>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<O, ConditionError>,
    ) -> Result<O, ConditionError> {
        if self.depth == DEPTH_MAX {
            return Err(ConditionError::TooDeep);
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Parses expressions joined by `OR`.
    fn any(&mut self) -> Result<Expression, ConditionError> {
        let mut parts = vec![self.all()?];
        while self.word("or") {
            parts.push(self.all()?);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => Expression::Or(parts),
        })
    }

    /// Parses expressions joined by `AND`.
    fn all(&mut self) -> Result<Expression, ConditionError> {
        let mut parts = vec![self.part()?];
        while self.word("and") {
            parts.push(self.part()?);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => Expression::And(parts),
        })
    }

    fn part(&mut self) -> Result<Expression, ConditionError> {
        if self.word("not") {
            let inner = self.deeper(Self::part)?;
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.punctuation('(') {
            let inner = self.deeper(Self::any)?;
            self.expect_punctuation(')', "a closing parenthesis")?;
            return Ok(inner);
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Result<Expression, ConditionError> {
        let operand = self.operand()?;
        if let Some(comparison) = self.comparison()? {
            return Ok(Expression::Compare {
                left: operand,
                comparison,
                right: self.operand()?,
            });
        }
        if self.word("is") {
            let negated = self.word("not");
            return match self.word("null") {
                true => Ok(Expression::IsNull { operand, negated }),
                false => Err(self.unexpected("NULL")),
            };
        }
        let negated = self.word("not");
        if self.word("in") {
            return self.list(operand, negated);
        }
        if self.word("between") {
            let low = self.literal()?;
            if !self.word("and") {
                return Err(self.unexpected("AND"));
            }
            return Ok(Expression::Between {
                operand,
                negated,
                low,
                high: self.literal()?,
            });
        }
        let comparison = match (self.word("like"), negated) {
            (true, false) => Comparison::Like,
            (true, true) => Comparison::NotLike,
            (false, _) => match (self.word("ilike"), negated) {
                (true, false) => Comparison::ILike,
                (true, true) => Comparison::NotILike,
                (false, true) => return Err(self.unexpected("IN, BETWEEN, LIKE or ILIKE")),
                (false, false) => return self.truth(operand),
            },
        };
        Ok(Expression::Compare {
            left: operand,
            comparison,
            right: self.operand()?,
        })
    }

    /// Checks an operand that stands alone: only a boolean can.
    fn truth(&self, operand: Operand) -> Result<Expression, ConditionError> {
        match operand {
            Operand::Column(_) | Operand::Literal(Literal::Boolean(_)) => Ok(Expression::Truth(operand)),
            Operand::Literal(_) => Err(self.unexpected("a comparison")),
        }
    }

    fn list(&mut self, operand: Operand, negated: bool) -> Result<Expression, ConditionError> {
        self.expect_punctuation('(', "a list in parentheses")?;
        let mut list = vec![self.literal()?];
        while self.punctuation(',') {
            list.push(self.literal()?);
        }
        self.expect_punctuation(')', "a comma or a closing parenthesis")?;
        Ok(Expression::In {
            operand,
            negated,
            list,
        })
    }

    fn comparison(&mut self) -> Result<Option<Comparison>, ConditionError> {
        let Some(Kind::Operator(operator)) = self.peek() else {
            return Ok(None);
        };
        let comparison = match operator.as_str() {
            "=" => Comparison::Equal,
            "<>" | "!=" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return Err(self.unexpected("a comparison")),
        };
        self.next += 1;
        Ok(Some(comparison))
    }

    fn operand(&mut self) -> Result<Operand, ConditionError> {
        if let Some(Kind::Quoted(name)) = self.peek() {
            let name = name.clone();
            self.next += 1;
            return Ok(Operand::Column(name));
        }
        if let Some(Kind::Word(word)) = self.peek() {
            let is_type = TypeName::named(word).is_some()
                && self
                    .tokens
                    .get(self.next + 1)
                    .is_some_and(|token| matches!(token.kind, Kind::Text(_)));
            let is_reserved = RESERVED
                .iter()
                .any(|reserved| word.eq_ignore_ascii_case(reserved));
            if !is_type && !is_reserved {
                // Postgres folds unquoted ASCII letters to lower case.
                let name = word.to_ascii_lowercase();
                self.next += 1;
                if matches!(self.peek(), Some(Kind::Punctuation('(' | '.'))) {
                    return Err(self.unexpected("a comparison"));
                }
                return Ok(Operand::Column(name));
            }
        }
        self.literal().map(Operand::Literal)
    }

    fn literal(&mut self) -> Result<Literal, ConditionError> {
        const EXPECTED: &str = "a constant";
        let literal = match self.peek().cloned() {
            Some(Kind::Number(number)) => Literal::Number(number),
            Some(Kind::Text(Some(text))) => {
                self.next += 1;
                return self.typed(text);
            }
            Some(Kind::Operator(sign)) if sign == "-" || sign == "+" => {
                self.next += 1;
                let Some(Kind::Number(number)) = self.peek().cloned() else {
                    return Err(self.unexpected("a number"));
                };
                let sign = if sign == "-" { "-" } else { "" };
                Literal::Number(format!("{sign}{number}"))
            }
            Some(Kind::Word(word)) if word.eq_ignore_ascii_case("true") => Literal::Boolean(true),
            Some(Kind::Word(word)) if word.eq_ignore_ascii_case("false") => Literal::Boolean(false),
            Some(Kind::Word(word)) => {
                let Some(type_name) = TypeName::named(&word) else {
                    return Err(self.unexpected(EXPECTED));
                };
                self.next += 1;
                let Some(Kind::Text(Some(text))) = self.peek().cloned() else {
                    return Err(self.unexpected("a text"));
                };
                Literal::Typed { type_name, text }
            }
            _ => return Err(self.unexpected(EXPECTED)),
        };
        self.next += 1;
        Ok(literal)
    }

    /// Parses the type after a text, such as `'2024-01-01'::date`.
    fn typed(&mut self, text: String) -> Result<Literal, ConditionError> {
        if !self.punctuation(':') {
            return Ok(Literal::Text(text));
        }
        self.expect_punctuation(':', "a type behind ::")?;
        let type_name = match self.peek() {
            Some(Kind::Word(word)) => TypeName::named(word),
            _ => None,
        };
        let Some(type_name) = type_name else {
            return Err(self.unexpected("one of the types date, time, timestamp, timestamptz, uuid, numeric, bigint, int, text, boolean"));
        };
        self.next += 1;
        Ok(Literal::Typed { type_name, text })
    }
}
