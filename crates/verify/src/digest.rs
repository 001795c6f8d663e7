//! Digests of 128 bits, and their sums.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::value::Value;

/// Digest of a key, of a column with its value, or of a row: the first half of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u128);

/// What a digest is made of, so that equal bytes of different things have different digests.
#[derive(Clone, Copy)]
enum Domain {
    Key = 1,
    Column = 2,
    Row = 3,
    Multiset = 4,
}

impl Digest {
    /// Digest of a record key.
    #[must_use]
    pub fn of_key(key: &Value) -> Self {
        let mut bytes = Vec::new();
        key.write(&mut bytes);
        hash(Domain::Key, &[&bytes])
    }

    /// Digest of the value of a column. The digest of a null is zero, so that a row without the column and one with a null in it
    /// have the same sum.
    #[must_use]
    pub fn of_column(name: &str, value: &Value) -> Self {
        if *value == Value::Null {
            return Self(0);
        }
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        hash(Domain::Column, &[name.as_bytes(), &bytes])
    }

    /// Digest of a row under its key. `columns` is the sum of the digests of its columns.
    #[must_use]
    pub fn of_row(key: Digest, columns: Sum) -> Self {
        hash(Domain::Row, &[&key.to_bytes(), &columns.to_bytes()])
    }

    /// Digest that takes the place of the key where a table has none. `columns` is the sum of the digests of the row's columns.
    #[must_use]
    pub fn of_row_without_key(columns: Sum) -> Self {
        hash(Domain::Multiset, &[&columns.to_bytes()])
    }

    /// The bytes, most significant first.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The digest with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The digest as a number.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0
    }
}

fn hash(domain: Domain, parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update([domain as u8]);
    for part in parts {
        // With its length, so that two parts cannot be cut elsewhere.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let whole = hasher.finalize();
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(whole.iter()) {
        *to = *from;
    }
    Digest::from_bytes(half)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Sum of digests modulo 2^128, which does not depend on their order. Two equal digests do not cancel each other, as they would
/// with XOR: a row that is there twice changes the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sum(u128);

impl Sum {
    /// Adds a digest.
    pub fn add(&mut self, digest: Digest) {
        self.0 = self.0.wrapping_add(digest.0);
    }

    /// Adds another sum.
    pub fn add_sum(&mut self, other: Sum) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// Adds a digest several times.
    pub fn add_times(&mut self, digest: Digest, times: u64) {
        self.0 = self.0.wrapping_add(digest.0.wrapping_mul(u128::from(times)));
    }

    /// The bytes, most significant first.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The sum with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn a_row_that_is_there_twice_changes_the_sum() {
        let digest = Digest::of_column("a", &text("x"));
        let (mut once, mut thrice, mut none) = (Sum::default(), Sum::default(), Sum::default());
        once.add(digest);
        thrice.add_times(digest, 3);
        none.add_times(digest, 0);
        assert_ne!(once, thrice);
        assert_eq!(none, Sum::default());
        once.add(digest);
        once.add(digest);
        assert_eq!(once, thrice);
    }

    #[test]
    fn names_and_values_do_not_run_into_each_other() {
        assert_ne!(
            Digest::of_column("ab", &text("c")),
            Digest::of_column("a", &text("bc"))
        );
        assert_ne!(
            Digest::of_column("a", &text("1")),
            Digest::of_column("a", &Value::Int(1))
        );
        assert_ne!(Digest::of_key(&text("1")), Digest::of_column("", &text("1")));
    }

    #[test]
    fn a_null_is_as_a_missing_column() {
        let mut sum = Sum::default();
        sum.add(Digest::of_column("a", &Value::Null));
        assert_eq!(sum, Sum::default());
    }

    proptest! {
        #[test]
        fn sums_do_not_depend_on_the_order(mut numbers in proptest::collection::vec(any::<u128>(), 0..20), cut in 0_usize..20) {
            let sum_of = |numbers: &[u128]| {
                let mut sum = Sum::default();
                numbers.iter().for_each(|number| sum.add(Digest(*number)));
                sum
            };
            let whole = sum_of(&numbers);
            let (one, other) = numbers.split_at(cut.min(numbers.len()));
            let mut parts = sum_of(other);
            parts.add_sum(sum_of(one));
            prop_assert_eq!(whole, parts);
            numbers.reverse();
            prop_assert_eq!(whole, sum_of(&numbers));
        }
    }
}
