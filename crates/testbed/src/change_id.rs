//! The identity that the connector gives each record: header `walcast.id`.

use std::fmt;
use std::str::FromStr;

/// Name of the header.
pub const CHANGE_ID_HEADER: &str = "walcast.id";

/// `<commit_lsn>/<ordinal>`, with `.<part>` for further records of the same change; ordered as the source committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId {
    /// Commit position of the transaction.
    pub commit_lsn: u64,
    /// Number of the change in its transaction, from 0.
    pub ordinal: u64,
    /// Number of the record among those of the change, from 0.
    pub part: u32,
}

impl fmt::Display for ChangeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = (self.commit_lsn >> 32, self.commit_lsn & 0xFFFF_FFFF);
        write!(formatter, "{high:X}/{low:X}/{}", self.ordinal)?;
        if self.part > 0 {
            write!(formatter, ".{}", self.part)?;
        }
        Ok(())
    }
}

/// A text that is no change identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not <lsn>/<ordinal>[.<part>]")]
pub struct ChangeIdError(String);

impl FromStr for ChangeId {
    type Err = ChangeIdError;

    fn from_str(text: &str) -> Result<ChangeId, ChangeIdError> {
        parse(text).ok_or_else(|| ChangeIdError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<ChangeId> {
    let mut pieces = text.split('/');
    let high = u64::from(u32::from_str_radix(pieces.next()?, 16).ok()?);
    let low = u64::from(u32::from_str_radix(pieces.next()?, 16).ok()?);
    let change = pieces.next()?;
    let (ordinal, part) = match change.split_once('.') {
        Some((ordinal, part)) => (ordinal.parse().ok()?, part.parse().ok()?),
        None => (change.parse().ok()?, 0),
    };
    pieces.next().is_none().then_some(ChangeId {
        commit_lsn: high << 32 | low,
        ordinal,
        part,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_agree() {
        for text in ["0/16B3748/5", "0/16B3748/5.1", "A/0/0", "FFFFFFFF/FFFFFFFF/12.30"] {
            assert_eq!(text.parse::<ChangeId>().unwrap().to_string(), text);
        }
        for text in ["", "0/1", "0/1/x", "0/1/2/3", "0/1/2.", "100000000/0/0"] {
            assert!(text.parse::<ChangeId>().is_err(), "{text}");
        }
    }

    #[test]
    fn order_is_by_position_not_by_text() {
        let id = |text: &str| text.parse::<ChangeId>().unwrap();
        assert!(id("0/FF/9") < id("0/100/0"));
        assert!(id("0/100/9") < id("0/100/10"));
        assert!(id("0/100/9.2") < id("0/100/9.10"));
        assert!(id("0/100/9") < id("0/100/9.1"));
    }
}
