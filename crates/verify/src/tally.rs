//! The outcome of a comparison.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::digest::{Digest, Sum};
use crate::entry::RecordPlace;

/// How the row of a key differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The source has a row that the topic does not have.
    Missing,
    /// The topic has a row that the source does not have.
    Extra,
    /// Both have a row, and the rows differ.
    Different,
    /// The row cannot be compared.
    Unverifiable,
}

/// Reason for which the row of a key cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The topic no longer has its first records, and none of the key.
    Expired,
    /// The topic is compacted, and the records of the key up to the position have given way to later ones.
    Compacted,
    /// Records of the topic could not be read, and the row may be in one of them.
    Unreadable,
    /// Existing rows of the table are not read, or only some of them, so that a row that was never changed is in no record.
    NotRead,
    /// A value that did not change is not in the last record, and no earlier record has it.
    Unsent,
    /// Several rows of the source have the key.
    SharedKey,
}

/// Key whose row differs, or cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it differs.
    pub kind: Kind,
    /// Why it cannot be compared.
    pub reason: Option<Reason>,
    /// Digest of the key, or of the row of a table without key.
    pub digest: Digest,
    /// Number of copies of the row, in a table without key.
    pub copies: u64,
    /// The last record of the key, or one with the row.
    pub record: Option<RecordPlace>,
}

/// Rows of one side: their number, and the sum of their digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Number of rows.
    pub rows: u64,
    /// Sum of the digests modulo 2^128.
    pub sum: Sum,
}

impl Side {
    pub(crate) fn add(&mut self, digest: Digest, times: u64) {
        self.rows += times;
        self.sum.add_times(digest, times);
    }
}

/// Outcome of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows of the source.
    pub source: Side,
    /// Rows of the topic, folded to the position. A row that cannot be compared because a value is unknown is counted and not summed.
    pub topic: Side,
    /// Number of rows that are the same.
    pub identical: u64,
    /// Number of rows that differ, by kind; those that cannot be compared included.
    pub counts: BTreeMap<Kind, u64>,
    /// Number of rows that cannot be compared, by reason.
    pub unverifiable: BTreeMap<Reason, u64>,
    /// The first findings of each kind.
    pub findings: Vec<Finding>,
    /// Number of these, by kind.
    listed: BTreeMap<Kind, usize>,
}

impl Tally {
    /// Number of rows that differ.
    #[must_use]
    pub fn differences(&self) -> u64 {
        let differences = self
            .counts
            .iter()
            .filter(|(kind, _)| **kind != Kind::Unverifiable);
        differences.map(|(_, count)| count).sum()
    }

    /// Keys that differ; `None` if more do than were kept.
    #[must_use]
    pub fn differing(&self) -> Option<BTreeSet<Digest>> {
        let differ = self
            .findings
            .iter()
            .filter(|finding| finding.kind != Kind::Unverifiable);
        let keys: BTreeSet<Digest> = differ.map(|finding| finding.digest).collect();
        u64::try_from(keys.len())
            .is_ok_and(|kept| kept == self.differences())
            .then_some(keys)
    }

    /// Number of rows that cannot be compared.
    #[must_use]
    pub fn undecided(&self) -> u64 {
        self.counts.get(&Kind::Unverifiable).copied().unwrap_or_default()
    }

    /// Adds a finding, and keeps it while there are at most `limit` of its kind: no kind displaces another.
    pub(crate) fn find(&mut self, finding: Finding, limit: usize) {
        *self.counts.entry(finding.kind).or_default() += finding.copies;
        if let Some(reason) = finding.reason {
            *self.unverifiable.entry(reason).or_default() += finding.copies;
        }
        let listed = self.listed.entry(finding.kind).or_default();
        if *listed < limit {
            *listed += 1;
            self.findings.push(finding);
        }
    }
}
