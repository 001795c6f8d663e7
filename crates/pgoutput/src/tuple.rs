//! Tuples: the values of a row in their wire form.

use std::fmt;

use crate::error::{DecodeError, Fault};
use crate::reader::Reader;

/// Values of a row ([TupleData]): a view of the message's bytes, whose structure is checked when it is read.
///
/// [TupleData]: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html#PROTOCOL-LOGICALREP-MESSAGE-FORMATS-TUPLEDATA
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tuple<'a> {
    column_count: u16,
    body: &'a [u8],
}

/// One value of a [`Tuple`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Column<'a> {
    /// `n`: SQL null.
    Null,
    /// `u`: an unchanged TOAST value, which is not sent. It is never null.
    UnchangedToast,
    /// `t`: the type's text form, in UTF-8; in a database with encoding `SQL_ASCII`, whatever bytes are stored.
    Text(&'a [u8]),
    /// `b`: bytes that are no text in UTF-8: the type's binary form, or a text that has no equivalent there
    /// ([`FrameBlock::recode`](crate::FrameBlock::recode)).
    Binary(&'a [u8]),
}

impl<'a> Tuple<'a> {
    /// Reads a tuple and checks the structure of every column, so that [`Tuple::columns`] cannot fail.
    ///
    /// # Errors
    /// The message ends too early, or a column is of an unknown kind.
    #[inline]
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let column_count = reader.count16("the number of columns")?;
        let body = reader.rest();
        let start = reader.offset();
        for _ in 0..column_count {
            read_column(reader)?;
        }
        let used = reader.offset() - start;
        let body = body.get(..used).unwrap_or_default();
        Ok(Self { column_count, body })
    }

    /// Number of columns of the tuple.
    #[inline]
    #[must_use]
    pub fn column_count(&self) -> usize {
        usize::from(self.column_count)
    }

    /// The values, in the order of the relation's columns.
    #[inline]
    #[must_use]
    pub fn columns(&self) -> Columns<'a> {
        Columns {
            reader: Reader::new(self.body),
            left: self.column_count,
        }
    }
}

impl fmt::Debug for Tuple<'_> {
    /// Prints the values, for tests and error analysis: row data must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.columns()).finish()
    }
}

impl fmt::Debug for Column<'_> {
    /// Prints text as text, and bytes that are not text escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Column::Null => f.write_str("Null"),
            Column::UnchangedToast => f.write_str("UnchangedToast"),
            Column::Text(text) => match str::from_utf8(text) {
                Ok(text) => write!(f, "Text({text:?})"),
                Err(_) => write!(f, "Text(b\"{}\")", text.escape_ascii()),
            },
            Column::Binary(binary) => write!(f, "Binary(b\"{}\")", binary.escape_ascii()),
        }
    }
}

/// The values of a [`Tuple`], in order.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    reader: Reader<'a>,
    left: u16,
}

impl<'a> Iterator for Columns<'a> {
    type Item = Column<'a>;

    #[inline]
    fn next(&mut self) -> Option<Column<'a>> {
        self.left = self.left.checked_sub(1)?;
        // `Tuple::read` has read the same bytes with the same function: this read cannot fail.
        read_column(&mut self.reader).ok()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Columns<'_> {}

#[inline]
fn read_column<'a>(reader: &mut Reader<'a>) -> Result<Column<'a>, DecodeError> {
    let before = reader.clone();
    match reader.u8("a column's kind")? {
        b'n' => Ok(Column::Null),
        b'u' => Ok(Column::UnchangedToast),
        b't' => {
            let length = reader.length32("a value's length")?;
            Ok(Column::Text(reader.bytes(length, "a value's text")?))
        }
        b'b' => {
            let length = reader.length32("a value's length")?;
            Ok(Column::Binary(reader.bytes(length, "a value's binary form")?))
        }
        other => Err(before.error("a column's kind (n, u, t or b)", Fault::Unknown(other))),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{Column, Tuple};
    use crate::encode;
    use crate::reader::Reader;

    fn check(bytes: &[u8], expected: &Expect) {
        let mut reader = Reader::new(bytes);
        expected.assert_eq(&match Tuple::read(&mut reader) {
            Ok(tuple) => format!(
                "{tuple:?}, {} columns, {} bytes left",
                tuple.column_count(),
                reader.rest().len()
            ),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn every_kind_of_column() {
        check(b"\0\0", &expect!["[], 0 columns, 0 bytes left"]);
        check(
            b"\0\x04nut\0\0\0\x02hib\0\0\0\x01\xffnext",
            &expect![[r#"[Null, UnchangedToast, Text("hi"), Binary(b"\xff")], 4 columns, 4 bytes left"#]],
        );
        check(
            b"\0\x02t\0\0\0\0t\0\0\0\x02\xc3\xbc",
            &expect![[r#"[Text(""), Text("ü")], 2 columns, 0 bytes left"#]],
        );
        check(
            b"\0\x01t\0\0\0\x02\xff\"",
            &expect![[r#"[Text(b"\xff\"")], 1 columns, 0 bytes left"#]],
        );
    }

    #[test]
    fn malformed_tuples_are_errors() {
        check(
            b"\0",
            &expect!["cannot decode message 0x00: the message ends at byte 0, wanted the number of columns"],
        );
        check(
            b"\xff\xff",
            &expect![
                "cannot decode message 0xFF: negative length -1 at byte 0, wanted the number of columns"
            ],
        );
        check(
            b"\0\x02n",
            &expect!["cannot decode message 0x00: the message ends at byte 3, wanted a column's kind"],
        );
        check(
            b"\0\x01x",
            &expect![
                "cannot decode message 0x00: unknown value 0x78 at byte 2, wanted a column's kind (n, u, t or b)"
            ],
        );
        check(
            b"\0\x01t\xff\xff\xff\xff",
            &expect!["cannot decode message 0x00: negative length -1 at byte 3, wanted a value's length"],
        );
        check(
            b"\0\x01b\0\0\0\x02a",
            &expect!["cannot decode message 0x00: the message ends at byte 7, wanted a value's binary form"],
        );
    }

    #[test]
    fn columns_have_an_exact_length() {
        let bytes = encode::tuple(&[Column::Null, Column::Text(b"x")]);
        let mut columns = Tuple::read(&mut Reader::new(&bytes)).unwrap().columns();
        assert_eq!(columns.len(), 2);
        assert_eq!(columns.next(), Some(Column::Null));
        assert_eq!(columns.len(), 1);
        assert_eq!(columns.next(), Some(Column::Text(b"x")));
        assert_eq!(columns.next(), None);
        assert_eq!(columns.next(), None);
    }
}
