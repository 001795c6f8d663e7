//! What stands for values that the log did not send, and for defaults that are not literals.

use md5::Digest;

use crate::avro;
use crate::encode::Encoder;

/// What Debezium writes into a NOT NULL field that an old tuple does not hold: nothing of the type.
pub(crate) fn fallback(encoder: &Encoder) -> Vec<u8> {
    match encoder {
        Encoder::Boolean
        | Encoder::Int16
        | Encoder::Int32
        | Encoder::Int64
        | Encoder::Oid
        | Encoder::Date
        | Encoder::Time(_)
        | Encoder::Timestamp(_)
        | Encoder::Text
        | Encoder::Uuid
        | Encoder::Json
        | Encoder::Bytes
        | Encoder::Enum { .. }
        | Encoder::Array(_) => vec![0],
        Encoder::Float => vec![0; 4],
        Encoder::Double => vec![0; 8],
        Encoder::Decimal { .. } => bytes(&[0]),
        Encoder::VariableDecimal => [vec![0], bytes(&[0])].concat(),
        Encoder::ZonedTimestamp { .. } => bytes(b"1970-01-01T00:00:00Z"),
    }
}

/// What stands for an unchanged value that was stored out of line: never null, and recognizable.
///
/// As Debezium does it: the placeholder where there is text or bytes, a UUID made of it, and its bytes as numbers in
/// arrays of numbers. Where Debezium has nothing and sends null, the same idea is carried on.
pub(crate) fn unavailable(encoder: &Encoder, placeholder: &str) -> Vec<u8> {
    match encoder {
        Encoder::Array(element) => unavailable_array(element, placeholder.as_bytes()),
        scalar => unavailable_scalar(scalar, placeholder.as_bytes()),
    }
}

fn unavailable_scalar(encoder: &Encoder, placeholder: &[u8]) -> Vec<u8> {
    match encoder {
        Encoder::Text
        | Encoder::Json
        | Encoder::Bytes
        | Encoder::Decimal { .. }
        | Encoder::Enum { .. }
        | Encoder::ZonedTimestamp { .. } => bytes(placeholder),
        Encoder::Uuid => bytes(uuid_of(placeholder).as_bytes()),
        Encoder::VariableDecimal => [vec![0], bytes(placeholder)].concat(),
        // Too short to be stored out of line; were one said to be, this is at least of its type.
        Encoder::Boolean
        | Encoder::Int16
        | Encoder::Int32
        | Encoder::Int64
        | Encoder::Oid
        | Encoder::Float
        | Encoder::Double
        | Encoder::Date
        | Encoder::Time(_)
        | Encoder::Timestamp(_)
        | Encoder::Array(_) => fallback(encoder),
    }
}

fn unavailable_array(element: &Encoder, placeholder: &[u8]) -> Vec<u8> {
    let items: Vec<Vec<u8>> = match element {
        Encoder::Int16
        | Encoder::Int32
        | Encoder::Int64
        | Encoder::Oid
        | Encoder::Date
        | Encoder::Time(_)
        | Encoder::Timestamp(_) => placeholder.iter().map(|byte| long(i64::from(*byte))).collect(),
        Encoder::Float => placeholder
            .iter()
            .map(|byte| f32::from(*byte).to_le_bytes().to_vec())
            .collect(),
        Encoder::Double => placeholder
            .iter()
            .map(|byte| f64::from(*byte).to_le_bytes().to_vec())
            .collect(),
        Encoder::Boolean => placeholder
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |bit| vec![byte >> bit & 1]))
            .collect(),
        other => vec![unavailable_scalar(other, placeholder)],
    };
    let mut out = Vec::new();
    if !items.is_empty() {
        avro::put_length(items.len(), &mut out);
    }
    for item in items {
        if element.nullable_in_array() {
            out.push(avro::SECOND_BRANCH);
        }
        out.extend(item);
    }
    out.push(avro::ARRAY_END);
    out
}

/// The name-based UUID (version 3, no namespace) that Java's `UUID.nameUUIDFromBytes` makes.
fn uuid_of(name: &[u8]) -> String {
    let mut digest: [u8; 16] = md5::Md5::digest(name).into();
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut digest;
    *version = *version & 0x0F | 0x30;
    *variant = *variant & 0x3F | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in digest.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn bytes(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    avro::put_bytes(value, &mut out);
    out
}

fn long(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    avro::put_long(value, &mut out);
    out
}
