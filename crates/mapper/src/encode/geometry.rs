//! Points, and what PostGIS prints: its extended well-known binary form in hexadecimal digits.

use crate::encode::{Fault, number, text};
use crate::format::{Format, Nullability};

/// Fields of Debezium's records.
pub(crate) const X: &str = "x";
/// See [`X`].
pub(crate) const Y: &str = "y";
/// See [`X`]: the well-known binary form.
pub(crate) const WKB: &str = "wkb";
/// See [`X`]: the reference system.
pub(crate) const SRID: &str = "srid";

/// A collection of nothing, which stands where a value is missing.
pub(crate) const EMPTY_WKB: [u8; 9] = [1, 7, 0, 0, 0, 0, 0, 0, 0];

/// `(x,y)`.
pub(super) fn point<F: Format>(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let coordinates = text
        .strip_prefix(b"(")
        .and_then(|text| text.strip_suffix(b")"))
        .and_then(|text| {
            let comma = text.iter().position(|byte| *byte == b',')?;
            let (x, y) = (text.get(..comma)?, text.get(comma + 1..)?);
            Some((number::parse_text(x)?, number::parse_text(y)?))
        });
    let (x, y) = coordinates.ok_or(Fault::Value("a point"))?;
    put_point::<F>(x, y, out);
    Ok(())
}

/// Appends a point.
pub(crate) fn put_point<F: Format>(x: f64, y: f64, out: &mut Vec<u8>) {
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

/// Little endian, and the number of points among geometries.
const WKB_POINT: [u8; 5] = [1, 1, 0, 0, 0];
const WKB_POINT_BYTES: usize = WKB_POINT.len() + 2 * size_of::<f64>();

/// The bytes as they are, and the reference system that they name.
pub(super) fn extended_wkb<F: Format>(digits: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let fault = Fault::Value("a geometry");
    let wkb = text::hexadecimal_bytes(digits).ok_or(fault)?;
    let srid = srid(wkb.clone().map(Option::unwrap_or_default)).ok_or(fault)?;
    if wkb.clone().any(|byte| byte.is_none()) {
        return Err(fault);
    }
    put_geometry::<F>(wkb.len(), wkb.flatten(), srid, out);
    Ok(())
}

/// Appends a geometry of PostGIS.
pub(crate) fn put_geometry<F: Format>(
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

/// The byte order, the kind of geometry, and the reference system when a bit of the kind says so.
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
