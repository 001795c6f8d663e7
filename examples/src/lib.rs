//! What a consumer of walcast's topics needs beyond an Avro decoder: to tell records that come again.
//!
//! With `isolation.level=read_committed` every change arrives once, whatever crashed. Records come again only when somebody
//! asks for it (`walcast checkpoint set`), or with `delivery = "at_least_once"`. They then carry the same `walcast.id`.

use std::collections::HashMap;

/// The header that identifies a record.
pub const ID_HEADER: &str = "walcast.id";

/// Where a record lies in the order of changes: `<commit_lsn>/<ordinal>`, and `.<part>` where one change makes several
/// records (a delete and its tombstone).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId {
    commit_lsn: u64,
    ordinal: u64,
    part: u32,
}

impl RecordId {
    /// Reads the header's value.
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

/// Remembers how far each partition has come: ids grow within one, except when records come again.
///
/// A consumer that keeps results should store these marks with them, in one transaction.
#[derive(Debug, Default)]
pub struct Repeats {
    highest: HashMap<(String, i32), RecordId>,
}

impl Repeats {
    /// Whether a record has been seen; remembers it if not.
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
    fn ids_are_ordered_as_changes_are() {
        let ordered = ["0/FF/9", "0/100/0", "0/100/2", "0/100/2.1", "0/100/10", "1/0/0"];
        assert!(ordered.windows(2).all(|pair| id(pair[0]) < id(pair[1])));
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in ["", "0/1", "0/1/", "0/X/1", "0/1/1.", "/1/1"] {
            assert_eq!(RecordId::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn what_comes_again_is_dropped_in_its_partition_only() {
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
