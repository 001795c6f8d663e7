//! What is printed of a round.

use std::io::Write as _;

use anyhow::Result;

use super::runs::Run;
use super::tables::Tables;

/// What one round took.
#[derive(Clone)]
pub(in crate::bench) struct Round {
    /// Before all others and after them.
    pub(in crate::bench) copy: [Run; 2],
    /// With how many sessions.
    pub(in crate::bench) walcast: Vec<(u32, Run)>,
    /// With how many threads; empty when it was not asked for.
    pub(in crate::bench) debezium: Vec<(u32, Run)>,
}

/// A table, and what walcast is beside Debezium.
pub(super) fn print(number: u32, tables: &Tables, round: &Round) -> Result<()> {
    let [before, after] = &round.copy;
    let copy_seconds = f64::midpoint(before.elapsed.as_secs_f64(), after.elapsed.as_secs_f64());
    let mut lines = vec![
        format!(
            "round {number}: {} rows in {} table(s), {:?}",
            tables.rows, tables.count, tables.shape
        ),
        format!(
            "  {:<42}{:>8}{:>10}{:>11}{:>8}{:>8}{:>8}",
            "", "seconds", "rows/s", "COPY / it", "CPU s", "broker", "MB"
        ),
    ];
    let line = |what: String, run: &Run| {
        let seconds = run.elapsed.as_secs_f64();
        let rows = f64::from(u32::try_from(tables.rows).unwrap_or(u32::MAX));
        format!(
            "  {what:<42}{seconds:>8.2}{:>10.0}{:>11.3}{:>8.2}{:>8.2}{:>8}",
            rows / seconds,
            copy_seconds / seconds,
            run.cpu_seconds,
            run.broker_cpu_seconds,
            run.resident_bytes_peak / (1024 * 1024)
        )
    };
    lines.push(line("COPY to /dev/null, one connection".to_owned(), before));
    lines.push(line("the same afterwards".to_owned(), after));
    for (sessions, run) in &round.walcast {
        lines.push(line(format!("walcast, {sessions} session(s), exactly once"), run));
    }
    for (threads, run) in &round.debezium {
        lines.push(line(format!("Debezium, {threads} thread(s), at least once"), run));
    }
    for (sessions, ours) in &round.walcast {
        for (threads, theirs) in &round.debezium {
            lines.push(format!(
                "  walcast with {sessions} is {:.1} times as fast as Debezium with {threads}, with {:.1} % of its processor time",
                theirs.elapsed.as_secs_f64() / ours.elapsed.as_secs_f64(),
                100.0 * ours.cpu_seconds / theirs.cpu_seconds
            ));
        }
    }
    writeln!(std::io::stdout().lock(), "{}", lines.join("\n"))?;
    Ok(())
}
