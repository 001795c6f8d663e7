//! Values that are not sent as they are: masked, cut off, or hashed.

use crate::encode::{Encoder, Fault, Scratch};
use crate::format::{Format, Raw};

use super::hash::Hash;

/// A column whose values are changed on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Altered {
    /// What its values were written as otherwise.
    pub(crate) inner: Encoder,
    /// Whether they are text; else they are bytes.
    pub(crate) is_text: bool,
    /// What is done to them.
    pub(crate) alteration: Alteration,
}

/// What is done to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Alteration {
    /// These stars are sent instead, whatever it is.
    Mask(Vec<u8>),
    /// So many UTF-16 units of a text are sent, or so many bytes.
    Truncate(usize),
    /// A hash is sent instead.
    Hash {
        /// The function.
        hash: Hash,
        /// How many of its digits fit into the column.
        digits_max: usize,
    },
}

impl Altered {
    /// Appends what is made of a value.
    pub(crate) fn put<F: Format>(
        &self,
        value: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        // Out of the scratch while it holds the value: the value's encoder may need the rest.
        let mut text = std::mem::take(&mut scratch.text);
        text.clear();
        let read = self.inner.put::<Raw>(value, scratch, &mut text);
        if read.is_ok() {
            self.alter::<F>(&text, out);
        }
        scratch.text = text;
        read
    }

    /// Appends what is made of a text, or of bytes.
    pub(crate) fn alter<F: Format>(&self, value: &[u8], out: &mut Vec<u8>) {
        match &self.alteration {
            Alteration::Mask(stars) => F::string(stars, out),
            Alteration::Hash { hash, digits_max } => {
                let digits = hash.digits(value);
                F::string(digits.get(..*digits_max).unwrap_or(&digits), out);
            }
            Alteration::Truncate(length) if self.is_text => put_beginning::<F>(value, *length, out),
            Alteration::Truncate(length) => {
                let bytes = value.get(..*length).unwrap_or(value);
                F::bytes(bytes.len(), bytes.iter().copied(), out);
            }
        }
    }
}

/// The first `length` UTF-16 units of a text. Half a character, which Java then has, it writes as a question mark.
fn put_beginning<F: Format>(text: &[u8], length: usize, out: &mut Vec<u8>) {
    // No text has more units than bytes.
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
    fn texts_are_cut_where_java_cuts_them() {
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
