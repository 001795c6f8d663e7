//! What the bytes that a socket has delivered begin with.

use bytes::{Buf, BytesMut};
use walcast_pgoutput::frame::{Next, whole_messages};
use walcast_pgoutput::{DecodeError, FrameBlock};

use super::BackendMessage;

/// The beginning of what has arrived.
#[derive(Clone, Debug)]
pub(crate) enum Arrived {
    /// Whole `CopyData` messages, as many as there are.
    Frames(FrameBlock),
    /// One message of another kind.
    Message(BackendMessage),
    /// A message that is not whole yet.
    NeedMore {
        /// How many bytes it has at least; more than have arrived of it.
        total_bytes: usize,
    },
}

impl Arrived {
    /// Takes it from `buffer`, which keeps what follows it, and all of a message that is not whole.
    ///
    /// # Errors
    /// The server sent what is no message: nothing after it can be understood.
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
