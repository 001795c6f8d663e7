//! What is printed of a measurement.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use walcast_testbed::ProcessUsage;

use super::Dimension;
use crate::bench::meter::ServersUsed;

/// Figures of one measurement.
#[derive(Clone, Copy)]
pub(in crate::bench) struct Line {
    pub(in crate::bench) dimension: Dimension,
    pub(in crate::bench) value: u64,
    pub(in crate::bench) changes: u64,
    /// From the start of the process until it streamed.
    pub(in crate::bench) started: Duration,
    /// From the start of the process until the last change was in Kafka.
    pub(in crate::bench) elapsed: Duration,
    pub(in crate::bench) usage: ProcessUsage,
    pub(in crate::bench) servers: ServersUsed,
}

impl Line {
    pub(in crate::bench) fn changes_per_second(&self) -> f64 {
        f64::from(u32::try_from(self.changes).unwrap_or(u32::MAX)) / self.elapsed.as_secs_f64()
    }

    /// Peak memory in MiB.
    pub(in crate::bench) fn megabytes(&self) -> u64 {
        self.usage.resident_bytes_peak / (1024 * 1024)
    }
}

pub(super) fn print_head() -> Result<()> {
    writeln!(
        std::io::stdout().lock(),
        "{:>8} {:<22}{:>9}{:>9}{:>9}{:>11}{:>8}{:>8}{:>8}{:>6}",
        "",
        "",
        "changes",
        "start s",
        "all s",
        "changes/s",
        "CPU s",
        "server",
        "broker",
        "MB"
    )?;
    Ok(())
}

pub(super) fn print(line: &Line, as_json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        let figures = json!({
            "of": line.dimension.description(), "value": line.value, "changes": line.changes,
            "start_seconds": line.started.as_secs_f64(), "seconds": line.elapsed.as_secs_f64(),
            "changes_per_second": line.changes_per_second(), "cpu_seconds": line.usage.cpu_seconds,
            "server_cpu_seconds": line.servers.server_cpu_seconds,
            "broker_cpu_seconds": line.servers.broker_cpu_seconds,
            "rss_peak_bytes": line.usage.resident_bytes_peak,
        });
        writeln!(out, "{figures}")?;
    } else {
        writeln!(
            out,
            "{:>8} {:<22}{:>9}{:>9.2}{:>9.2}{:>11.0}{:>8.2}{:>8.2}{:>8.2}{:>6}",
            line.value,
            line.dimension.description(),
            line.changes,
            line.started.as_secs_f64(),
            line.elapsed.as_secs_f64(),
            line.changes_per_second(),
            line.usage.cpu_seconds,
            line.servers.server_cpu_seconds,
            line.servers.broker_cpu_seconds,
            line.megabytes()
        )?;
    }
    Ok(())
}
