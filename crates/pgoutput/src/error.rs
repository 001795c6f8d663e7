//! Errors of bytes from the server.

/// Error of a message that cannot be decoded.
///
/// The error has the message's tag, the byte offset in the message at which decoding stopped, and what was expected
/// there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot decode {}: {fault} at byte {offset}, wanted {wanted}", TagName(*.tag))]
pub struct DecodeError {
    /// First byte of the message, if there is one.
    pub tag: Option<u8>,
    /// Offset in the message, in bytes, from its tag.
    pub offset: usize,
    /// What the decoder expected.
    pub wanted: &'static str,
    /// What the decoder found instead.
    pub fault: Fault,
}

/// What was found instead of the expected field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The message ended too early.
    #[error("the message ends")]
    Truncated,
    /// Bytes were left over after the message.
    #[error("{0} bytes are left over")]
    Trailing(usize),
    /// A tag, kind or flag has an unknown value.
    #[error("unknown value 0x{0:02X}")]
    Unknown(u8),
    /// A length or count is negative.
    #[error("negative length {0}")]
    NegativeLength(i32),
    /// A message's length, which counts itself, is less than 4 or makes it longer than
    /// [`MESSAGE_BYTES_MAX`](crate::frame::MESSAGE_BYTES_MAX).
    #[error("length {0} is out of range")]
    LengthOutOfRange(usize),
    /// A name is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// The message is valid, but not at this point of the stream.
    #[error("the message is not valid at this point of the stream")]
    OutOfPlace,
}

struct TagName(Option<u8>);

impl std::fmt::Display for TagName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(tag) if tag.is_ascii_graphic() => write!(f, "message '{}'", char::from(tag)),
            Some(tag) => write!(f, "message 0x{tag:02X}"),
            None => f.write_str("an empty message"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DecodeError, Fault};

    #[test]
    fn message_offset_and_fault_are_in_the_text() {
        let text = |tag: Option<u8>, fault| {
            let error = DecodeError {
                tag,
                offset: 5,
                wanted: "a tuple",
                fault,
            };
            error.to_string()
        };
        for (fault, found) in [
            (Fault::Truncated, "the message ends"),
            (Fault::Trailing(3), "3 bytes are left over"),
            (Fault::Unknown(0x58), "unknown value 0x58"),
            (Fault::NegativeLength(-1), "negative length -1"),
            (Fault::LengthOutOfRange(2), "length 2 is out of range"),
            (Fault::NotUtf8, "text is not UTF-8"),
            (
                Fault::OutOfPlace,
                "the message is not valid at this point of the stream",
            ),
        ] {
            assert_eq!(
                text(Some(b'I'), fault),
                format!("cannot decode message 'I': {found} at byte 5, wanted a tuple")
            );
        }
        assert!(text(Some(0), Fault::Truncated).starts_with("cannot decode message 0x00: "));
        assert!(text(None, Fault::Truncated).starts_with("cannot decode an empty message: "));
    }
}
