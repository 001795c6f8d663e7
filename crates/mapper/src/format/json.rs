//! JSON as Connect's `JsonConverter` writes it, and the literals of Avro schemas.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Format, Nullability, shortest};

/// JSON with bytes and decimals in base64, and NaN and infinities as text.
#[derive(Debug)]
pub(crate) enum Json {}

/// JSON of a default in an Avro schema: as [`Json`], but bytes are the characters with the same numbers.
#[derive(Debug)]
pub(crate) enum Literal {}

/// Implements what the two have in common, with `$bytes` for bytes.
macro_rules! json_format {
    ($format:ty, $bytes:path) => {
        impl Format for $format {
            fn present(_nullability: Nullability, _out: &mut Vec<u8>) {}

            fn absent(_nullability: Nullability, out: &mut Vec<u8>) {
                out.extend_from_slice(b"null");
            }

            fn boolean(value: bool, out: &mut Vec<u8>) {
                out.extend_from_slice(if value { b"true" } else { b"false" });
            }

            fn integer(value: i64, out: &mut Vec<u8>) {
                write!(out, "{value}").expect("writing to memory cannot fail");
            }

            fn float(value: f32, out: &mut Vec<u8>) {
                match non_finite(f64::from(value)) {
                    Some(word) => put_string(word, out),
                    None => shortest::put(value, out),
                }
            }

            fn double(value: f64, out: &mut Vec<u8>) {
                match non_finite(value) {
                    Some(word) => put_string(word, out),
                    None => shortest::put(value, out),
                }
            }

            fn string(text: &[u8], out: &mut Vec<u8>) {
                put_string(&String::from_utf8_lossy(text), out);
            }

            fn bytes(_length: usize, bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
                $bytes(bytes, out);
            }

            fn decimal(_text: &[u8], unscaled: &[u8], out: &mut Vec<u8>) {
                $bytes(unscaled.iter().copied(), out);
            }

            fn begin_array(_count: usize, out: &mut Vec<u8>) {
                out.push(b'[');
            }

            fn item(out: &mut Vec<u8>) {
                separate(b'[', out);
            }

            fn end_array(out: &mut Vec<u8>) {
                out.push(b']');
            }

            fn begin_map(_count: usize, out: &mut Vec<u8>) {
                out.push(b'{');
            }

            fn entry(key: &[u8], out: &mut Vec<u8>) {
                separate(b'{', out);
                Self::string(key, out);
                out.push(b':');
            }

            fn end_map(out: &mut Vec<u8>) {
                out.push(b'}');
            }

            fn begin_pair(out: &mut Vec<u8>) {
                out.push(b'[');
            }

            fn second_of_pair(out: &mut Vec<u8>) {
                out.push(b',');
            }

            fn end_pair(out: &mut Vec<u8>) {
                out.push(b']');
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
    };
}

json_format!(Json, put_base64);
json_format!(Literal, put_characters);

/// Appends a comma unless the structure opened with `open` is still empty: no value ends with that character outside
/// of quotes.
fn separate(open: u8, out: &mut Vec<u8>) {
    if out.last() != Some(&open) {
        out.push(b',');
    }
}

/// Java's text of NaN and infinities, which JSON cannot represent.
fn non_finite(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("Infinity")
    } else if value == f64::NEG_INFINITY {
        Some("-Infinity")
    } else {
        None
    }
}

/// Appends bytes in base64 with padding, in quotes.
pub(super) fn put_base64(bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes.collect::<Vec<u8>>()).as_bytes());
    out.push(b'"');
}

fn put_characters(bytes: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    put_string(&bytes.map(char::from).collect::<String>(), out);
}

/// Appends a JSON string.
pub(crate) fn put_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("writing text to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::{Json, Literal};
    use crate::format::{Format, Nullability, written};

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        String::from_utf8(written(write)).unwrap()
    }

    #[test]
    fn structures_are_separated() {
        let json = text(|out| {
            Json::begin_record(out);
            Json::field("a", out);
            Json::begin_array(2, out);
            for value in [1, 2] {
                Json::item(out);
                Json::integer(value, out);
            }
            Json::end_array(out);
            Json::field("{", out);
            Json::string(b"{\"[", out);
            Json::field("m", out);
            Json::begin_map(0, out);
            Json::end_map(out);
            Json::field("n", out);
            Json::absent(Nullability::NullFirst, out);
            Json::end_record(out);
        });
        assert_eq!(json, r#"{"a":[1,2],"{":"{\"[","m":{},"n":null}"#);
    }

    #[test]
    fn bytes_are_base64_in_values_and_characters_in_literals() {
        let bytes = || [0x41, 0xFF].into_iter();
        assert_eq!(text(|out| Json::bytes(2, bytes(), out)), "\"Qf8=\"");
        assert_eq!(text(|out| Literal::bytes(2, bytes(), out)), "\"A\u{FF}\"");
    }

    #[test]
    fn numbers_are_the_shortest_that_read_back() {
        assert_eq!(text(|out| Json::float(0.1, out)), "0.1");
        assert_eq!(text(|out| Json::double(f64::NAN, out)), "\"NaN\"");
        assert_eq!(text(|out| Json::double(f64::NEG_INFINITY, out)), "\"-Infinity\"");
    }
}
