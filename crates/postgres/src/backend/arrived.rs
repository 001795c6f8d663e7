//! First message of the bytes that a socket has delivered.

use bytes::{Buf, BytesMut};
use walcast_pgoutput::frame::{Next, whole_messages};
use walcast_pgoutput::{DecodeError, FrameBlock};

use super::message::BackendMessage;

/// First message of the received bytes.
#[derive(Clone, Debug)]
pub(crate) enum Arrived {
    /// All complete `CopyData` messages at the beginning.
    Frames(FrameBlock),
    /// One message of another kind.
    Message(BackendMessage),
    /// An incomplete message.
    NeedMore {
        /// Least number of bytes of the message, which is more than have arrived.
        total_bytes: usize,
    },
}

impl Arrived {
    /// Takes the first message from `buffer`, which keeps the bytes after it. An incomplete message stays in the buffer.
    ///
    /// # Errors
    /// The bytes are no message: the bytes after them cannot be parsed either.
    pub(crate) fn take(buffer: &mut BytesMut) -> Result<Self, DecodeError> {
        let whole = whole_messages(buffer)?;
        if whole.copy_data_bytes > 0 {
            let block = buffer.split_to(whole.copy_data_bytes).freeze();
            return Ok(Self::Frames(FrameBlock::new(block)));
        }
        match whole.next {
            Next::NeedMore { total_bytes } => Ok(Self::NeedMore { total_bytes }),
            Next::Other { tag, message_bytes } => {
                let message = buffer.chunk().get(..message_bytes).unwrap_or_default();
                let message = BackendMessage::parse(tag, message)?;
                buffer.advance(message_bytes);
                Ok(Self::Message(message))
            }
        }
    }
}
