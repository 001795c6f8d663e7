//! Column defaults, as far as Debezium copies them into the schema.
//!
//! `pg_get_expr` prints a literal as `42` or `'text'::type`. What a function makes is not known beforehand: the schema
//! then says the type's nothing (0, the empty text, 1970).

use crate::absent;
use crate::avro;
use crate::encode::{Encoder, Scratch};

/// The Avro bytes of the default that the schema of a column states; `None` when it states none.
pub(crate) fn parse(expression: &str, encoder: &Encoder) -> Option<Vec<u8>> {
    if matches!(
        encoder,
        Encoder::VariableDecimal | Encoder::Array(_) | Encoder::Bytes | Encoder::Oid
    ) {
        // Connect has no defaults of structures; the others Debezium does not read.
        return None;
    }
    if matches!(encoder, Encoder::Enum { .. }) {
        return enum_literal(expression).and_then(|label| encode(&label, encoder));
    }
    let expression = expression.trim();
    if is_generated(expression) {
        return Some(generated(encoder));
    }
    encode(&literal(expression)?, encoder)
}

fn encode(text: &str, encoder: &Encoder) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    encoder
        .put(text.as_bytes(), &mut Scratch::default(), &mut out)
        .ok()
        .map(|()| out)
}

/// A call, perhaps in a parenthesis, or one of the words that stand for the current time.
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

fn generated(encoder: &Encoder) -> Vec<u8> {
    let text: &[u8] = match encoder {
        Encoder::Uuid => b"00000000-0000-0000-0000-000000000000",
        Encoder::Json => b"{}",
        Encoder::ZonedTimestamp { .. } => {
            return encode("1970-01-01 00:00:00+00", encoder).unwrap_or_else(|| absent::fallback(encoder));
        }
        other => return absent::fallback(other),
    };
    let mut out = Vec::new();
    avro::put_bytes(text, &mut out);
    out
}

/// What stands between the first quotes, or the whole expression when nothing is quoted.
fn literal(expression: &str) -> Option<String> {
    if expression.starts_with("NULL::") || expression == "NULL" {
        return None;
    }
    match expression.split_once('\'') {
        None => Some(expression.to_owned()),
        Some((_, quoted)) => unquote(quoted).map(|(text, _)| text),
    }
}

/// `'label'::type` and nothing else.
fn enum_literal(expression: &str) -> Option<String> {
    let (label, rest) = unquote(expression.strip_prefix('\'')?)?;
    rest.starts_with("::").then_some(label)
}

/// The text up to the closing quote, two quotes being one, and what follows it.
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
