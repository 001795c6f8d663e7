//! Exact numbers as doubles and as text, NaN and infinities included.

use crate::encode::decimal::Parts;
use crate::encode::scratch::Scratch;
use crate::encode::value_error::ValueError;
use crate::format::Format;

/// Appends the nearest double. A number beyond the largest double is an error: infinity would be a different value.
pub(super) fn double<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let value = match text {
        b"NaN" => f64::NAN,
        b"Infinity" => f64::INFINITY,
        b"-Infinity" => f64::NEG_INFINITY,
        _ => finite(text).ok_or(ValueError::Value("a finite double"))?,
    };
    F::double(value, out);
    Ok(())
}

fn finite(text: &[u8]) -> Option<f64> {
    Parts::split(text)?;
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// Appends the number as text, with the fractional digits of the column; NaN and infinities in Debezium's words.
pub(super) fn text<F: Format>(
    text: &[u8],
    scale: Option<usize>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let word: &[u8] = match text {
        b"NaN" => b"NAN",
        b"Infinity" => b"POSITIVE_INFINITY",
        b"-Infinity" => b"NEGATIVE_INFINITY",
        number => return finite_text::<F>(number, scale, scratch, out),
    };
    F::string(word, out);
    Ok(())
}

fn finite_text<F: Format>(
    number: &[u8],
    scale: Option<usize>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let parts = Parts::split(number).ok_or(ValueError::Value("a decimal"))?;
    let digits = parts.fraction.len();
    let Some(scale) = scale.filter(|scale| *scale != digits) else {
        F::string(number, out);
        return Ok(());
    };
    // Rows have exactly the column's digits; a default may have others.
    let cut = parts.fraction.get(scale..).unwrap_or_default();
    if cut.iter().any(|digit| *digit != b'0') {
        return Err(ValueError::Value("a decimal of the column's scale"));
    }
    let whole_length = if number.contains(&b'.') {
        number.len() - digits - 1
    } else {
        number.len()
    };
    let padded = &mut scratch.text;
    padded.clear();
    padded.extend_from_slice(number.get(..whole_length).unwrap_or_default());
    if scale > 0 {
        padded.push(b'.');
        padded.extend_from_slice(parts.fraction.get(..scale).unwrap_or(parts.fraction));
        padded.resize(whole_length + 1 + scale, b'0');
    }
    F::string(padded, out);
    Ok(())
}

/// Appends zero with a number of fractional digits.
pub(super) fn put_zero_text<F: Format>(scale: usize, out: &mut Vec<u8>) {
    F::string(format!("{:.scale$}", 0.0).as_bytes(), out);
}
