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
        "{:<34}{:>8}{:>6}{:>9}{:>9}{:>9}{:>10}{:>10}{:>9}{:>8}{:>6}",
        "",
        "tx/s",
        "rows",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
        "behind ms",
        "cores",
        "broker",
        "MB"
    )?;
    Ok(())
}

pub(super) fn print(
    contestant: &Contestant<'_>,
    flow: Flow,
    measured: &Measured,
    as_json: bool,
) -> Result<()> {
    let latencies = &measured.latencies;
    let [p50, p95, p99, max] = [500, 950, 990, 1000].map(|share| percentile(latencies, share));
    let behind = measured.behind.as_secs_f64() * 1000.0;
    let megabytes = measured.resident_bytes_peak / (1024 * 1024);
    let mut out = std::io::stdout().lock();
    if as_json {
        let figures = json!({
            "contestant": name(contestant), "rate": flow.rate, "rows": flow.rows,
            "committed_per_second": measured.committed_per_second,
            "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "max_ms": max, "behind_ms": behind,
            "connector_cores": measured.connector_cores, "broker_cores": measured.broker_cores,
            "rss_peak_bytes": measured.resident_bytes_peak,
        });
        writeln!(out, "{figures}")?;
    } else {
        writeln!(
            out,
            "{:<34}{:>8.0}{:>6}{p50:>9.1}{p95:>9.1}{p99:>9.1}{max:>10.1}{behind:>10.1}{:>9.3}{:>8.3}{megabytes:>6}",
            name(contestant),
            measured.committed_per_second,
            flow.rows,
            measured.connector_cores,
            measured.broker_cores,
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
