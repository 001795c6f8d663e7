//! Points, and PostGIS geometries in hexadecimal extended well-known binary.

use crate::connect::{ConnectSchema, Kind};
use crate::encode::value_error::ValueError;
use crate::encode::{number, text};
use crate::format::{Format, Nullability};

/// Field of Debezium's record of a point: x.
const X: &str = "x";
/// Field of Debezium's record of a point: y.
const Y: &str = "y";
/// Field of Debezium's records of geometries: the well-known binary form.
const WKB: &str = "wkb";
/// Field of Debezium's records of geometries: the spatial reference system.
const SRID: &str = "srid";

/// An empty geometry collection, the zero value of geometries.
const EMPTY_WKB: [u8; 9] = [1, 7, 0, 0, 0, 0, 0, 0, 0];

/// Appends a point in the server's text form `(x,y)`.
pub(super) fn point<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let coordinates = text
        .strip_prefix(b"(")
        .and_then(|text| text.strip_suffix(b")"))
        .and_then(|text| {
            let comma = text.iter().position(|byte| *byte == b',')?;
            let (x, y) = (text.get(..comma)?, text.get(comma + 1..)?);
            Some((number::parse_text(x)?, number::parse_text(y)?))
        });
    let (x, y) = coordinates.ok_or(ValueError::Value("a point"))?;
    put_point::<F>(x, y, out);
    Ok(())
}

/// Appends a point.
pub(super) fn put_point<F: Format>(x: f64, y: f64, out: &mut Vec<u8>) {
    F::begin_record(out);
    F::field(X, out);
    F::double(x, out);
    F::field(Y, out);
    F::double(y, out);
    F::field(WKB, out);
    F::present(Nullability::NullFirst, out);
    let wkb = WKB_POINT
        .into_iter()
        .chain(x.to_le_bytes())
        .chain(y.to_le_bytes());
    F::bytes(WKB_POINT_BYTES, wkb, out);
    F::field(SRID, out);
    F::absent(Nullability::NullFirst, out);
    F::end_record(out);
}

/// Little endian, and the type of points in well-known binary.
const WKB_POINT: [u8; 5] = [1, 1, 0, 0, 0];
const WKB_POINT_BYTES: usize = WKB_POINT.len() + 2 * size_of::<f64>();

/// Appends a geometry: its bytes, and its spatial reference system.
pub(super) fn extended_wkb<F: Format>(digits: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let fault = ValueError::Value("a geometry");
    let wkb = text::hexadecimal_bytes(digits).ok_or(fault)?;
    let srid = srid(wkb.clone().map(Option::unwrap_or_default)).ok_or(fault)?;
    if wkb.clone().any(|byte| byte.is_none()) {
        return Err(fault);
    }
    put_geometry::<F>(wkb.len(), wkb.flatten(), srid, out);
    Ok(())
}

/// Appends a geometry of PostGIS.
pub(super) fn put_geometry<F: Format>(
    length: usize,
    wkb: impl Iterator<Item = u8>,
    srid: Option<i32>,
    out: &mut Vec<u8>,
) {
    F::begin_record(out);
    F::field(WKB, out);
    F::bytes(length, wkb, out);
    F::field(SRID, out);
    match srid {
        Some(srid) => {
            F::present(Nullability::NullFirst, out);
            F::integer(i64::from(srid), out);
        }
        None => F::absent(Nullability::NullFirst, out),
    }
    F::end_record(out);
}

/// The spatial reference system of a geometry, if its type has the flag for one; the outer `None`: the bytes are not a
/// geometry.
fn srid(mut bytes: impl Iterator<Item = u8>) -> Option<Option<i32>> {
    let is_little_endian = bytes.next()? != 0;
    let mut number = || {
        let bytes = [bytes.next()?, bytes.next()?, bytes.next()?, bytes.next()?];
        Some(if is_little_endian {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    };
    let kind = number()?;
    let following = number()?;
    Some((kind & HAS_SRID != 0).then(|| following.cast_signed()))
}

/// See <https://libgeos.org/specifications/wkb/#extended-wkb>.
const HAS_SRID: u32 = 0x2000_0000;

/// Appends an empty geometry.
pub(super) fn put_empty<F: Format>(out: &mut Vec<u8>) {
    put_geometry::<F>(EMPTY_WKB.len(), EMPTY_WKB.into_iter(), None, out);
}

/// Schema of points.
pub(super) fn point_schema() -> ConnectSchema {
    let fields = vec![
        ConnectSchema::plain(Kind::Float64).required().named(X),
        ConnectSchema::plain(Kind::Float64).required().named(Y),
        ConnectSchema::plain(Kind::Bytes).optional().named(WKB),
        ConnectSchema::plain(Kind::Int32).optional().named(SRID),
    ];
    ConnectSchema::record("io.debezium.data.geometry.Point".to_owned(), fields)
        .with_version(1)
        .with_doc("Geometry (POINT)")
}

/// Schema of PostGIS geometries.
pub(super) fn geometry_schema(name: &str, doc: &'static str) -> ConnectSchema {
    let fields = vec![
        ConnectSchema::plain(Kind::Bytes).required().named(WKB),
        ConnectSchema::plain(Kind::Int32).optional().named(SRID),
    ];
    ConnectSchema::record(name.to_owned(), fields)
        .with_version(1)
        .with_doc(doc)
}
