//! Messages that describe tables and types.

use super::fields::{flags, stream_xid};
use crate::error::{DecodeError, Fault};
use crate::message::TypeMessage;
use crate::reader::Reader;
use crate::relation::{Relation, RelationColumn, ReplicaIdentity};
use crate::wire;

/// Smallest size of a column: flags, an empty name, a type and a modifier.
const COLUMN_BYTES_MIN: usize = 10;

pub(super) fn relation(reader: &mut Reader<'_>, in_stream: bool) -> Result<Relation, DecodeError> {
    let xid = stream_xid(reader, in_stream)?;
    let oid = reader.oid("the table")?;
    let namespace = namespace(reader, "the table's schema")?;
    let name = reader.text("the table's name")?.to_owned();
    let replica_identity = replica_identity(reader)?;
    let count = usize::from(reader.count16("the number of columns")?);
    // A count that the message cannot hold must not become an allocation.
    let mut columns = Vec::with_capacity(count.min(reader.rest().len() / COLUMN_BYTES_MIN));
    for _ in 0..count {
        columns.push(column(reader)?);
    }
    Ok(Relation {
        xid,
        oid,
        namespace,
        name,
        replica_identity,
        columns,
    })
}

pub(super) fn type_message(reader: &mut Reader<'_>, in_stream: bool) -> Result<TypeMessage, DecodeError> {
    Ok(TypeMessage {
        xid: stream_xid(reader, in_stream)?,
        oid: reader.oid("the type")?,
        namespace: namespace(reader, "the type's schema")?,
        name: reader.text("the type's name")?.to_owned(),
    })
}

fn column(reader: &mut Reader<'_>) -> Result<RelationColumn, DecodeError> {
    let flags = flags(reader, wire::COLUMN_IS_KEY, "a column's flags")?;
    Ok(RelationColumn {
        is_key: flags & wire::COLUMN_IS_KEY != 0,
        name: reader.text("a column's name")?.to_owned(),
        type_oid: reader.oid("a column's type")?,
        type_modifier: reader.i32("a column's type modifier")?,
    })
}

fn namespace(reader: &mut Reader<'_>, wanted: &'static str) -> Result<String, DecodeError> {
    let text = reader.text(wanted)?;
    Ok(if text.is_empty() {
        wire::CATALOG_NAMESPACE
    } else {
        text
    }
    .to_owned())
}

fn replica_identity(reader: &mut Reader<'_>) -> Result<ReplicaIdentity, DecodeError> {
    let before = reader.clone();
    match reader.u8("the replica identity")? {
        b'd' => Ok(ReplicaIdentity::Default),
        b'n' => Ok(ReplicaIdentity::Nothing),
        b'f' => Ok(ReplicaIdentity::Full),
        b'i' => Ok(ReplicaIdentity::Index),
        other => Err(before.error("the replica identity (d, n, f or i)", Fault::Unknown(other))),
    }
}
