//! Position of a row in its table.

use std::fmt;
use std::str::FromStr;

/// Position of a row version (`ctid`): a block of the table's file, and an offset in it.
///
/// Printed as in Postgres: `(0,1)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid {
    /// Number of the block, from 0.
    pub block: u32,
    /// Offset in the block, from 1.
    pub offset: u16,
}

impl Tid {
    /// Position before every row.
    pub const START: Self = Self { block: 0, offset: 0 };

    /// Position before every row of a block.
    #[must_use]
    pub const fn of_block(block: u32) -> Self {
        Self { block, offset: 0 }
    }

    /// The next position.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.offset.checked_add(1) {
            Some(offset) => Self {
                block: self.block,
                offset,
            },
            None => Self::of_block(self.block.saturating_add(1)),
        }
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.block, self.offset)
    }
}

/// Error of a text that is not a `ctid`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a ctid: wanted (block,offset), such as (0,1)")]
pub struct ParseTidError {
    text: String,
}

impl FromStr for Tid {
    type Err = ParseTidError;

    fn from_str(text: &str) -> Result<Self, ParseTidError> {
        let parsed = || {
            let inside = text.strip_prefix('(')?.strip_suffix(')')?;
            let (block, offset) = inside.split_once(',')?;
            Some(Self {
                block: block.parse().ok()?,
                offset: offset.parse().ok()?,
            })
        };
        parsed().ok_or_else(|| ParseTidError {
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Tid;

    #[test]
    fn ctids_round_trip() {
        for text in ["(0,0)", "(0,1)", "(4294967295,65535)"] {
            assert_eq!(text.parse::<Tid>().unwrap().to_string(), text);
        }
        for text in ["", "0,1", "(0;1)", "(0,1", "(-1,1)", "(0,65536)", "(0,1,2)"] {
            assert_eq!(
                text.parse::<Tid>().unwrap_err().to_string(),
                format!("{text:?} is not a ctid: wanted (block,offset), such as (0,1)")
            );
        }
    }

    #[test]
    fn the_next_ctid_may_lie_in_the_next_block() {
        let tid = |block, offset| Tid { block, offset };
        assert_eq!(tid(3, 7).next(), tid(3, 8));
        assert_eq!(tid(3, u16::MAX).next(), tid(4, 0));
        assert!(Tid::START < tid(0, 1) && tid(0, 9) < tid(1, 0));
    }
}
