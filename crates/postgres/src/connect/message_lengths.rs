//! Limits on the length of a server's messages once an SQL session is ready.
//!
//! The client library reserves memory for the announced length of a message and takes any length. So the header of each message is
//! inspected before the library reads it, as those of the login are. Replication connections have limits of their own (`Wire`).

use super::login::LoginFault;

/// Size of tag and length.
const HEADER_BYTES: usize = 5;

/// Longest message with values: a Postgres server allocates less than 1 GiB for a row.
const VALUES_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Longest error or notice, which may quote a value.
const ERROR_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest message of any other kind: the description of a row of 1,600 columns has about 140 kB.
const OTHER_BYTES_MAX: usize = 1024 * 1024;

/// Inspection of the messages of a session.
#[derive(Debug, Default)]
pub(super) struct MessageLengths {
    /// Beginning of the current header.
    head: Vec<u8>,
    /// Number of bytes that are missing of the message of the last header.
    rest: usize,
}

impl MessageLengths {
    /// Inspects received bytes.
    ///
    /// # Errors
    /// A message is too long. None of the bytes may be used.
    pub(super) fn inspect(&mut self, mut arrived: &[u8]) -> Result<(), LoginFault> {
        loop {
            let passed = self.rest.min(arrived.len());
            self.rest -= passed;
            arrived = arrived.get(passed..).unwrap_or_default();
            let missing = HEADER_BYTES.saturating_sub(self.head.len()).min(arrived.len());
            let (taken, left) = arrived.split_at(missing);
            if self.rest > 0 || taken.is_empty() {
                return Ok(());
            }
            self.head.extend_from_slice(taken);
            arrived = left;
            if let &[tag, l0, l1, l2, l3] = self.head.as_slice() {
                // The length includes itself. The library rejects a smaller one.
                let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
                let limit = match tag {
                    b'd' | b'D' => VALUES_BYTES_MAX,
                    b'E' | b'N' => ERROR_BYTES_MAX,
                    _ => OTHER_BYTES_MAX,
                };
                if length > limit {
                    return Err(LoginFault::AnswerTooLong {
                        tag,
                        bytes: length,
                        limit,
                    });
                }
                self.rest = length.saturating_sub(HEADER_BYTES - 1);
                self.head.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MessageLengths;

    fn message(tag: u8, body: usize) -> Vec<u8> {
        let length = u32::try_from(body + 4).unwrap().to_be_bytes();
        [&[tag][..], &length, &vec![b'x'; body]].concat()
    }

    fn header(tag: u8, length: u32) -> Vec<u8> {
        [&[tag][..], &length.to_be_bytes()].concat()
    }

    /// Result for bytes that arrive in pieces of this size.
    fn inspect(stream: &[u8], piece: usize) -> Result<(), String> {
        let mut lengths = MessageLengths::default();
        let mut pieces = stream.chunks(piece);
        pieces.try_for_each(|arrived| lengths.inspect(arrived).map_err(|fault| fault.to_string()))
    }

    #[test]
    fn long_messages_are_rejected_behind_any_others() {
        let answer = [
            message(b'T', 30),
            message(b'D', 2_000_000),
            message(b'C', 9),
            message(b'Z', 1),
        ]
        .concat();
        let long = header(b'D', 0x7fff_ffff);
        let too_long = "sent message 'D' of 2147483647 bytes, where at most 1073741824 are allowed; is this a Postgres server?";
        for piece in [1, 4, 5, 8192, usize::MAX] {
            assert_eq!(inspect(&answer, piece), Ok(()), "in pieces of {piece}");
            let both = [answer.as_slice(), &long].concat();
            assert_eq!(
                inspect(&both, piece),
                Err(too_long.to_owned()),
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn the_limit_depends_on_the_kind() {
        for (tag, length, is_allowed) in [
            (b'd', 1 << 30, true),
            (b'd', (1 << 30) + 1, false),
            (b'E', 1 << 24, true),
            (b'N', (1 << 24) + 1, false),
            (b'T', 1 << 20, true),
            (b'S', (1 << 20) + 1, false),
            (b'!', u32::MAX, false),
        ] {
            assert_eq!(
                inspect(&header(tag, length), 5).is_ok(),
                is_allowed,
                "{}",
                tag.escape_ascii()
            );
        }
    }
}
