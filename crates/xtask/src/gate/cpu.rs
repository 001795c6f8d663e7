//! Processor time of a process with all that it started, the servers of tests included.

use std::collections::HashMap;
use std::fs;

/// Ticks a second in `/proc`, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process as `/proc` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Process {
    parent: u32,
    /// Its own ticks and those of its children that have ended.
    ticks: u64,
}

/// Seconds that the processes below `root`, itself included, have used until now.
pub(super) fn tree_seconds(root: u32) -> f64 {
    seconds_below(root, &processes())
}

/// Seconds that the whole machine has been busy since it started.
pub(super) fn machine_seconds() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    // user, nice, system; then idle, waiting, interrupts.
    ticks
        .iter()
        .take(3)
        .chain(ticks.iter().skip(5).take(2))
        .sum::<f64>()
        / TICKS_PER_SECOND
}

fn processes() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // One that has ended meanwhile is left out.
    ids.filter_map(|id: u32| Some((id, read(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?)))
        .collect()
}

/// A line of `/proc/<id>/stat`; the name in brackets may hold anything.
fn read(stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok());
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        ticks: ticks.sum::<Option<u64>>()?,
    })
}

fn seconds_below(root: u32, processes: &HashMap<u32, Process>) -> f64 {
    let is_below = |mut id: u32| {
        // Processes that end while they are read could make a loop.
        for _ in 0..processes.len() {
            if id == root {
                return true;
            }
            match processes.get(&id) {
                Some(process) => id = process.parent,
                None => return false,
            }
        }
        false
    };
    let below = processes.iter().filter(|(id, _)| is_below(**id));
    let ticks: u64 = below.map(|(_, process)| process.ticks).sum();
    #[expect(clippy::cast_precision_loss, reason = "ticks of hours fit")]
    let seconds = ticks as f64 / TICKS_PER_SECOND;
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_a_tree() {
        let stat = "7 (a) b) S 3 7 7 0 -1 4194560 1 2 3 4 100 20 30 50 20 0 1 0 1 2 3";
        assert_eq!(
            read(stat),
            Some(Process {
                parent: 3,
                ticks: 200
            })
        );
        let process = |parent, ticks| Process { parent, ticks };
        let all = HashMap::from([
            (1, process(0, 1000)),
            (3, process(1, 100)),
            (7, process(3, 200)),
            (8, process(7, 50)),
            (9, process(1, 5)),
        ]);
        assert!((seconds_below(3, &all) - 3.5).abs() < 1e-9);
    }

    #[test]
    fn sees_its_own_process() {
        assert!(read(&fs::read_to_string("/proc/self/stat").unwrap()).is_some());
        assert!(machine_seconds() > 0.0);
    }
}
