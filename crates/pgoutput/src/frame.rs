//! What a walsender puts into `CopyData` once streaming has begun.
//!
//! See <https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-START-REPLICATION>.

mod split;

use bytes::Bytes;

use crate::error::{DecodeError, Fault};
use crate::reader::Reader;
use crate::{Lsn, PgTimestamp};

pub use split::{MESSAGE_BYTES_MAX, Next, Whole, whole_messages};

/// The payload of one `CopyData` message of a replication stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// `w`: a piece of the stream; with pgoutput always one whole message.
    XLogData {
        /// Where the change lies in the log.
        wal_start: Lsn,
        /// The walsender repeats `wal_start` here for logical streams.
        wal_end: Lsn,
        /// The server's clock when it sent this.
        sent_at: PgTimestamp,
        /// The pgoutput message.
        message: &'a [u8],
    },
    /// `k`: the primary keepalive.
    Keepalive {
        /// How far the server has read the log; everything committed before it has been sent.
        wal_end: Lsn,
        /// The server's clock when it sent this.
        sent_at: PgTimestamp,
        /// Whether the server will disconnect unless it is answered soon.
        reply_requested: bool,
    },
}

impl<'a> Frame<'a> {
    /// Decodes the payload of a `CopyData` message.
    ///
    /// # Errors
    /// The payload is neither `w` nor `k`, or is cut short or too long.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        match reader.u8("a replication frame's tag")? {
            b'w' => Ok(Frame::XLogData {
                wal_start: reader.lsn("where the data starts")?,
                wal_end: reader.lsn("the current end of the log")?,
                sent_at: reader.timestamp("the server's clock")?,
                message: reader.rest(),
            }),
            b'k' => {
                let wal_end = reader.lsn("the current end of the log")?;
                let sent_at = reader.timestamp("the server's clock")?;
                let reply_requested = reader.u8("whether a reply is wanted")? != 0;
                reader.end()?;
                Ok(Frame::Keepalive {
                    wal_end,
                    sent_at,
                    reply_requested,
                })
            }
            other => {
                Err(Reader::new(payload).error("a replication frame's tag (w or k)", Fault::Unknown(other)))
            }
        }
    }
}

/// Whole `CopyData` messages lying back to back as they were read from the socket: the unit in which the stream
/// travels from the reader to the decoder, so that neither copies nor allocates per message.
#[derive(Clone, Debug)]
pub struct FrameBlock(Bytes);

impl FrameBlock {
    /// Wraps `bytes`; that they are whole `CopyData` messages is checked while iterating.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Size in bytes, for budgets.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.0.len()
    }

    /// The frames in the order they were sent; after an error nothing more comes.
    #[must_use]
    pub fn frames(&self) -> Frames<'_> {
        Frames { rest: &self.0 }
    }
}

/// The frames of a [`FrameBlock`].
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let payload = split::copy_data_payload(&mut self.rest);
        if payload.is_err() {
            self.rest = &[];
        }
        Some(payload.and_then(Frame::decode))
    }
}
