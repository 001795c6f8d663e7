//! Entries by digest in temporary files, so that memory does not grow with the number of rows.
//!
//! Each file holds a range of digests. A file that is larger than memory may be is divided into files of smaller ranges: it is read
//! once for that, whatever its size is.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use crate::digest::Digest;
use crate::key_range::KeyRange;

/// Number of files.
const FILES: u64 = 64;

/// Buffer of a file.
const BUFFER_BYTES: usize = 16 * 1024;

/// Entries of one side of a comparison.
#[derive(Debug)]
pub(crate) struct Spill {
    files: Vec<SpillFile>,
    entry: Vec<u8>,
    count: u64,
}

#[derive(Debug)]
struct SpillFile {
    range: KeyRange,
    bytes: u64,
    /// Created by the first entry.
    file: Option<BufWriter<File>>,
}

impl Spill {
    pub(crate) fn new() -> Self {
        Self::of(KeyRange::WHOLE, FILES)
    }

    /// Without an entry yet, for the digests of a range.
    fn of(range: KeyRange, files: u64) -> Self {
        let ranges = range.split(files.min(FILES));
        let file = |range| SpillFile {
            range,
            bytes: 0,
            file: None,
        };
        Self {
            files: ranges.into_iter().map(file).collect(),
            entry: Vec::new(),
            count: 0,
        }
    }

    /// Number of entries.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Ranges of the files, and how large the files are.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (KeyRange, u64)> {
        self.files.iter().map(|file| (file.range, file.bytes))
    }

    /// Appends an entry, whose further bytes `write` writes. The file is one without a name, which ends with the process.
    pub(crate) fn push(&mut self, digest: Digest, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.entry.clear();
        self.entry.extend_from_slice(&digest.to_bytes());
        write(&mut self.entry);
        let Some(spilled) = self.files.iter_mut().find(|file| file.range.contains(digest)) else {
            return Err(io::Error::other("a digest is in no range"));
        };
        let file = match &mut spilled.file {
            Some(file) => file,
            none => none.insert(BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile()?)),
        };
        let length = u32::try_from(self.entry.len()).map_err(io::Error::other)?;
        file.write_all(&length.to_be_bytes())?;
        file.write_all(&self.entry)?;
        spilled.bytes += 4 + u64::from(length);
        self.count += 1;
        Ok(())
    }

    /// The entries of a file, in at most `parts` files of its own. `number` is that of the file.
    pub(crate) fn divide(&mut self, number: usize, parts: u64) -> io::Result<Spill> {
        let range = self.files.get(number).map_or(KeyRange::WHOLE, |file| file.range);
        let mut divided = Spill::of(range, parts);
        self.read(number, |digest, entry| {
            divided.push(digest, |out| out.extend_from_slice(entry))
        })?;
        Ok(divided)
    }

    /// Passes every entry of a file to `each`, in the order in which they were appended. `number` is that of the file.
    pub(crate) fn read(
        &mut self,
        number: usize,
        mut each: impl FnMut(Digest, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(file) = self.files.get_mut(number).and_then(|file| file.file.as_mut()) else {
            return Ok(());
        };
        file.flush()?;
        let file = file.get_mut();
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut entry = Vec::new();
        loop {
            let mut length = [0; 4];
            match reader.read_exact(&mut length) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
            let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
            entry.resize(length, 0);
            reader.read_exact(&mut entry)?;
            let Some((digest, rest)) = entry.split_first_chunk() else {
                return Err(io::Error::other("an entry is too short"));
            };
            each(Digest::from_bytes(*digest), rest)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_come_back_once_and_in_order(numbers in proptest::collection::vec((any::<u128>(), any::<u16>()), 0..200), parts in 1_u64..5) {
            let mut spill = Spill::new();
            for (number, payload) in &numbers {
                let digest = Digest::from_bytes(number.to_be_bytes());
                spill.push(digest, |out| out.extend_from_slice(&payload.to_be_bytes())).unwrap();
            }
            let mut found = Vec::new();
            for file in 0..spill.files.len() {
                let mut divided = spill.divide(file, parts).unwrap();
                for part in 0..divided.files.len() {
                    divided.read(part, |digest, payload| {
                        found.push((digest.as_u128(), u16::from_be_bytes([payload[0], payload[1]])));
                        Ok(())
                    }).unwrap();
                }
            }
            let mut expected = numbers.clone();
            expected.sort_by_key(|(number, _)| *number);
            found.sort_by_key(|(number, _)| *number);
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn the_entries_of_a_digest_keep_their_order(payloads in proptest::collection::vec(any::<u8>(), 1..50)) {
            let mut spill = Spill::new();
            let digest = Digest::from_bytes([7; 16]);
            for payload in &payloads {
                spill.push(digest, |out| out.push(*payload)).unwrap();
            }
            let number = spill.ranges().position(|(range, _)| range.contains(digest)).unwrap();
            let mut found = Vec::new();
            let mut divided = spill.divide(number, 3).unwrap();
            prop_assert_eq!(divided.count(), payloads.len() as u64);
            for part in 0..3 {
                divided.read(part, |_, payload| {
                    found.extend_from_slice(payload);
                    Ok(())
                }).unwrap();
            }
            prop_assert_eq!(found, payloads);
        }
    }
}
