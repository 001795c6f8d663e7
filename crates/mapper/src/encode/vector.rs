//! Vectors of pgvector: `[1,2.5]`, and sparse ones, `{1:0.5,3:2}/5`.

use crate::connect::{ConnectSchema, Kind};
use crate::encode::number;
use crate::encode::value_error::ValueError;
use crate::format::Format;

/// Field of Debezium's record of a sparse vector: number of dimensions.
const DIMENSIONS: &str = "dimensions";
/// Field of Debezium's record of a sparse vector: values by index.
const VECTOR: &str = "vector";

const FAULT: ValueError = ValueError::Value("a vector");
const SPARSE_FAULT: ValueError = ValueError::Value("a sparse vector whose dimensions fit 16 bits");

/// Appends a `vector` in double precision.
pub(super) fn double<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    list::<F, f64>(text, out, F::double)
}

/// Appends a `halfvec` in single precision.
pub(super) fn float<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    list::<F, f32>(text, out, F::float)
}

fn list<F: Format, T: std::str::FromStr>(
    text: &[u8],
    out: &mut Vec<u8>,
    put: fn(T, &mut Vec<u8>),
) -> Result<(), ValueError> {
    let body = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]"));
    let items = items(body.ok_or(FAULT)?);
    F::begin_array(items.clone().count(), out);
    for item in items {
        F::item(out);
        put(number::parse_text(item).ok_or(FAULT)?, out);
    }
    F::end_array(out);
    Ok(())
}

/// Items separated by commas; none for an empty text.
fn items(body: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    body.split(|byte| *byte == b',').filter(|item| !item.is_empty())
}

/// Appends a `sparsevec`: the dimensions, and the values that are not 0.
pub(super) fn sparse<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let slash = text.iter().position(|byte| *byte == b'/').ok_or(SPARSE_FAULT)?;
    let (body, dimensions) = text.split_at(slash);
    let dimensions = dimensions.get(1..).and_then(index).ok_or(SPARSE_FAULT)?;
    let body = body.strip_prefix(b"{").and_then(|body| body.strip_suffix(b"}"));
    let items = items(body.ok_or(SPARSE_FAULT)?);
    let entries = items.map(|item| {
        let colon = item.iter().position(|byte| *byte == b':')?;
        Some((
            index(item.get(..colon)?)?,
            number::parse_text(item.get(colon + 1..)?)?,
        ))
    });
    if entries.clone().any(|entry| entry.is_none()) {
        return Err(SPARSE_FAULT);
    }
    put_sparse::<F>(dimensions, entries.flatten(), out);
    Ok(())
}

fn index(text: &[u8]) -> Option<i16> {
    number::parse_integer(text)?.try_into().ok()
}

/// Appends a sparse vector.
pub(super) fn put_sparse<F: Format>(
    dimensions: i16,
    entries: impl Iterator<Item = (i16, f64)> + Clone,
    out: &mut Vec<u8>,
) {
    F::begin_record(out);
    F::field(DIMENSIONS, out);
    F::integer(i64::from(dimensions), out);
    F::field(VECTOR, out);
    F::begin_array(entries.clone().count(), out);
    for (index, value) in entries {
        F::item(out);
        F::begin_pair(out);
        F::integer(i64::from(index), out);
        F::second_of_pair(out);
        F::double(value, out);
        F::end_pair(out);
    }
    F::end_array(out);
    F::end_record(out);
}

/// Appends a sparse vector of numbers at the first indexes.
pub(super) fn put_bytes_sparse<F: Format>(numbers: &[u8], out: &mut Vec<u8>) {
    let entries = (1i16..).zip(numbers.iter().map(|byte| f64::from(*byte)));
    let dimensions = entries.clone().last().map_or(0, |(index, _)| index);
    put_sparse::<F>(dimensions, entries, out);
}

/// Schema of vectors.
pub(super) fn schema(element: Kind, name: &str) -> ConnectSchema {
    let element = ConnectSchema::from(element).required();
    ConnectSchema::semantic(Kind::Array(Box::new(element)), name)
}

/// Schema of sparse vectors.
pub(super) fn sparse_schema() -> ConnectSchema {
    let entries = ConnectSchema::map(Kind::Int16.into(), ConnectSchema::from(Kind::Float64).required());
    let fields = vec![
        ConnectSchema::plain(Kind::Int16).required().named(DIMENSIONS),
        entries.required().named(VECTOR),
    ];
    ConnectSchema::record("io.debezium.data.SparseDoubleVector".to_owned(), fields)
        .with_version(1)
        .with_doc("Sparse double vector")
}
