//! What stands for values that the log did not send, and for defaults that are not literals.

use md5::Digest;
use serde_json::Value;

use crate::encode::{
    DateForm, EMPTY_WKB, Encoder, SCALE, TimeForm, VALUE, put_geometry, put_point, put_sparse,
};
use crate::format::{Format, Nullability};
use crate::{BinaryMode, IntervalMode};

/// What Debezium writes into a NOT NULL field that an old tuple does not hold: nothing of the type.
pub(crate) fn put_fallback<F: Format>(encoder: &Encoder, out: &mut Vec<u8>) {
    match encoder {
        Encoder::Boolean | Encoder::Bit => F::boolean(false, out),
        Encoder::Int16
        | Encoder::Int32
        | Encoder::Int64
        | Encoder::Oid
        | Encoder::Interval(IntervalMode::Numeric) => F::integer(0, out),
        Encoder::Date(DateForm::Iso) => F::string(b"1970-01-01Z", out),
        Encoder::Date(_) => F::integer(0, out),
        Encoder::Time(TimeForm::Iso) | Encoder::ZonedTime => F::string(b"00:00:00Z", out),
        Encoder::Timestamp(TimeForm::Iso) | Encoder::ZonedTimestamp { .. } => {
            F::string(b"1970-01-01T00:00:00Z", out);
        }
        Encoder::Time(_) | Encoder::Timestamp(_) => F::integer(0, out),
        Encoder::Interval(IntervalMode::String) => F::string(b"P0Y0M0DT0H0M0S", out),
        Encoder::Text
        | Encoder::Uuid
        | Encoder::Json
        | Encoder::Named(_)
        | Encoder::Enum { .. }
        | Encoder::BytesText(_)
        | Encoder::Discarded => F::string(b"", out),
        Encoder::HstoreJson => F::string(b"{}", out),
        Encoder::Bytes | Encoder::Bits { .. } | Encoder::Opaque(BinaryMode::Bytes) => {
            put_bytes::<F>(b"", out)
        }
        Encoder::Opaque(_) => F::string(b"", out),
        Encoder::Array { .. } | Encoder::DoubleVector | Encoder::FloatVector => {
            F::begin_array(0, out);
            F::end_array(out);
        }
        Encoder::HstoreMap => {
            F::begin_map(0, out);
            F::end_map(out);
        }
        Encoder::Float => F::float(0.0, out),
        Encoder::Double | Encoder::DecimalDouble => F::double(0.0, out),
        Encoder::Decimal { .. } => F::decimal(b"0", &[0], out),
        Encoder::VariableDecimal => put_variable_decimal::<F>(&[0], out),
        Encoder::DecimalText { scale } => F::string(zero(scale.unwrap_or(0)).as_bytes(), out),
        Encoder::Money {
            form,
            fraction_digits,
        } => match form.as_ref() {
            Encoder::DecimalText { .. } => F::string(zero(*fraction_digits).as_bytes(), out),
            form => put_fallback::<F>(form, out),
        },
        Encoder::Point => put_point::<F>(0.0, 0.0, out),
        Encoder::Geometry | Encoder::Geography => {
            put_geometry::<F>(EMPTY_WKB.len(), EMPTY_WKB.into_iter(), None, out);
        }
        Encoder::SparseVector => put_sparse::<F>(0, std::iter::empty(), out),
        Encoder::Altered(altered) => put_fallback::<F>(&altered.inner, out),
    }
}

/// Nought with so many digits after the point.
fn zero(scale: usize) -> String {
    format!("{:.scale$}", 0.0)
}

/// What stands for an unchanged value that was stored out of line: never null, and recognizable.
///
/// As Debezium does it: the placeholder where there is text or bytes, a UUID made of it, and its bytes as numbers in
/// arrays of numbers. Where Debezium has nothing and sends null, the same idea is carried on.
pub(crate) fn put_unavailable<F: Format>(encoder: &Encoder, placeholder: &[u8], out: &mut Vec<u8>) {
    match encoder {
        Encoder::Text
        | Encoder::Json
        | Encoder::Named(_)
        | Encoder::Enum { .. }
        | Encoder::DecimalText { .. }
        | Encoder::BytesText(_)
        | Encoder::Date(DateForm::Iso)
        | Encoder::Time(TimeForm::Iso)
        | Encoder::Timestamp(TimeForm::Iso)
        | Encoder::ZonedTimestamp { .. }
        | Encoder::ZonedTime
        | Encoder::Interval(IntervalMode::String) => F::string(placeholder, out),
        Encoder::Bytes | Encoder::Bits { .. } | Encoder::Opaque(BinaryMode::Bytes) => {
            put_bytes::<F>(placeholder, out);
        }
        Encoder::Opaque(_) => F::string(placeholder, out),
        Encoder::Decimal { .. } => F::decimal(b"null", placeholder, out),
        Encoder::Money { form, .. } => put_unavailable::<F>(form, placeholder, out),
        // The only double that is no number.
        Encoder::DecimalDouble => F::double(f64::NAN, out),
        Encoder::Uuid => F::string(uuid_of(placeholder).as_bytes(), out),
        Encoder::VariableDecimal => put_variable_decimal::<F>(placeholder, out),
        Encoder::HstoreJson => {
            let word = Value::from(String::from_utf8_lossy(placeholder));
            F::string(format!("{{{word}:{word}}}").as_bytes(), out);
        }
        Encoder::HstoreMap => {
            F::begin_map(1, out);
            F::entry(placeholder, out);
            F::present(Nullability::NullFirst, out);
            F::string(placeholder, out);
            F::end_map(out);
        }
        Encoder::Geometry | Encoder::Geography => {
            put_geometry::<F>(placeholder.len(), placeholder.iter().copied(), None, out);
        }
        Encoder::DoubleVector => put_list::<F, _>(placeholder, out, |byte, out| F::double(byte.into(), out)),
        Encoder::FloatVector => put_list::<F, _>(placeholder, out, |byte, out| F::float(byte.into(), out)),
        Encoder::SparseVector => {
            let entries = (1i16..).zip(placeholder.iter().map(|byte| f64::from(*byte)));
            let dimensions = entries.clone().last().map_or(0, |(index, _)| index);
            put_sparse::<F>(dimensions, entries, out);
        }
        Encoder::Array { element, .. } => put_unavailable_array::<F>(element, placeholder, out),
        Encoder::Altered(altered) => put_unavailable::<F>(&altered.inner, placeholder, out),
        // Too short to be stored out of line; were one said to be, this is at least of its type.
        Encoder::Boolean
        | Encoder::Bit
        | Encoder::Int16
        | Encoder::Int32
        | Encoder::Int64
        | Encoder::Oid
        | Encoder::Float
        | Encoder::Double
        | Encoder::Date(_)
        | Encoder::Time(_)
        | Encoder::Timestamp(_)
        | Encoder::Interval(_)
        | Encoder::Point
        // Never sent.
        | Encoder::Discarded => put_fallback::<F>(encoder, out),
    }
}

fn put_list<F: Format, P: Fn(u8, &mut Vec<u8>)>(placeholder: &[u8], out: &mut Vec<u8>, put: P) {
    F::begin_array(placeholder.len(), out);
    for byte in placeholder {
        F::item(out);
        put(*byte, out);
    }
    F::end_array(out);
}

fn put_unavailable_array<F: Format>(element: &Encoder, placeholder: &[u8], out: &mut Vec<u8>) {
    let bytes = || placeholder.iter().copied();
    match element {
        Encoder::Int16
        | Encoder::Int32
        | Encoder::Int64
        | Encoder::Oid
        | Encoder::Date(DateForm::Days | DateForm::Connect)
        | Encoder::Time(TimeForm::Millis | TimeForm::Micros | TimeForm::Nanos | TimeForm::Connect)
        | Encoder::Timestamp(TimeForm::Millis | TimeForm::Micros | TimeForm::Nanos | TimeForm::Connect)
        | Encoder::Interval(IntervalMode::Numeric) => {
            put_items::<F, _>(element, bytes(), out, |byte, out| {
                F::integer(i64::from(byte), out)
            });
        }
        Encoder::Float => {
            put_items::<F, _>(element, bytes(), out, |byte, out| F::float(f32::from(byte), out));
        }
        Encoder::Double | Encoder::DecimalDouble => {
            put_items::<F, _>(element, bytes(), out, |byte, out| F::double(f64::from(byte), out));
        }
        Encoder::Boolean | Encoder::Bit => {
            let bits = bytes().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1 == 1));
            put_items::<F, _>(element, bits, out, F::boolean);
        }
        Encoder::Point => {
            put_items::<F, _>(element, bytes(), out, |byte, out| {
                put_point::<F>(f64::from(byte), 0.0, out);
            });
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
