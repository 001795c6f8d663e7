//! Samples of the last minutes: lag and rates, in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

/// Time between two samples.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// Number of samples that are kept: fifteen minutes.
const KEPT: usize = 180;

/// Samples of one connector. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Arc<Mutex<History>>);

#[derive(Debug, Default)]
struct History {
    plot: VecDeque<Sample>,
    last: Option<Totals>,
    throughput: Option<Throughput>,
    tables: BTreeMap<String, TableActivity>,
}

/// Point of the plot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Sample {
    /// Time in UTC.
    pub(crate) time: String,
    pub(crate) lag_seconds: f64,
    pub(crate) lag_bytes: u64,
    /// Mean rate since the sample before.
    pub(crate) changes_per_second: f64,
}

/// Counters at the time of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) at: Instant,
    /// Changes by table.
    pub(crate) changes: BTreeMap<String, u64>,
    pub(crate) transactions: u64,
    pub(crate) produced_bytes: u64,
}

/// Rates between the last two samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Throughput {
    pub(crate) changes_per_second: f64,
    pub(crate) transactions_per_second: f64,
    pub(crate) produced_bytes_per_second: f64,
}

/// Activity of a table between the last two samples.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableActivity {
    pub(crate) changes_per_second: f64,
    /// Time of the sample that saw the last change, in UTC.
    pub(crate) last_change: Option<Timestamp>,
}

impl Samples {
    /// Adds a sample.
    pub(crate) fn add(&self, now: Timestamp, lag: (f64, u64), totals: Totals) {
        let mut history = self.lock();
        let mut changes_per_second = 0.0;
        if let Some(last) = history.last.take() {
            let seconds = totals.at.duration_since(last.at).as_secs_f64();
            let rate = |now: u64, before: u64| match seconds > 0.0 {
                true => now.saturating_sub(before) as f64 / seconds,
                false => 0.0,
            };
            changes_per_second = rate(totals.changes.values().sum(), last.changes.values().sum());
            history.throughput = Some(Throughput {
                changes_per_second,
                transactions_per_second: rate(totals.transactions, last.transactions),
                produced_bytes_per_second: rate(totals.produced_bytes, last.produced_bytes),
            });
            for (table, count) in &totals.changes {
                let before = last.changes.get(table).copied().unwrap_or_default();
                let known = history
                    .tables
                    .get(table)
                    .and_then(|activity| activity.last_change);
                let activity = TableActivity {
                    changes_per_second: rate(*count, before),
                    last_change: if *count > before { Some(now) } else { known },
                };
                history.tables.insert(table.clone(), activity);
            }
        }
        if history.plot.len() == KEPT {
            history.plot.pop_front();
        }
        let (lag_seconds, lag_bytes) = lag;
        history.plot.push_back(Sample {
            time: now.to_string(),
            lag_seconds,
            lag_bytes,
            changes_per_second,
        });
        history.last = Some(totals);
    }

    /// Samples, the oldest first.
    pub(crate) fn plot(&self) -> Vec<Sample> {
        self.lock().plot.iter().cloned().collect()
    }

    /// Rates between the last two samples; `None` before the second one.
    pub(crate) fn throughput(&self) -> Option<Throughput> {
        self.lock().throughput
    }

    /// Activity of the tables of which changes were counted, by name.
    pub(crate) fn tables(&self) -> BTreeMap<String, TableActivity> {
        self.lock().tables.clone()
    }

    /// Locks the samples. A poisoned lock is ignored: no code panics while holding it.
    fn lock(&self) -> MutexGuard<'_, History> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(at: Instant, orders: u64, items: u64) -> Totals {
        Totals {
            at,
            changes: BTreeMap::from([
                ("public.orders".to_owned(), orders),
                ("public.items".to_owned(), items),
            ]),
            transactions: orders,
            produced_bytes: 100 * orders,
        }
    }

    fn second(number: i64) -> Timestamp {
        Timestamp::from_second(1_796_119_200 + number).unwrap()
    }

    #[test]
    fn rates_are_those_between_the_last_two_samples() {
        let samples = Samples::default();
        let begin = Instant::now();
        samples.add(second(0), (0.5, 100), totals(begin, 10, 0));
        assert_eq!(samples.throughput(), None);
        samples.add(second(5), (1.5, 200), totals(begin + INTERVAL, 60, 0));
        samples.add(second(10), (0.0, 0), totals(begin + 2 * INTERVAL, 60, 5));
        let throughput = samples.throughput().unwrap();
        assert!((throughput.changes_per_second - 1.0).abs() < 1e-9);
        assert!(throughput.transactions_per_second.abs() < 1e-9);
        let tables = samples.tables();
        assert_eq!(tables["public.orders"].last_change, Some(second(5)));
        assert_eq!(tables["public.items"].last_change, Some(second(10)));
        let plot = samples.plot();
        let rates: Vec<f64> = plot.iter().map(|sample| sample.changes_per_second).collect();
        assert_eq!(rates, [0.0, 10.0, 1.0]);
        assert_eq!((plot[1].lag_seconds, plot[1].lag_bytes), (1.5, 200));
        assert_eq!(plot[0].time, "2026-12-01T10:00:00Z");
    }

    #[test]
    fn samples_are_kept_for_fifteen_minutes() {
        let samples = Samples::default();
        let begin = Instant::now();
        for number in 0..200_u32 {
            let at = begin + number * INTERVAL;
            samples.add(second(5 * i64::from(number)), (0.0, 0), totals(at, 0, 0));
        }
        let plot = samples.plot();
        assert_eq!(plot.len(), KEPT);
        assert_eq!(plot[0].time, second(100).to_string());
    }
}
