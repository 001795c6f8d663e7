//! The values of a row, as they lie on the wire.

use crate::error::{DecodeError, Fault};
use crate::reader::Reader;

/// A row's values ([TupleData]): a view of the message's bytes, whose structure was checked when it was read.
///
/// [TupleData]: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html#PROTOCOL-LOGICALREP-MESSAGE-FORMATS-TUPLEDATA
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple<'a> {
    column_count: u16,
    body: &'a [u8],
}

/// One value of a [`Tuple`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column<'a> {
    /// `n`: SQL null.
    Null,
    /// `u`: a value stored out of line that this change did not touch; it was not sent. It is never null.
    UnchangedToast,
    /// `t`: the type's text form, in the database's encoding (the session asks for UTF-8).
    Text(&'a [u8]),
    /// `b`: the type's binary form.
    Binary(&'a [u8]),
}

impl<'a> Tuple<'a> {
    /// Reads a tuple and checks the structure of every column, so that [`Tuple::columns`] cannot fail.
    ///
    /// # Errors
    /// The message ends too early, or a column is of an unknown kind.
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

    /// How many columns the tuple holds.
    #[must_use]
    pub fn column_count(&self) -> usize {
        usize::from(self.column_count)
    }

    /// The values, in the order of the relation's columns.
    #[must_use]
    pub fn columns(&self) -> Columns<'a> {
        Columns {
            reader: Reader::new(self.body),
            left: self.column_count,
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

    fn next(&mut self) -> Option<Column<'a>> {
        self.left = self.left.checked_sub(1)?;
        // `Tuple::read` walked the same bytes with the same function: it cannot fail here.
        read_column(&mut self.reader).ok()
    }

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
