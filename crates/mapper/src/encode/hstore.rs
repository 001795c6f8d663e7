//! `hstore`: `"key"=>"value", "other"=>NULL`.

use serde_json::Value;

use crate::connect::{ConnectSchema, Kind};
use crate::encode::array::unescape;
use crate::encode::scratch::Scratch;
use crate::encode::value_error::ValueError;
use crate::format::{Format, Nullability};

const FAULT: ValueError = ValueError::Value("an hstore");

/// Appends an hstore as a map.
pub(super) fn map<F: Format>(
    text: &[u8],
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    std::str::from_utf8(text).map_err(|_| FAULT)?;
    let count = Pairs(text).try_fold(0, |count, pair| pair.map(|_| count + 1));
    F::begin_map(count.ok_or(FAULT)?, out);
    for (key, value) in Pairs(text).flatten() {
        unescape(key, &mut scratch.text);
        F::entry(&scratch.text, out);
        match value {
            None => F::absent(Nullability::NullFirst, out),
            Some(value) => {
                F::present(Nullability::NullFirst, out);
                unescape(value, &mut scratch.text);
                F::string(&scratch.text, out);
            }
        }
    }
    F::end_map(out);
    Ok(())
}

/// Appends an hstore as the text of a JSON object. Its members have the order of Java's `HashMap`, so that the text
/// equals Debezium's.
pub(super) fn json<F: Format>(
    text: &[u8],
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    std::str::from_utf8(text).map_err(|_| FAULT)?;
    let Scratch {
        members,
        text: unescaped,
        ..
    } = scratch;
    members.places.clear();
    members.text.clear();
    for pair in Pairs(text) {
        let (key, value) = pair.ok_or(FAULT)?;
        let start = members.text.len();
        unescape(key, unescaped);
        let hash = java_hash(unescaped);
        put_json_string(unescaped, &mut members.text);
        members.text.push(b':');
        match value {
            None => members.text.extend_from_slice(b"null"),
            Some(value) => {
                unescape(value, unescaped);
                put_json_string(unescaped, &mut members.text);
            }
        }
        members.places.push((hash, start..members.text.len()));
    }
    let buckets = java_buckets(members.places.len());
    // A stable sort: members of one bucket keep their order.
    members.places.sort_by_key(|(hash, _)| hash & (buckets - 1));
    let object = unescaped;
    object.clear();
    object.push(b'{');
    for (_, place) in &members.places {
        if object.len() > 1 {
            object.push(b',');
        }
        object.extend_from_slice(members.text.get(place.clone()).unwrap_or_default());
    }
    object.push(b'}');
    F::string(object, out);
    Ok(())
}

/// Java's `String.hashCode`, its halves mixed as `HashMap` does.
fn java_hash(text: &[u8]) -> u32 {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let hash = text.encode_utf16().fold(0u32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(u32::from(unit))
    });
    hash ^ (hash >> 16)
}

/// Number of buckets of a `HashMap` with this many entries: 16, doubled while three quarters of them are fewer.
fn java_buckets(entries: usize) -> u32 {
    let mut buckets = 16u32;
    while usize::try_from(buckets / 4 * 3).is_ok_and(|threshold| threshold < entries) && buckets < 1 << 30 {
        buckets *= 2;
    }
    buckets
}

/// Appends a JSON string, with control characters escaped as Java's Jackson does.
fn put_json_string(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0C => out.extend_from_slice(b"\\f"),
            0..0x20 => {
                let low = DIGITS.get(usize::from(byte & 0x0F)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low]);
            }
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// Iterator over keys and values with backslash escapes; `None` for a malformed pair.
#[derive(Clone)]
struct Pairs<'a>(&'a [u8]);

type Pair<'a> = (&'a [u8], Option<&'a [u8]>);

impl<'a> Pairs<'a> {
    fn read(&self) -> Option<(Pair<'a>, &'a [u8])> {
        let (key, rest) = quoted(self.0)?;
        let rest = rest.strip_prefix(b"=>")?;
        let (value, rest) = match rest.strip_prefix(b"NULL") {
            Some(rest) => (None, rest),
            None => quoted(rest).map(|(value, rest)| (Some(value), rest))?,
        };
        let rest = match rest {
            [] => rest,
            [b',', b' ', rest @ ..] if !rest.is_empty() => rest,
            _ => return None,
        };
        Some(((key, value), rest))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Option<Pair<'a>>;

    fn next(&mut self) -> Option<Option<Pair<'a>>> {
        if self.0.is_empty() {
            return None;
        }
        let read = self.read();
        self.0 = read.as_ref().map_or(b"".as_slice(), |(_, rest)| rest);
        Some(read.map(|(pair, _)| pair))
    }
}

/// The text in the quotes at the beginning, and the rest.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let body = text.strip_prefix(b"\"")?;
    let mut index = 0;
    loop {
        match body.get(index)? {
            b'\\' => index += 2,
            b'"' => return Some((body.get(..index)?, body.get(index + 1..)?)),
            _ => index += 1,
        }
    }
}

/// Appends a map whose only key and value are the placeholder.
pub(super) fn put_map_placeholder<F: Format>(placeholder: &[u8], out: &mut Vec<u8>) {
    F::begin_map(1, out);
    F::entry(placeholder, out);
    F::present(Nullability::NullFirst, out);
    F::string(placeholder, out);
    F::end_map(out);
}

/// Appends the text of an object whose only key and value are the placeholder.
pub(super) fn put_json_placeholder<F: Format>(placeholder: &[u8], out: &mut Vec<u8>) {
    let word = Value::from(String::from_utf8_lossy(placeholder));
    F::string(format!("{{{word}:{word}}}").as_bytes(), out);
}

/// Schema of maps.
pub(super) fn map_schema() -> ConnectSchema {
    ConnectSchema::map(Kind::String.into(), ConnectSchema::from(Kind::String).optional())
}
