//! Half-open ranges of digests.

use crate::digest::Digest;

/// Range of digests, with its first one and without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRange {
    from: u128,
    /// `None`: up to the last digest.
    end: Option<u128>,
}

impl KeyRange {
    /// All digests.
    pub const WHOLE: KeyRange = KeyRange { from: 0, end: None };

    /// Whether the digest is in the range.
    #[must_use]
    pub fn contains(&self, digest: Digest) -> bool {
        let number = digest.as_u128();
        self.from <= number && self.end.is_none_or(|end| number < end)
    }

    /// Consecutive ranges of about equal size, at most `parts`, which together are this one.
    #[must_use]
    pub fn split(&self, parts: u64) -> Vec<KeyRange> {
        if parts <= 1 {
            return vec![*self];
        }
        let last = self.end.map_or(u128::MAX, |end| end.saturating_sub(1));
        let step = last.saturating_sub(self.from) / u128::from(parts) + 1;
        let mut ranges = Vec::new();
        let mut from = self.from;
        loop {
            let next = from
                .checked_add(step)
                .filter(|next| self.end.is_none_or(|end| *next < end));
            ranges.push(KeyRange {
                from,
                end: next.or(self.end),
            });
            match next {
                Some(next) => from = next,
                None => return ranges,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_digest_at_a_bound_is_in_one_range() {
        let ranges = KeyRange::WHOLE.split(64);
        assert_eq!(ranges.len(), 64);
        for range in &ranges {
            let first = Digest::from_bytes(range.from.to_be_bytes());
            let holders = ranges.iter().filter(|range| range.contains(first));
            assert_eq!(holders.count(), 1);
        }
        let last = Digest::from_bytes(u128::MAX.to_be_bytes());
        assert!(ranges.last().is_some_and(|range| range.contains(last)));
    }

    proptest! {
        #[test]
        fn each_digest_is_in_exactly_one_part(number: u128, parts in 1_u64..100, again in 1_u64..10) {
            let digest = Digest::from_bytes(number.to_be_bytes());
            let holder: Vec<KeyRange> = KeyRange::WHOLE.split(parts).into_iter().filter(|range| range.contains(digest)).collect();
            prop_assert_eq!(holder.len(), 1);
            let within = holder[0].split(again);
            prop_assert_eq!(within.iter().filter(|range| range.contains(digest)).count(), 1);
        }
    }
}
