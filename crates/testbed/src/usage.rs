//! Memory and processor time of a process, from `/proc`.

use std::path::PathBuf;

use crate::error::{Error, Result};

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
        let read = |name: &str| {
            let path = PathBuf::from(format!("/proc/{process_id}/{name}"));
            std::fs::read_to_string(&path).map_err(|source| Error::File {
                action: "read",
                path,
                source,
            })
        };
        let usage = parse_usage(
            &read("status")?,
            &read("stat")?,
            rustix::param::clock_ticks_per_second(),
        );
        // A zombie has no memory lines.
        usage.ok_or_else(|| Error::NotRunning {
            server: format!("process {process_id}"),
        })
    }
}

fn parse_usage(status: &str, stat: &str, ticks_per_second: u64) -> Option<ProcessUsage> {
    let bytes = |name: &str| -> Option<u64> {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    };
    // Fields 14 and 15 of the file; the name in parentheses is the second.
    let mut ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next_seconds = || -> Option<f64> {
        let ticks: u32 = ticks.next()?.parse().ok()?;
        Some(f64::from(ticks) / f64::from(u32::try_from(ticks_per_second).ok()?))
    };
    Some(ProcessUsage {
        resident_bytes: bytes("VmRSS")?,
        resident_bytes_peak: bytes("VmHWM")?,
        cpu_seconds: next_seconds()? + next_seconds()?,
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
    fn usage_of_this_very_process_is_plausible() {
        let usage = ProcessUsage::of(std::process::id()).unwrap();
        assert!(
            usage.resident_bytes > 0 && usage.resident_bytes_peak >= usage.resident_bytes,
            "{usage:?}"
        );
    }
}
