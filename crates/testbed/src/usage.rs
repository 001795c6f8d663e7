//! Memory and processor time of a process, from `/proc`.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::process::descendants_of;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessUsage {
    /// Memory now, in bytes.
    pub resident_bytes: u64,
    /// Most memory so far, in bytes.
    pub resident_bytes_peak: u64,
    /// Processor time so far, in seconds, user and system.
    pub cpu_seconds: f64,
}

impl ProcessUsage {
    /// What a process of this machine has used, its threads included, its children not.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(process_id: u32) -> Result<ProcessUsage> {
        let usage = parse_usage(
            &read(process_id, "status")?,
            &read(process_id, "stat")?,
            rustix::param::clock_ticks_per_second(),
        );
        // A zombie has no memory lines.
        usage.ok_or_else(|| Error::NotRunning {
            server: format!("process {process_id}"),
        })
    }
}

/// Processor time so far of a process and of all its descendants, in seconds. Those that have ended are included, once their parent
/// has waited for them.
///
/// # Errors
/// When there is no such process.
pub fn cpu_seconds_of_tree(process_id: u32) -> Result<f64> {
    let seconds = |process_id: u32| -> Result<f64> {
        let stat = read(process_id, "stat")?;
        parse_cpu_seconds(&stat, 4, rustix::param::clock_ticks_per_second()).ok_or_else(|| {
            Error::NotRunning {
                server: format!("process {process_id}"),
            }
        })
    };
    let descendants = descendants_of(process_id);
    let descendants = descendants.into_iter().filter_map(|id| u32::try_from(id).ok());
    // One that ends meanwhile is counted by its parent: the process itself is read last.
    let below: f64 = descendants.filter_map(|id| seconds(id).ok()).sum();
    Ok(below + seconds(process_id)?)
}

fn read(process_id: u32, name: &str) -> Result<String> {
    let path = PathBuf::from(format!("/proc/{process_id}/{name}"));
    std::fs::read_to_string(&path).map_err(|source| Error::File {
        action: "read",
        path,
        source,
    })
}

/// Seconds of the first `fields` of: user, system, and the same of children that were waited for.
fn parse_cpu_seconds(stat: &str, fields: usize, ticks_per_second: u64) -> Option<f64> {
    // Fields 14 to 17 of the file; the name in parentheses is the second.
    let ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(fields);
    let ticks: Vec<u32> = ticks.map_while(|ticks| ticks.parse().ok()).collect();
    let ticks_per_second = f64::from(u32::try_from(ticks_per_second).ok()?);
    (ticks.len() == fields).then(|| ticks.into_iter().map(f64::from).sum::<f64>() / ticks_per_second)
}

fn parse_usage(status: &str, stat: &str, ticks_per_second: u64) -> Option<ProcessUsage> {
    let bytes = |name: &str| -> Option<u64> {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    };
    Some(ProcessUsage {
        resident_bytes: bytes("VmRSS")?,
        resident_bytes_peak: bytes("VmHWM")?,
        cpu_seconds: parse_cpu_seconds(stat, 2, ticks_per_second)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_past_a_strange_name() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1 0";
        let usage = parse_usage(status, stat, 100).unwrap();
        assert_eq!(
            usage,
            ProcessUsage {
                resident_bytes: 1 << 20,
                resident_bytes_peak: 2 << 20,
                cpu_seconds: 2.0
            }
        );
        assert_eq!(parse_usage("Name:\tzombie\n", stat, 100), None);
    }

    #[test]
    fn children_that_were_waited_for_are_counted_with_their_parent() {
        let stat = "7 (postgres) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 40 10 20 0 1 0";
        assert_eq!(parse_cpu_seconds(stat, 2, 100), Some(2.0));
        assert_eq!(parse_cpu_seconds(stat, 4, 100), Some(2.5));
        assert_eq!(parse_cpu_seconds("7 (postgres) S 1 7", 4, 100), None);
        assert!(cpu_seconds_of_tree(std::process::id()).unwrap() >= 0.0);
    }

    #[test]
    fn usage_of_this_very_process_is_plausible() {
        let usage = ProcessUsage::of(std::process::id()).unwrap();
        assert!(
            usage.resident_bytes > 0 && usage.resident_bytes_peak >= usage.resident_bytes,
            "{usage:?}"
        );
    }
}
