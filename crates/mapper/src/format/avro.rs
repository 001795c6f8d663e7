//! [Avro's binary encoding][1].
//!
//! [1]: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding

use super::{Format, Nullability};
use crate::avro;

/// Avro's binary encoding: nothing but values, in the order of the schema.
#[derive(Debug)]
pub(crate) enum Avro {}

impl Format for Avro {
    #[inline]
    fn present(nullability: Nullability, out: &mut Vec<u8>) {
        match nullability {
            Nullability::Required => {}
            Nullability::NullFirst => out.push(avro::SECOND_BRANCH),
            Nullability::NullLast => out.push(avro::FIRST_BRANCH),
        }
    }

    #[inline]
    fn absent(nullability: Nullability, out: &mut Vec<u8>) {
        match nullability {
            // A null in a NOT NULL column was rejected before.
            Nullability::Required => debug_assert!(false, "a required value is missing"),
            Nullability::NullFirst => out.push(avro::FIRST_BRANCH),
            Nullability::NullLast => out.push(avro::SECOND_BRANCH),
        }
    }

    #[inline]
    fn boolean(value: bool, out: &mut Vec<u8>) {
        out.push(u8::from(value));
    }

    #[inline]
    fn integer(value: i64, out: &mut Vec<u8>) {
        avro::put_long(value, out);
    }

    #[inline]
    fn float(value: f32, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn double(value: f64, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_le_bytes());
    }

    #[inline]
    fn string(text: &[u8], out: &mut Vec<u8>) {
        avro::put_bytes(text, out);
    }

    #[inline]
    fn bytes(length: usize, bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
        avro::put_length(length, out);
        out.extend(bytes);
    }

    #[inline]
    fn decimal(_text: &[u8], unscaled: &[u8], out: &mut Vec<u8>) {
        avro::put_bytes(unscaled, out);
    }

    /// One block for all items; none at all when there are none.
    #[inline]
    fn begin_array(count: usize, out: &mut Vec<u8>) {
        if count > 0 {
            avro::put_length(count, out);
        }
    }

    #[inline]
    fn item(_out: &mut Vec<u8>) {}

    #[inline]
    fn end_array(out: &mut Vec<u8>) {
        out.push(avro::BLOCKS_END);
    }

    fn begin_map(count: usize, out: &mut Vec<u8>) {
        Self::begin_array(count, out);
    }

    fn entry(key: &[u8], out: &mut Vec<u8>) {
        avro::put_bytes(key, out);
    }

    fn end_map(out: &mut Vec<u8>) {
        Self::end_array(out);
    }

    #[inline]
    fn begin_record(_out: &mut Vec<u8>) {}

    #[inline]
    fn field(_name: &str, _out: &mut Vec<u8>) {}

    #[inline]
    fn end_record(_out: &mut Vec<u8>) {}
}
