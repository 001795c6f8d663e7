//! What became of many sequences, in figures.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::execution::Outcome;

/// Characters of an error by which errors are counted as one kind.
const KIND_LENGTH: usize = 100;
/// Kinds of errors that are shown.
const KINDS_SHOWN: usize = 12;

/// The figures, and the sequences that failed.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Sequences that were played.
    pub sequences: u64,
    /// How long that took.
    pub length: Duration,
    /// Transactions of the application that were committed.
    pub committed: u64,
    /// Changes that were delivered.
    pub delivered: u64,
    /// Rows that were read.
    pub read: u64,
    /// Changes before the capture of their table, whose rows were read later.
    pub superseded: u64,
    /// Changes that are missing and were reported.
    pub reported: u64,
    /// Halts, by their reason.
    pub halts: BTreeMap<String, u64>,
    /// Statements that Postgres refuses for any published table, by their error.
    pub inherent: BTreeMap<String, u64>,
    /// Transactions that fail without a publication too, by their error.
    pub impossible: BTreeMap<String, u64>,
    /// Failures, each with everything that is needed to repeat it.
    pub failures: Vec<String>,
}

impl Report {
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.sequences += 1;
        self.committed += outcome.committed;
        self.delivered += outcome.verdict.delivered;
        self.read += outcome.verdict.read;
        self.superseded += outcome.verdict.superseded;
        self.reported += outcome.verdict.reported;
        for (kinds, texts) in [
            (&mut self.inherent, &outcome.inherent),
            (&mut self.impossible, &outcome.impossible),
        ] {
            for text in texts {
                *kinds.entry(kind(text)).or_default() += 1;
            }
        }
        if let Some(halt) = &outcome.halt {
            *self.halts.entry(kind(halt)).or_default() += 1;
        }
    }

    /// The progress in one line.
    pub(super) fn progress(&self, length: Duration) -> String {
        format!(
            "{:7.1} s  {} sequences, {} failed, {} halted, {} changes delivered",
            length.as_secs_f64(),
            self.sequences,
            self.failures.len(),
            self.halts.values().sum::<u64>(),
            self.delivered
        )
    }

    /// Whether no change differs and no statement was refused, and there were changes.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.delivered > 0
    }
}

/// An error without the numbers in it.
fn kind(text: &str) -> String {
    let error = text.rsplit_once(": ").map_or(text, |(_, error)| error);
    let error = if text.starts_with("error: ") { text } else { error };
    let without = error.chars().filter(|c| !c.is_ascii_digit());
    without.take(KIND_LENGTH).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} sequences in {:.0} s, {} transactions of the application",
            self.sequences,
            self.length.as_secs_f64(),
            self.committed
        )?;
        writeln!(
            f,
            "{} changes delivered once and in order, {} rows read; missing: {} superseded by rows that were read, {} reported",
            self.delivered, self.read, self.superseded, self.reported
        )?;
        for (what, kinds) in [
            ("halts", &self.halts),
            ("refused for any published table", &self.inherent),
            ("impossible without a publication too", &self.impossible),
        ] {
            writeln!(f, "{what}: {}", kinds.values().sum::<u64>())?;
            let mut kinds: Vec<_> = kinds.iter().collect();
            kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (kind, count) in kinds.into_iter().take(KINDS_SHOWN) {
                writeln!(f, "  {count:5}  {kind}")?;
            }
        }
        write!(f, "sequences that failed: {}", self.failures.len())?;
        for failure in &self.failures {
            write!(f, "\n\n{failure}")?;
        }
        Ok(())
    }
}
