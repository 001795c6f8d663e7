//! Identity of records, by which a consumer drops those that are repeated.

use std::collections::HashMap;

/// Header that identifies a record.
pub const ID_HEADER: &str = "walcast.id";

/// Position of a record in the order of changes: `<commit_lsn>/<ordinal>`, and `.<part>` where one change produces several
/// records (a delete and its tombstone).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId {
    commit_lsn: u64,
    ordinal: u64,
    part: u32,
}

impl RecordId {
    /// Parses the value of the header.
    #[must_use]
    pub fn parse(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?;
        let (lsn, change) = text.rsplit_once('/')?;
        let (high, low) = lsn.split_once('/')?;
        let (high, low) = (
            u32::from_str_radix(high, 16).ok()?,
            u32::from_str_radix(low, 16).ok()?,
        );
        let (ordinal, part) = change.split_once('.').unwrap_or((change, "0"));
        Some(Self {
            commit_lsn: u64::from(high) << 32 | u64::from(low),
            ordinal: ordinal.parse().ok()?,
            part: part.parse().ok()?,
        })
    }
}

/// Highest id of each partition: ids increase within a partition, except for repeated records.
///
/// A consumer that stores results should store these ids with them, in one transaction.
#[derive(Debug, Default)]
pub struct Repeats {
    highest: HashMap<(String, i32), RecordId>,
}

impl Repeats {
    /// Whether a record is repeated; stores its id if not.
    pub fn is_repeat(&mut self, topic: &str, partition: i32, id: RecordId) -> bool {
        match self.highest.get_mut(&(topic.to_owned(), partition)) {
            Some(highest) if id <= *highest => true,
            Some(highest) => {
                *highest = id;
                false
            }
            None => {
                self.highest.insert((topic.to_owned(), partition), id);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RecordId, Repeats};

    fn id(text: &str) -> RecordId {
        RecordId::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn ids_have_the_order_of_the_changes() {
        let ordered = ["0/FF/9", "0/100/0", "0/100/2", "0/100/2.1", "0/100/10", "1/0/0"];
        assert!(ordered.windows(2).all(|pair| id(pair[0]) < id(pair[1])));
    }

    #[test]
    fn invalid_ids_are_rejected() {
        for text in ["", "0/1", "0/1/", "0/X/1", "0/1/1.", "/1/1"] {
            assert_eq!(RecordId::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn repeated_records_are_dropped_per_partition() {
        let mut repeats = Repeats::default();
        let mut kept = Vec::new();
        for text in ["0/1/0", "0/2/0", "0/2/0.1", "0/1/0", "0/2/0", "0/2/0.1", "0/3/0"] {
            if !repeats.is_repeat("t", 0, id(text)) {
                kept.push(text);
            }
        }
        assert_eq!(kept, ["0/1/0", "0/2/0", "0/2/0.1", "0/3/0"]);
        assert!(!repeats.is_repeat("t", 1, id("0/1/0")));
    }
}
