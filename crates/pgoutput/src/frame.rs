//! Frames of the replication stream: the payloads of `CopyData` messages.
//!
//! See <https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-START-REPLICATION>.

mod split;

use std::ops::Range;

use bytes::Bytes;

use crate::error::{DecodeError, Fault};
use crate::lsn::Lsn;
use crate::reader::Reader;
use crate::recode::{self, TextConversion};
use crate::timestamp::PgTimestamp;

pub use split::{MESSAGE_BYTES_MAX, Next, Whole, whole_messages};

/// Size of what precedes the pgoutput message in `XLogData`: tag, two positions, a time.
const DATA_HEAD_BYTES: usize = 25;

/// The payload of one `CopyData` message of a replication stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// `w`: data of the stream; with pgoutput always one whole message.
    XLogData {
        /// Position of the change in the WAL.
        wal_start: Lsn,
        /// End of the WAL; for logical streams the walsender repeats `wal_start`.
        wal_end: Lsn,
        /// Server's clock at the time of sending.
        sent_at: PgTimestamp,
        /// The pgoutput message.
        message: &'a [u8],
    },
    /// `k`: the primary keepalive.
    Keepalive {
        /// Position up to which the server has read the WAL; every earlier commit has been sent.
        wal_end: Lsn,
        /// Server's clock at the time of sending.
        sent_at: PgTimestamp,
        /// Whether the server requests a reply, and disconnects without one.
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
                wal_end: reader.lsn("the current end of the WAL")?,
                sent_at: reader.timestamp("the server's clock")?,
                message: reader.rest(),
            }),
            b'k' => {
                let wal_end = reader.lsn("the current end of the WAL")?;
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

/// Whole `CopyData` messages as they were read from the socket: the unit in which the stream passes from the reader to
/// the decoder, so that neither copies nor allocates per message.
#[derive(Clone, Debug)]
pub struct FrameBlock(Bytes);

impl FrameBlock {
    /// Wraps `bytes`. Iteration checks that they are whole `CopyData` messages.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Size in bytes, for limits.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.0.len()
    }

    /// The block with its texts converted to UTF-8. Messages in which nothing changes, and what cannot be decoded, stay as they are.
    ///
    /// The walsender converts texts itself unless the session requests the bytes as they are stored (`client_encoding =
    /// 'SQL_ASCII'`). Only messages of protocol version 1 have texts that are converted here.
    #[must_use]
    pub fn recode(&self, conversion: &mut impl TextConversion) -> Self {
        let bytes = &self.0;
        let mut rest: &[u8] = bytes;
        let mut recoded = Recoded::default();
        let mut message = Vec::new();
        while !rest.is_empty() {
            let start = bytes.len() - rest.len();
            let Ok(payload) = split::copy_data_payload(&mut rest) else {
                break;
            };
            let end = bytes.len() - rest.len();
            let Some((head, original)) = payload.split_at_checked(DATA_HEAD_BYTES) else {
                continue;
            };
            if head.first() == Some(&b'w') && recode::message(original, conversion, &mut message) {
                recoded.replace(bytes, start..end, head, &message);
            }
        }
        match recoded.finish(bytes) {
            Some(recoded) => Self(recoded.into()),
            None => self.clone(),
        }
    }

    /// The frames in the order of the stream; iteration ends after an error.
    #[must_use]
    pub fn frames(&self) -> Frames<'_> {
        Frames { rest: &self.0 }
    }
}

/// Bytes of a block in which messages are replaced.
#[derive(Default)]
struct Recoded {
    bytes: Vec<u8>,
    /// Size of the beginning of the block that `bytes` stands for.
    taken: usize,
}

impl Recoded {
    /// Replaces the `CopyData` message at a place of the block.
    fn replace(&mut self, block: &[u8], place: Range<usize>, head: &[u8], message: &[u8]) {
        // The length counts itself. A message that becomes too long stays as it is.
        let length = size_of::<u32>() + head.len() + message.len();
        let Some(length) = u32::try_from(length).ok().filter(|_| length < MESSAGE_BYTES_MAX) else {
            return;
        };
        let unchanged = block.get(self.taken..place.start).unwrap_or_default();
        self.bytes.extend_from_slice(unchanged);
        self.bytes.push(b'd');
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(message);
        self.taken = place.end;
    }

    /// The bytes; `None` if nothing was replaced.
    fn finish(mut self, block: &[u8]) -> Option<Vec<u8>> {
        if self.taken == 0 {
            return None;
        }
        self.bytes
            .extend_from_slice(block.get(self.taken..).unwrap_or_default());
        Some(self.bytes)
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
        let frame = split::copy_data_payload(&mut self.rest).and_then(Frame::decode);
        if frame.is_err() {
            self.rest = &[];
        }
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::FrameBlock;

    fn check(block: &'static [u8], expected: &Expect) {
        let lines: Vec<String> = FrameBlock::new(block.into())
            .frames()
            .map(|frame| match frame {
                Ok(frame) => format!("{frame:?}\n"),
                Err(error) => format!("error: {error}\n"),
            })
            .collect();
        expected.assert_eq(&lines.concat());
    }

    const KEEPALIVE: &[u8] = b"d\0\0\0\x16k\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\x03\x01";
    const DATA: &[u8] =
        b"d\0\0\0\x1Ew\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\0\0\x04\xff\xff\xff\xff\xff\xff\xff\xffE";

    #[test]
    fn frames_come_in_the_order_they_were_sent() {
        check(
            &[DATA, KEEPALIVE, DATA].concat().leak()[..],
            &expect![[r#"
                XLogData { wal_start: 1/2, wal_end: 1/4, sent_at: PgTimestamp(-1), message: [69] }
                Keepalive { wal_end: 1/2, sent_at: PgTimestamp(3), reply_requested: true }
                XLogData { wal_start: 1/2, wal_end: 1/4, sent_at: PgTimestamp(-1), message: [69] }
            "#]],
        );
    }

    #[test]
    fn an_empty_block_has_no_frames() {
        check(b"", &expect![""]);
    }

    #[test]
    fn iteration_ends_after_an_error() {
        check(
            &[b"d\0\0\0\x05x", KEEPALIVE].concat().leak()[..],
            &expect![[r#"
                error: cannot decode message 'x': unknown value 0x78 at byte 0, wanted a replication frame's tag (w or k)
            "#]],
        );
        check(
            &[b"d\0\0\0\x04", KEEPALIVE].concat().leak()[..],
            &expect![[r#"
                error: cannot decode an empty message: the message ends at byte 0, wanted a replication frame's tag
            "#]],
        );
        check(
            &[b"d\0\0\0\x03", KEEPALIVE].concat().leak()[..],
            &expect![[r#"
                error: cannot decode message 'd': length 3 is out of range at byte 1, wanted a message's length
            "#]],
        );
        check(
            &[KEEPALIVE, b"Z\0\0\0\x05I"].concat().leak()[..],
            &expect![[r#"
                Keepalive { wal_end: 1/2, sent_at: PgTimestamp(3), reply_requested: true }
                error: cannot decode message 'Z': unknown value 0x5A at byte 0, wanted CopyData (d)
            "#]],
        );
        check(
            &[KEEPALIVE, b"d\0\0\0"].concat().leak()[..],
            &expect![[r#"
                Keepalive { wal_end: 1/2, sent_at: PgTimestamp(3), reply_requested: true }
                error: cannot decode message 'd': the message ends at byte 1, wanted a message's length
            "#]],
        );
        check(
            &[KEEPALIVE, b"d\0\0\0\x06k"].concat().leak()[..],
            &expect![[r#"
                Keepalive { wal_end: 1/2, sent_at: PgTimestamp(3), reply_requested: true }
                error: cannot decode message 'd': the message ends at byte 5, wanted a message's payload
            "#]],
        );
        check(
            &[KEEPALIVE, b"d\0\0\0\x06k\0"].concat().leak()[..],
            &expect![[r#"
                Keepalive { wal_end: 1/2, sent_at: PgTimestamp(3), reply_requested: true }
                error: cannot decode message 'k': the message ends at byte 1, wanted the current end of the WAL
            "#]],
        );
    }
}
