//! Counts of the events of a transaction: in all, and of each collection.
//!
//! A collection is a table, or the messages. The counts are all that is kept of a transaction, whatever its size.

use std::collections::HashMap;

/// The counts of one transaction.
#[derive(Debug, Default)]
pub struct EventCounts {
    total: u64,
    collections: HashMap<String, Count>,
}

#[derive(Debug)]
struct Count {
    /// Place of the collection by its first event.
    place: usize,
    events: u64,
}

/// Number of an event in its transaction, and among those of its collection; both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventOrder {
    pub(crate) total: u64,
    pub(crate) in_collection: u64,
}

impl EventCounts {
    /// Resets the counts.
    pub fn clear(&mut self) {
        self.total = 0;
        self.collections.clear();
    }

    /// Number of all events.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Counts an event.
    pub(crate) fn count(&mut self, collection: &str) -> EventOrder {
        self.total += 1;
        let in_collection = match self.collections.get_mut(collection) {
            Some(count) => {
                count.events += 1;
                count.events
            }
            None => {
                let place = self.collections.len();
                self.collections
                    .insert(collection.to_owned(), Count { place, events: 1 });
                1
            }
        };
        EventOrder {
            total: self.total,
            in_collection,
        }
    }

    /// Uncounts the last `events`, all of one collection.
    pub(crate) fn take_back(&mut self, collection: &str, events: u64) {
        self.total -= events;
        if let Some(count) = self.collections.get_mut(collection) {
            count.events -= events;
            if count.events == 0 {
                self.collections.remove(collection);
            }
        }
    }

    /// The collections with their counts, in Debezium's order: that of a Java `HashMap` with these keys.
    pub(crate) fn collections(&self) -> Vec<(&str, u64)> {
        let buckets = buckets(self.collections.len());
        let mut sorted: Vec<_> = self
            .collections
            .iter()
            .map(|(name, count)| (bucket(name, buckets), count.place, name.as_str(), count.events))
            .collect();
        sorted.sort_unstable();
        sorted
            .into_iter()
            .map(|(_, _, name, events)| (name, events))
            .collect()
    }
}

/// Initial number of buckets of a `HashMap`.
const BUCKETS_MIN: usize = 16;

/// Number of buckets: doubled when more than three quarters are in use.
fn buckets(entries: usize) -> usize {
    let mut buckets = BUCKETS_MIN;
    while entries > buckets / 4 * 3 {
        buckets *= 2;
    }
    buckets
}

/// See <https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/lang/String.html#hashCode()>. The map mixes the
/// upper half in, because the number of its buckets keeps the lower bits only.
fn bucket(key: &str, buckets: usize) -> usize {
    let hash = key.encode_utf16().fold(0u32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(u32::from(unit))
    });
    usize::try_from(hash ^ (hash >> 16)).unwrap_or_default() & (buckets - 1)
}

#[cfg(test)]
mod tests {
    use super::{EventCounts, EventOrder, bucket};

    #[test]
    fn events_are_numbered_in_all_and_by_collection() {
        let mut counts = EventCounts::default();
        let order = |total, in_collection| EventOrder { total, in_collection };
        assert_eq!(counts.count("public.a"), order(1, 1));
        assert_eq!(counts.count("public.b"), order(2, 1));
        assert_eq!(counts.count("public.a"), order(3, 2));
        counts.take_back("public.a", 1);
        assert_eq!(counts.count("public.a"), order(3, 2));
        counts.take_back("public.b", 1);
        assert_eq!(counts.collections(), [("public.a", 2)]);
        counts.clear();
        assert_eq!((counts.total(), counts.collections()), (0, Vec::new()));
    }

    #[test]
    fn collections_come_in_the_order_of_a_java_map() {
        // "Aa" and "BB" share their hash: the first that came is the first.
        assert_eq!(bucket("Aa", 16), bucket("BB", 16));
        let mut counts = EventCounts::default();
        for name in ["BB", "Aa", "b", "a"] {
            counts.count(name);
        }
        let names: Vec<&str> = counts.collections().into_iter().map(|(name, _)| name).collect();
        // Hashes 2112, 2112, 98 and 97: buckets 0, 0, 2 and 1.
        assert_eq!(names, ["BB", "Aa", "a", "b"]);
    }

    #[test]
    fn many_collections_spread_over_more_buckets() {
        let mut counts = EventCounts::default();
        for letter in ('a'..='p').rev() {
            counts.count(&letter.to_string());
        }
        let names: Vec<&str> = counts.collections().into_iter().map(|(name, _)| name).collect();
        // 16 entries need 32 buckets; hashes 97 to 112 lie in buckets 1 to 16.
        let sorted: Vec<String> = ('a'..='p').map(|letter| letter.to_string()).collect();
        assert_eq!(names, sorted);
    }
}
