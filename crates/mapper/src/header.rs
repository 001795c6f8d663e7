//! Record headers: Debezium's, and the record's identity.

use crate::column::ColumnFault;
use crate::encode::Scratch;
use crate::envelope::{Envelope, KeyColumn, Row, RowFault};
use crate::format::{Format, HeaderText, Nullability};
use crate::read::Identity;
use crate::source::{CONNECTOR, put_decimal};
use crate::{Batch, RecordId, RowId};
use walcast_pgoutput::{Column, Lsn, Oid};

/// The new key, on the delete of a row that moved.
pub(crate) const NEW_KEY: &str = "__debezium.newkey";
/// The old key, on the create of a row that moved.
pub(crate) const OLD_KEY: &str = "__debezium.oldkey";

const LOGICAL_NAME: &str = "__debezium.context.connectorLogicalName";
const TASK: &str = "__debezium.context.taskId";
const CONNECTOR_NAME: &str = "__debezium.context.connectorName";
const IDENTITY: &str = "walcast.id";

/// Debezium numbers its tasks, of which there is one.
const ONLY_TASK: &[u8] = b"0";

/// Adds the headers that every record has.
pub(crate) fn push_context(batch: &mut Batch, topic_prefix: &str, identity: &Identity) {
    batch.push_header(LOGICAL_NAME, |out| out.extend_from_slice(topic_prefix.as_bytes()));
    batch.push_header(TASK, |out| out.extend_from_slice(ONLY_TASK));
    // Debezium's word for the kind of connector, not for this one.
    batch.push_header(CONNECTOR_NAME, |out| out.extend_from_slice(CONNECTOR.as_bytes()));
    batch.push_header(IDENTITY, |out| put_identity(identity, out));
}

fn put_identity(identity: &Identity, out: &mut Vec<u8>) {
    match identity {
        Identity::Change(id) => put_id(id, out),
        Identity::Read { lsn, row } => put_row_id(*lsn, row, out),
        Identity::Gone {
            lsn,
            table,
            number,
            part,
        } => {
            put_table(*lsn, *table, out);
            out.extend_from_slice(b"(gone,");
            put_decimal(u64::from(*number), out);
            put_part(*part, out);
            out.push(b')');
        }
    }
}

/// What the header says that tells which record this is.
pub(crate) fn identity_text(identity: &Identity) -> String {
    let mut out = Vec::new();
    put_identity(identity, &mut out);
    String::from_utf8(out).expect("digits, slashes and brackets")
}

/// Adds the header that tells which record this is.
pub(crate) fn push_id(batch: &mut Batch, id: &RecordId) {
    batch.push_header(IDENTITY, |out| put_id(id, out));
}

/// The same for the edge of a transaction.
pub(crate) fn push_edge_id(batch: &mut Batch, commit_lsn: Lsn, edge: &str) {
    batch.push_header(IDENTITY, |out| {
        put_lsn(commit_lsn, out);
        out.push(b'/');
        out.extend_from_slice(edge.as_bytes());
    });
}

/// What [`RecordId`] prints, without the formatting machinery.
fn put_id(id: &RecordId, out: &mut Vec<u8>) {
    put_lsn(id.commit_lsn, out);
    out.push(b'/');
    put_decimal(id.ordinal.as_u64(), out);
    put_part(id.part, out);
}

/// The records of one change are numbered from the second on.
fn put_part(part: u32, out: &mut Vec<u8>) {
    if part > 0 {
        out.push(b'.');
        put_decimal(u64::from(part), out);
    }
}

/// A row that was read has no commit: its table and its place tell it from others at the same position.
fn put_row_id(lsn: Lsn, row: &RowId, out: &mut Vec<u8>) {
    put_table(lsn, row.table, out);
    out.push(b'(');
    put_decimal(u64::from(row.tid.block), out);
    out.push(b',');
    put_decimal(u64::from(row.tid.offset), out);
    out.push(b')');
}

/// A table at a position.
fn put_table(lsn: Lsn, table: Oid, out: &mut Vec<u8>) {
    put_lsn(lsn, out);
    out.push(b'/');
    put_decimal(u64::from(table.as_u32()), out);
}

fn put_lsn(lsn: Lsn, out: &mut Vec<u8>) {
    put_hexadecimal(lsn.as_u64() >> 32, out);
    out.push(b'/');
    put_hexadecimal(lsn.as_u64() & 0xFFFF_FFFF, out);
}

fn put_hexadecimal(number: u64, out: &mut Vec<u8>) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = u8::try_from((number >> (4 * place)) & 0xF).expect("four bits");
        out.push(if digit < 10 {
            b'0' + digit
        } else {
            b'A' + digit - 10
        });
    }
}

/// A key as Kafka Connect's header converter prints it.
pub(crate) fn put_key(
    envelope: &Envelope,
    row: &Row<'_>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), RowFault> {
    HeaderText::begin_record(out);
    for KeyColumn { place, column } in &envelope.key {
        HeaderText::field(column.field_name(), out);
        match row.at(*place) {
            Some(Column::Text(text)) => {
                let written = column.encoder().put::<HeaderText>(text, scratch, out);
                written.map_err(|fault| RowFault::Column {
                    place: *place,
                    fault: ColumnFault::Value(fault),
                })?;
            }
            Some(Column::Null) if envelope.key_is_filled && row.is_key_only() => {
                column.put_missing::<HeaderText>(out);
            }
            Some(Column::Null | Column::UnchangedToast | Column::Binary(_)) | None => {
                HeaderText::absent(Nullability::NullFirst, out);
            }
        }
    }
    HeaderText::end_record(out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use walcast_pgoutput::Lsn;

    use super::put_id;
    use crate::{Ordinal, RecordId};

    #[test]
    fn the_identity_is_what_it_prints() {
        for (lsn, ordinal, part) in [
            (0, 0, 0),
            (0x16B_3748, 9, 1),
            (0x2A_0000_00FF, 1_234_567, 2),
            (u64::MAX, u64::MAX, u32::MAX),
        ] {
            let id = RecordId {
                commit_lsn: Lsn::new(lsn),
                ordinal: Ordinal::new(ordinal),
                part,
            };
            let mut out = Vec::new();
            put_id(&id, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), id.to_string());
        }
    }
}
