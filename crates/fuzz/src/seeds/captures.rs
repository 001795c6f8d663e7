//! Messages of logical replication as real servers sent them.

use std::io;

use walcast_pgoutput::Lsn;

use super::{files, stem};

/// Where captures are: those of the decoder, and the one that Debezium read too.
const FOLDERS: [(&str, &str); 2] = [
    ("crates/pgoutput/testdata", ".frames"),
    ("crates/mapper/testdata/debezium-3.3.1", "frames.txt"),
];

/// What is longer reaches no other code, and is slow to change.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// A log, without its longest messages.
pub(super) struct Capture {
    pub(super) name: String,
    /// Messages, with the positions they stood at.
    pub(super) messages: Vec<(Lsn, Vec<u8>)>,
}

/// All logs that were captured.
pub(super) fn all() -> io::Result<Vec<Capture>> {
    let mut captures = Vec::new();
    for (folder, end) in FOLDERS {
        for file in files(folder, end)? {
            let text = std::fs::read_to_string(&file)?;
            let messages: Option<Vec<_>> = text.lines().map(message).collect();
            let mut messages =
                messages.ok_or_else(|| io::Error::other(format!("{} is no capture", file.display())))?;
            messages.retain(|(_, message)| message.len() <= MESSAGE_BYTES_MAX);
            captures.push(Capture {
                name: stem(&file),
                messages,
            });
        }
    }
    Ok(captures)
}

/// The position comes first, the message last.
fn message(line: &str) -> Option<(Lsn, Vec<u8>)> {
    let (lsn, rest) = line.split_once(' ')?;
    let digits = rest.rsplit(' ').next()?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    Some((lsn.parse().ok()?, bytes?))
}
