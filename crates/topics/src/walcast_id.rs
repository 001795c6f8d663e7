//! The header `walcast.id`, which identifies a record and contains its position.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use walcast_pgoutput::{Lsn, Oid};

/// Name of the header.
pub const WALCAST_ID: &str = "walcast.id";

/// Identity of a record: header `walcast.id`. A change that is delivered again has the same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WalcastId {
    /// Change that was streamed: `0/16B3748/5`, and `0/16B3748/5.1` for a further record of the same change.
    Change {
        /// Position of the transaction's commit record.
        commit_lsn: Lsn,
        /// Number of the change in its transaction.
        ordinal: u64,
        /// Number of the record among those of the change, from 0.
        part: u32,
    },
    /// Row that was read by a snapshot: `0/16B3748/16384(0,1)`.
    Read {
        /// Position of the snapshot.
        lsn: Lsn,
        /// OID of the table.
        table: Oid,
        /// Block of the row's `ctid`.
        block: u32,
        /// Offset of the row's `ctid`.
        offset: u16,
    },
    /// Row of a dead letter that did not exist any more when it was read: `0/16B3748/16384(gone,0)`.
    MissingRow {
        /// Position of the snapshot.
        lsn: Lsn,
        /// OID of the table.
        table: Oid,
        /// Number of the row.
        number: u32,
        /// Number of the record among those of the row, from 0.
        part: u32,
    },
    /// Beginning or end of a transaction in the topic of transaction metadata: `0/16B3748/begin`.
    Boundary {
        /// Position of the transaction's commit record.
        commit_lsn: Lsn,
        /// Whether it is the end.
        is_end: bool,
    },
}

impl WalcastId {
    /// Position at which the record was delivered: that of the commit record, or of the snapshot. Positions rise within a
    /// partition, except where changes were delivered again.
    #[must_use]
    pub const fn lsn(&self) -> Lsn {
        match self {
            Self::Change { commit_lsn, .. } | Self::Boundary { commit_lsn, .. } => *commit_lsn,
            Self::Read { lsn, .. } | Self::MissingRow { lsn, .. } => *lsn,
        }
    }

    /// Number of the change in its transaction; `None` for what is no change.
    #[must_use]
    pub const fn ordinal(&self) -> Option<u64> {
        match self {
            Self::Change { ordinal, .. } => Some(*ordinal),
            Self::Read { .. } | Self::MissingRow { .. } | Self::Boundary { .. } => None,
        }
    }
}

impl fmt::Display for WalcastId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let put_part = |part: u32, f: &mut fmt::Formatter<'_>| match part {
            0 => Ok(()),
            part => write!(f, ".{part}"),
        };
        match self {
            Self::Change {
                commit_lsn,
                ordinal,
                part,
            } => {
                write!(f, "{commit_lsn}/{ordinal}")?;
                put_part(*part, f)
            }
            Self::Read {
                lsn,
                table,
                block,
                offset,
            } => write!(f, "{lsn}/{}({block},{offset})", table.as_u32()),
            Self::MissingRow {
                lsn,
                table,
                number,
                part,
            } => {
                write!(f, "{lsn}/{}(gone,{number}", table.as_u32())?;
                put_part(*part, f)?;
                f.write_str(")")
            }
            Self::Boundary { commit_lsn, is_end } => {
                write!(f, "{commit_lsn}/{}", if *is_end { "end" } else { "begin" })
            }
        }
    }
}

impl Serialize for WalcastId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Error of a text that is no `walcast.id`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no walcast.id: expected a position and a number, such as 0/16B3748/5")]
pub struct ParseWalcastIdError {
    text: String,
}

impl FromStr for WalcastId {
    type Err = ParseWalcastIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseWalcastIdError {
            text: text.to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<WalcastId> {
    let (position, rest) = text.rsplit_once('/')?;
    let lsn: Lsn = position.parse().ok()?;
    match rest {
        "begin" | "end" => {
            return Some(WalcastId::Boundary {
                commit_lsn: lsn,
                is_end: rest == "end",
            });
        }
        _ => {}
    }
    let Some((table, place)) = rest.split_once('(') else {
        let (ordinal, part) = with_part(rest)?;
        return Some(WalcastId::Change {
            commit_lsn: lsn,
            ordinal: ordinal.parse().ok()?,
            part,
        });
    };
    let table = Oid::new(table.parse().ok()?);
    let (first, second) = place.strip_suffix(')')?.split_once(',')?;
    if first == "gone" {
        let (number, part) = with_part(second)?;
        return Some(WalcastId::MissingRow {
            lsn,
            table,
            number: number.parse().ok()?,
            part,
        });
    }
    Some(WalcastId::Read {
        lsn,
        table,
        block: first.parse().ok()?,
        offset: second.parse().ok()?,
    })
}

/// A number, and the number behind its dot or 0.
fn with_part(text: &str) -> Option<(&str, u32)> {
    match text.split_once('.') {
        Some((number, part)) => Some((number, part.parse().ok()?)),
        None => Some((text, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_agree() {
        for (text, lsn) in [
            ("0/16B3748/5", "0/16B3748"),
            ("0/16B3748/5.1", "0/16B3748"),
            ("A/0/0", "A/0"),
            ("0/16B3748/16384(12,3)", "0/16B3748"),
            ("0/16B3748/16384(gone,7)", "0/16B3748"),
            ("0/16B3748/16384(gone,7.1)", "0/16B3748"),
            ("0/16B3748/begin", "0/16B3748"),
            ("0/16B3748/end", "0/16B3748"),
        ] {
            let id: WalcastId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(id.lsn().to_string(), lsn);
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in [
            "",
            "0/1",
            "0/1/x",
            "0/1/2/3",
            "0/1/2.",
            "0/1/5(1)",
            "0/1/5(1,2",
            "100000000/0/0",
        ] {
            assert!(text.parse::<WalcastId>().is_err(), "{text}");
        }
        assert_eq!(
            "17".parse::<WalcastId>().unwrap_err().to_string(),
            r#""17" is no walcast.id: expected a position and a number, such as 0/16B3748/5"#
        );
    }
}
