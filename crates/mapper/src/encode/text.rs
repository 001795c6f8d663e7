//! Text, bytes and enum labels.

use crate::encode::Fault;
use crate::format::Format;

/// Text as it is; the session asks for UTF-8, but a database of encoding `SQL_ASCII` sends what it has.
#[inline]
pub(super) fn string<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    if std::str::from_utf8(text).is_err() {
        return Err(Fault::Value("text: it is not UTF-8"));
    }
    F::string(text, out);
    Ok(())
}

/// A label that the schema lists.
pub(super) fn label<F: Format>(text: &[u8], labels: &[String], out: &mut Vec<u8>) -> Option<()> {
    labels.iter().find(|label| label.as_bytes() == text)?;
    F::string(text, out);
    Some(())
}

/// `bytea`, printed as `\x` and hexadecimal digits, or in the older escape format.
///
/// See <https://www.postgresql.org/docs/current/datatype-binary.html>.
pub(super) fn bytes<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let read = match text {
        [b'\\', b'x', digits @ ..] => hexadecimal::<F>(digits, out),
        escaped => escape_format::<F>(escaped, out),
    };
    read.ok_or(Fault::Value("bytes"))
}

fn hexadecimal<F: Format>(digits: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut strange = false;
    let bytes = hexadecimal_bytes(digits)?.map(|byte| {
        strange |= byte.is_none();
        byte.unwrap_or(0)
    });
    F::bytes(bytes.len(), bytes, out);
    (!strange).then_some(())
}

/// The bytes that pairs of hexadecimal digits stand for, each `None` when it is no such pair; `None` when a digit is alone.
#[inline]
pub(super) fn hexadecimal_bytes(digits: &[u8]) -> Option<impl ExactSizeIterator<Item = Option<u8>> + Clone> {
    let (pairs, odd) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| {
        let byte = hexadecimal_digit(*high).zip(hexadecimal_digit(*low));
        byte.map(|(high, low)| high << 4 | low)
    });
    odd.is_empty().then_some(bytes)
}

/// The bytes of a `bytea`, in `bytes`.
pub(super) fn bytea(text: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    bytes.clear();
    match text {
        [b'\\', b'x', digits @ ..] => {
            for byte in hexadecimal_bytes(digits)? {
                bytes.push(byte?);
            }
        }
        escaped => {
            for byte in EscapeFormat(escaped) {
                bytes.push(byte?);
            }
        }
    }
    Some(())
}

fn hexadecimal_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Plain bytes; a backslash is doubled, and three octal digits follow it for a byte that cannot be printed.
fn escape_format<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = EscapeFormat(text).try_fold(0, |length, byte| byte.map(|_| length + 1))?;
    F::bytes(length, EscapeFormat(text).flatten(), out);
    Some(())
}

/// The bytes of a text in escape format; `None` for one that is none.
struct EscapeFormat<'a>(&'a [u8]);

impl Iterator for EscapeFormat<'_> {
    type Item = Option<u8>;

    fn next(&mut self) -> Option<Option<u8>> {
        let (byte, rest) = match self.0 {
            [] => return None,
            [b'\\', b'\\', rest @ ..] => (Some(b'\\'), rest),
            [
                b'\\',
                high @ b'0'..=b'3',
                middle @ b'0'..=b'7',
                low @ b'0'..=b'7',
                rest @ ..,
            ] => (
                Some((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0')),
                rest,
            ),
            [b'\\', ..] => (None, [].as_slice()),
            [plain, rest @ ..] => (Some(*plain), rest),
        };
        self.0 = rest;
        Some(byte)
    }
}
