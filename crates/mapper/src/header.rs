//! Record headers: Debezium's, and the record's identity.

use crate::avro;
use crate::encode::{Encoder, Fault, Scratch};
use crate::envelope::{Envelope, Row};
use crate::source::{CONNECTOR, put_decimal};
use crate::{Batch, RecordId};
use walcast_pgoutput::Column;

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
pub(crate) fn push_context(batch: &mut Batch, topic_prefix: &str, id: &RecordId) {
    batch.push_header(LOGICAL_NAME, |out| out.extend_from_slice(topic_prefix.as_bytes()));
    batch.push_header(TASK, |out| out.extend_from_slice(ONLY_TASK));
    // Debezium's word for the kind of connector, not for this one.
    batch.push_header(CONNECTOR_NAME, |out| out.extend_from_slice(CONNECTOR.as_bytes()));
    batch.push_header(IDENTITY, |out| put_id(id, out));
}

/// What [`RecordId`] prints, without the formatting machinery.
fn put_id(id: &RecordId, out: &mut Vec<u8>) {
    let lsn = id.commit_lsn.as_u64();
    put_hexadecimal(lsn >> 32, out);
    out.push(b'/');
    put_hexadecimal(lsn & 0xFFFF_FFFF, out);
    out.push(b'/');
    put_decimal(id.ordinal.as_u64(), out);
    if id.part > 0 {
        out.push(b'.');
        put_decimal(u64::from(id.part), out);
    }
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

/// A key as Kafka Connect's header converter prints it: JSON, its text escaped no further than quotes and backslashes.
pub(crate) fn put_key_json(
    envelope: &Envelope,
    row: &Row<'_>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), (usize, Fault)> {
    let mut separator = b'{';
    for place in &envelope.key {
        let (Some(column), Some(value)) = (envelope.columns.get(*place), row.at(*place)) else {
            continue;
        };
        out.push(separator);
        separator = b',';
        put_quoted(column.name().as_bytes(), out);
        out.push(b':');
        match value {
            Column::Text(text) => {
                put_value(column.encoder(), text, scratch, out).map_err(|fault| (*place, fault))?;
            }
            Column::Null | Column::UnchangedToast | Column::Binary(_) => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    Ok(())
}

fn put_value(encoder: &Encoder, text: &[u8], scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut value = Vec::new();
    encoder.put(text, scratch, &mut value)?;
    let string = avro::take_bytes(&value).unwrap_or_default();
    match encoder {
        Encoder::Boolean => out.extend_from_slice(if value == [1] { b"true" } else { b"false" }),
        Encoder::Int16
        | Encoder::Int32
        | Encoder::Int64
        | Encoder::Oid
        | Encoder::Date
        | Encoder::Time(_)
        | Encoder::Timestamp(_) => {
            let (number, _) = avro::take_long(&value).unwrap_or_default();
            if number < 0 {
                out.push(b'-');
            }
            put_decimal(number.unsigned_abs(), out);
        }
        Encoder::Float | Encoder::Double | Encoder::Decimal { .. } => out.extend_from_slice(text),
        Encoder::Text
        | Encoder::Uuid
        | Encoder::Json
        | Encoder::ZonedTimestamp { .. }
        | Encoder::Enum { .. } => {
            put_quoted(string, out);
        }
        Encoder::Bytes => put_base64(string, out),
        Encoder::VariableDecimal => {
            let (scale, rest) = avro::take_long(&value).unwrap_or_default();
            out.extend_from_slice(b"{\"scale\":");
            put_decimal(scale.unsigned_abs(), out);
            out.extend_from_slice(b",\"value\":");
            put_base64(avro::take_bytes(rest).unwrap_or_default(), out);
            out.push(b'}');
        }
        Encoder::Array(_) => put_quoted(text, out),
    }
    Ok(())
}

fn put_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

fn put_base64(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push(b'"');
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 0x3F)
                .ok()
                .and_then(|digit| DIGITS.get(digit));
            out.push(if place <= group.len() {
                digit.copied().unwrap_or(b'=')
            } else {
                b'='
            });
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use walcast_pgoutput::Lsn;

    use super::{put_base64, put_id};
    use crate::{Ordinal, RecordId};

    #[test]
    fn the_identity_is_what_it_prints() {
        for (lsn, ordinal, part) in [
            (0, 0, 0),
            (0x16B_3748, 9, 1),
            (0x2A_0000_00FF, 1_234_567, 2),
            (u64::MAX, u64::MAX, 255),
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

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in [
            ("", "\"\""),
            ("f", "\"Zg==\""),
            ("fo", "\"Zm8=\""),
            ("foo", "\"Zm9v\""),
            ("foob", "\"Zm9vYg==\""),
        ] {
            let mut out = Vec::new();
            put_base64(bytes.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
