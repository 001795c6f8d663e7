//! Booleans, whole numbers and floating point.

use crate::encode::value_error::ValueError;
use crate::format::Format;

/// Appends a boolean in the server's text form, `t` or `f`.
#[inline]
pub(super) fn boolean<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let value = match text {
        b"t" | b"true" => true,
        b"f" | b"false" => false,
        _ => return Err(ValueError::Value("a boolean")),
    };
    F::boolean(value, out);
    Ok(())
}

/// Appends an integer between `min` and `max`.
#[inline]
pub(super) fn integer<F: Format>(
    text: &[u8],
    min: i64,
    max: i64,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let value = parse_integer(text).filter(|value| (min..=max).contains(value));
    F::integer(
        value.ok_or(ValueError::Value("a whole number of the column's size"))?,
        out,
    );
    Ok(())
}

/// Appends a number of single precision; `NaN`, `Infinity` and `-Infinity` are values.
pub(super) fn float<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    F::float(parse_text(text).ok_or(ValueError::Value("a float"))?, out);
    Ok(())
}

/// Appends a number of double precision; `NaN`, `Infinity` and `-Infinity` are values.
pub(super) fn double<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    F::double(parse_text(text).ok_or(ValueError::Value("a double"))?, out);
    Ok(())
}

/// Parses a number, `NaN` and `Infinity` included.
pub(super) fn parse_text<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Parses digits with an optional minus sign; `None` for any other text, and outside the range of an `i64`.
#[inline]
pub(super) fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let magnitude = parse_digits(digits)?;
    // Subtracted for negative numbers: the smallest has no positive counterpart.
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// Parses digits, at least one and at most nineteen: more cannot be an `i64`.
#[inline]
pub(super) fn parse_digits(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > I64_DIGITS_MAX {
        return None;
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| number * 10 + u64::from(digit))
    })
}

/// `i64::MAX` has nineteen digits, and nineteen nines fit a `u64`.
const I64_DIGITS_MAX: usize = 19;
