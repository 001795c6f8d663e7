//! Headers of records: Debezium's, and the record's identity.

use crate::change::RecordId;
use crate::column::ColumnError;
use crate::encode::Scratch;
use crate::envelope::Envelope;
use crate::event_context::Identity;
use crate::format::{Format, HeaderText, Nullability};
use crate::key::KeyColumn;
use crate::read::RowId;
use crate::record_buffer::RecordBuffer;
use crate::row::{Row, RowError};
use crate::source::{CONNECTOR, put_decimal};
use walcast_pgoutput::{Column, Lsn, Oid};

/// Header with the new key, on the delete of a row whose key changed.
pub(crate) const NEW_KEY: &str = "__debezium.newkey";
/// Header with the old key, on the create of a row whose key changed.
pub(crate) const OLD_KEY: &str = "__debezium.oldkey";

const LOGICAL_NAME: &str = "__debezium.context.connectorLogicalName";
const TASK: &str = "__debezium.context.taskId";
const CONNECTOR_NAME: &str = "__debezium.context.connectorName";
const IDENTITY: &str = "walcast.id";

/// Number of the only task in Debezium's context.
const ONLY_TASK: &[u8] = b"0";

/// Adds Debezium's context headers.
pub(crate) fn push_context(buffer: &mut RecordBuffer, topic_prefix: &str) {
    buffer.push_header(LOGICAL_NAME, |out| out.extend_from_slice(topic_prefix.as_bytes()));
    buffer.push_header(TASK, |out| out.extend_from_slice(ONLY_TASK));
    // Debezium's name of the connector for Postgres, not this connector's name.
    buffer.push_header(CONNECTOR_NAME, |out| out.extend_from_slice(CONNECTOR.as_bytes()));
}

/// Adds the header `walcast.id`.
pub(crate) fn push_identity(buffer: &mut RecordBuffer, identity: &Identity) {
    buffer.push_header(IDENTITY, |out| put_identity(identity, out));
}

fn put_identity(identity: &Identity, out: &mut Vec<u8>) {
    match identity {
        Identity::Change(id) => put_id(id, out),
        Identity::Read { lsn, row } => put_row_id(*lsn, row, out),
        Identity::MissingRow {
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

/// Value of the header `walcast.id`.
pub(crate) fn identity_text(identity: &Identity) -> String {
    let mut out = Vec::new();
    put_identity(identity, &mut out);
    String::from_utf8(out).expect("digits, slashes and brackets")
}

/// Adds the header `walcast.id` of a message.
pub(crate) fn push_id(buffer: &mut RecordBuffer, id: &RecordId) {
    buffer.push_header(IDENTITY, |out| put_id(id, out));
}

/// Adds the header `walcast.id` of the beginning or the end of a transaction.
pub(crate) fn push_boundary_id(buffer: &mut RecordBuffer, commit_lsn: Lsn, boundary: &str) {
    buffer.push_header(IDENTITY, |out| {
        put_lsn(commit_lsn, out);
        out.push(b'/');
        out.extend_from_slice(boundary.as_bytes());
    });
}

/// Appends a [`RecordId`] as it is printed, without the formatting machinery.
fn put_id(id: &RecordId, out: &mut Vec<u8>) {
    put_lsn(id.commit_lsn, out);
    out.push(b'/');
    put_decimal(id.ordinal.as_u64(), out);
    put_part(id.part, out);
}

/// Appends the number of a record among those of its change, from the second record on.
fn put_part(part: u32, out: &mut Vec<u8>) {
    if part > 0 {
        out.push(b'.');
        put_decimal(u64::from(part), out);
    }
}

/// Appends the identity of a row that was read: position, table and `ctid`.
fn put_row_id(lsn: Lsn, row: &RowId, out: &mut Vec<u8>) {
    put_table(lsn, row.table, out);
    out.push(b'(');
    put_decimal(u64::from(row.tid.block), out);
    out.push(b',');
    put_decimal(u64::from(row.tid.offset), out);
    out.push(b')');
}

/// Appends a table at a position.
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

/// Appends a key as Kafka Connect's header converter prints it.
pub(crate) fn put_key(
    envelope: &Envelope,
    row: &Row<'_>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), RowError> {
    HeaderText::begin_record(out);
    for KeyColumn { place, column } in &envelope.key {
        HeaderText::field(column.field_name(), out);
        match row.at(*place) {
            Some(Column::Text(text)) => {
                let written = column.encoder().put::<HeaderText>(text, scratch, out);
                written.map_err(|fault| RowError::Column {
                    place: *place,
                    fault: ColumnError::Value(fault),
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
    use crate::change::{Ordinal, RecordId};

    #[test]
    fn identities_are_written_as_printed() {
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
