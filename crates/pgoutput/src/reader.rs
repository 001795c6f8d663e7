//! Reader of bytes from the wire, the only one of the crate.

use crate::error::{DecodeError, Fault};
use crate::identity::{Oid, Xid};
use crate::lsn::Lsn;
use crate::timestamp::PgTimestamp;

/// Bounds-checked cursor over one message; each read names the field that it expects.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
    tag: Option<u8>,
}

impl<'a> Reader<'a> {
    /// Creates a reader of `message`, whose first byte is its tag; [`Reader::u8`] reads the tag first.
    #[must_use]
    #[inline]
    pub fn new(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            length: message.len(),
            tag: message.first().copied(),
        }
    }

    /// Number of bytes read so far.
    #[must_use]
    #[inline]
    pub fn offset(&self) -> usize {
        self.length - self.rest.len()
    }

    /// The bytes that are not read yet.
    #[must_use]
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Creates an error at the current offset.
    #[cold]
    #[must_use]
    pub fn error(&self, wanted: &'static str, fault: Fault) -> DecodeError {
        DecodeError {
            tag: self.tag,
            offset: self.offset(),
            wanted,
            fault,
        }
    }

    /// Reads `count` bytes.
    ///
    /// # Errors
    /// The message ends before.
    #[inline]
    pub fn bytes(&mut self, count: usize, wanted: &'static str) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.error(wanted, Fault::Truncated))?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self, wanted: &'static str) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.error(wanted, Fault::Truncated))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// The message ends before.
    #[inline]
    pub fn u8(&mut self, wanted: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(wanted).map(|[byte]| byte)
    }

    /// Reads a big-endian 16-bit count, which the protocol sends signed.
    ///
    /// # Errors
    /// The message ends before, or the count is negative.
    #[inline]
    pub fn count16(&mut self, wanted: &'static str) -> Result<u16, DecodeError> {
        let before = self.clone();
        let count = i16::from_be_bytes(self.array(wanted)?);
        u16::try_from(count).map_err(|_| before.error(wanted, Fault::NegativeLength(i32::from(count))))
    }

    /// Reads a big-endian 32-bit length, which the protocol sends signed.
    ///
    /// # Errors
    /// The message ends before, or the length is negative.
    #[inline]
    pub fn length32(&mut self, wanted: &'static str) -> Result<usize, DecodeError> {
        let before = self.clone();
        let length = i32::from_be_bytes(self.array(wanted)?);
        usize::try_from(length).map_err(|_| before.error(wanted, Fault::NegativeLength(length)))
    }

    /// Reads a big-endian signed 32-bit number.
    ///
    /// # Errors
    /// The message ends before.
    #[inline]
    pub fn i32(&mut self, wanted: &'static str) -> Result<i32, DecodeError> {
        self.array(wanted).map(i32::from_be_bytes)
    }

    /// Reads a big-endian unsigned 32-bit number.
    ///
    /// # Errors
    /// The message ends before.
    #[inline]
    pub fn u32(&mut self, wanted: &'static str) -> Result<u32, DecodeError> {
        self.array(wanted).map(u32::from_be_bytes)
    }

    /// Reads an object identifier.
    ///
    /// # Errors
    /// The message ends before.
    #[inline]
    pub fn oid(&mut self, wanted: &'static str) -> Result<Oid, DecodeError> {
        self.u32(wanted).map(Oid::new)
    }

    /// Reads a transaction identifier.
    ///
    /// # Errors
    /// The message ends before.
    #[inline]
    pub fn xid(&mut self, wanted: &'static str) -> Result<Xid, DecodeError> {
        self.u32(wanted).map(Xid::new)
    }

    /// Reads a log sequence number.
    ///
    /// # Errors
    /// The message ends before.
    #[inline]
    pub fn lsn(&mut self, wanted: &'static str) -> Result<Lsn, DecodeError> {
        self.array(wanted)
            .map(|bytes| Lsn::new(u64::from_be_bytes(bytes)))
    }

    /// Reads a timestamp of the server's clock.
    ///
    /// # Errors
    /// The message ends before.
    #[inline]
    pub fn timestamp(&mut self, wanted: &'static str) -> Result<PgTimestamp, DecodeError> {
        self.array(wanted)
            .map(|bytes| PgTimestamp::from_postgres_micros(i64::from_be_bytes(bytes)))
    }

    /// Reads text up to a zero byte, and the zero byte.
    ///
    /// # Errors
    /// No zero byte follows, or the text is not UTF-8.
    pub fn text(&mut self, wanted: &'static str) -> Result<&'a str, DecodeError> {
        let before = self.clone();
        let text = self.zero_terminated(wanted)?;
        std::str::from_utf8(text).map_err(|_| before.error(wanted, Fault::NotUtf8))
    }

    /// Reads bytes up to a zero byte, and the zero byte.
    ///
    /// # Errors
    /// No zero byte follows.
    pub fn zero_terminated(&mut self, wanted: &'static str) -> Result<&'a [u8], DecodeError> {
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(|| self.error(wanted, Fault::Truncated))?;
        let bytes = self.bytes(end, wanted)?;
        self.u8(wanted)?;
        Ok(bytes)
    }

    /// Checks that no bytes are left.
    ///
    /// # Errors
    /// Bytes are left over.
    #[inline]
    pub fn end(&self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(self.error("the end of the message", Fault::Trailing(left))),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::Reader;
    use crate::error::DecodeError;

    fn check<'a>(
        bytes: &'a [u8],
        read: impl Fn(&mut Reader<'a>) -> Result<String, DecodeError>,
        expected: &Expect,
    ) {
        let mut reader = Reader::new(bytes);
        let outcome = read(&mut reader).unwrap_or_else(|error| error.to_string());
        expected.assert_eq(&format!("{outcome}; at {}", reader.offset()));
    }

    #[test]
    fn text_ends_at_a_zero_byte() {
        let text = |reader: &mut Reader<'_>| reader.text("a name").map(str::to_owned);
        check(b"ab\0c", text, &expect!["ab; at 3"]);
        check(b"\0", text, &expect!["; at 1"]);
        check(
            b"ab",
            text,
            &expect!["cannot decode message 'a': the message ends at byte 0, wanted a name; at 0"],
        );
        check(
            b"\xff\0",
            text,
            &expect!["cannot decode message 0xFF: text is not UTF-8 at byte 0, wanted a name; at 2"],
        );
    }

    #[test]
    fn numbers_are_big_endian() {
        check(
            b"\x01\x02\x03\x04",
            |reader| Ok(reader.u32("a number")?.to_string()),
            &expect!["16909060; at 4"],
        );
        check(
            b"\xff\xff\xff\xfe",
            |reader| Ok(reader.i32("a number")?.to_string()),
            &expect!["-2; at 4"],
        );
        check(
            b"\0\0\0\x01\0\0\0\x02",
            |reader| Ok(reader.lsn("a position")?.to_string()),
            &expect!["1/2; at 8"],
        );
        check(
            b"\x7f\xff",
            |reader| Ok(reader.count16("a count")?.to_string()),
            &expect!["32767; at 2"],
        );
        check(
            b"\x7f\xff\xff\xff",
            |reader| Ok(reader.length32("a length")?.to_string()),
            &expect!["2147483647; at 4"],
        );
    }

    #[test]
    fn counts_and_lengths_are_not_negative() {
        check(
            b"\x80\0",
            |reader| Ok(reader.count16("a count")?.to_string()),
            &expect!["cannot decode message 0x80: negative length -32768 at byte 0, wanted a count; at 2"],
        );
        check(
            b"\xff\xff\xff\xff",
            |reader| Ok(reader.length32("a length")?.to_string()),
            &expect!["cannot decode message 0xFF: negative length -1 at byte 0, wanted a length; at 4"],
        );
    }

    #[test]
    fn reads_beyond_the_end_are_errors() {
        check(
            b"ab",
            |reader| Ok(format!("{:?}", reader.bytes(3, "a value")?)),
            &expect!["cannot decode message 'a': the message ends at byte 0, wanted a value; at 0"],
        );
        check(
            b"ab",
            |reader| Ok(reader.u32("a number")?.to_string()),
            &expect!["cannot decode message 'a': the message ends at byte 0, wanted a number; at 0"],
        );
        check(
            b"",
            |reader| Ok(reader.u8("a tag")?.to_string()),
            &expect!["cannot decode an empty message: the message ends at byte 0, wanted a tag; at 0"],
        );
        check(
            b"\x00a",
            |reader| reader.end().map(|()| String::new()),
            &expect![
                "cannot decode message 0x00: 2 bytes are left over at byte 0, wanted the end of the message; at 0"
            ],
        );
    }
}
