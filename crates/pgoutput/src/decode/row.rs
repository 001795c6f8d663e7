//! Messages that carry changes: rows, truncations, logical messages.

use super::fields::{flags, stream_xid};
use crate::error::{DecodeError, Fault};
use crate::message::{Delete, Insert, LogicalMessage, OldTuple, Truncate, Update};
use crate::reader::Reader;
use crate::tuple::Tuple;
use crate::wire;

#[inline]
pub(super) fn insert<'a>(reader: &mut Reader<'a>, in_stream: bool) -> Result<Insert<'a>, DecodeError> {
    let xid = stream_xid(reader, in_stream)?;
    let relation = reader.oid("the table")?;
    new_tuple_mark(reader)?;
    Ok(Insert {
        xid,
        relation,
        new: Tuple::read(reader)?,
    })
}

#[inline]
pub(super) fn update<'a>(reader: &mut Reader<'a>, in_stream: bool) -> Result<Update<'a>, DecodeError> {
    let xid = stream_xid(reader, in_stream)?;
    let relation = reader.oid("the table")?;
    let before = reader.clone();
    let old = match reader.u8("the kind of the first tuple")? {
        b'N' => {
            return Ok(Update {
                xid,
                relation,
                old: None,
                new: Tuple::read(reader)?,
            });
        }
        b'K' => OldTuple::Key(Tuple::read(reader)?),
        b'O' => OldTuple::Full(Tuple::read(reader)?),
        other => return Err(before.error("the kind of the first tuple (K, O or N)", Fault::Unknown(other))),
    };
    new_tuple_mark(reader)?;
    Ok(Update {
        xid,
        relation,
        old: Some(old),
        new: Tuple::read(reader)?,
    })
}

#[inline]
pub(super) fn delete<'a>(reader: &mut Reader<'a>, in_stream: bool) -> Result<Delete<'a>, DecodeError> {
    let xid = stream_xid(reader, in_stream)?;
    let relation = reader.oid("the table")?;
    let before = reader.clone();
    let old = match reader.u8("the kind of the old tuple")? {
        b'K' => OldTuple::Key(Tuple::read(reader)?),
        b'O' => OldTuple::Full(Tuple::read(reader)?),
        other => return Err(before.error("the kind of the old tuple (K or O)", Fault::Unknown(other))),
    };
    Ok(Delete { xid, relation, old })
}

pub(super) fn truncate(reader: &mut Reader<'_>, in_stream: bool) -> Result<Truncate, DecodeError> {
    const OID_BYTES: usize = 4;
    let xid = stream_xid(reader, in_stream)?;
    let count = reader.length32("the number of tables")?;
    let flags = flags(
        reader,
        wire::TRUNCATE_CASCADE | wire::TRUNCATE_RESTART_IDENTITY,
        "the truncation's options",
    )?;
    // A count that the message cannot hold must not become an allocation.
    let mut relations = Vec::with_capacity(count.min(reader.rest().len() / OID_BYTES));
    for _ in 0..count {
        relations.push(reader.oid("a truncated table")?);
    }
    Ok(Truncate {
        xid,
        cascade: flags & wire::TRUNCATE_CASCADE != 0,
        restart_identity: flags & wire::TRUNCATE_RESTART_IDENTITY != 0,
        relations,
    })
}

pub(super) fn logical<'a>(
    reader: &mut Reader<'a>,
    in_stream: bool,
) -> Result<LogicalMessage<'a>, DecodeError> {
    let xid = stream_xid(reader, in_stream)?;
    let flags = flags(reader, wire::MESSAGE_TRANSACTIONAL, "the logical message's flags")?;
    let lsn = reader.lsn("where the logical message lies")?;
    let prefix = reader.text("the logical message's prefix")?;
    let length = reader.length32("the logical message's length")?;
    let content = reader.bytes(length, "the logical message's content")?;
    Ok(LogicalMessage {
        xid,
        transactional: flags & wire::MESSAGE_TRANSACTIONAL != 0,
        lsn,
        prefix,
        content,
    })
}

#[inline]
fn new_tuple_mark(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let before = reader.clone();
    match reader.u8("the new tuple")? {
        b'N' => Ok(()),
        other => Err(before.error("the new tuple (N)", Fault::Unknown(other))),
    }
}
