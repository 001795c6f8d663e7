//! Rows as `COPY … TO STDOUT` writes them in text format, turned into tuples.
//!
//! COPY and pgoutput print a value with the same function of its type, so that a row read by either makes the same
//! record. See <https://www.postgresql.org/docs/current/sql-copy.html> (text format).
//!
//! The values of a row can be converted to UTF-8 before it is decoded: [`recode_copied`]. A value without equivalent there
//! begins with `\B`, which COPY itself does not write.

use crate::reader::Reader;
use crate::recode::{Converted, TextConversion};
use crate::tid::Tid;
use crate::tuple::Tuple;

/// Turns rows of COPY into tuples, in a buffer that is used again for each.
///
/// The first field of every row is its `ctid`, the others are the columns of a relation in their order.
#[derive(Debug, Default)]
pub struct CopyDecoder {
    tuple: Vec<u8>,
}

/// A copied row.
#[derive(Clone, Copy, Debug)]
pub struct CopiedRow<'a> {
    /// `ctid` of the row.
    pub tid: Tid,
    /// Values of the row.
    pub values: Tuple<'a>,
}

/// Error of bytes that are not a row of COPY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A row is incomplete.
    #[error("a copied row ends at byte {offset} without the end of its line")]
    Unended {
        /// Offset of the end.
        offset: usize,
    },
    /// The first field is not a `ctid`.
    #[error("a copied row does not begin with its ctid")]
    Place,
    /// A row has more columns, or a value more bytes, than the protocol allows.
    #[error("a copied row has more columns or longer values than a table can have")]
    TooLarge,
}

/// Header of a text: kind and length.
const TEXT_HEAD: [u8; 5] = *b"t\0\0\0\0";

/// Header of bytes that are no text in UTF-8.
const BINARY_HEAD: [u8; 5] = *b"b\0\0\0\0";

/// Beginning of a value that is no text in UTF-8.
const NOT_TEXT: &[u8] = br"\B";

/// Converts the values of rows; `None` if they stay as they are.
///
/// Values are converted with their escapes, which are ASCII, and ASCII is the same in every encoding of a database.
pub fn recode_copied(rows: &[u8], conversion: &mut impl TextConversion) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut is_changed = false;
    for field in rows.split_inclusive(|byte| matches!(byte, b'\t' | b'\n')) {
        if field.is_ascii() {
            out.extend_from_slice(field);
            continue;
        }
        // The last field of incomplete rows has no end.
        let end = usize::from(field.ends_with(b"\t") || field.ends_with(b"\n"));
        let (value, end) = field.split_at(field.len() - end);
        match conversion.convert(value) {
            Converted::Text(text) => {
                is_changed |= text != value;
                out.extend_from_slice(text);
            }
            Converted::NotText => {
                is_changed = true;
                out.extend_from_slice(NOT_TEXT);
                out.extend_from_slice(value);
            }
        }
        out.extend_from_slice(end);
    }
    is_changed.then_some(out)
}

impl CopyDecoder {
    /// Turns one row, with the end of its line, into a tuple.
    ///
    /// # Errors
    /// The bytes are not such a row.
    pub fn decode(&mut self, line: &[u8]) -> Result<CopiedRow<'_>, CopyError> {
        let end = line.iter().position(|byte| *byte == b'\t' || *byte == b'\n');
        let (place, mut rest) = line.split_at(end.ok_or(CopyError::Unended { offset: line.len() })?);
        let tid = str::from_utf8(place).ok().and_then(|text| text.parse().ok());
        let tid = tid.ok_or(CopyError::Place)?;
        self.tuple.clear();
        self.tuple.extend_from_slice(&[0, 0]);
        let mut count: u16 = 0;
        while let Some(after) = rest.strip_prefix(b"\t") {
            rest = self
                .value(after)
                .ok_or(CopyError::Unended { offset: line.len() })??;
            count = count.checked_add(1).ok_or(CopyError::TooLarge)?;
        }
        if rest != b"\n" {
            return Err(CopyError::Unended {
                offset: line.len() - rest.len(),
            });
        }
        if let Some(head) = self.tuple.first_chunk_mut() {
            *head = count.to_be_bytes();
        }
        let mut reader = Reader::new(&self.tuple);
        let values = Tuple::read(&mut reader).map_err(|_| CopyError::TooLarge)?;
        Ok(CopiedRow { tid, values })
    }

    /// Appends the value at the beginning of `bytes` and returns the rest; `None` when the row ends before its line
    /// does.
    fn value<'a>(&mut self, bytes: &'a [u8]) -> Option<Result<&'a [u8], CopyError>> {
        if let Some(rest) = bytes.strip_prefix(br"\N") {
            self.tuple.push(b'n');
            return Some(Ok(rest));
        }
        let head = self.tuple.len();
        let (kind, mut rest) = match bytes.strip_prefix(NOT_TEXT) {
            Some(bytes) => (&BINARY_HEAD, bytes),
            None => (&TEXT_HEAD, bytes),
        };
        self.tuple.extend_from_slice(kind);
        loop {
            let special = rest
                .iter()
                .position(|byte| matches!(byte, b'\t' | b'\n' | b'\\'))?;
            let (plain, from_special) = rest.split_at_checked(special)?;
            self.tuple.extend_from_slice(plain);
            rest = match from_special {
                [b'\\', escaped, after @ ..] => {
                    self.tuple.push(unescaped(*escaped));
                    after
                }
                [b'\\'] => return None,
                end => {
                    rest = end;
                    break;
                }
            };
        }
        let length = self.tuple.len() - head - TEXT_HEAD.len();
        let Ok(length) = i32::try_from(length) else {
            return Some(Err(CopyError::TooLarge));
        };
        let place = self.tuple.get_mut(head + 1..head + TEXT_HEAD.len())?;
        place.copy_from_slice(&length.to_be_bytes());
        Some(Ok(rest))
    }
}

/// Character of a backslash escape.
fn unescaped(letter: u8) -> u8 {
    match letter {
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0B,
        itself => itself,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{CopyDecoder, recode_copied};
    use crate::recode::{Converted, TextConversion};

    /// Conversion of Latin-1, in which `0xFF` has no equivalent.
    struct Latin1(Vec<u8>);

    impl TextConversion for Latin1 {
        fn keeps_values(&self) -> bool {
            false
        }

        fn convert<'t>(&'t mut self, text: &'t [u8]) -> Converted<'t> {
            if text.contains(&0xFF) {
                return Converted::NotText;
            }
            self.0 = text
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<String>()
                .into();
            Converted::Text(&self.0)
        }
    }

    #[test]
    fn values_are_converted_with_their_escapes() {
        let recode = |rows: &[u8]| recode_copied(rows, &mut Latin1(Vec::new()));
        assert_eq!(recode(b"(0,1)\tplain\t\\N\n"), None);
        let rows = recode(b"(0,1)\t\xFCb\\ter\t\\N\n(0,2)\ta\xFF\\\\\tx\n").unwrap();
        assert_eq!(rows, b"(0,1)\t\xC3\xBCb\\ter\t\\N\n(0,2)\t\\Ba\xFF\\\\\tx\n");
        let (first, second) = rows.split_at(rows.iter().position(|byte| *byte == b'\n').unwrap() + 1);
        check(first, &expect![[r#"(0,1) [Text("üb\ter"), Null]"#]]);
        check(second, &expect![[r#"(0,2) [Binary(b"a\xff\\"), Text("x")]"#]]);
    }

    fn check(line: &[u8], expected: &Expect) {
        expected.assert_eq(&match CopyDecoder::default().decode(line) {
            Ok(row) => format!("{} {:?}", row.tid, row.values),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn values_equal_the_copied_ones() {
        check(b"(0,1)\n", &expect!["(0,1) []"]);
        check(
            b"(7,12)\t1\t\\N\t\ttwo words\n",
            &expect![[r#"(7,12) [Text("1"), Null, Text(""), Text("two words")]"#]],
        );
        check(
            b"(0,1)\ta\\tb\\nc\\\\d\\re\\bf\\fg\\v\t\\\\N\tN\n",
            &expect![[r#"(0,1) [Text("a\tb\nc\\d\re\u{8}f\u{c}g\u{b}"), Text("\\N"), Text("N")]"#]],
        );
        check("(0,1)\tü\n".as_bytes(), &expect![[r#"(0,1) [Text("ü")]"#]]);
    }

    #[test]
    fn malformed_rows_are_rejected() {
        check(
            b"",
            &expect!["a copied row ends at byte 0 without the end of its line"],
        );
        check(
            b"(0,1)\ta",
            &expect!["a copied row ends at byte 7 without the end of its line"],
        );
        check(
            b"(0,1)\ta\\",
            &expect!["a copied row ends at byte 8 without the end of its line"],
        );
        check(
            b"(0,1)\ta\nb\n",
            &expect!["a copied row ends at byte 7 without the end of its line"],
        );
        check(
            b"(0,1)\t\\Nx\n",
            &expect!["a copied row ends at byte 8 without the end of its line"],
        );
        check(b"1\ta\n", &expect!["a copied row does not begin with its ctid"]);
    }

    #[test]
    fn the_buffer_is_used_again() {
        let mut decoder = CopyDecoder::default();
        decoder.decode(b"(0,1)\tone\ttwo\n").unwrap();
        let row = decoder.decode(b"(0,2)\t\\N\n").unwrap();
        assert_eq!(format!("{:?}", row.values), "[Null]");
    }
}
