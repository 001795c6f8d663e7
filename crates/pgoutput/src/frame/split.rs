//! Split of the bytes from the socket into whole messages.

use crate::error::{DecodeError, Fault};
use crate::reader::Reader;

/// Limit of the size of a message, 1 GiB: Postgres builds a message in one allocation, whose limit is just below that
/// (`MaxAllocSize`). A longer message means that the stream was misread, and must not become an allocation here.
pub const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// A message's tag and length.
const HEADER_BYTES: usize = 5;

/// Smallest valid length: a length includes itself.
const LENGTH_MIN: usize = 4;

/// Contents of a buffer, as found by [`whole_messages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Size of the whole `CopyData` messages at the beginning: a [`FrameBlock`](crate::FrameBlock), when not 0.
    pub copy_data_bytes: usize,
    /// Contents after these messages.
    pub next: Next,
}

/// Contents after the whole `CopyData` messages of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// No message, or an incomplete one.
    NeedMore {
        /// Smallest size of the message, counted from its tag; exact once its length has arrived. Larger than the
        /// bytes of it in the buffer.
        total_bytes: usize,
    },
    /// A whole message that is not `CopyData`: an error, a notice, the end of the copy.
    Other {
        /// First byte of the message.
        tag: u8,
        /// Size of the message, tag and length included.
        message_bytes: usize,
    },
}

/// Finds the whole `CopyData` messages at the beginning of `buffer`, by their headers only.
///
/// The search stops at the first message that is incomplete or is not `CopyData`. A later call with the bytes after
/// the reported ones and the bytes that have arrived since resumes there: no header of a whole message is read twice.
///
/// # Errors
/// A length is less than 4 or makes the message longer than [`MESSAGE_BYTES_MAX`]: the stream cannot be followed any further.
pub fn whole_messages(buffer: &[u8]) -> Result<Whole, DecodeError> {
    let mut rest = buffer;
    loop {
        let copy_data_bytes = buffer.len() - rest.len();
        let end = |next| {
            Ok(Whole {
                copy_data_bytes,
                next,
            })
        };
        let (Some(tag), Some(message_bytes)) = (rest.first().copied(), message_bytes(rest)?) else {
            return end(Next::NeedMore {
                total_bytes: HEADER_BYTES,
            });
        };
        rest = match rest.split_at_checked(message_bytes) {
            None => {
                return end(Next::NeedMore {
                    total_bytes: message_bytes,
                });
            }
            Some((_, after)) if tag == b'd' => after,
            Some(_) => return end(Next::Other { tag, message_bytes }),
        };
    }
}

/// Takes the first message from `rest`, which has to be a whole `CopyData`, and returns its payload.
pub(super) fn copy_data_payload<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let mut reader = Reader::new(rest);
    let tag = reader.u8("a message's tag")?;
    if tag != b'd' {
        return Err(Reader::new(rest).error("CopyData (d)", Fault::Unknown(tag)));
    }
    let message_bytes =
        message_bytes(rest)?.ok_or_else(|| reader.error("a message's length", Fault::Truncated))?;
    reader.u32("a message's length")?;
    let payload = reader.bytes(message_bytes - HEADER_BYTES, "a message's payload")?;
    *rest = reader.rest();
    Ok(payload)
}

/// Size of the message at the beginning, once its header has arrived; at least [`HEADER_BYTES`].
#[inline]
fn message_bytes(message: &[u8]) -> Result<Option<usize>, DecodeError> {
    if message.len() < HEADER_BYTES {
        return Ok(None);
    }
    let mut reader = Reader::new(message);
    reader.u8("a message's tag")?;
    let before = reader.clone();
    let length = reader.length32("a message's length")?;
    if (LENGTH_MIN..MESSAGE_BYTES_MAX).contains(&length) {
        Ok(Some(length + 1))
    } else {
        Err(before.error("a message's length", Fault::LengthOutOfRange(length)))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::whole_messages;

    fn check(buffer: &[u8], expected: &Expect) {
        expected.assert_eq(&match whole_messages(buffer) {
            Ok(whole) => format!("{} bytes, then {:?}", whole.copy_data_bytes, whole.next),
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn an_incomplete_message_reports_its_size() {
        check(b"", &expect!["0 bytes, then NeedMore { total_bytes: 5 }"]);
        check(b"d\0\0\0", &expect!["0 bytes, then NeedMore { total_bytes: 5 }"]);
        check(
            b"d\0\0\0\x0aab",
            &expect!["0 bytes, then NeedMore { total_bytes: 11 }"],
        );
        check(
            b"d\x3f\xff\xff\xffab",
            &expect!["0 bytes, then NeedMore { total_bytes: 1073741824 }"],
        );
    }

    #[test]
    fn whole_messages_are_counted_together() {
        check(
            b"d\0\0\0\x04",
            &expect!["5 bytes, then NeedMore { total_bytes: 5 }"],
        );
        check(
            b"d\0\0\0\x06abd\0\0\0\x05cd",
            &expect!["13 bytes, then NeedMore { total_bytes: 5 }"],
        );
    }

    #[test]
    fn another_message_is_reported_once_it_is_whole() {
        check(
            b"d\0\0\0\x05cE\0\0\0\x07S",
            &expect!["6 bytes, then NeedMore { total_bytes: 8 }"],
        );
        check(
            b"d\0\0\0\x05cE\0\0\0\x07S\0\0d",
            &expect!["6 bytes, then Other { tag: 69, message_bytes: 8 }"],
        );
        check(
            b"c\0\0\0\x04",
            &expect!["0 bytes, then Other { tag: 99, message_bytes: 5 }"],
        );
    }

    #[test]
    fn an_invalid_length_is_an_error() {
        check(
            b"d\0\0\0\x03",
            &expect![
                "error: cannot decode message 'd': length 3 is out of range at byte 1, wanted a message's length"
            ],
        );
        check(
            b"E\0\0\0\0",
            &expect![
                "error: cannot decode message 'E': length 0 is out of range at byte 1, wanted a message's length"
            ],
        );
        check(
            b"d\x40\0\0\0",
            &expect![
                "error: cannot decode message 'd': length 1073741824 is out of range at byte 1, wanted a message's length"
            ],
        );
        check(
            b"d\xff\xff\xff\xff",
            &expect![
                "error: cannot decode message 'd': negative length -1 at byte 1, wanted a message's length"
            ],
        );
        check(
            b"d\0\0\0\x05cd\x7f\xff\xff\xff",
            &expect![
                "error: cannot decode message 'd': length 2147483647 is out of range at byte 1, wanted a message's length"
            ],
        );
    }
}
