//! Numbers as Java prints them.

use std::io::Write as _;
use std::ops::Range;

use super::shortest::{self, Shortest};

/// Powers of ten between which Java prints a number with a fraction without an exponent.
const WITHOUT_EXPONENT: Range<i32> = -3..7;
/// Least power of ten of a decimal that Java prints without an exponent.
const DECIMAL_POWER_MIN: i32 = -6;

/// Appends a number as `Double.toString` and `Float.toString` print it.
pub(super) fn put(value: impl Shortest + Into<f64>, out: &mut Vec<u8>) {
    let number: f64 = value.into();
    if number.is_nan() {
        out.extend_from_slice(b"NaN");
        return;
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    if number.is_infinite() {
        out.extend_from_slice(b"Infinity");
        return;
    }
    let mut printed = Vec::new();
    shortest::put(value, &mut printed);
    let printed = String::from_utf8_lossy(&printed);
    let text = printed.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let significant = all.trim_start_matches('0');
    let digits = significant.trim_end_matches('0');
    if digits.is_empty() {
        out.extend_from_slice(b"0.0");
        return;
    }
    let zeros = signed(all.len()) - signed(significant.len());
    // Place of the point, counted from the first of the digits.
    let point = signed(whole.len()) + exponent.parse::<i32>().unwrap_or(0) - zeros;
    let power = point - 1;
    let text = if WITHOUT_EXPONENT.contains(&power) {
        plain(digits, point)
    } else {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        format!("{first}.{rest}E{power}")
    };
    out.extend_from_slice(text.as_bytes());
}

fn plain(digits: &str, point: i32) -> String {
    match usize::try_from(point) {
        Ok(point @ 1..) if point < digits.len() => {
            let (whole, fraction) = digits.split_at(point);
            format!("{whole}.{fraction}")
        }
        Ok(point @ 1..) => format!("{digits:0<point$}.0"),
        Ok(_) | Err(_) => {
            let zeros = usize::try_from(-point).unwrap_or(0);
            format!("0.{}{digits}", "0".repeat(zeros))
        }
    }
}

/// Appends a decimal, given without an exponent, as `BigDecimal.toString` prints it.
pub(super) fn put_decimal(text: &[u8], out: &mut Vec<u8>) {
    let (sign, number): (&[u8], &[u8]) = match text.strip_prefix(b"-") {
        Some(number) => (b"-", number),
        None => (b"", text),
    };
    let mut parts = number.splitn(2, |byte| *byte == b'.');
    let whole = parts.next().unwrap_or_default();
    let fraction = parts.next().unwrap_or_default();
    let all = [whole, fraction].concat();
    let zeros = all.iter().take_while(|byte| **byte == b'0').count();
    // Of zero, one digit is left.
    let (_, digits) = all.split_at(zeros.min(all.len().saturating_sub(1)));
    let power = signed(digits.len()) - 1 - signed(fraction.len());
    if fraction.is_empty() || power >= DECIMAL_POWER_MIN {
        out.extend_from_slice(text);
        return;
    }
    let (first, rest) = digits.split_at(1.min(digits.len()));
    out.extend_from_slice(sign);
    out.extend_from_slice(first);
    if !rest.is_empty() {
        out.push(b'.');
        out.extend_from_slice(rest);
    }
    write!(out, "E{power}").expect("writing to memory cannot fail");
}

fn signed(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{put, put_decimal};

    #[test]
    fn numbers_with_a_fraction_are_those_of_java() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (100.0, "100.0"),
            (0.001, "0.001"),
            (0.000_123, "1.23E-4"),
            (9_999_999.0, "9999999.0"),
            (12_345.678, "12345.678"),
            (1e7, "1.0E7"),
            (1.25e30, "1.25E30"),
            (4.9e-324, "4.9E-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            let mut out = Vec::new();
            put(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let mut out = Vec::new();
        put(0.1_f32, &mut out);
        assert_eq!(out, b"0.1");
    }

    #[test]
    fn decimals_are_those_of_java() {
        for (text, expected) in [
            ("1.50", "1.50"),
            ("-12", "-12"),
            ("0", "0"),
            ("0.00", "0.00"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1E-7"),
            ("-0.000000125", "-1.25E-7"),
            ("0.0000000", "0E-7"),
        ] {
            let mut out = Vec::new();
            put_decimal(text.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
