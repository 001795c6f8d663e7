//! How long each part of a run took, printed at its end and kept in a file.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::cpu;

/// The file of the last run.
pub(super) const FILE: &str = "target/gate-seconds.json";

/// What came of a part of the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Passed,
    /// The first run was inconclusive, the second one, alone, passed.
    PassedAlone,
    Failed,
    /// Something that it needs has failed.
    NotRun,
}

/// A part of the run.
pub(super) struct Part {
    pub(super) step: &'static str,
    pub(super) name: String,
    pub(super) outcome: Outcome,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
}

/// The parts of a run, in the order in which they ended.
pub(super) struct Seconds {
    begun: Instant,
    cpu_begun: f64,
    pub(super) parts: Vec<Part>,
}

impl Seconds {
    pub(super) fn begin() -> Self {
        Seconds {
            begun: Instant::now(),
            cpu_begun: cpu::machine_seconds(),
            parts: Vec::new(),
        }
    }

    /// Runs one part alone; all that the machine did meanwhile counts as its processor time.
    pub(super) fn of(&mut self, step: &'static str, name: &str, run: impl FnOnce() -> Result<()>) -> bool {
        let (begun, cpu_begun) = (Instant::now(), cpu::machine_seconds());
        eprintln!("==> {name}");
        let result = run();
        let part = Part {
            step,
            name: name.to_owned(),
            outcome: if result.is_ok() {
                Outcome::Passed
            } else {
                Outcome::Failed
            },
            seconds: begun.elapsed().as_secs_f64(),
            cpu_seconds: cpu::machine_seconds() - cpu_begun,
        };
        match &result {
            Ok(()) => eprintln!("==> {name} ok, {:.0} s", part.seconds),
            Err(error) => eprintln!("==> {name} FAILED: {error:#}"),
        }
        self.parts.push(part);
        result.is_ok()
    }

    /// Notes a part that could not be run.
    pub(super) fn not_run(&mut self, step: &'static str, name: &str) {
        self.parts.push(Part {
            step,
            name: name.to_owned(),
            outcome: Outcome::NotRun,
            seconds: 0.0,
            cpu_seconds: 0.0,
        });
    }

    /// Prints all parts, and writes them to the file.
    pub(super) fn keep(&self) -> Result<()> {
        eprintln!("==> seconds, and seconds of one processor, of each part:");
        for part in &self.parts {
            let outcome = match part.outcome {
                Outcome::Passed => "",
                Outcome::PassedAlone => "  passed in a second run",
                Outcome::Failed => "  FAILED",
                Outcome::NotRun => "  not run",
            };
            eprintln!(
                "    {:8.1} {:8.1}  {:<12} {}{outcome}",
                part.seconds, part.cpu_seconds, part.step, part.name
            );
        }
        let (seconds, cpu) = (
            self.begun.elapsed().as_secs_f64(),
            cpu::machine_seconds() - self.cpu_begun,
        );
        eprintln!("    {seconds:8.1} {cpu:8.1}  in all ({FILE})");
        let text = serde_json::to_string_pretty(&self.to_json(seconds, cpu))?;
        fs::create_dir_all("target").context("cannot make target")?;
        fs::write(FILE, text + "\n").with_context(|| format!("cannot write {FILE}"))
    }

    fn to_json(&self, seconds: f64, cpu_seconds: f64) -> Value {
        let rounded = |seconds: f64| (seconds * 10.0).round() / 10.0;
        let parts = self.parts.iter().map(|part| {
            json!({
                "step": part.step,
                "name": part.name,
                "outcome": match part.outcome {
                    Outcome::Passed => "passed",
                    Outcome::PassedAlone => "passed in a second run",
                    Outcome::Failed => "failed",
                    Outcome::NotRun => "not run",
                },
                "seconds": rounded(part.seconds),
                "cpu_seconds": rounded(part.cpu_seconds),
            })
        });
        json!({
            "seconds": rounded(seconds),
            "cpu_seconds": rounded(cpu_seconds),
            "processors": std::thread::available_parallelism().map_or(1, usize::from),
            "parts": parts.collect::<Vec<_>>(),
        })
    }

    /// The names of the parts of which a test passed only when it ran alone.
    pub(super) fn passed_alone(&self) -> Vec<&str> {
        let alone = self
            .parts
            .iter()
            .filter(|part| part.outcome == Outcome::PassedAlone);
        alone.map(|part| part.name.as_str()).collect()
    }

    /// The names of the parts that failed or were not run.
    pub(super) fn missing(&self) -> Vec<String> {
        let missing = self
            .parts
            .iter()
            .filter(|part| !matches!(part.outcome, Outcome::Passed | Outcome::PassedAlone));
        let names = missing.map(|part| match part.outcome {
            Outcome::NotRun => format!("{} (not run)", part.name),
            _ => part.name.clone(),
        });
        names.collect()
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn names_what_failed_and_what_was_not_run() {
        let mut seconds = Seconds::begin();
        assert!(seconds.of("lint", "good", || Ok(())));
        assert!(!seconds.of("lint", "bad", || bail!("a reason")));
        seconds.not_run("unit", "after");
        assert_eq!(seconds.missing(), ["bad", "after (not run)"]);
        let json = seconds.to_json(1.0, 2.0);
        assert_eq!(json["parts"][1]["outcome"], "failed");
        assert_eq!(json["cpu_seconds"], 2.0);
    }
}
