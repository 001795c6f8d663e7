//! Places of records in WAL order, as the header `walcast.id` has them.

use walcast_pgoutput::Lsn;

/// Identity of a record, as its header `walcast.id` has it, with which records are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Commit record of the transaction, or position of the snapshot.
    pub lsn: Lsn,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Row that was read: OID of the table, then block and item; a key without row comes behind all rows.
    Read { table: u32, row: (u64, u32) },
    /// Record of a change.
    Change { ordinal: u64, part: u32 },
}

/// How a record follows another one of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// It is later.
    Later,
    /// It is the same record again.
    Repeated,
    /// It is earlier.
    Earlier,
}

/// Block of a key that no row has, behind all blocks.
const GONE: u64 = u64::MAX;

impl Place {
    /// Reads the text of a header; `None` if it is none of a row or a change.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        let (high, low, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let high = u64::from(u32::from_str_radix(high, 16).ok()?);
        let low = u64::from(u32::from_str_radix(low, 16).ok()?);
        let lsn = Lsn::new(high << 32 | low);
        let what = match rest.split_once('(') {
            Some((table, row)) => What::Read {
                table: table.parse().ok()?,
                row: row_of(row.strip_suffix(')')?)?,
            },
            None => {
                let (ordinal, part) = numbered(rest)?;
                What::Change { ordinal, part }
            }
        };
        Some(Self { lsn, what })
    }

    /// Place of the row of a table that was read at a position.
    #[must_use]
    pub fn of_read(lsn: Lsn, table: u32, block: u32, item: u16) -> Self {
        let row = (u64::from(block), u32::from(item));
        Self {
            lsn,
            what: What::Read { table, row },
        }
    }

    /// Place of the first record of a change.
    #[must_use]
    pub fn of_change(lsn: Lsn, ordinal: u64) -> Self {
        let what = What::Change { ordinal, part: 0 };
        Self { lsn, what }
    }

    /// Whether it is that of a change, and not of a row that was read.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(self.what, What::Change { .. })
    }

    /// Position of the commit record of a transaction whose end has the header; `None` if it is none of an end.
    #[must_use]
    pub fn commit_of_end(text: &str) -> Option<Lsn> {
        text.strip_suffix("/end")?.parse().ok()
    }

    /// Whether a snapshot at `limit` contains what the record describes: a transaction whose commit record lies at the position of a
    /// snapshot is not in it, while rows that were read at the position are as the snapshot has them.
    #[must_use]
    pub fn is_in_snapshot(&self, limit: Lsn) -> bool {
        match self.what {
            What::Read { .. } => self.lsn <= limit,
            What::Change { .. } => self.lsn < limit,
        }
    }

    /// Place as two numbers that are ordered as the changes of one key: rows that were read at a position precede the transaction
    /// that was committed there.
    #[must_use]
    pub fn order(&self) -> (u64, u64) {
        let within = match self.what {
            What::Read { .. } => 0,
            What::Change { ordinal, part } => (ordinal << 12 | u64::from(part) & 0xFFF) + 1,
        };
        (self.lsn.as_u64(), within)
    }

    /// How this record follows `previous` of the same partition. Tables that were read at one position may follow each other in any
    /// order.
    #[must_use]
    pub fn follows(&self, previous: &Place) -> Follows {
        if self == previous {
            return Follows::Repeated;
        }
        let is_later = match (previous.what, self.what) {
            _ if self.lsn != previous.lsn => self.lsn > previous.lsn,
            (What::Read { table: before, .. }, What::Read { table, .. }) if before != table => true,
            (What::Read { row: before, .. }, What::Read { row, .. }) => row > before,
            (What::Read { .. }, What::Change { .. }) => true,
            (What::Change { .. }, What::Read { .. }) => false,
            (
                What::Change {
                    ordinal: before,
                    part: part_before,
                },
                What::Change { ordinal, part },
            ) => (ordinal, part) > (before, part_before),
        };
        if is_later {
            Follows::Later
        } else {
            Follows::Earlier
        }
    }
}

/// Block and item of `12,3`; that of `gone,3` and `gone,3.1`.
fn row_of(text: &str) -> Option<(u64, u32)> {
    let (block, item) = text.split_once(',')?;
    if block == "gone" {
        let (number, part) = numbered(item)?;
        return Some((GONE, u32::try_from(number << 1 | u64::from(part)).ok()?));
    }
    Some((u64::from(block.parse::<u32>().ok()?), item.parse().ok()?))
}

/// Number and part of `7` and `7.1`.
fn numbered(text: &str) -> Option<(u64, u32)> {
    match text.split_once('.') {
        None => Some((text.parse().ok()?, 0)),
        Some((number, part)) => Some((number.parse().ok()?, part.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        Place::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn identities_are_read() {
        assert_eq!(place("0/16B3748/3"), Place::of_change(Lsn::new(0x16B_3748), 3));
        assert_eq!(place("1/0/0").lsn, Lsn::new(1 << 32));
        assert!(place("1/0/0").is_change() && !place("0/1/5(0,1)").is_change());
        assert_eq!(Place::commit_of_end("0/A/end"), Some(Lsn::new(0xA)));
        assert_eq!(Place::commit_of_end("0/A/begin"), None);
        assert_eq!(
            place("0/16B3748/16401(7,1)"),
            Place::of_read(Lsn::new(0x16B_3748), 16401, 7, 1)
        );
        for text in [
            "",
            "0/1",
            "0/1/begin",
            "0/1/x(0,1)",
            "0/1/1(0,1",
            "g/1/1",
            "0/1/1.x",
        ] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }

    #[test]
    fn records_follow_each_other() {
        let ascending = [
            "0/A/1",
            "0/A/1.1",
            "0/A/2",
            "0/B/16401(0,1)",
            "0/B/16401(0,2)",
            "0/B/16401(1,1)",
            "0/B/16401(gone,0)",
            "0/B/16401(gone,0.1)",
            "0/B/16401(gone,1)",
            "0/B/0",
            "1/0/0",
        ];
        for (index, text) in ascending.iter().enumerate() {
            assert_eq!(place(text).follows(&place(text)), Follows::Repeated);
            for earlier in &ascending[..index] {
                assert_eq!(
                    place(text).follows(&place(earlier)),
                    Follows::Later,
                    "{earlier} {text}"
                );
                assert_eq!(
                    place(earlier).follows(&place(text)),
                    Follows::Earlier,
                    "{text} {earlier}"
                );
            }
        }
        let other = place("0/B/16400(0,1)");
        assert_eq!(other.follows(&place("0/B/16401(5,1)")), Follows::Later);
    }

    #[test]
    fn a_snapshot_contains_what_was_committed_before_it() {
        let limit = Lsn::new(0xB);
        for (text, is_in) in [
            ("0/A/9", true),
            ("0/B/0", false),
            ("0/B/16401(0,1)", true),
            ("0/C/16401(0,1)", false),
        ] {
            assert_eq!(place(text).is_in_snapshot(limit), is_in, "{text}");
        }
    }
}
