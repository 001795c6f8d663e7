//! Exact numbers: big-endian two's complement bytes and a scale, as Avro and Connect write them.

use num_bigint::BigInt;

/// Largest scale that is printed as digits. A larger one comes from no Postgres type.
const SCALE_MAX: i32 = 20_000;

/// Text of an exact number with all digits of its scale; `None` for a scale that no type has.
pub(crate) fn text(unscaled: &[u8], scale: i32) -> Option<String> {
    if scale.abs() > SCALE_MAX {
        return None;
    }
    let number = BigInt::from_signed_bytes_be(unscaled).to_string();
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number.as_str()),
    };
    let Ok(fraction) = usize::try_from(scale) else {
        let zeros = match digits {
            "0" => 0,
            _ => usize::try_from(scale.unsigned_abs()).ok()?,
        };
        return Some(format!("{sign}{digits}{}", "0".repeat(zeros)));
    };
    if fraction == 0 {
        return Some(number);
    }
    let padded = format!("{digits:0>width$}", width = fraction + 1);
    let (whole, fraction) = padded.split_at(padded.len() - fraction);
    Some(format!("{sign}{whole}.{fraction}"))
}

/// Unscaled bytes of a text that a user typed, at this scale; `None` if the text is no number or has more digits than the scale.
pub(crate) fn unscaled(text: &str, scale: usize) -> Option<Vec<u8>> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = match fraction.get(scale..) {
        // Zeros beyond the scale change nothing.
        Some(beyond) if beyond.bytes().all(|byte| byte == b'0') => fraction.get(..scale)?,
        Some(_) => return None,
        None => fraction,
    };
    if digits.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let number: BigInt = format!("{sign}0{whole}{fraction:0<scale$}").parse().ok()?;
    Some(number.to_signed_bytes_be())
}

/// Whether two texts are the same number: `1.5` and `1.50` are.
pub(crate) fn is_equal(left: &str, right: &str) -> bool {
    let digits = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let scale = digits(left).max(digits(right));
    let number = |text: &str| unscaled(text, scale);
    number(left).is_some_and(|left| Some(left) == number(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        for (bytes, scale, number) in [
            (&[0x04, 0xCE][..], 2, "12.30"),
            (&[0xFB, 0x32], 2, "-12.30"),
            (&[5], 2, "0.05"),
            (&[0xFB], 2, "-0.05"),
            (&[0], 0, "0"),
            (&[0, 0xFF], 0, "255"),
        ] {
            assert_eq!(text(bytes, scale).as_deref(), Some(number));
            let scale = usize::try_from(scale).unwrap();
            assert_eq!(unscaled(number, scale).as_deref(), Some(bytes), "{number}");
        }
        assert_eq!(text(&[12], -2).as_deref(), Some("1200"));
        assert_eq!(text(&[1; 40], 0).unwrap().len(), 94);
        assert_eq!(text(&[1], i32::MAX), None);
    }

    #[test]
    fn typed_numbers_have_no_more_digits_than_the_scale() {
        assert_eq!(unscaled("1.5", 2), unscaled("1.50", 2));
        assert_eq!(unscaled("1.500", 2), unscaled("1.50", 2));
        assert_eq!(unscaled("1.505", 2), None);
        for text in ["", "-", "1e5", "a", "1.a", "--1"] {
            assert_eq!(unscaled(text, 2), None, "{text}");
        }
        assert!(is_equal("1.5", "1.50") && is_equal("-0", "0") && !is_equal("1.5", "1.51"));
    }
}
