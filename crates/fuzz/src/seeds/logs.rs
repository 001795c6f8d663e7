//! Logs as the decoder gets them and as the socket delivers them.

use std::collections::BTreeMap;
use std::io;

use walcast_pgoutput::{Frame, PgTimestamp, encode};

use super::{Seed, captures};

/// How many messages of one kind stand alone.
const ALIKE_MAX: usize = 4;

/// Whole logs, each message behind its length, and single messages.
pub(super) fn messages() -> io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    let mut alike: BTreeMap<u8, usize> = BTreeMap::new();
    for capture in captures::all()? {
        let mut log = Vec::new();
        for (_, message) in &capture.messages {
            let alone = behind_length(message)?;
            log.extend(&alone);
            let tag = message.first().copied().unwrap_or_default();
            let seen = alike.entry(tag).or_default();
            if *seen < ALIKE_MAX {
                seeds.push((format!("{}-{seen}", char::from(tag)), alone));
                *seen += 1;
            }
        }
        seeds.push((capture.name, log));
    }
    Ok(seeds)
}

fn behind_length(message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    Ok([length.to_be_bytes().as_slice(), message].concat())
}

/// The beginning of each log in frames, read at once, and between them a keepalive.
pub(super) fn streams() -> io::Result<Vec<Seed>> {
    const MESSAGES: usize = 4;
    let sent_at = PgTimestamp::from_unix_micros(1_700_000_000_000_000);
    let mut seeds = Vec::new();
    for capture in captures::all()? {
        let mut stream = vec![0];
        for (lsn, message) in capture.messages.iter().take(MESSAGES) {
            let frame = Frame::XLogData {
                wal_start: *lsn,
                wal_end: *lsn,
                sent_at,
                message,
            };
            encode::copy_data(&frame, &mut stream);
            let keepalive = Frame::Keepalive {
                wal_end: *lsn,
                sent_at,
                reply_requested: true,
            };
            encode::copy_data(&keepalive, &mut stream);
        }
        seeds.push((format!("stream-{}", capture.name), stream));
    }
    Ok(seeds)
}
