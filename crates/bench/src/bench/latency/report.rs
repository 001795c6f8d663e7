//! What is printed of a measurement.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::runs::{Contestant, Flow, Measured};

fn name(contestant: &Contestant<'_>) -> String {
    match contestant {
        Contestant::Walcast(guarantee) => format!("walcast, {}", guarantee.replace('_', " ")),
        Contestant::Debezium(_) => "Debezium, poll.interval.ms = 10".to_owned(),
    }
}

/// The latency that a share of the transactions, in thousandths, does not exceed.
fn percentile(sorted: &[Duration], thousandths: usize) -> f64 {
    let place = (sorted.len() * thousandths).div_ceil(1000).saturating_sub(1);
    sorted
        .get(place)
        .map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
}

pub(super) fn print_head() -> Result<()> {
    writeln!(
        std::io::stdout().lock(),
        "{:<34}{:>8}{:>6}{:>9}{:>9}{:>9}{:>10}{:>10}{:>9}{:>8}{:>8}{:>6}",
        "",
        "tx/s",
        "rows",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
        "behind ms",
        "cores",
        "server",
        "broker",
        "MB"
    )?;
    Ok(())
}

/// Figures of one measurement. Times are in milliseconds.
#[derive(Clone)]
pub(in crate::bench) struct Line {
    pub(in crate::bench) contestant: String,
    pub(in crate::bench) rate: u32,
    pub(in crate::bench) rows: u32,
    pub(in crate::bench) committed_per_second: f64,
    pub(in crate::bench) p50: f64,
    pub(in crate::bench) p95: f64,
    pub(in crate::bench) p99: f64,
    pub(in crate::bench) max: f64,
    /// Time after the last commit until its record was there.
    pub(in crate::bench) behind: f64,
    pub(in crate::bench) connector_cores: f64,
    pub(in crate::bench) server_cores: f64,
    pub(in crate::bench) broker_cores: f64,
    pub(in crate::bench) resident_bytes_peak: u64,
}

impl Line {
    pub(super) fn of(contestant: &Contestant<'_>, flow: Flow, measured: &Measured) -> Line {
        let latencies = &measured.latencies;
        let [p50, p95, p99, max] = [500, 950, 990, 1000].map(|share| percentile(latencies, share));
        Line {
            contestant: name(contestant),
            rate: flow.rate,
            rows: flow.rows,
            committed_per_second: measured.committed_per_second,
            p50,
            p95,
            p99,
            max,
            behind: measured.behind.as_secs_f64() * 1000.0,
            connector_cores: measured.connector_cores,
            server_cores: measured.server_cores,
            broker_cores: measured.broker_cores,
            resident_bytes_peak: measured.resident_bytes_peak,
        }
    }
}

pub(super) fn print(line: &Line, as_json: bool) -> Result<()> {
    let megabytes = line.resident_bytes_peak / (1024 * 1024);
    let mut out = std::io::stdout().lock();
    if as_json {
        let figures = json!({
            "contestant": line.contestant, "rate": line.rate, "rows": line.rows,
            "committed_per_second": line.committed_per_second,
            "p50_ms": line.p50, "p95_ms": line.p95, "p99_ms": line.p99, "max_ms": line.max,
            "behind_ms": line.behind,
            "connector_cores": line.connector_cores, "server_cores": line.server_cores, "broker_cores": line.broker_cores,
            "rss_peak_bytes": line.resident_bytes_peak,
        });
        writeln!(out, "{figures}")?;
    } else {
        writeln!(
            out,
            "{:<34}{:>8.0}{:>6}{:>9.1}{:>9.1}{:>9.1}{:>10.1}{:>10.1}{:>9.3}{:>8.3}{:>8.3}{megabytes:>6}",
            line.contestant,
            line.committed_per_second,
            line.rows,
            line.p50,
            line.p95,
            line.p99,
            line.max,
            line.behind,
            line.connector_cores,
            line.server_cores,
            line.broker_cores,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::percentile;

    #[test]
    fn percentiles_are_latencies_that_were_measured() {
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let of = |thousandths| percentile(&sorted, thousandths).round();
        assert_eq!([of(500), of(990), of(1000)], [100.0, 198.0, 200.0]);
        assert!(percentile(&[], 500).is_nan());
    }
}
