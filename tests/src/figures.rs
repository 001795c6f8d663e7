//! Figures of a running connector.

use walcast_testbed::ProcessUsage;

/// The first sample of a figure in the page `/metrics`, as a whole number.
pub fn sample(metrics: &str, figure: &str) -> Option<u64> {
    let samples = metrics.lines().filter_map(|line| line.strip_prefix(figure));
    let mut samples = samples.filter(|rest| rest.starts_with('{'));
    samples.next()?.rsplit(' ').next()?.parse().ok()
}

/// Prints what something has cost since the connector was idle; panics when it had more memory than `most` beyond that.
pub fn assert_memory(what: &str, idle: ProcessUsage, used: ProcessUsage, most: u64) {
    let more = used.resident_bytes_peak.saturating_sub(idle.resident_bytes);
    let mb = |bytes: u64| bytes / 1_000_000;
    eprintln!(
        "{what}: idle {} MB, peak {} MB ({} MB more), {:.1} s of processor time",
        mb(idle.resident_bytes),
        mb(used.resident_bytes_peak),
        mb(more),
        used.cpu_seconds - idle.cpu_seconds
    );
    assert!(more < most, "{what}: {idle:?} {used:?}");
}
