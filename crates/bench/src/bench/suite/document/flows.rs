//! The steady flows.

use super::super::Results;
use super::{megabytes, table};
use crate::bench::plot::latency_file;

/// Numbers of rows of the transactions that were measured.
pub(in crate::bench::suite) fn transaction_rows(results: &Results) -> Vec<u32> {
    let mut rows: Vec<u32> = results.flows.iter().map(|flow| flow.rows).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

pub(super) fn flows(results: &Results) -> String {
    let rows = results.flows.iter().map(|flow| {
        vec![
            flow.contestant.clone(),
            format!("{:.0}", flow.committed_per_second),
            flow.rows.to_string(),
            format!("{:.1}", flow.p50),
            format!("{:.1}", flow.p95),
            format!("{:.1}", flow.p99),
            format!("{:.1}", flow.max),
            format!("{:.1}", flow.behind),
            format!("{:.3}", flow.connector_cores),
            format!("{:.3}", flow.server_cores),
            format!("{:.3}", flow.broker_cores),
            megabytes(flow.resident_bytes_peak),
        ]
    });
    let head = [
        "",
        "tx/s",
        "rows",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
        "behind at the end ms",
        "cores",
        "server's cores",
        "broker's cores",
        "memory peak MB",
    ];
    let plots = transaction_rows(results).into_iter().map(|rows| {
        let file = latency_file(rows);
        format!("![99th percentile by rate, {rows} row(s) per transaction](benchmarks/{file})\n")
    });
    format!(
        "## Steady flow\n\n\
         Transactions at a fixed rate by eight sessions. The latency is the time from the response to the commit to the arrival of\n\
         the last record of the transaction at a `read_committed` consumer. Where the rate is above what the sessions can write here,\n\
         the rate that was reached is stated. Cores are processor seconds per second; those of the server include the sessions.\n\n\
         {}\n{}",
        table(&head, &rows.collect::<Vec<_>>()),
        plots.collect::<Vec<_>>().join("\n")
    )
}
