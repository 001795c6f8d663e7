//! The text of docs/benchmarks.md.

mod backlogs;
mod flows;
mod growth;
mod reading_back;

use std::time::Duration;

use super::Results;
use crate::bench::figures::median;
use crate::bench::rows::Run;
pub(super) use flows::transaction_rows;

/// The whole document.
pub(super) fn text(results: &Results) -> String {
    let parts = [
        "# Benchmarks\n\n\
         Written by `cargo xtask bench suite`, which measures all of it in one run. All servers, the connectors and the consumer\n\
         share the machine. Machines are noisy: compare figures within this document only. [performance.md](performance.md)\n\
         explains them.\n"
            .to_owned(),
        machine(results),
        backlogs::mixed(&results.backlog),
        backlogs::others(&results.workloads),
        flows::flows(results),
        reading_back::replay(&results.beside),
        starts(results),
        rows(results),
        reading_back::verification(&results.verifications),
        growth::growth(&results.growth),
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
