//! What is printed of a round, for people and for programs.

use std::io::Write as _;

use anyhow::Result;
use serde_json::json;

use super::backlog::Backlog;
use super::round::Round;

/// The figures that follow from others.
struct Derived {
    walcast_seconds: f64,
    /// The mean of the raw streams, in walcast's time.
    ratio: f64,
    changes_per_second: f64,
}

impl Derived {
    fn of(backlog: Backlog, round: &Round) -> Result<Derived> {
        let walcast_seconds = round.walcast.elapsed.as_secs_f64();
        Ok(Derived {
            walcast_seconds,
            ratio: round.raw_seconds() / walcast_seconds,
            changes_per_second: f64::from(u32::try_from(backlog.changes())?) / walcast_seconds,
        })
    }
}

/// One line of JSON.
pub(super) fn print_json(number: u32, backlog: Backlog, round: &Round) -> Result<()> {
    let derived = Derived::of(backlog, round)?;
    let usage = &round.walcast.usage;
    let figures = json!({
        "round": number, "changes": backlog.changes(), "transactions": backlog.transactions(),
        "stream_bytes": round.stream_bytes, "raw_seconds": round.raw.map(|raw| raw.as_secs_f64()),
        "walcast_seconds": derived.walcast_seconds, "ratio": derived.ratio,
        "changes_per_second": derived.changes_per_second, "cpu_seconds": usage.cpu_seconds,
        "broker_cpu_seconds": round.walcast.broker_cpu_seconds,
        "rss_peak_bytes": usage.resident_bytes_peak, "rss_idle_bytes": round.idle_bytes,
    });
    writeln!(std::io::stdout().lock(), "{figures}")?;
    Ok(())
}

/// A few lines of text.
pub(super) fn print(number: u32, backlog: Backlog, round: &Round) -> Result<()> {
    let Derived {
        walcast_seconds,
        ratio,
        changes_per_second,
    } = Derived::of(backlog, round)?;
    let [before, after] = round.raw.map(|raw| raw.as_secs_f64());
    let usage = &round.walcast.usage;
    let megabytes = |bytes: u64| bytes / (1024 * 1024);
    let lines = [
        format!(
            "round {number}: {} changes in {} transactions, {} MB of stream",
            backlog.changes(),
            backlog.transactions(),
            megabytes(round.stream_bytes)
        ),
        format!("  raw stream, nothing done with it      {before:>6.2} s, {after:.2} s"),
        format!(
            "  walcast, exactly once, Avro           {walcast_seconds:>6.2} s  ({changes_per_second:.0} changes/s)"
        ),
        format!("  raw / walcast                         {ratio:>6.2}"),
        format!(
            "  processor time of walcast / broker    {:>6.2} / {:.2} s",
            usage.cpu_seconds, round.walcast.broker_cpu_seconds
        ),
        format!(
            "  walcast, memory idle / peak           {:>6} / {} MB",
            megabytes(round.idle_bytes),
            megabytes(usage.resident_bytes_peak)
        ),
    ];
    let peers = round.peers.iter().map(|(name, drained)| {
        let seconds = drained.elapsed.as_secs_f64();
        format!(
            "  {name:<38}{seconds:>6.2} s  (raw / it {:.2})",
            round.raw_seconds() / seconds
        )
    });
    let lines: Vec<String> = lines.into_iter().chain(peers).collect();
    writeln!(std::io::stdout().lock(), "{}", lines.join("\n"))?;
    Ok(())
}
