//! The bytes that values are written as: one encoder for each type serves every format.
//!
//! A format has no state and no tree: each call appends to the buffer. Its functions are chosen when a row's code is
//! compiled, so that writing Avro costs what it did when there was nothing else.

mod avro;
mod header;
mod json;
mod raw;

pub(crate) use avro::Avro;
pub(crate) use header::HeaderText;
pub(crate) use json::{Json, Literal};
pub(crate) use raw::Raw;

/// Whether a value may be missing, and which branch of an Avro union says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nullability {
    /// Never missing: no union.
    Required,
    /// `["null", T]`.
    NullFirst,
    /// `[T, "null"]`: Connect's order where there is a default.
    NullLast,
}

/// How values become bytes.
pub(crate) trait Format {
    /// A value follows that could have been missing.
    fn present(nullability: Nullability, out: &mut Vec<u8>);
    /// A value is missing.
    fn absent(nullability: Nullability, out: &mut Vec<u8>);
    /// True or false.
    fn boolean(value: bool, out: &mut Vec<u8>);
    /// A whole number of any size up to 64 bits.
    fn integer(value: i64, out: &mut Vec<u8>);
    /// Single precision.
    fn float(value: f32, out: &mut Vec<u8>);
    /// Double precision.
    fn double(value: f64, out: &mut Vec<u8>);
    /// Text, which the caller has found to be UTF-8.
    fn string(text: &[u8], out: &mut Vec<u8>);
    /// Exactly `length` bytes.
    fn bytes(length: usize, bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>);
    /// An exact number: its decimal text, and its digits without the point in two's complement, big endian.
    fn decimal(text: &[u8], unscaled: &[u8], out: &mut Vec<u8>);
    /// `count` items follow, each after [`Format::item`].
    fn begin_array(count: usize, out: &mut Vec<u8>);
    /// An item follows.
    fn item(out: &mut Vec<u8>);
    /// The last item was written.
    fn end_array(out: &mut Vec<u8>);
    /// `count` values follow, each after its [`Format::entry`].
    fn begin_map(count: usize, out: &mut Vec<u8>);
    /// The value of `key` follows.
    fn entry(key: &[u8], out: &mut Vec<u8>);
    /// The last value was written.
    fn end_map(out: &mut Vec<u8>);
    /// An item of an array is a pair, whose first half follows: an entry of a map whose keys are not text.
    fn begin_pair(_out: &mut Vec<u8>) {}
    /// The second half follows.
    fn second_of_pair(_out: &mut Vec<u8>) {}
    /// The second half was written.
    fn end_pair(_out: &mut Vec<u8>) {}
    /// Fields follow, each after its [`Format::field`].
    fn begin_record(out: &mut Vec<u8>);
    /// The value of field `name` follows.
    fn field(name: &str, out: &mut Vec<u8>);
    /// The last field was written.
    fn end_record(out: &mut Vec<u8>);
}

/// What `write` writes.
pub(crate) fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}
