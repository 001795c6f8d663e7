//! Replay and verification, which read what was delivered.

use super::{megabytes, table};
use crate::bench::latency::Beside;
use crate::bench::verification::Line;

pub(super) fn replay(measured: &[Beside]) -> String {
    let rows = measured.iter().map(|beside| {
        let line = &beside.line;
        vec![
            line.contestant.clone(),
            format!("{:.0}", line.committed_per_second),
            format!("{:.1}", line.p50),
            format!("{:.1}", line.p95),
            format!("{:.1}", line.p99),
            format!("{:.1}", line.max),
            format!("{:.1}", line.behind),
            format!("{:.3}", line.broker_cores),
            beside.replayed.to_string(),
        ]
    });
    let head = [
        "",
        "tx/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
        "behind at the end ms",
        "broker's cores",
        "replayed records",
    ];
    format!(
        "## Replay beside the stream\n\n\
         Transactions of one row at a fixed rate, alone, while `walcast replay start` copies a window of another table into side topics\n\
         again and again, and alone again; latency as above. The records of replays that were completed meanwhile are counted.\n\n\
         {}",
        table(&head, &rows.collect::<Vec<_>>())
    )
}

pub(super) fn verification(lines: &[Line]) -> String {
    let seconds = |[before, after]: [std::time::Duration; 2]| {
        format!("{:.2}, {:.2}", before.as_secs_f64(), after.as_secs_f64())
    };
    let rows = lines.iter().map(|line| {
        vec![
            line.rows.to_string(),
            seconds(line.copy),
            seconds(line.read),
            format!("{:.2}", line.verify.elapsed.as_secs_f64()),
            format!("{:.0}", line.rows_per_second()),
            format!("{:.2}", line.ratio()),
            format!("{:.2}", line.verify.usage.cpu_seconds),
            megabytes(line.verify.usage.resident_bytes_peak),
        ]
    });
    let head = [
        "rows",
        "COPY s",
        "topic s",
        "verify s",
        "rows/s",
        "both alone / verify",
        "processor s",
        "memory peak MB",
    ];
    format!(
        "## Verification\n\n\
         `walcast verify` of one table of six columns, from the start of the process to its end, with both sides in the caches of the\n\
         system. Alone, the table is read by `COPY … TO '/dev/null'` and the topic by a consumer that decodes nothing, before and after.\n\n\
         {}",
        table(&head, &rows.collect::<Vec<_>>())
    )
}
