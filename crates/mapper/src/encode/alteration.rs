//! Transforms of values: mask, truncation, hash.

use crate::format::Format;

use super::hash::Hash;

/// Transform of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Alteration {
    /// Asterisks that replace the value.
    Mask(Vec<u8>),
    /// Number of UTF-16 units of a text, or of bytes, after which the value is truncated.
    Truncate(usize),
    /// A hash that replaces the value.
    Hash {
        /// The function.
        hash: Hash,
        /// Number of hexadecimal digits that fit into the column.
        digits_max: usize,
    },
}

impl Alteration {
    /// Appends the transformed form of a text, or of bytes.
    pub(super) fn put<F: Format>(&self, value: &[u8], is_text: bool, out: &mut Vec<u8>) {
        match self {
            Alteration::Mask(stars) => F::string(stars, out),
            Alteration::Hash { hash, digits_max } => {
                let digits = hash.digits(value);
                F::string(digits.get(..*digits_max).unwrap_or(&digits), out);
            }
            Alteration::Truncate(length) if is_text => put_beginning::<F>(value, *length, out),
            Alteration::Truncate(length) => {
                let bytes = value.get(..*length).unwrap_or(value);
                F::bytes(bytes.len(), bytes.iter().copied(), out);
            }
        }
    }
}

/// Appends the first `length` UTF-16 units of a text. Half of a surrogate pair becomes a question mark, as in Java.
fn put_beginning<F: Format>(text: &[u8], length: usize, out: &mut Vec<u8>) {
    // A text has no more UTF-16 units than bytes.
    let Some(text) = std::str::from_utf8(text).ok().filter(|text| text.len() > length) else {
        return F::string(text, out);
    };
    let mut units = 0;
    for (place, character) in text.char_indices() {
        if units == length {
            return F::string(text.as_bytes().get(..place).unwrap_or_default(), out);
        }
        units += character.len_utf16();
        if units > length {
            let whole = text.as_bytes().get(..place).unwrap_or_default();
            return F::string(&[whole, b"?"].concat(), out);
        }
    }
    F::string(text.as_bytes(), out);
}

#[cfg(test)]
mod tests {
    use super::put_beginning;
    use crate::format::{Raw, written};

    #[test]
    fn text_is_truncated_as_in_java() {
        for (text, length, beginning) in [
            ("hello", 5, "hello"),
            ("hello", 4, "hell"),
            ("hello", 0, ""),
            ("größe", 4, "größ"),
            ("größe", 5, "größe"),
            ("a😀b", 1, "a"),
            ("a😀b", 2, "a?"),
            ("a😀b", 3, "a😀"),
            ("a😀b", 4, "a😀b"),
            ("", 3, ""),
        ] {
            let cut = written(|out| put_beginning::<Raw>(text.as_bytes(), length, out));
            assert_eq!(String::from_utf8(cut).unwrap(), beginning, "{text:?} to {length}");
        }
    }
}
