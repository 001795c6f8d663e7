//! What an ordeal was, in figures.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use walcast_testbed::{LoadSummary, Verdict};

use super::fault::Fault;

/// What happened, and what is in Kafka after it.
#[derive(Debug, Default)]
pub struct Report {
    /// From the first fault to the last.
    pub length: Duration,
    /// How often each fault was there.
    pub faults: BTreeMap<String, u32>,
    /// How often a connector ended by itself, by its exit code.
    pub exits: BTreeMap<i32, u32>,
    /// Further remarks.
    pub(super) news: Vec<String>,
    /// How long it took each time until everything was delivered after everything was repaired.
    pub recoveries: Vec<Duration>,
    /// What the load did.
    pub load: LoadSummary,
    /// The topics beside the source's journal.
    pub verdict: Verdict,
    /// What the connectors logged last.
    pub log: String,
}

impl Report {
    pub(super) fn count(&mut self, fault: Fault) {
        *self.faults.entry(fault.to_string()).or_default() += 1;
    }

    /// Whether every change of the source is in Kafka once and in order, and there was one.
    pub fn is_clean(&self) -> bool {
        self.verdict.is_clean() && self.verdict.expected > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: u32 = self.faults.values().sum();
        writeln!(f, "{count} faults in {:.0} s:", self.length.as_secs_f64())?;
        for (fault, count) in &self.faults {
            writeln!(f, "  {count:4}  {fault}")?;
        }
        let exits: Vec<String> = self
            .exits
            .iter()
            .map(|(code, count)| format!("{count} with code {code}"))
            .collect();
        let exits = if exits.is_empty() {
            "none".to_owned()
        } else {
            exits.join(", ")
        };
        writeln!(
            f,
            "connectors that ended by themselves and were started again: {exits}"
        )?;
        let longest = self.recoveries.iter().max().copied().unwrap_or_default();
        writeln!(
            f,
            "everything delivered after everything was repaired: {} times, after at most {:.1} s",
            self.recoveries.len(),
            longest.as_secs_f64()
        )?;
        writeln!(
            f,
            "load: {} transactions, {} writes, {} rolled back, {} connections made again",
            self.load.transactions, self.load.writes, self.load.rolled_back, self.load.reconnects
        )?;
        write!(f, "{}", self.verdict)
    }
}
