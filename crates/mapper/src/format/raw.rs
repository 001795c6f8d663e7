//! Text and bytes without framing, for values that are transformed before they are written.

use super::{Format, Json, Nullability};

/// Format without framing: the bytes of the value alone.
#[derive(Debug)]
pub(crate) enum Raw {}

impl Format for Raw {
    fn present(_nullability: Nullability, _out: &mut Vec<u8>) {}

    fn absent(_nullability: Nullability, _out: &mut Vec<u8>) {}

    fn boolean(value: bool, out: &mut Vec<u8>) {
        Json::boolean(value, out);
    }

    fn integer(value: i64, out: &mut Vec<u8>) {
        Json::integer(value, out);
    }

    fn float(value: f32, out: &mut Vec<u8>) {
        Json::float(value, out);
    }

    fn double(value: f64, out: &mut Vec<u8>) {
        Json::double(value, out);
    }

    fn string(text: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(text);
    }

    fn bytes(_length: usize, bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
        out.extend(bytes);
    }

    fn decimal(text: &[u8], _unscaled: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(text);
    }

    fn begin_array(count: usize, out: &mut Vec<u8>) {
        Json::begin_array(count, out);
    }

    fn item(out: &mut Vec<u8>) {
        Json::item(out);
    }

    fn end_array(out: &mut Vec<u8>) {
        Json::end_array(out);
    }

    fn begin_map(count: usize, out: &mut Vec<u8>) {
        Json::begin_map(count, out);
    }

    fn entry(key: &[u8], out: &mut Vec<u8>) {
        Json::entry(key, out);
    }

    fn end_map(out: &mut Vec<u8>) {
        Json::end_map(out);
    }

    fn begin_record(out: &mut Vec<u8>) {
        Json::begin_record(out);
    }

    fn field(name: &str, out: &mut Vec<u8>) {
        Json::field(name, out);
    }

    fn end_record(out: &mut Vec<u8>) {
        Json::end_record(out);
    }
}
