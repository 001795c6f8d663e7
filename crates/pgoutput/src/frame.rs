//! Frames of the replication stream: the payloads of `CopyData` messages.
//!
//! See <https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-START-REPLICATION>.

mod split;

use bytes::Bytes;

use crate::error::{DecodeError, Fault};
use crate::lsn::Lsn;
use crate::reader::Reader;
use crate::timestamp::PgTimestamp;

pub use split::{MESSAGE_BYTES_MAX, Next, Whole, whole_messages};

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

    /// The frames in the order of the stream; iteration ends after an error.
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
