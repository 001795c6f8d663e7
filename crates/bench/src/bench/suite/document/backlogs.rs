//! The backlogs.

use super::super::Measured;
use super::{listed, megabytes, table};
use crate::bench::connector::Drained;
use crate::bench::figures::{RAW, by_contestant, median};
use crate::bench::round::Round;

/// Figures that every table of a backlog ends with.
const HEAD: [&str; 8] = [
    "seconds of each round",
    "median",
    "ratio, median",
    "processor s",
    "server's s",
    "broker's s",
    "memory peak MB",
    "broker's memory MB",
];

/// The mixed backlog.
pub(super) fn mixed(measured: &Measured) -> String {
    let head: Vec<&str> = std::iter::once("").chain(HEAD).collect();
    format!(
        "## Backlog\n\n\
         {} changes in {} transactions wait in the WAL; the slots were created before. The raw stream is read and discarded.\n\
         walcast is measured from the start of its process, Debezium from the creation of its connector in a running worker. The\n\
         ratio is the time of the raw stream divided by that of the connector, in the same round. Processor seconds and memory are\n\
         those of the connector, of Postgres with all its processes, and of the broker.\n\n\
         {}\n![seconds of each round](benchmarks/backlog.svg)\n",
        measured.backlog.changes(),
        measured.backlog.transactions(),
        table(&head, &contestants(&measured.rounds))
    )
}

/// The other backlogs.
pub(super) fn others(workloads: &[Measured]) -> String {
    let head: Vec<&str> = ["", "contestant"].into_iter().chain(HEAD).collect();
    let mut rows = Vec::new();
    for measured in workloads {
        let backlog = measured.backlog;
        let name = format!(
            "{}: {}, {} changes in {} transactions",
            backlog.workload.name(),
            backlog.workload.description(),
            backlog.changes(),
            backlog.transactions()
        );
        // The name is in the first row of each backlog only.
        let names = std::iter::once(name).chain(std::iter::repeat(String::new()));
        let figures = contestants(&measured.rounds).into_iter();
        rows.extend(names.zip(figures).map(|(name, figures)| {
            let cells: Vec<String> = std::iter::once(name).chain(figures).collect();
            cells
        }));
    }
    format!(
        "## Other backlogs\n\n\
         Other changes, measured like the backlog above.\n\n\
         {}\n![thousand changes per second](benchmarks/workloads.svg)\n",
        table(&head, &rows)
    )
}

/// A row for the raw stream and for each contestant.
fn contestants(rounds: &[Round]) -> Vec<Vec<String>> {
    let of = |figure: &dyn Fn(&Round, &Drained) -> f64| by_contestant(rounds, figure);
    let raw: Vec<f64> = rounds.iter().map(Round::raw_seconds).collect();
    let [empty, one] = [String::new(), "1".to_owned()];
    let raw_server = rounds
        .iter()
        .flat_map(|round| round.raw)
        .map(|raw| raw.server_cpu_seconds);
    let mut rows = vec![vec![
        RAW.to_owned(),
        listed(&raw),
        format!("{:.2}", median(raw)),
        one,
        empty.clone(),
        format!("{:.2}", median(raw_server.collect())),
        empty.clone(),
        empty.clone(),
        empty,
    ]];
    let seconds = of(&|_, drained| drained.elapsed.as_secs_f64());
    let ratios = of(&|round, drained| round.raw_seconds() / drained.elapsed.as_secs_f64());
    let processor = of(&|_, drained| drained.usage.cpu_seconds);
    let server = of(&|_, drained| drained.servers.server_cpu_seconds);
    let broker = of(&|_, drained| drained.servers.broker_cpu_seconds);
    for (place, (name, seconds)) in seconds.into_iter().enumerate() {
        let median_of = |figures: &[(&'static str, Vec<f64>)]| {
            let figures = figures.get(place).map(|(_, figures)| figures.clone());
            format!("{:.2}", median(figures.unwrap_or_default()))
        };
        let [memory, broker_memory] = peaks(rounds, name);
        rows.push(vec![
            name.to_owned(),
            listed(&seconds),
            format!("{:.2}", median(seconds)),
            median_of(&ratios),
            median_of(&processor),
            median_of(&server),
            median_of(&broker),
            megabytes(memory),
            megabytes(broker_memory),
        ]);
    }
    rows
}

/// Most memory of a contestant, and of the broker after it, over all rounds.
fn peaks(rounds: &[Round], contestant: &str) -> [u64; 2] {
    let all = rounds.iter().flat_map(crate::bench::report::contestants);
    let own = all.filter(|(name, _)| *name == contestant);
    own.fold([0, 0], |[memory, broker], (_, drained)| {
        [
            memory.max(drained.usage.resident_bytes_peak),
            broker.max(drained.servers.broker_resident_bytes),
        ]
    })
}
