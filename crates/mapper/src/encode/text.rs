//! Text, bytes and enum labels.

use md5::Digest;

use crate::connect::{ALLOWED, ConnectSchema, ENUM, Kind};
use crate::encode::value_error::ValueError;
use crate::format::Format;

/// Appends text unchanged. The server sends UTF-8, except that a database with encoding `SQL_ASCII` sends any bytes that it stores.
#[inline]
pub(super) fn string<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    if std::str::from_utf8(text).is_err() {
        return Err(ValueError::Value("text: it is not UTF-8"));
    }
    F::string(text, out);
    Ok(())
}

/// Appends an enum label; `None` for one that the schema does not list.
pub(super) fn label<F: Format>(text: &[u8], labels: &[String], out: &mut Vec<u8>) -> Option<()> {
    labels.iter().find(|label| label.as_bytes() == text)?;
    F::string(text, out);
    Some(())
}

/// Appends a `bytea`, in hexadecimal format (`\x` and digits) or in escape format.
///
/// See <https://www.postgresql.org/docs/current/datatype-binary.html>.
pub(super) fn bytes<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let read = match text {
        [b'\\', b'x', digits @ ..] => hexadecimal::<F>(digits, out),
        escaped => escape_format::<F>(escaped, out),
    };
    read.ok_or(ValueError::Value("bytes"))
}

fn hexadecimal<F: Format>(digits: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut malformed = false;
    let bytes = hexadecimal_bytes(digits)?.map(|byte| {
        malformed |= byte.is_none();
        byte.unwrap_or(0)
    });
    F::bytes(bytes.len(), bytes, out);
    (!malformed).then_some(())
}

/// The bytes of pairs of hexadecimal digits, each `None` when it is not such a pair; `None` for an odd number of
/// digits.
#[inline]
pub(super) fn hexadecimal_bytes(digits: &[u8]) -> Option<impl ExactSizeIterator<Item = Option<u8>> + Clone> {
    let (pairs, odd) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| {
        let byte = hexadecimal_digit(*high).zip(hexadecimal_digit(*low));
        byte.map(|(high, low)| high << 4 | low)
    });
    odd.is_empty().then_some(bytes)
}

/// Writes the bytes of a `bytea` to `bytes`.
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

/// Appends a `bytea` in escape format: a backslash is doubled, and three octal digits follow it for a byte that is not
/// printable.
fn escape_format<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = EscapeFormat(text).try_fold(0, |length, byte| byte.map(|_| length + 1))?;
    F::bytes(length, EscapeFormat(text).flatten(), out);
    Some(())
}

/// Iterator over the bytes of a text in escape format; `None` for a malformed one.
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

/// Name-based UUID (version 3, no namespace), equal to Java's `UUID.nameUUIDFromBytes`.
pub(super) fn uuid_of(name: &[u8]) -> String {
    let mut digest: [u8; 16] = md5::Md5::digest(name).into();
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut digest;
    *version = *version & 0x0F | 0x30;
    *variant = *variant & 0x3F | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in digest.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Schema of enum labels.
pub(super) fn enum_schema(labels: &[String]) -> ConnectSchema {
    ConnectSchema::semantic(Kind::String, ENUM).with_parameter(ALLOWED, labels.join(","))
}
