//! `money`, which the server prints in the format of its locale: `$1,234.56`, `-1.234,56 €`, `(¥1,234)`.

use crate::encode::scratch::Scratch;
use crate::encode::value_error::ValueError;

/// Passes the plain number of `value` to `put`.
pub(super) fn put(
    value: &[u8],
    fraction_digits: usize,
    scratch: &mut Scratch,
    put: impl FnOnce(&[u8], &mut Scratch) -> Result<(), ValueError>,
) -> Result<(), ValueError> {
    // Taken out of the scratch while the number is read: its encoder may need the rest.
    let mut number = std::mem::take(&mut scratch.element);
    let written = plain_number(value, fraction_digits, &mut number).and_then(|()| put(&number, scratch));
    scratch.element = number;
    written
}

/// The plain number of `text` (`-1234.56`), written to `number`.
///
/// A character between digits is a separator. The last separator is the decimal point unless an equal separator
/// precedes it or three digits follow it; otherwise it groups digits. A single separator before three digits is the
/// decimal point only if money has three `fraction_digits`.
fn plain_number(text: &[u8], fraction_digits: usize, number: &mut Vec<u8>) -> Result<(), ValueError> {
    let fault = ValueError::Value("a sum of money");
    let first = text.iter().position(u8::is_ascii_digit).ok_or(fault)?;
    let last = text.iter().rposition(u8::is_ascii_digit).ok_or(fault)?;
    let before = text.get(..first).unwrap_or_default();
    let digits = text.get(first..=last).unwrap_or_default();
    let after = text.get(last + 1..).unwrap_or_default();
    let is_negative = before.iter().chain(after).any(|byte| matches!(byte, b'-' | b'('));
    let point = point(digits, fraction_digits);
    number.clear();
    if is_negative {
        number.push(b'-');
    }
    for (place, byte) in digits.iter().enumerate() {
        if byte.is_ascii_digit() {
            number.push(*byte);
        } else if point == Some(place) {
            number.push(b'.');
        }
    }
    Ok(())
}

/// Position of the decimal point.
fn point(digits: &[u8], fraction_digits: usize) -> Option<usize> {
    let last = digits.iter().rposition(|byte| !byte.is_ascii_digit())?;
    let separator = digits.get(last);
    let others = digits.get(..last)?.iter().filter(|byte| !byte.is_ascii_digit());
    let (mut same, mut different) = (false, false);
    for other in others {
        if Some(other) == separator {
            same = true;
        } else {
            different = true;
        }
    }
    let following = digits.len() - last - 1;
    let is_point = !same && (different || following != GROUP_DIGITS || fraction_digits == GROUP_DIGITS);
    is_point.then_some(last)
}

/// Digits of a group in every locale.
const GROUP_DIGITS: usize = 3;

#[cfg(test)]
mod tests {
    use super::plain_number;

    fn plain(text: &str, fraction_digits: usize) -> Option<String> {
        let mut number = Vec::new();
        plain_number(text.as_bytes(), fraction_digits, &mut number).ok()?;
        Some(String::from_utf8(number).unwrap())
    }

    #[test]
    fn formats_of_locales_are_read() {
        for (text, expected) in [
            ("$0.00", "0.00"),
            ("$1,234.56", "1234.56"),
            ("-$92,233,720,368,547,758.08", "-92233720368547758.08"),
            ("($5.00)", "-5.00"),
            ("1.234.567,89 €", "1234567.89"),
            ("-1 234,56 €", "-1234.56"),
            ("1\u{202f}234,56 €", "1234.56"),
            ("￥1,234", "1234"),
            ("￥1,234,567", "1234567"),
            ("￥12", "12"),
            ("KD1,234.567", "1234.567"),
        ] {
            assert_eq!(plain(text, 2).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(plain("KD1.234", 3).as_deref(), Some("1.234"));
        assert_eq!(plain("KD1.234", 2).as_deref(), Some("1234"));
        assert_eq!(plain("", 2), None);
        assert_eq!(plain("$", 2), None);
    }
}
