//! Check that transactions are whole: the topics have as many events of a transaction as its end in the transaction topic counts.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;
use walcast_pgoutput::Lsn;

use crate::digest::Digest;
use crate::spill::Spill;
use crate::value::Value;

/// Bytes of entries that are compared at once.
const PART_BYTES: u64 = 6 * 1024 * 1024;

/// How often a range is divided: into 64 parts each time.
const DIVISIONS_MAX: usize = 2;

/// Events of transactions in topics, and the counts of their ends.
#[derive(Debug)]
pub struct Transactions {
    ends: Spill,
    events: Spill,
}

/// Outcome of the check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WholeTransactions {
    /// Number of tables in transactions whose events were counted.
    pub checked: u64,
    /// Number of those that lack events.
    pub incomplete: u64,
    /// The first of these.
    pub found: Vec<IncompleteTransaction>,
}

/// Transaction of which a topic lacks events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IncompleteTransaction {
    /// Position of its commit record.
    pub lsn: String,
    /// The table, as the transaction topic names it.
    pub table: String,
    /// Number of events that its end counts.
    pub events: u64,
    /// Number of events in the topic.
    pub found: u64,
}

/// What is known of a table in a transaction.
#[derive(Default)]
struct Counts {
    end: Option<IncompleteTransaction>,
    found: u64,
}

impl Transactions {
    /// No transaction yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ends: Spill::new(),
            events: Spill::new(),
        }
    }

    /// Adds what the end of a transaction counts of a table.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn add_end(&mut self, commit: Lsn, table: &str, events: u64) -> io::Result<()> {
        self.ends.push(digest(commit, table), |out| {
            out.extend_from_slice(&commit.as_u64().to_be_bytes());
            out.extend_from_slice(&events.to_be_bytes());
            out.extend_from_slice(table.as_bytes());
        })
    }

    /// Adds an event of a table that is in its topic.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn add_event(&mut self, commit: Lsn, table: &str) -> io::Result<()> {
        self.events.push(digest(commit, table), |_| {})
    }

    /// Compares both. At most `limit` transactions are listed.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    pub fn check(&mut self, limit: usize) -> io::Result<WholeTransactions> {
        let mut outcome = WholeTransactions::default();
        compare(&mut self.ends, &mut self.events, limit, 0, &mut outcome)?;
        Ok(outcome)
    }
}

impl Default for Transactions {
    fn default() -> Self {
        Self::new()
    }
}

fn digest(commit: Lsn, table: &str) -> Digest {
    let commit = Value::Text(commit.to_string());
    Digest::of_key(&Value::List(vec![commit, Value::Text(table.to_owned())]))
}

fn compare(
    ends: &mut Spill,
    events: &mut Spill,
    limit: usize,
    divisions: usize,
    outcome: &mut WholeTransactions,
) -> io::Result<()> {
    let bytes = ends.ranges().zip(events.ranges());
    let bytes: Vec<u64> = bytes.map(|((_, ends), (_, events))| ends + events).collect();
    for (file, bytes) in bytes.into_iter().enumerate() {
        if bytes > PART_BYTES && divisions < DIVISIONS_MAX {
            let parts = bytes.div_ceil(PART_BYTES);
            let (mut ends, mut events) = (ends.divide(file, parts)?, events.divide(file, parts)?);
            compare(&mut ends, &mut events, limit, divisions + 1, outcome)?;
            continue;
        }
        let mut counts: BTreeMap<Digest, Counts> = BTreeMap::new();
        ends.read(file, |digest, entry| {
            counts.entry(digest).or_default().end = Some(end(entry)?);
            Ok(())
        })?;
        events.read(file, |digest, _| {
            if let Some(counts) = counts.get_mut(&digest) {
                counts.found += 1;
            }
            Ok(())
        })?;
        for counts in counts.into_values() {
            outcome.add(counts, limit);
        }
    }
    Ok(())
}

fn end(entry: &[u8]) -> io::Result<IncompleteTransaction> {
    let short = || io::Error::other("an entry of a temporary file is damaged");
    let (commit, rest) = entry.split_first_chunk().ok_or_else(short)?;
    let (events, table) = rest.split_first_chunk().ok_or_else(short)?;
    Ok(IncompleteTransaction {
        lsn: Lsn::new(u64::from_be_bytes(*commit)).to_string(),
        table: String::from_utf8_lossy(table).into_owned(),
        events: u64::from_be_bytes(*events),
        found: 0,
    })
}

impl WholeTransactions {
    fn add(&mut self, counts: Counts, limit: usize) {
        let Some(transaction) = counts.end else { return };
        self.checked += 1;
        // An event that is there twice is found as a repeated record.
        if counts.found >= transaction.events {
            return;
        }
        self.incomplete += 1;
        if self.found.len() < limit {
            self.found.push(IncompleteTransaction {
                found: counts.found,
                ..transaction
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_lacks_events_is_found_and_no_other() {
        let mut transactions = Transactions::new();
        let mut add = |commit: u64, table: &str, events: u64, found: u64| {
            let commit = Lsn::new(commit);
            transactions.add_end(commit, table, events).unwrap();
            for _ in 0..found {
                transactions.add_event(commit, table).unwrap();
            }
        };
        add(10, "public.a", 2, 2);
        add(10, "public.b", 3, 1);
        add(20, "public.a", 1, 2);
        add(30, "public.a", 1, 0);
        // Its end is not counted.
        transactions.add_event(Lsn::new(40), "public.a").unwrap();
        let outcome = transactions.check(10).unwrap();
        assert_eq!((outcome.checked, outcome.incomplete), (4, 2));
        let mut found: Vec<(String, String, u64, u64)> = outcome
            .found
            .into_iter()
            .map(|one| (one.lsn, one.table, one.events, one.found))
            .collect();
        found.sort();
        assert_eq!(
            found,
            [
                ("0/1E".to_owned(), "public.a".to_owned(), 1, 0),
                ("0/A".to_owned(), "public.b".to_owned(), 3, 1),
            ]
        );
        assert_eq!(transactions.check(1).unwrap().found.len(), 1);
    }
}
