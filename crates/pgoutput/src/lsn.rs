//! A position in the write-ahead log.

use std::fmt;
use std::str::FromStr;

/// A log sequence number: a byte position in the write-ahead log, printed as Postgres prints it (`0/16B3748`).
///
/// See <https://www.postgresql.org/docs/current/datatype-pg-lsn.html>.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// `0/0`, which Postgres calls `InvalidXLogRecPtr`: no record ever lies there.
    pub const INVALID: Lsn = Lsn(0);

    /// The largest position.
    pub const MAX: Lsn = Lsn(u64::MAX);

    /// The position `bytes` into the WAL.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Lsn(bytes)
    }

    /// The position as the number of bytes since the beginning of the WAL.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Whether a record can lie at the position.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.0 != 0
    }

    /// Bytes of WAL from `earlier` up to this position; zero when `earlier` is not earlier.
    #[must_use]
    pub const fn bytes_since(self, earlier: Lsn) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The position `bytes` before this one, stopping at [`Lsn::INVALID`].
    #[must_use]
    pub const fn back_by(self, bytes: u64) -> Lsn {
        Lsn(self.0.saturating_sub(bytes))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Error of a text that is not a log sequence number: two hexadecimal numbers of at most eight digits with a slash
/// between them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an LSN: wanted two hexadecimal numbers such as 0/16B3748")]
pub struct ParseLsnError {
    text: String,
}

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let half = |digits: &str| {
            let plain = digits.len() <= 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
        };
        let parsed = text
            .split_once('/')
            .and_then(|(high, low)| Some(Lsn((half(high)? << 32) | half(low)?)));
        parsed.ok_or_else(|| ParseLsnError {
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Lsn;

    #[test]
    fn text_and_number_agree_both_ways() {
        for (text, bytes) in [
            ("0/0", 0),
            ("0/16B3748", 0x16B_3748),
            ("2A/FF", 0x2A_0000_00FF),
            ("FFFFFFFF/FFFFFFFF", u64::MAX),
        ] {
            assert_eq!(text.parse::<Lsn>().unwrap(), Lsn::new(bytes));
            assert_eq!(Lsn::new(bytes).to_string(), text);
        }
    }

    #[test]
    fn text_that_is_not_an_lsn_is_rejected() {
        for text in [
            "",
            "/",
            "0",
            "0/",
            "/0",
            "0/G",
            "123456789/0",
            "0/0/0",
            "+1/0",
            " 0/0",
        ] {
            assert!(text.parse::<Lsn>().is_err(), "{text:?} was taken");
        }
    }
}
