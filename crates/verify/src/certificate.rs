//! Certificates: the outcome of a comparison as a record, each with the hash of the one before.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::tally::{Kind, Reason, Side};

/// Version of the format of certificates.
const VERSION: u32 = 1;

/// What a comparison has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All rows that were compared are the same.
    Identical,
    /// Rows differ, or records are in the wrong order.
    Different,
    /// Nothing differs, and some rows or tables could not be compared.
    Undecided,
}

/// Outcome of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Version of the format.
    pub version: u32,
    /// Name of the connector.
    pub connector: String,
    /// Version of the program.
    pub walcast: String,
    /// System identifier of the source.
    pub system_identifier: String,
    /// Timeline of the source.
    pub timeline: u32,
    /// Database.
    pub database: String,
    /// Position at which both sides were compared.
    pub lsn: String,
    /// Time of the snapshot, in microseconds since 1970.
    pub taken_at_unix_micros: i64,
    /// Outcome.
    pub verdict: Verdict,
    /// Condition on the rows of the source; `None`: all rows.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Whether the rows of the source were compared as the text of Postgres, and not as the records that the connector makes of them.
    pub is_independent: bool,
    /// Whether only the differences of an earlier comparison were compared.
    pub is_recheck: bool,
    /// What was compared.
    pub topics: Vec<TopicCertificate>,
    /// Whether transactions are whole; `None` if that was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactions: Option<TransactionCounts>,
    /// Tables that were not compared, each with the reason.
    pub not_compared: BTreeMap<String, String>,
    /// SHA-256 of the certificate before, in hexadecimal digits; `None` for the first one.
    pub previous: Option<String>,
}

/// Outcome of the check whether transactions are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TransactionCounts {
    /// Number of tables in transactions whose events were counted.
    pub checked: u64,
    /// Number of those of which a topic lacks events.
    pub incomplete: u64,
}

/// Outcome for one topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopicCertificate {
    /// Name of the topic.
    pub topic: String,
    /// Tables whose records it holds.
    pub tables: Vec<String>,
    /// Rows of the tables.
    pub source: Side,
    /// Rows of the topic.
    pub folded: Side,
    /// Number of rows that are the same.
    pub identical: u64,
    /// Number of rows that differ, by kind.
    pub differences: BTreeMap<Kind, u64>,
    /// Number of rows that cannot be compared, by reason.
    pub unverifiable: BTreeMap<Reason, u64>,
    /// Number of records that repeat the one before.
    pub repeated: u64,
    /// Number of records that follow a later one.
    pub out_of_order: u64,
    /// Number of records that cannot be read as those of a row.
    pub unreadable: u64,
    /// Columns that were not compared, each with the reason.
    pub columns_left_out: Vec<String>,
    /// Offsets that were read.
    pub partitions: Vec<PartitionOffsets>,
}

/// Offsets of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionOffsets {
    /// Number of the partition.
    pub partition: i32,
    /// First offset that is left.
    pub first: i64,
    /// Offset behind the last committed record.
    pub end: i64,
}

impl TopicCertificate {
    /// What the topic alone says.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let differs = self
            .differences
            .iter()
            .any(|(kind, _)| *kind != Kind::Unverifiable);
        if differs || self.repeated + self.out_of_order > 0 {
            return Verdict::Different;
        }
        match self.unverifiable.is_empty() && self.unreadable == 0 {
            true => Verdict::Identical,
            false => Verdict::Undecided,
        }
    }
}

impl Certificate {
    /// A certificate without topics yet; see its fields.
    #[must_use]
    pub fn new(connector: String, walcast: String) -> Self {
        Self {
            version: VERSION,
            connector,
            walcast,
            system_identifier: String::new(),
            timeline: 0,
            database: String::new(),
            lsn: String::new(),
            taken_at_unix_micros: 0,
            verdict: Verdict::Undecided,
            condition: None,
            is_independent: false,
            is_recheck: false,
            topics: Vec::new(),
            transactions: None,
            not_compared: BTreeMap::new(),
            previous: None,
        }
    }

    /// Whether any row or table could not be compared.
    #[must_use]
    pub fn has_undecided(&self) -> bool {
        let mut topics = self.topics.iter();
        let is_undecided = |topic: &TopicCertificate| !topic.unverifiable.is_empty() || topic.unreadable > 0;
        !self.not_compared.is_empty() || topics.any(is_undecided)
    }

    /// What all topics together say. Nothing compared is undecided.
    #[must_use]
    pub fn overall(&self) -> Verdict {
        let verdicts: Vec<Verdict> = self.topics.iter().map(TopicCertificate::verdict).collect();
        let lacks_events = self.transactions.is_some_and(|counts| counts.incomplete > 0);
        if lacks_events || verdicts.contains(&Verdict::Different) {
            return Verdict::Different;
        }
        let is_decided = self.not_compared.is_empty() && !verdicts.is_empty();
        match is_decided && verdicts.iter().all(|verdict| *verdict == Verdict::Identical) {
            true => Verdict::Identical,
            false => Verdict::Undecided,
        }
    }
}

/// SHA-256 of a certificate as it is stored, in hexadecimal digits.
#[must_use]
pub fn hash_of(certificate: &[u8]) -> String {
    let hash = Sha256::digest(certificate);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> TopicCertificate {
        TopicCertificate {
            topic: "shop.public.items".to_owned(),
            tables: vec!["public.items".to_owned()],
            source: Side::default(),
            folded: Side::default(),
            identical: 1,
            differences: BTreeMap::new(),
            unverifiable: BTreeMap::new(),
            repeated: 0,
            out_of_order: 0,
            unreadable: 0,
            columns_left_out: Vec::new(),
            partitions: Vec::new(),
        }
    }

    fn verdict(topics: Vec<TopicCertificate>) -> Verdict {
        let certificate = Certificate {
            topics,
            ..Certificate::new("shop".to_owned(), "0".to_owned())
        };
        certificate.overall()
    }

    #[test]
    fn a_difference_outweighs_what_cannot_be_compared() {
        let unreadable = TopicCertificate {
            unreadable: 1,
            ..topic()
        };
        let undecided = TopicCertificate {
            differences: [(Kind::Unverifiable, 1)].into(),
            unverifiable: [(Reason::Expired, 1)].into(),
            ..topic()
        };
        let different = TopicCertificate {
            differences: [(Kind::Extra, 1)].into(),
            ..topic()
        };
        let repeated = TopicCertificate {
            repeated: 1,
            ..topic()
        };
        assert_eq!(verdict(vec![]), Verdict::Undecided);
        assert_eq!(verdict(vec![topic(), topic()]), Verdict::Identical);
        assert_eq!(verdict(vec![topic(), unreadable]), Verdict::Undecided);
        assert_eq!(verdict(vec![topic(), undecided.clone()]), Verdict::Undecided);
        assert_eq!(verdict(vec![undecided, different]), Verdict::Different);
        assert_eq!(verdict(vec![topic(), repeated]), Verdict::Different);
    }

    #[test]
    fn a_table_that_was_not_compared_is_not_identical() {
        let mut certificate = Certificate::new("shop".to_owned(), "0".to_owned());
        certificate.topics = vec![topic()];
        let not_compared = ("public.other".to_owned(), "it was altered".to_owned());
        assert!(!certificate.has_undecided());
        certificate.transactions = Some(TransactionCounts {
            checked: 2,
            incomplete: 0,
        });
        assert_eq!(certificate.overall(), Verdict::Identical);
        certificate.not_compared = [not_compared].into();
        assert!(certificate.has_undecided());
        assert_eq!(certificate.overall(), Verdict::Undecided);
        certificate.transactions = Some(TransactionCounts {
            checked: 2,
            incomplete: 1,
        });
        assert_eq!(certificate.overall(), Verdict::Different);
    }

    #[test]
    fn the_hash_is_a_sha256() {
        assert_eq!(
            hash_of(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
