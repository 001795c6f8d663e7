//! Fields that several messages have.

use crate::error::{DecodeError, Fault};
use crate::identity::Xid;
use crate::reader::Reader;

/// Reads the transaction id in front of a message inside a block.
#[inline]
pub(super) fn stream_xid(reader: &mut Reader<'_>, in_stream: bool) -> Result<Option<Xid>, DecodeError> {
    if in_stream {
        reader.xid("the streamed transaction").map(Some)
    } else {
        Ok(None)
    }
}

/// Reads a byte of flags and rejects flags outside of `known`: a change with an unknown meaning must not be passed on.
pub(super) fn flags(reader: &mut Reader<'_>, known: u8, wanted: &'static str) -> Result<u8, DecodeError> {
    let before = reader.clone();
    let flags = reader.u8(wanted)?;
    if flags & !known == 0 {
        Ok(flags)
    } else {
        Err(before.error(wanted, Fault::Unknown(flags)))
    }
}
