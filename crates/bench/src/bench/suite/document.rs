//! The text of docs/benchmarks.md.

use std::time::Duration;

use super::Results;
use super::figures::{RAW, WALCAST, median};
use crate::bench::round::{Drained, Round};
use crate::bench::rows::Run;

/// The whole document.
pub(super) fn text(results: &Results) -> String {
    let parts = [
        "# Benchmarks\n\n\
         Written by `cargo xtask bench suite`, which measures all of it in one run. All servers, the connectors and the consumer\n\
         share the machine. Machines are noisy: compare figures within this document only. [performance.md](performance.md)\n\
         explains them.\n"
            .to_owned(),
        machine(results),
        backlog(results),
        flows(results),
        starts(results),
        rows(results),
    ];
    parts.join("\n")
}

/// A table of these rows.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rule = "|---".repeat(head.len());
    let rows: String = rows.iter().map(|cells| row(cells)).collect();
    format!("{}{rule}|\n{rows}", row(&head))
}

fn machine(results: &Results) -> String {
    let machine = &results.machine;
    let mut rows = vec![
        [
            "processor".to_owned(),
            format!("{}, {} cores", machine.processor, machine.cores),
        ],
        ["memory".to_owned(), format!("{} MiB", machine.memory_mib)],
        ["Linux".to_owned(), machine.kernel.clone()],
        ["Postgres".to_owned(), machine.postgres.clone()],
    ];
    let packages = machine.packages.iter();
    rows.extend(packages.map(|(name, version)| [(*name).to_owned(), (*version).to_owned()]));
    rows.push([
        "walcast".to_owned(),
        format!("{}, release build", env!("CARGO_PKG_VERSION")),
    ]);
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    format!("## Machine\n\n{}", table(&["", ""], &rows))
}

fn listed(seconds: &[f64]) -> String {
    let texts: Vec<String> = seconds.iter().map(|seconds| format!("{seconds:.2}")).collect();
    texts.join(", ")
}

fn megabytes(bytes: u64) -> String {
    (bytes / (1024 * 1024)).to_string()
}

fn backlog(results: &Results) -> String {
    let (backlog, rounds) = (results.backlog, &results.rounds);
    let raw: Vec<f64> = rounds.iter().map(Round::raw_seconds).collect();
    let mut rows = vec![vec![
        RAW.to_owned(),
        listed(&raw),
        format!("{:.2}", median(raw)),
        "1".to_owned(),
        String::new(),
        String::new(),
        String::new(),
    ]];
    let walcast = rounds.iter().map(|round| (round.raw_seconds(), &round.walcast));
    rows.push(contestant(WALCAST, &walcast.collect::<Vec<_>>()));
    for (name, _) in rounds.first().map(|round| &round.peers).into_iter().flatten() {
        let found = rounds.iter().filter_map(|round| {
            let (_, drained) = round.peers.iter().find(|(known, _)| known == name)?;
            Some((round.raw_seconds(), drained))
        });
        rows.push(contestant(name, &found.collect::<Vec<_>>()));
    }
    let head = [
        "",
        "seconds of each round",
        "median",
        "ratio, median",
        "processor s",
        "broker's s",
        "memory peak MB",
    ];
    format!(
        "## Backlog\n\n\
         {} changes in {} transactions wait in the WAL; the slots were created before. The raw stream is read and discarded.\n\
         walcast is measured from the start of its process, Debezium from the creation of its connector in a running worker. The\n\
         ratio is the time of the raw stream divided by that of the connector, in the same round.\n\n\
         {}\n![seconds of each round](benchmarks/backlog.svg)\n",
        backlog.changes(),
        backlog.transactions(),
        table(&head, &rows)
    )
}

fn contestant(name: &str, rounds: &[(f64, &Drained)]) -> Vec<String> {
    let of = |figure: &dyn Fn(&(f64, &Drained)) -> f64| rounds.iter().map(figure).collect::<Vec<f64>>();
    let seconds = of(&|(_, drained)| drained.elapsed.as_secs_f64());
    let peaks = rounds
        .iter()
        .map(|(_, drained)| drained.usage.resident_bytes_peak);
    vec![
        name.to_owned(),
        listed(&seconds),
        format!("{:.2}", median(seconds)),
        format!(
            "{:.2}",
            median(of(&|(raw, drained)| raw / drained.elapsed.as_secs_f64()))
        ),
        format!("{:.2}", median(of(&|(_, drained)| drained.usage.cpu_seconds))),
        format!("{:.2}", median(of(&|(_, drained)| drained.broker_cpu_seconds))),
        megabytes(peaks.max().unwrap_or(0)),
    ]
}

fn flows(results: &Results) -> String {
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
        "broker's cores",
        "memory peak MB",
    ];
    format!(
        "## Steady flow\n\n\
         Transactions at a fixed rate by eight sessions. The latency is the time from the response to the commit to the arrival of\n\
         the last record of the transaction at a `read_committed` consumer. Cores are processor seconds per second.\n\n\
         {}\n![99th percentile by rate](benchmarks/latency.svg)\n",
        table(&head, &rows.collect::<Vec<_>>())
    )
}

fn starts(results: &Results) -> String {
    let seconds: Vec<f64> = results.starts.iter().map(Duration::as_secs_f64).collect();
    format!(
        "## Start\n\n\
         From the start of the process to the Kafka commit of a change that waits, from a slot that exists: {} s; median {:.2} s.\n",
        listed(&seconds),
        median(seconds)
    )
}

fn rows(results: &Results) -> String {
    let Some((tables, round)) = &results.rows else {
        return String::new();
    };
    let count = f64::from(u32::try_from(tables.rows).unwrap_or(u32::MAX));
    let row = |name: String, run: &Run| {
        let seconds = run.elapsed.as_secs_f64();
        vec![
            name,
            format!("{seconds:.2}"),
            format!("{:.0}", count / seconds),
            format!("{:.2}", run.cpu_seconds),
            format!("{:.2}", run.broker_cpu_seconds),
            megabytes(run.resident_bytes_peak),
        ]
    };
    let [before, after] = &round.copy;
    let mut rows = vec![
        row("COPY, before".to_owned(), before),
        row("COPY, after".to_owned(), after),
    ];
    for (sessions, run) in &round.walcast {
        rows.push(row(format!("walcast, exactly once, {sessions} session(s)"), run));
    }
    for (threads, run) in &round.debezium {
        rows.push(row(format!("Debezium, at least once, {threads} thread(s)"), run));
    }
    let head = [
        "",
        "seconds",
        "rows/s",
        "processor s",
        "broker's s",
        "memory peak MB",
    ];
    format!(
        "## Existing rows\n\n\
         {} rows of six columns in {} tables. COPY is `COPY … TO '/dev/null'` over one connection, before and after the others.\n\
         walcast is measured from the start of its process to its end, Debezium from the creation of its connector in a running\n\
         worker until all rows are in Kafka.\n\n\
         {}",
        tables.rows,
        tables.count,
        table(&head, &rows)
    )
}
