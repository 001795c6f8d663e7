//! What stands for values that the log did not send, and for defaults that are not literals.

use md5::Digest;

use crate::encode::{Encoder, SCALE, VALUE};
use crate::format::Format;

/// What Debezium writes into a NOT NULL field that an old tuple does not hold: nothing of the type.
pub(crate) fn put_fallback<F: Format>(encoder: &Encoder, out: &mut Vec<u8>) {
    match encoder {
        Encoder::Boolean => F::boolean(false, out),
        Encoder::Int16
        | Encoder::Int32
        | Encoder::Int64
        | Encoder::Oid
        | Encoder::Date
        | Encoder::Time(_)
        | Encoder::Timestamp(_) => F::integer(0, out),
        Encoder::Text | Encoder::Uuid | Encoder::Json | Encoder::Enum { .. } => F::string(b"", out),
        Encoder::Bytes => put_bytes::<F>(b"", out),
        Encoder::Array(_) => {
            F::begin_array(0, out);
            F::end_array(out);
        }
        Encoder::Float => F::float(0.0, out),
        Encoder::Double => F::double(0.0, out),
        Encoder::Decimal { .. } => F::decimal(b"0", &[0], out),
        Encoder::VariableDecimal => put_variable_decimal::<F>(&[0], out),
        Encoder::ZonedTimestamp { .. } => F::string(b"1970-01-01T00:00:00Z", out),
        Encoder::Altered(altered) => put_fallback::<F>(&altered.inner, out),
    }
}

/// What stands for an unchanged value that was stored out of line: never null, and recognizable.
///
/// As Debezium does it: the placeholder where there is text or bytes, a UUID made of it, and its bytes as numbers in
/// arrays of numbers. Where Debezium has nothing and sends null, the same idea is carried on.
pub(crate) fn put_unavailable<F: Format>(encoder: &Encoder, placeholder: &[u8], out: &mut Vec<u8>) {
    match encoder {
        Encoder::Text | Encoder::Json | Encoder::Enum { .. } | Encoder::ZonedTimestamp { .. } => {
            F::string(placeholder, out);
        }
        Encoder::Bytes => put_bytes::<F>(placeholder, out),
        Encoder::Decimal { .. } => F::decimal(b"null", placeholder, out),
        Encoder::Uuid => F::string(uuid_of(placeholder).as_bytes(), out),
        Encoder::VariableDecimal => put_variable_decimal::<F>(placeholder, out),
        Encoder::Array(element) => put_unavailable_array::<F>(element, placeholder, out),
        Encoder::Altered(altered) => put_unavailable::<F>(&altered.inner, placeholder, out),
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
        | Encoder::Timestamp(_) => put_fallback::<F>(encoder, out),
    }
}

fn put_unavailable_array<F: Format>(element: &Encoder, placeholder: &[u8], out: &mut Vec<u8>) {
    let bytes = || placeholder.iter().copied();
    match element {
        Encoder::Int16
        | Encoder::Int32
        | Encoder::Int64
        | Encoder::Oid
        | Encoder::Date
        | Encoder::Time(_)
        | Encoder::Timestamp(_) => {
            put_items::<F, _>(element, bytes(), out, |byte, out| {
                F::integer(i64::from(byte), out)
            });
        }
        Encoder::Float => {
            put_items::<F, _>(element, bytes(), out, |byte, out| F::float(f32::from(byte), out));
        }
        Encoder::Double => {
            put_items::<F, _>(element, bytes(), out, |byte, out| F::double(f64::from(byte), out));
        }
        Encoder::Boolean => {
            let bits = bytes().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1 == 1));
            put_items::<F, _>(element, bits, out, F::boolean);
        }
        other => put_items::<F, _>(element, [()].into_iter(), out, |(), out| {
            put_unavailable::<F>(other, placeholder, out);
        }),
    }
}

fn put_items<F: Format, T>(
    element: &Encoder,
    items: impl Iterator<Item = T> + Clone,
    out: &mut Vec<u8>,
    put: impl Fn(T, &mut Vec<u8>),
) {
    F::begin_array(items.clone().count(), out);
    for item in items {
        F::item(out);
        F::present(element.element_nullability(), out);
        put(item, out);
    }
    F::end_array(out);
}

fn put_variable_decimal<F: Format>(unscaled: &[u8], out: &mut Vec<u8>) {
    F::begin_record(out);
    F::field(SCALE, out);
    F::integer(0, out);
    F::field(VALUE, out);
    put_bytes::<F>(unscaled, out);
    F::end_record(out);
}

fn put_bytes<F: Format>(bytes: &[u8], out: &mut Vec<u8>) {
    F::bytes(bytes.len(), bytes.iter().copied(), out);
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
