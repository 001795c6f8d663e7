//! What libFuzzer prints.

use std::path::PathBuf;

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Inputs that were tried.
    pub(super) executions: u64,
    /// Edges between blocks of code that were reached.
    pub(super) edges: u64,
}

/// `#2048 NEW    cov: 342 ft: 512 corp: 20/1Kb exec/s: 0 rss: 45Mb`
pub(super) fn counts(line: &str) -> Option<Counts> {
    let mut words = line.strip_prefix('#')?.split_whitespace();
    let executions = words.next()?.parse().ok()?;
    let edges = words.skip_while(|word| *word != "cov:").nth(1)?.parse().ok()?;
    Some(Counts { executions, edges })
}

/// `artifact_prefix='a/'; Test unit written to a/crash-0123`
pub(super) fn finding(line: &str) -> Option<PathBuf> {
    let (_, path) = line.split_once("Test unit written to ")?;
    // A slow input is reported, and is no fault.
    (!path.contains("slow-unit-")).then(|| PathBuf::from(path.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read() {
        let line =
            "#2048\tNEW    cov: 342 ft: 512 corp: 20/1Kb lim: 4 exec/s: 0 rss: 45Mb L: 3/4 MS: 1 ChangeBit-";
        let counts = counts(line).unwrap();
        assert_eq!((counts.executions, counts.edges), (2048, 342));
        assert_eq!(super::counts("INFO: Seed: 3918206239"), None);
        assert_eq!(super::counts("#1\tREDUCE"), None);
    }

    #[test]
    fn findings_are_read() {
        let line = "artifact_prefix='target/'; Test unit written to target/crash-0a4d";
        assert_eq!(finding(line), Some(PathBuf::from("target/crash-0a4d")));
        assert_eq!(finding(&line.replace("crash", "slow-unit")), None);
    }
}
