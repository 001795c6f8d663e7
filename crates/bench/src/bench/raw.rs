//! The yardstick: how fast the server streams its WAL to a reader that discards it.
//!
//! A plain socket, large reads, a pause between them: a walsender makes one send per message, and a reader that wakes up
//! for each steals its core.

pub(super) mod slot;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// One read takes at most this much.
const READ_BYTES: usize = 1 << 20;
/// Between two reads while the stream is ahead of us.
const PAUSE: Duration = Duration::from_millis(2);
/// Less than this in one read means that we have caught up.
const FULL_READ_BYTES: usize = 64 * 1024;
/// Where the pgoutput tag lies in a `CopyData` message that carries one: header 5, `w` 1, three numbers 24.
const MESSAGE_TAG_OFFSET: usize = 30;

/// What a drain took.
pub(crate) struct Drained {
    /// From `START_REPLICATION` to the last commit.
    pub(crate) elapsed: Duration,
    /// Bytes read.
    pub(crate) bytes: u64,
}

/// Reads `slot` from its confirmed position until `commits` transactions have passed. Nothing is confirmed.
pub(crate) fn drain(
    port: u16,
    user: &str,
    database: &str,
    slot: &str,
    publication: &str,
    commits: u64,
) -> Result<Drained> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).context("connecting to Postgres")?;
    socket.set_nodelay(true)?;
    start_up(&mut socket, user, database)?;
    let begun = Instant::now();
    let command = format!(
        "START_REPLICATION SLOT \"{slot}\" LOGICAL 0/0 (proto_version '1', publication_names '\"{publication}\"')"
    );
    query(&mut socket, &command)?;
    let mut scan = Scan {
        commits_left: commits,
        ..Scan::default()
    };
    let mut buffer = vec![0; READ_BYTES];
    while scan.commits_left > 0 {
        let count = socket.read(&mut buffer).context("reading the stream")?;
        ensure!(
            count > 0,
            "the server closed the stream with {} commits to go",
            scan.commits_left
        );
        scan.take(&buffer[..count])?;
        if count >= FULL_READ_BYTES {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(Drained {
        elapsed: begun.elapsed(),
        bytes: scan.bytes,
    })
}

fn start_up(socket: &mut TcpStream, user: &str, database: &str) -> Result<()> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in [
        ("user", user),
        ("database", database),
        ("replication", "database"),
        ("client_encoding", "UTF8"),
    ] {
        body.extend_from_slice(name.as_bytes());
        body.push(0);
        body.extend_from_slice(value.as_bytes());
        body.push(0);
    }
    body.push(0);
    socket.write_all(&with_length(&body))?;
    loop {
        let (tag, message) = message(socket)?;
        match tag {
            b'Z' => return Ok(()),
            b'E' => bail!("Postgres refused: {}", String::from_utf8_lossy(&message)),
            b'R' => ensure!(
                message == [0; 4],
                "the yardstick can only connect without a password"
            ),
            _ => {}
        }
    }
}

fn query(socket: &mut TcpStream, command: &str) -> Result<()> {
    let mut body = command.as_bytes().to_vec();
    body.push(0);
    socket.write_all(b"Q")?;
    socket.write_all(&with_length(&body))?;
    match message(socket)? {
        (b'W', _) => Ok(()),
        (tag, message) => bail!(
            "streaming did not begin: {} {}",
            char::from(tag),
            String::from_utf8_lossy(&message)
        ),
    }
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a start-up message is short");
    [&length.to_be_bytes()[..], body].concat()
}

fn message(socket: &mut TcpStream) -> Result<(u8, Vec<u8>)> {
    let mut header = [0; 5];
    socket.read_exact(&mut header)?;
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    let mut body = vec![
        0;
        usize::try_from(length)?
            .checked_sub(4)
            .context("a message has a length below 4")?
    ];
    socket.read_exact(&mut body)?;
    Ok((header[0], body))
}

/// Walks message headers across reads and counts commits.
#[derive(Default)]
struct Scan {
    commits_left: u64,
    bytes: u64,
    /// The beginning of a message that the last read cut off, as far as its tag is not known yet.
    partial: Vec<u8>,
    /// Bytes of the current message still to be passed over.
    skip: usize,
}

impl Scan {
    fn take(&mut self, read: &[u8]) -> Result<()> {
        self.bytes += u64::try_from(read.len())?;
        let joined;
        let mut rest = if self.partial.is_empty() {
            read
        } else {
            joined = [&self.partial[..], read].concat();
            self.partial.clear();
            &joined[..]
        };
        loop {
            let passed = self.skip.min(rest.len());
            self.skip -= passed;
            rest = &rest[passed..];
            if rest.len() <= MESSAGE_TAG_OFFSET {
                // Keepalives are shorter than that.
                let Some(total) = message_bytes(rest).filter(|total| *total <= rest.len()) else {
                    break;
                };
                rest = &rest[total..];
                continue;
            }
            ensure!(
                rest[0] == b'd',
                "the stream ended with message {:?}",
                char::from(rest[0])
            );
            if rest[5] == b'w' && rest[MESSAGE_TAG_OFFSET] == b'C' {
                self.commits_left = self.commits_left.saturating_sub(1);
            }
            self.skip = message_bytes(rest).context("a message without length")?;
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }
}

fn message_bytes(rest: &[u8]) -> Option<usize> {
    let length = rest.get(1..5)?.try_into().ok().map(u32::from_be_bytes)?;
    usize::try_from(length).ok()?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: u8, length: usize) -> Vec<u8> {
        let mut message = vec![b'd'];
        message.extend_from_slice(&u32::try_from(4 + 25 + length).unwrap().to_be_bytes());
        message.push(b'w');
        message.extend_from_slice(&[0; 24]);
        message.push(tag);
        message.resize(5 + 25 + length, 0);
        message
    }

    #[test]
    fn commits_are_counted_however_the_stream_is_cut() {
        let keepalive = [&[b'd', 0, 0, 0, 22, b'k'][..], &[0; 17]].concat();
        let stream = [
            frame(b'I', 300),
            frame(b'C', 26),
            keepalive,
            frame(b'I', 1),
            frame(b'C', 26),
        ]
        .concat();
        for size in 1..stream.len() {
            let mut scan = Scan {
                commits_left: 5,
                ..Scan::default()
            };
            for piece in stream.chunks(size) {
                scan.take(piece).unwrap();
            }
            assert_eq!(scan.commits_left, 3, "cut every {size} bytes");
        }
    }
}
