//! The one place that reads bytes from the wire.

use crate::error::{DecodeError, Fault};
use crate::{Lsn, Oid, PgTimestamp, Xid};

/// A bounds-checked cursor over one message; each read names what it wanted.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
    tag: Option<u8>,
}

impl<'a> Reader<'a> {
    /// Reads `message`, whose first byte is its tag; the tag is read first by [`Reader::u8`].
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            length: message.len(),
            tag: message.first().copied(),
        }
    }

    /// Bytes read so far.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.length - self.rest.len()
    }

    /// The bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// An error at the current offset.
    #[must_use]
    pub fn error(&self, wanted: &'static str, fault: Fault) -> DecodeError {
        DecodeError {
            tag: self.tag,
            offset: self.offset(),
            wanted,
            fault,
        }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// The message ends before.
    pub fn bytes(&mut self, count: usize, wanted: &'static str) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.error(wanted, Fault::Truncated))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, wanted: &'static str) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.error(wanted, Fault::Truncated))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// The message ends before.
    pub fn u8(&mut self, wanted: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(wanted).map(|[byte]| byte)
    }

    /// A big-endian 16-bit count, which the protocol sends signed.
    ///
    /// # Errors
    /// The message ends before, or the count is negative.
    pub fn count16(&mut self, wanted: &'static str) -> Result<u16, DecodeError> {
        let before = self.clone();
        let count = i16::from_be_bytes(self.array(wanted)?);
        u16::try_from(count).map_err(|_| before.error(wanted, Fault::NegativeLength(i32::from(count))))
    }

    /// A big-endian 32-bit length, which the protocol sends signed.
    ///
    /// # Errors
    /// The message ends before, or the length is negative.
    pub fn length32(&mut self, wanted: &'static str) -> Result<usize, DecodeError> {
        let before = self.clone();
        let length = i32::from_be_bytes(self.array(wanted)?);
        usize::try_from(length).map_err(|_| before.error(wanted, Fault::NegativeLength(length)))
    }

    /// A big-endian signed 32-bit number.
    ///
    /// # Errors
    /// The message ends before.
    pub fn i32(&mut self, wanted: &'static str) -> Result<i32, DecodeError> {
        self.array(wanted).map(i32::from_be_bytes)
    }

    /// A big-endian unsigned 32-bit number.
    ///
    /// # Errors
    /// The message ends before.
    pub fn u32(&mut self, wanted: &'static str) -> Result<u32, DecodeError> {
        self.array(wanted).map(u32::from_be_bytes)
    }

    /// An object identifier.
    ///
    /// # Errors
    /// The message ends before.
    pub fn oid(&mut self, wanted: &'static str) -> Result<Oid, DecodeError> {
        self.u32(wanted).map(Oid::new)
    }

    /// A transaction identifier.
    ///
    /// # Errors
    /// The message ends before.
    pub fn xid(&mut self, wanted: &'static str) -> Result<Xid, DecodeError> {
        self.u32(wanted).map(Xid::new)
    }

    /// A log position.
    ///
    /// # Errors
    /// The message ends before.
    pub fn lsn(&mut self, wanted: &'static str) -> Result<Lsn, DecodeError> {
        self.array(wanted)
            .map(|bytes| Lsn::new(u64::from_be_bytes(bytes)))
    }

    /// A moment on the server's clock.
    ///
    /// # Errors
    /// The message ends before.
    pub fn timestamp(&mut self, wanted: &'static str) -> Result<PgTimestamp, DecodeError> {
        self.array(wanted)
            .map(|bytes| PgTimestamp::from_postgres_micros(i64::from_be_bytes(bytes)))
    }

    /// Text up to a zero byte, which is read too.
    ///
    /// # Errors
    /// No zero byte follows, or the text is not UTF-8.
    pub fn text(&mut self, wanted: &'static str) -> Result<&'a str, DecodeError> {
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(|| self.error(wanted, Fault::Truncated))?;
        let before = self.clone();
        let text = std::str::from_utf8(self.bytes(end, wanted)?)
            .map_err(|_| before.error(wanted, Fault::NotUtf8))?;
        self.u8(wanted)?;
        Ok(text)
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// Bytes are left over.
    pub fn end(&self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(self.error("the end of the message", Fault::Trailing(left))),
        }
    }
}
