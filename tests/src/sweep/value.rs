//! Whether a decoded value agrees with the text that the source printed for it.

use serde_json::{Map, Value};

use super::journal::Row;

/// Columns of a decoded row that differ from the row as it was written; empty if none does.
pub(super) fn differences(written: &Row, decoded: &Map<String, Value>) -> Vec<String> {
    let mut differences = Vec::new();
    for (column, text) in written {
        match decoded.get(column) {
            None => differences.push(format!("{column} is missing")),
            Some(value) if agrees(text.as_deref(), value) => {}
            Some(value) => {
                differences.push(format!(
                    "{column} is {value} and was {}",
                    text.as_deref().unwrap_or("null")
                ));
            }
        }
    }
    let unknown = decoded.keys().filter(|column| !written.contains_key(*column));
    differences.extend(unknown.map(|column| format!("{column} did not exist")));
    differences
}

/// Whether a value of a record has this text; null has none.
pub(super) fn agrees(text: Option<&str>, value: &Value) -> bool {
    let Some(text) = text else {
        return value.is_null();
    };
    match value {
        Value::Null => false,
        Value::Bool(value) => text == if *value { "true" } else { "false" },
        Value::Number(number) => text == number.to_string(),
        Value::String(value) => {
            value == text || unscaled(value).is_some_and(|number| scaled(text) == Some(number))
        }
        Value::Object(number) => variable_scale(number).is_some_and(|number| number == stripped(text)),
        Value::Array(elements) => match serde_json::from_str::<Vec<Value>>(text) {
            Ok(written) => {
                written.len() == elements.len()
                    && written
                        .iter()
                        .zip(elements)
                        .all(|(written, element)| written == element)
            }
            Err(_) => false,
        },
    }
}

/// Bytes in hexadecimal as a number in two's complement, big end first: the digits of a decimal.
fn unscaled(hex: &str) -> Option<i128> {
    let digits = hex.strip_prefix("\\x")?;
    let width = u32::try_from(digits.len()).ok()?.checked_mul(4)?;
    let value = i128::from_str_radix(digits, 16).ok()?;
    let is_negative = digits.starts_with(|digit: char| digit >= '8');
    Some(if is_negative {
        value - 1_i128.checked_shl(width)?
    } else {
        value
    })
}

/// The digits of a decimal in text, without its point.
fn scaled(text: &str) -> Option<i128> {
    text.replacen('.', "", 1).parse().ok()
}

/// The text of a decimal without zeros at the end of its fraction, which a `VariableScaleDecimal` does not have.
fn stripped(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

/// The text of a `VariableScaleDecimal`.
fn variable_scale(number: &Map<String, Value>) -> Option<String> {
    let scale = usize::try_from(number.get("scale")?.as_u64()?).ok()?;
    let unscaled = unscaled(number.get("value")?.as_str()?)?;
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_agree_with_their_text_and_no_other() {
        let cases = [
            (json!(5), "5", "6"),
            (json!(true), "true", "false"),
            (json!("a"), "a", "b"),
            (json!("\\x04ce"), "12.30", "12.31"),
            (json!("\\xfb32"), "-12.30", "12.30"),
            (json!({ "scale": 1, "value": "\\x7b" }), "12.30", "1.23"),
            (json!({ "scale": 0, "value": "\\x00" }), "0", "1"),
            (json!([1, null]), "[1, null]", "[1]"),
            (json!(["a", "b c"]), "[\"a\", \"b c\"]", "[\"a\"]"),
        ];
        for (value, same, other) in cases {
            assert!(agrees(Some(same), &value), "{value} {same}");
            assert!(!agrees(Some(other), &value), "{value} {other}");
            assert!(!agrees(None, &value), "{value}");
        }
        assert!(agrees(None, &Value::Null) && !agrees(Some("null"), &Value::Null));
    }

    #[test]
    fn a_column_that_is_missing_or_was_never_there_is_a_difference() {
        let written = Row::from([("a".to_owned(), Some("1".to_owned())), ("b".to_owned(), None)]);
        let decoded = |value: Value| value.as_object().cloned().unwrap();
        assert!(differences(&written, &decoded(json!({ "a": 1, "b": null }))).is_empty());
        assert_eq!(
            differences(&written, &decoded(json!({ "a": 2, "c": null }))),
            ["a is 2 and was 1", "b is missing", "c did not exist"]
        );
    }
}
