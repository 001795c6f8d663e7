//! Conversion of the texts in messages to UTF-8, where the server sends them as they are stored.

use crate::error::{DecodeError, Fault};
use crate::reader::Reader;

/// Conversion of texts to UTF-8. Texts in ASCII are never passed to it.
pub trait TextConversion {
    /// Whether the values of rows stay as they are, so that only names are converted.
    fn keeps_values(&self) -> bool;

    /// Converts a text.
    fn convert<'t>(&'t mut self, text: &'t [u8]) -> Converted<'t>;
}

/// Result of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Converted<'t> {
    /// The text in UTF-8.
    Text(&'t [u8]),
    /// The text has no equivalent in UTF-8. As a value it becomes [`Column::Binary`](crate::Column::Binary), as a name it is made
    /// readable ([`readable_name`]).
    NotText,
}

/// Conversion of names only, for a database with encoding `SQL_ASCII`: values are bytes of unknown encoding.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadableNames;

impl TextConversion for ReadableNames {
    fn keeps_values(&self) -> bool {
        true
    }

    fn convert<'t>(&'t mut self, text: &'t [u8]) -> Converted<'t> {
        match str::from_utf8(text) {
            Ok(_) => Converted::Text(text),
            Err(_) => Converted::NotText,
        }
    }
}

/// Name with U+FFFD in place of each byte that is not ASCII, if it is not UTF-8.
#[must_use]
pub fn readable_name(name: &[u8]) -> String {
    match str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => without_bytes(name),
    }
}

/// Whether a name contains bytes that could not be read ([`readable_name`]).
#[must_use]
pub fn is_unreadable(name: &str) -> bool {
    name.contains(char::REPLACEMENT_CHARACTER)
}

/// Name with U+FFFD in place of each byte that is not ASCII, also where the bytes happen to be UTF-8.
#[must_use]
pub fn without_bytes(name: &[u8]) -> String {
    let readable = |byte: &u8| match byte.is_ascii() {
        true => char::from(*byte),
        false => char::REPLACEMENT_CHARACTER,
    };
    name.iter().map(readable).collect()
}

/// Converts the texts of one pgoutput message to `out`; false if nothing changes, or the bytes are no message.
pub(crate) fn message(message: &[u8], conversion: &mut impl TextConversion, out: &mut Vec<u8>) -> bool {
    out.clear();
    let mut recoder = Recoder {
        reader: Reader::new(message),
        conversion,
        out,
        is_changed: false,
    };
    // The decoder finds the same fault, and reports it.
    recoder.message().is_ok() && recoder.is_changed
}

/// Copies one message, and converts its texts.
struct Recoder<'m, C> {
    reader: Reader<'m>,
    conversion: &'m mut C,
    out: &'m mut Vec<u8>,
    is_changed: bool,
}

impl<C: TextConversion> Recoder<'_, C> {
    fn message(&mut self) -> Result<(), DecodeError> {
        let tag = self.reader.u8("a message's tag")?;
        self.out.push(tag);
        match tag {
            b'I' | b'U' | b'D' if self.conversion.keeps_values() => return Ok(()),
            b'I' | b'U' | b'D' => {
                self.copy(size_of::<u32>())?;
                // One or two tuples, each behind its kind.
                while !self.reader.rest().is_empty() {
                    self.copy(1)?;
                    self.tuple()?;
                }
            }
            b'R' => self.relation()?,
            b'Y' => {
                self.copy(size_of::<u32>())?;
                self.name()?;
                self.name()?;
            }
            b'O' => {
                self.copy(size_of::<u64>())?;
                self.name()?;
            }
            // A logical decoding message: flags, position, prefix, and content that is never converted.
            b'M' => {
                self.copy(1 + size_of::<u64>())?;
                self.name()?;
            }
            _ => return Ok(()),
        }
        self.copy(self.reader.rest().len())
    }

    fn relation(&mut self) -> Result<(), DecodeError> {
        self.copy(size_of::<u32>())?;
        self.name()?;
        self.name()?;
        // The replica identity.
        self.copy(1)?;
        for _ in 0..self.count()? {
            self.copy(1)?;
            self.name()?;
            // Type and modifier.
            self.copy(2 * size_of::<u32>())?;
        }
        Ok(())
    }

    fn tuple(&mut self) -> Result<(), DecodeError> {
        for _ in 0..self.count()? {
            let before = self.reader.clone();
            match self.reader.u8("a column's kind")? {
                kind @ (b'n' | b'u') => self.out.push(kind),
                kind @ (b't' | b'b') => {
                    let length = self.reader.length32("a value's length")?;
                    let value = self.reader.bytes(length, "a value")?;
                    self.value(kind, value)?;
                }
                other => return Err(before.error("a column's kind", Fault::Unknown(other))),
            }
        }
        Ok(())
    }

    fn value(&mut self, kind: u8, value: &[u8]) -> Result<(), DecodeError> {
        let (new_kind, converted) = match kind {
            b't' if !value.is_ascii() => match self.conversion.convert(value) {
                Converted::Text(text) => (kind, text),
                Converted::NotText => (b'b', value),
            },
            _ => (kind, value),
        };
        let Ok(length) = i32::try_from(converted.len()) else {
            let fault = Fault::LengthOutOfRange(converted.len());
            return Err(self.reader.error("a value's length", fault));
        };
        self.is_changed |= new_kind != kind || converted != value;
        self.out.push(new_kind);
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(converted);
        Ok(())
    }

    fn name(&mut self) -> Result<(), DecodeError> {
        let name = self.reader.zero_terminated("a name")?;
        if name.is_ascii() {
            self.out.extend_from_slice(name);
        } else {
            match self.conversion.convert(name) {
                Converted::Text(text) => {
                    self.is_changed |= text != name;
                    self.out.extend_from_slice(text);
                }
                Converted::NotText => {
                    self.is_changed = true;
                    self.out.extend_from_slice(without_bytes(name).as_bytes());
                }
            }
        }
        self.out.push(0);
        Ok(())
    }

    fn count(&mut self) -> Result<u16, DecodeError> {
        let count = self.reader.count16("a number of columns")?;
        self.out.extend_from_slice(&count.to_be_bytes());
        Ok(count)
    }

    fn copy(&mut self, count: usize) -> Result<(), DecodeError> {
        let bytes = self.reader.bytes(count, "the rest of the message")?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
