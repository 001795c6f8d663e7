//! What is printed of a round, for people and for programs.

use std::io::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use super::backlog::Backlog;
use super::connector::Drained;
use super::round::Round;

/// Name of walcast with its default settings.
pub(super) const WALCAST: &str = "walcast, exactly once";

/// All contestants of a round, walcast exactly once first.
pub(super) fn contestants(round: &Round) -> impl Iterator<Item = (&'static str, &Drained)> {
    let peers = round.peers.iter().map(|(name, drained)| (*name, drained));
    std::iter::once((WALCAST, &round.walcast)).chain(peers)
}

/// One line of JSON.
pub(super) fn print_json(number: u32, backlog: Backlog, round: &Round) -> Result<()> {
    let changes = f64::from(u32::try_from(backlog.changes())?);
    let contestants: Vec<Value> = contestants(round)
        .map(|(name, drained)| {
            let seconds = drained.elapsed.as_secs_f64();
            json!({
                "contestant": name, "seconds": seconds, "ratio": round.raw_seconds() / seconds,
                "changes_per_second": changes / seconds, "cpu_seconds": drained.usage.cpu_seconds,
                "rss_peak_bytes": drained.usage.resident_bytes_peak,
                "server_cpu_seconds": drained.servers.server_cpu_seconds,
                "broker_cpu_seconds": drained.servers.broker_cpu_seconds,
                "broker_rss_bytes": drained.servers.broker_resident_bytes,
            })
        })
        .collect();
    let [before, after] = round.raw;
    let figures = json!({
        "round": number, "workload": backlog.workload.name(),
        "changes": backlog.changes(), "transactions": backlog.transactions(),
        "stream_bytes": before.bytes, "raw_seconds": [before.elapsed.as_secs_f64(), after.elapsed.as_secs_f64()],
        "rss_idle_bytes": round.idle_bytes, "contestants": contestants,
    });
    writeln!(std::io::stdout().lock(), "{figures}")?;
    Ok(())
}

/// A few lines of text.
pub(super) fn print(number: u32, backlog: Backlog, round: &Round) -> Result<()> {
    let megabytes = |bytes: u64| bytes / (1024 * 1024);
    let changes = f64::from(u32::try_from(backlog.changes())?);
    let [before, after] = round.raw;
    let mut lines = vec![
        format!(
            "round {number}: {}, {} changes in {} transactions, {} MB of stream, walcast idle {} MB",
            backlog.workload.description(),
            backlog.changes(),
            backlog.transactions(),
            megabytes(before.bytes),
            megabytes(round.idle_bytes)
        ),
        format!(
            "  {:<48}{:>8}{:>10}{:>9}{:>8}{:>8}{:>8}{:>6}{:>10}",
            "", "seconds", "changes/s", "raw / it", "CPU s", "server", "broker", "MB", "broker MB"
        ),
    ];
    for (name, raw) in [
        ("raw stream, nothing done with it", before),
        ("the same afterwards", after),
    ] {
        let seconds = raw.elapsed.as_secs_f64();
        lines.push(format!(
            "  {name:<48}{seconds:>8.2}{:>10.0}{:>9}{:>8}{:>8.2}",
            changes / seconds,
            "",
            "",
            raw.server_cpu_seconds
        ));
    }
    for (name, drained) in contestants(round) {
        let seconds = drained.elapsed.as_secs_f64();
        lines.push(format!(
            "  {name:<48}{seconds:>8.2}{:>10.0}{:>9.2}{:>8.2}{:>8.2}{:>8.2}{:>6}{:>10}",
            changes / seconds,
            round.raw_seconds() / seconds,
            drained.usage.cpu_seconds,
            drained.servers.server_cpu_seconds,
            drained.servers.broker_cpu_seconds,
            megabytes(drained.usage.resident_bytes_peak),
            megabytes(drained.servers.broker_resident_bytes)
        ));
    }
    writeln!(std::io::stdout().lock(), "{}", lines.join("\n"))?;
    Ok(())
}
