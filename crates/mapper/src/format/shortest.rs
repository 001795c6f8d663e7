//! Numbers with a fraction in the fewest digits that read back as the same number; of two such texts that are equally near, the one
//! with an even last digit, as Java and Postgres print them. Rust prints the greater one. A number that one digit identifies has the two
//! digits that are nearest, as Java prints it: 4.9e-324.
//!
//! Java prints the fewest digits since version 19. Before (JDK-4511638), some numbers have more of them than are needed.

use std::fmt::{Debug, LowerExp};
use std::io::Write as _;
use std::str::FromStr;

/// Number with a fraction.
pub(super) trait Shortest: Copy + Debug + LowerExp + FromStr + PartialEq {
    /// The odd number `m` and the exponent `e` of the value `m * 2^e`; `None` for zero.
    fn odd_and_exponent(self) -> Option<(u64, i32)>;
}

impl Shortest for f32 {
    fn odd_and_exponent(self) -> Option<(u64, i32)> {
        f64::from(self).odd_and_exponent()
    }
}

/// Bits of the fraction of a double.
const FRACTION_BITS: u32 = 52;
/// Exponent of the last bit of a double whose exponent field is 0.
const EXPONENT_MIN: i32 = -1075;

impl Shortest for f64 {
    fn odd_and_exponent(self) -> Option<(u64, i32)> {
        let bits = self.to_bits();
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        let field = i32::try_from((bits >> FRACTION_BITS) & 0x7FF).ok()?;
        let (number, exponent) = match field {
            0 => (fraction, EXPONENT_MIN + 1),
            field => (fraction | (1 << FRACTION_BITS), EXPONENT_MIN + field),
        };
        let zeros = number.trailing_zeros();
        (number != 0).then(|| (number >> zeros, exponent + zeros.cast_signed()))
    }
}

/// Appends a finite number.
pub(super) fn put(value: impl Shortest, out: &mut Vec<u8>) {
    let start = out.len();
    write!(out, "{value:?}").expect("writing to memory cannot fail");
    if let Some(two_digits) = out.get(start..).and_then(|printed| two_digits(value, printed)) {
        out.truncate(start);
        out.extend_from_slice(two_digits.as_bytes());
        return;
    }
    let Some(printed) = out.get_mut(start..) else {
        return;
    };
    if let Some((place, digit)) = even_digit(value, printed)
        && let Some(last) = printed.get_mut(place)
    {
        let odd = std::mem::replace(last, digit);
        let read = std::str::from_utf8(printed)
            .ok()
            .and_then(|text| text.parse().ok());
        // Below a power of two numbers are closer together: the other text can be another number.
        if read != Some(value)
            && let Some(last) = printed.get_mut(place)
        {
            *last = odd;
        }
    }
}

/// The nearest number of two digits, if one digit identifies the value and is not nearer.
fn two_digits(value: impl Shortest, printed: &[u8]) -> Option<String> {
    let mantissa = printed.split(|byte| *byte == b'e').next()?;
    let is_one_digit = matches!(mantissa, [_] | [b'-', _]);
    if !is_one_digit {
        return None;
    }
    let text = format!("{value:.1e}");
    (!text.contains(".0e") && text.parse().ok() == Some(value)).then_some(text)
}

/// Place of the last digit in `printed` and the even digit instead of it, if the value lies in the middle between the numbers
/// that end with the one and the other.
fn even_digit(value: impl Shortest, printed: &[u8]) -> Option<(usize, u8)> {
    let (mantissa, exponent) = match printed.iter().position(|byte| *byte == b'e') {
        Some(end) => (
            printed.get(..end)?,
            std::str::from_utf8(printed.get(end + 1..)?).ok()?.parse().ok()?,
        ),
        None => (printed, 0),
    };
    let place = mantissa.len().checked_sub(1)?;
    // Most numbers end here.
    if mantissa.get(place)? % 2 == 0 {
        return None;
    }
    let after_point = mantissa
        .iter()
        .position(|byte| *byte == b'.')
        .map_or(0, |point| place - point);
    let digits = i32::try_from(after_point).ok()?.checked_sub(exponent)?;
    let (odd, two) = value.odd_and_exponent()?;
    // The exact number has as many digits after the point as its exponent says, and ends with 5: without this one it is a tie.
    if digits < 1 || digits != -two - 1 {
        return None;
    }
    // The exact number ends with 25 or with 75, whatever the power of 5 in it.
    Some((place, if odd % 4 == 1 { b'2' } else { b'8' }))
}

#[cfg(test)]
mod tests {
    use super::put;
    use crate::format::written;

    fn printed(value: impl super::Shortest) -> String {
        String::from_utf8(written(|out| put(value, out))).unwrap()
    }

    #[test]
    fn of_two_equally_near_texts_the_even_one_is_printed() {
        for (value, text) in [
            (2_097_152.0_f32 + 0.25, "2097152.2"),
            (2_097_152.0 + 0.75, "2097152.8"),
            (-2_097_153.0 - 0.25, "-2097153.2"),
            (16_385.0 + 0.031_25, "16385.031"),
            (9.0, "9.0"),
            (0.5, "0.5"),
            (0.3, "0.3"),
            (0.0, "0.0"),
            (1e10, "10000000000.0"),
            (1e30, "1e30"),
            (f32::MAX, "3.4028235e38"),
        ] {
            assert_eq!(printed(value), text);
        }
        assert_eq!(printed(1_125_899_906_842_624.0 + 0.25), "1125899906842624.2");
        assert_eq!(printed(1_125_899_906_842_625.0 + 0.75), "1125899906842625.8");
    }

    /// Values that Java 19 and later print with these digits (JDK-4511638, JDK-8291240).
    #[test]
    fn known_values_have_the_digits_that_java_prints() {
        for (value, text) in [
            (f32::from_bits(1), "1.4e-45"),
            (-f32::from_bits(1), "-1.4e-45"),
            (f32::from_bits(2), "2.8e-45"),
            (f32::MIN_POSITIVE, "1.1754944e-38"),
        ] {
            assert_eq!(printed(value), text);
        }
        for (value, text) in [
            (f64::from_bits(1), "4.9e-324"),
            (f64::from_bits(2), "9.9e-324"),
            (1e23, "1e23"),
            (2e23, "2e23"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ] {
            assert_eq!(printed(value), text);
        }
    }

    /// The exact decimal form of a number decides which of two texts is nearer.
    #[test]
    fn differs_from_the_shortest_text_in_ties_only() {
        let mut bits: u32 = 1;
        let mut ties = 0;
        for _ in 0..200_000 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f32::from_bits(bits);
            // Numbers with few digits after the point, where ties occur.
            let value = if bits.is_multiple_of(2) {
                value
            } else {
                (bits >> 8) as f32 / 1024.0
            };
            if !value.is_finite() {
                continue;
            }
            let (text, shortest) = (printed(value), format!("{value:?}"));
            assert_eq!(text.parse::<f32>().unwrap(), value);
            if text != shortest {
                ties += 1;
                let exact = format!("{:?}", f64::from(value));
                assert_eq!(exact.len(), text.len() + 1, "{exact} {text}");
                assert!(
                    exact.ends_with('5') && text.ends_with(['2', '8']),
                    "{exact} {text}"
                );
            }
        }
        assert!(ties > 100, "{ties}");
    }
}
