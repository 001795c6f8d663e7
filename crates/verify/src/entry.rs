//! What a comparison keeps of a record: where it is, and the digests of its row.

use std::io;

use crate::digest::{Digest, Sum};

/// Number that stands for a column.
pub(crate) type Label = u64;

/// Digest of a row as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowDigest {
    /// Sum of the digests of the columns that are known.
    pub(crate) columns: Sum,
    /// Columns with a value that did not change and was not sent: an earlier record has it.
    pub(crate) unsent: Vec<Label>,
    /// Digests of the values that a later record may leave out.
    pub(crate) kept: Vec<(Label, Digest)>,
}

/// Partition and offset of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordPlace {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// State of a key after a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No row has the key.
    Deleted,
    /// The key has a row.
    Row(RowDigest),
    /// The record is behind the position: compaction may have removed earlier ones because of it.
    Behind,
    /// The record was there when the topic was read again.
    Again,
}

/// Record of a table with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyedEntry {
    pub(crate) place: RecordPlace,
    /// See [`crate::place::Place::order`].
    pub(crate) order: (u64, u64),
    pub(crate) state: State,
}

/// Row that a record adds to a table without key, or removes from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnkeyedEntry {
    pub(crate) place: RecordPlace,
    pub(crate) order: (u64, u64),
    pub(crate) is_added: bool,
}

const DELETED: u8 = 0;
const ROW: u8 = 1;
const BEHIND: u8 = 2;
const AGAIN: u8 = 3;

impl KeyedEntry {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write_head(self.place, self.order, out);
        match &self.state {
            State::Deleted => out.push(DELETED),
            State::Behind => out.push(BEHIND),
            State::Again => out.push(AGAIN),
            State::Row(row) => {
                out.push(ROW);
                out.extend_from_slice(&row.columns.to_bytes());
                out.extend_from_slice(&(row.unsent.len() as u64).to_be_bytes());
                for label in &row.unsent {
                    out.extend_from_slice(&label.to_be_bytes());
                }
                for (label, digest) in &row.kept {
                    out.extend_from_slice(&label.to_be_bytes());
                    out.extend_from_slice(&digest.to_bytes());
                }
            }
        }
    }

    pub(crate) fn read(bytes: &[u8]) -> io::Result<Self> {
        let mut bytes = Bytes(bytes);
        let (place, order) = bytes.head()?;
        let [kind] = bytes.take()?;
        let state = match kind {
            DELETED => State::Deleted,
            BEHIND => State::Behind,
            AGAIN => State::Again,
            ROW => {
                let columns = Sum::from_bytes(bytes.take()?);
                let mut row = RowDigest {
                    columns,
                    ..RowDigest::default()
                };
                for _ in 0..u64::from_be_bytes(bytes.take()?) {
                    row.unsent.push(u64::from_be_bytes(bytes.take()?));
                }
                while !bytes.0.is_empty() {
                    let label = u64::from_be_bytes(bytes.take()?);
                    row.kept.push((label, Digest::from_bytes(bytes.take()?)));
                }
                State::Row(row)
            }
            _ => return Err(short()),
        };
        Ok(Self { place, order, state })
    }
}

impl UnkeyedEntry {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write_head(self.place, self.order, out);
        out.push(u8::from(self.is_added));
    }

    pub(crate) fn read(bytes: &[u8]) -> io::Result<Self> {
        let mut bytes = Bytes(bytes);
        let (place, order) = bytes.head()?;
        let [added] = bytes.take()?;
        Ok(Self {
            place,
            order,
            is_added: added == 1,
        })
    }
}

/// Sum of the columns of a row of the source.
pub(crate) fn read_sum(bytes: &[u8]) -> io::Result<Sum> {
    Ok(Sum::from_bytes(Bytes(bytes).take()?))
}

fn write_head(place: RecordPlace, order: (u64, u64), out: &mut Vec<u8>) {
    out.extend_from_slice(&place.partition.to_be_bytes());
    out.extend_from_slice(&place.offset.to_be_bytes());
    out.extend_from_slice(&order.0.to_be_bytes());
    out.extend_from_slice(&order.1.to_be_bytes());
}

/// Bytes of an entry that are left.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn head(&mut self) -> io::Result<(RecordPlace, (u64, u64))> {
        let place = RecordPlace {
            partition: i32::from_be_bytes(self.take()?),
            offset: i64::from_be_bytes(self.take()?),
        };
        let order = (u64::from_be_bytes(self.take()?), u64::from_be_bytes(self.take()?));
        Ok((place, order))
    }
}

fn short() -> io::Error {
    io::Error::other("an entry of a temporary file is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_they_were_written() {
        let digest = Digest::from_bytes([3; 16]);
        let mut columns = Sum::default();
        columns.add(digest);
        let row = RowDigest {
            columns,
            unsent: vec![1, u64::MAX],
            kept: vec![(2, digest)],
        };
        for state in [
            State::Deleted,
            State::Behind,
            State::Again,
            State::Row(row),
            State::Row(RowDigest::default()),
        ] {
            let entry = KeyedEntry {
                place: RecordPlace {
                    partition: 7,
                    offset: i64::MAX,
                },
                order: (u64::MAX, 5),
                state,
            };
            let mut bytes = Vec::new();
            entry.write(&mut bytes);
            assert_eq!(KeyedEntry::read(&bytes).unwrap(), entry);
        }
        assert!(KeyedEntry::read(&[0; 12]).is_err());
    }
}
