//! Formats of values. One encoder for each data type serves every format.
//!
//! A format has no state and builds no tree: each call appends to the buffer. Formats are type parameters, so that
//! Avro costs what it would cost as the only format.

mod avro;
mod header;
mod java_number;
mod json;
mod raw;
mod shortest;

pub(crate) use avro::Avro;
pub(crate) use header::HeaderText;
pub(crate) use json::{Json, Literal};
pub(crate) use raw::Raw;

/// Nullability of a value, and its branches in an Avro union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nullability {
    /// Not nullable: no union.
    Required,
    /// `["null", T]`.
    NullFirst,
    /// `[T, "null"]`: Connect's order where there is a default.
    NullLast,
}

/// Format of values.
pub(crate) trait Format {
    /// Begins a value that is not null.
    fn present(nullability: Nullability, out: &mut Vec<u8>);
    /// Writes null.
    fn absent(nullability: Nullability, out: &mut Vec<u8>);
    /// Writes a boolean.
    fn boolean(value: bool, out: &mut Vec<u8>);
    /// Writes an integer of up to 64 bits.
    fn integer(value: i64, out: &mut Vec<u8>);
    /// Writes a number of single precision.
    fn float(value: f32, out: &mut Vec<u8>);
    /// Writes a number of double precision.
    fn double(value: f64, out: &mut Vec<u8>);
    /// Writes text, which the caller has checked to be UTF-8.
    fn string(text: &[u8], out: &mut Vec<u8>);
    /// Writes exactly `length` bytes.
    fn bytes(length: usize, bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>);
    /// Writes an exact number, given as decimal text and as its unscaled digits in two's complement, big endian.
    fn decimal(text: &[u8], unscaled: &[u8], out: &mut Vec<u8>);
    /// Begins an array of `count` items, each after a call of [`Format::item`].
    fn begin_array(count: usize, out: &mut Vec<u8>);
    /// Begins an item of an array.
    fn item(out: &mut Vec<u8>);
    /// Ends an array.
    fn end_array(out: &mut Vec<u8>);
    /// Begins a map of `count` values, each after its [`Format::entry`].
    fn begin_map(count: usize, out: &mut Vec<u8>);
    /// Begins the value of `key`.
    fn entry(key: &[u8], out: &mut Vec<u8>);
    /// Ends a map.
    fn end_map(out: &mut Vec<u8>);
    /// Begins a pair in an array: an entry of a map whose keys are not text.
    fn begin_pair(_out: &mut Vec<u8>) {}
    /// Begins the second half of a pair.
    fn second_of_pair(_out: &mut Vec<u8>) {}
    /// Ends a pair.
    fn end_pair(_out: &mut Vec<u8>) {}
    /// Begins a record of fields, each after its [`Format::field`].
    fn begin_record(out: &mut Vec<u8>);
    /// Begins the value of field `name`.
    fn field(name: &str, out: &mut Vec<u8>);
    /// Ends a record.
    fn end_record(out: &mut Vec<u8>);
}

/// The bytes that `write` writes.
pub(crate) fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}
