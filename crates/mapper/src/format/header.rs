//! Text in the form of Connect's `SimpleHeaderConverter`.

use super::json::put_base64;
use super::{Format, Json, Nullability, java_number};

/// JSON as in [`Json`], but text is escaped only for quotes and backslashes, and exact numbers are numbers.
#[derive(Debug)]
pub(crate) enum HeaderText {}

impl Format for HeaderText {
    fn present(_nullability: Nullability, _out: &mut Vec<u8>) {}

    fn absent(nullability: Nullability, out: &mut Vec<u8>) {
        Json::absent(nullability, out);
    }

    fn boolean(value: bool, out: &mut Vec<u8>) {
        Json::boolean(value, out);
    }

    fn integer(value: i64, out: &mut Vec<u8>) {
        Json::integer(value, out);
    }

    fn float(value: f32, out: &mut Vec<u8>) {
        java_number::put(value, out);
    }

    fn double(value: f64, out: &mut Vec<u8>) {
        java_number::put(value, out);
    }

    fn string(text: &[u8], out: &mut Vec<u8>) {
        out.push(b'"');
        for byte in text {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        out.push(b'"');
    }

    fn bytes(_length: usize, bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
        put_base64(bytes, out);
    }

    fn decimal(text: &[u8], _unscaled: &[u8], out: &mut Vec<u8>) {
        java_number::put_decimal(text, out);
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
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        Self::string(key, out);
        out.push(b':');
    }

    fn end_map(out: &mut Vec<u8>) {
        Json::end_map(out);
    }

    fn begin_pair(out: &mut Vec<u8>) {
        Json::begin_pair(out);
    }

    fn second_of_pair(out: &mut Vec<u8>) {
        Json::second_of_pair(out);
    }

    fn end_pair(out: &mut Vec<u8>) {
        Json::end_pair(out);
    }

    fn begin_record(out: &mut Vec<u8>) {
        Self::begin_map(0, out);
    }

    fn field(name: &str, out: &mut Vec<u8>) {
        Self::entry(name.as_bytes(), out);
    }

    fn end_record(out: &mut Vec<u8>) {
        Self::end_map(out);
    }
}
