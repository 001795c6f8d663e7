//! Growth.

use super::table;
use crate::bench::growth::Line;

pub(super) fn growth(lines: &[Line]) -> String {
    let rows = lines.iter().map(|line| {
        vec![
            line.dimension.description().to_owned(),
            line.value.to_string(),
            line.changes.to_string(),
            format!("{:.2}", line.started.as_secs_f64()),
            format!("{:.2}", line.elapsed.as_secs_f64()),
            format!("{:.0}", line.changes_per_second()),
            format!("{:.2}", line.usage.cpu_seconds),
            format!("{:.2}", line.servers.server_cpu_seconds),
            format!("{:.2}", line.servers.broker_cpu_seconds),
            line.megabytes().to_string(),
        ]
    });
    let head = [
        "property",
        "value",
        "changes",
        "start s",
        "seconds",
        "changes/s",
        "processor s",
        "server's s",
        "broker's s",
        "memory peak MB",
    ];
    format!(
        "## Growth\n\n\
         walcast exactly once over backlogs that differ in one property, each with tables, topics and a slot of its own that existed\n\
         before. Seconds are from the start of the process until the last change was in Kafka; the start, until the stream began, is\n\
         part of them. A transaction has one row where tables and outages grow, and ten where that is not stated otherwise. Of the\n\
         captured tables a hundred change at most. A version of the schema adds a column within the backlog. A second of outage is\n\
         1,000 transactions with the default number of changes.\n\n\
         {}\n\
         ![throughput](benchmarks/growth-throughput.svg)\n\n\
         ![peak memory](benchmarks/growth-memory.svg)\n\n\
         ![start](benchmarks/growth-start.svg)\n",
        table(&head, &rows.collect::<Vec<_>>())
    )
}
