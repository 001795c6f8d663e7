//! Messages that begin and end transactions and blocks of them.

use super::fields::flags;
use crate::error::DecodeError;
use crate::message::{Begin, Commit, Origin, Prepared, RollbackPrepared, StreamAbort, StreamStart};
use crate::reader::Reader;

pub(super) fn begin(reader: &mut Reader<'_>) -> Result<Begin, DecodeError> {
    Ok(Begin {
        commit_lsn: reader.lsn("where the commit lies")?,
        commit_time: reader.timestamp("the commit's time")?,
        xid: reader.xid("the transaction")?,
    })
}

pub(super) fn commit(reader: &mut Reader<'_>) -> Result<Commit, DecodeError> {
    no_flags(reader)?;
    Ok(Commit {
        commit_lsn: reader.lsn("where the commit lies")?,
        end_lsn: reader.lsn("where the transaction ends")?,
        commit_time: reader.timestamp("the commit's time")?,
    })
}

pub(super) fn origin<'a>(reader: &mut Reader<'a>) -> Result<Origin<'a>, DecodeError> {
    Ok(Origin {
        commit_lsn: reader.lsn("where the origin's commit lies")?,
        name: reader.text("the origin's name")?,
    })
}

pub(super) fn stream_start(reader: &mut Reader<'_>) -> Result<StreamStart, DecodeError> {
    let xid = reader.xid("the transaction")?;
    let first = flags(reader, 1, "whether it is the first block")? != 0;
    Ok(StreamStart { xid, first })
}

/// The last two fields are present when the session requested `streaming 'parallel'`, which the message does not say:
/// they are present when bytes are left.
pub(super) fn stream_abort(reader: &mut Reader<'_>) -> Result<StreamAbort, DecodeError> {
    let xid = reader.xid("the transaction")?;
    let subxid = reader.xid("the subtransaction")?;
    let aborted = if reader.rest().is_empty() {
        None
    } else {
        Some((
            reader.lsn("where the abort lies")?,
            reader.timestamp("the abort's time")?,
        ))
    };
    Ok(StreamAbort { xid, subxid, aborted })
}

pub(super) fn begin_prepare<'a>(reader: &mut Reader<'a>) -> Result<Prepared<'a>, DecodeError> {
    Ok(Prepared {
        lsn: reader.lsn("where the record lies")?,
        end_lsn: reader.lsn("where the record ends")?,
        time: reader.timestamp("the record's time")?,
        xid: reader.xid("the transaction")?,
        gid: reader.text("the prepared transaction's name")?,
    })
}

pub(super) fn prepared<'a>(reader: &mut Reader<'a>) -> Result<Prepared<'a>, DecodeError> {
    no_flags(reader)?;
    begin_prepare(reader)
}

pub(super) fn rollback_prepared<'a>(reader: &mut Reader<'a>) -> Result<RollbackPrepared<'a>, DecodeError> {
    no_flags(reader)?;
    Ok(RollbackPrepared {
        prepare_end_lsn: reader.lsn("where the prepare record ends")?,
        end_lsn: reader.lsn("where the rollback record ends")?,
        prepared_at: reader.timestamp("the prepare's time")?,
        rolled_back_at: reader.timestamp("the rollback's time")?,
        xid: reader.xid("the transaction")?,
        gid: reader.text("the prepared transaction's name")?,
    })
}

/// Reads the byte that the protocol reserves for flags, none of which has a meaning yet.
fn no_flags(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    flags(reader, 0, "no flags").map(|_| ())
}
