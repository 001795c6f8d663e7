//! Decoding of messages.
//!
//! The first byte of a message is its tag. Row messages come first in the match: they are nearly all of the stream,
//! and decoding one allocates nothing.

mod fields;
mod row;
mod schema;
mod transaction;

use crate::error::{DecodeError, Fault};
use crate::message::Message;
use crate::reader::Reader;

/// Decodes pgoutput messages of one session, protocol versions 1 to 4.
///
/// The decoder keeps whether the stream is inside a block of a transaction in progress, where messages have the
/// transaction's id in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoder {
    in_stream: bool,
}

impl Decoder {
    /// A decoder at the beginning of a session.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one message.
    ///
    /// Text and values borrow from `message`; only [`Message::Relation`], [`Message::Type`] and
    /// [`Message::Truncate`] allocate.
    ///
    /// # Errors
    /// The bytes are not a message of the protocol, or the message is not valid at this point: a block inside a block,
    /// an end without a beginning. The decoder's state is then unchanged.
    pub fn decode<'a>(&mut self, message: &'a [u8]) -> Result<Message<'a>, DecodeError> {
        let mut reader = Reader::new(message);
        let tag = reader.u8("a message's tag")?;
        let message = match tag {
            b'I' => Message::Insert(row::insert(&mut reader, self.in_stream)?),
            b'U' => Message::Update(row::update(&mut reader, self.in_stream)?),
            b'D' => Message::Delete(row::delete(&mut reader, self.in_stream)?),
            b'T' => Message::Truncate(row::truncate(&mut reader, self.in_stream)?),
            b'M' => Message::Logical(row::logical(&mut reader, self.in_stream)?),
            b'R' => Message::Relation(schema::relation(&mut reader, self.in_stream)?),
            b'Y' => Message::Type(schema::type_message(&mut reader, self.in_stream)?),
            b'O' => Message::Origin(transaction::origin(&mut reader)?),
            b'E' => self.stream_stop(message)?,
            _ => self.between_blocks(tag, message, &mut reader)?,
        };
        reader.end()?;
        match message {
            Message::StreamStart(_) => self.in_stream = true,
            Message::StreamStop => self.in_stream = false,
            _ => {}
        }
        Ok(message)
    }

    fn stream_stop<'a>(&self, message: &[u8]) -> Result<Message<'a>, DecodeError> {
        if !self.in_stream {
            return Err(Reader::new(message).error("a message outside of a block", Fault::OutOfPlace));
        }
        Ok(Message::StreamStop)
    }

    /// Decodes messages that begin and end transactions and blocks: the server closes a block before it sends one. A
    /// [`Message::StreamAbort`] needs no block before it: PostgreSQL 18 sends one for subtransactions of which nothing
    /// was streamed, in protocol version 1 too (`testdata/stray_abort.sql`).
    fn between_blocks<'a>(
        &self,
        tag: u8,
        message: &[u8],
        reader: &mut Reader<'a>,
    ) -> Result<Message<'a>, DecodeError> {
        let known = b"BCScAbPKrp".contains(&tag);
        if known && self.in_stream {
            return Err(Reader::new(message).error("a change or the end of the block", Fault::OutOfPlace));
        }
        Ok(match tag {
            b'B' => Message::Begin(transaction::begin(reader)?),
            b'C' => Message::Commit(transaction::commit(reader)?),
            b'S' => Message::StreamStart(transaction::stream_start(reader)?),
            b'c' => Message::StreamCommit {
                xid: reader.xid("the transaction")?,
                commit: transaction::commit(reader)?,
            },
            b'A' => Message::StreamAbort(transaction::stream_abort(reader)?),
            b'b' => Message::BeginPrepare(transaction::begin_prepare(reader)?),
            b'P' => Message::Prepare(transaction::prepared(reader)?),
            b'K' => Message::CommitPrepared(transaction::prepared(reader)?),
            b'r' => Message::RollbackPrepared(transaction::rollback_prepared(reader)?),
            b'p' => Message::StreamPrepare(transaction::prepared(reader)?),
            other => return Err(Reader::new(message).error("a known message's tag", Fault::Unknown(other))),
        })
    }
}

#[cfg(test)]
mod tests;
