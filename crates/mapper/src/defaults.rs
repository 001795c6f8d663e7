//! Defaults of columns, as far as Debezium copies them into the schema.
//!
//! `pg_get_expr` prints a literal as `42` or `'text'::type`. The result of a function is not known in advance: the
//! schema then has the type's zero value (0, empty text, 1970).

use serde_json::Value;

use crate::encode::{Encoder, Scratch};
use crate::format::{Format, Literal, written};

/// The default in a column's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DefaultValue {
    /// A literal, in the server's text form.
    Literal(String),
    /// The result of a function: the schema has the type's zero value.
    Generated,
}

/// Parses a default expression; `None` when the schema has no default.
pub(crate) fn parse(expression: &str, encoder: &Encoder) -> Option<DefaultValue> {
    if matches!(
        encoder,
        Encoder::VariableDecimal | Encoder::Array { .. } | Encoder::Bytes | Encoder::Oid
    ) {
        // Connect has no defaults of structures, and Debezium does not read the others.
        return None;
    }
    let text = if matches!(encoder, Encoder::Enum { .. }) {
        enum_literal(expression)?
    } else {
        let expression = expression.trim();
        if is_generated(expression) {
            return Some(DefaultValue::Generated);
        }
        literal(expression)?
    };
    // A text that is not a value of the column is not a default either.
    let readable = encoder.put::<Literal>(text.as_bytes(), &mut Scratch::default(), &mut Vec::new());
    readable.is_ok().then_some(DefaultValue::Literal(text))
}

impl DefaultValue {
    /// Appends the default as a value of the column.
    pub(crate) fn put<F: Format>(&self, encoder: &Encoder, out: &mut Vec<u8>) {
        let text = match (self, encoder) {
            (DefaultValue::Literal(text), _) => text.as_str(),
            (DefaultValue::Generated, Encoder::Uuid) => "00000000-0000-0000-0000-000000000000",
            (DefaultValue::Generated, Encoder::Json) => "{}",
            (DefaultValue::Generated, Encoder::ZonedTimestamp { .. }) => "1970-01-01 00:00:00+00",
            (DefaultValue::Generated, Encoder::DecimalText { .. }) => "0.0",
            (DefaultValue::Generated, other) => return other.put_zero::<F>(out),
        };
        let written = encoder.put::<F>(text.as_bytes(), &mut Scratch::default(), out);
        written.expect("it was written once, when it was read");
    }

    /// The default as it appears in a schema.
    pub(crate) fn literal(&self, encoder: &Encoder) -> Value {
        let json = written(|out| self.put::<Literal>(encoder, out));
        serde_json::from_slice(&json).expect("what is written as JSON reads as JSON")
    }
}

/// Whether the expression is a function call, perhaps in parentheses, or one of the keywords for the current time.
fn is_generated(expression: &str) -> bool {
    const CURRENT: [&str; 5] = [
        "current_timestamp",
        "current_time",
        "current_date",
        "localtime",
        "localtimestamp",
    ];
    if CURRENT.iter().any(|word| expression.eq_ignore_ascii_case(word)) {
        return true;
    }
    let body = expression.strip_prefix('(').unwrap_or(expression);
    let name_length = body
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    let name_length = name_length.count();
    let arguments = body.get(name_length..).and_then(|rest| rest.strip_prefix('('));
    name_length > 0 && arguments.is_some_and(|arguments| arguments.contains(')'))
}

/// The text in the first quotes, or the whole expression when nothing is quoted.
fn literal(expression: &str) -> Option<String> {
    if expression.starts_with("NULL::") || expression == "NULL" {
        return None;
    }
    match expression.split_once('\'') {
        None => Some(expression.to_owned()),
        Some((_, quoted)) => unquote(quoted).map(|(text, _)| text),
    }
}

/// The label of `'label'::type`; `None` for any other expression.
fn enum_literal(expression: &str) -> Option<String> {
    let (label, rest) = unquote(expression.strip_prefix('\'')?)?;
    rest.starts_with("::").then_some(label)
}

/// The text up to the closing quote, with doubled quotes undone, and the rest.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut left = quoted;
    loop {
        let (part, rest) = left.split_once('\'')?;
        text.push_str(part);
        match rest.strip_prefix('\'') {
            Some(more) => {
                text.push('\'');
                left = more;
            }
            None => return Some((text, rest)),
        }
    }
}
