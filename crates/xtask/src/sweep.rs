//! `cargo xtask sweep`: random definitions, writes and interruptions, sequence after sequence, on real servers.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use clap::Args;

use crate::servers;

/// More sequences, and more steps of one, than a run reaches.
const UNLIMITED: u64 = 1_000_000_000;

/// Random sequences of definitions, writes and interruptions; the first steps of each one that fails are printed.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask sweep --minutes 30\n  cargo xtask sweep --sequences 2000 --postgres 15\n  \
    cargo xtask sweep --seed 4711              # one sequence again\n  \
    cargo xtask sweep --seed 4711 --steps 9    # its first steps only\n\n\
    Exit code 1: a change differs from what was written and was not reported, a statement of the application was refused because\n\
    of walcast, or walcast ended for no reason that a sequence causes. docs/sweep.md says what is compared."
)]
pub(crate) struct Arguments {
    /// Minutes after which no further sequence is started [default: 10, without --sequences and --seed]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    minutes: Option<u64>,
    /// Seed of the first sequence; each further one has the next number [default: the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Number of sequences [default: 1 with --seed, otherwise no limit]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=UNLIMITED))]
    sequences: Option<u64>,
    /// Number of steps of each sequence that are played [default: all]
    #[arg(long, default_value_t = UNLIMITED, hide_default_value = true, value_parser = clap::value_parser!(u64).range(1..=UNLIMITED))]
    steps: u64,
    /// Number of sequences that are played at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=30))]
    jobs: u64,
    /// Major version of the source
    #[arg(long, default_value_t = 17, value_parser = clap::value_parser!(u64).range(12..=18))]
    postgres: u64,
}

impl Arguments {
    /// Number of sequences, and minutes; 0 minutes are no limit.
    fn extent(&self) -> (u64, u64) {
        let is_bounded = self.sequences.is_some() || self.seed.is_some() && self.minutes.is_none();
        let minutes = self.minutes.unwrap_or(if is_bounded { 0 } else { 10 });
        let sequences = self.sequences.unwrap_or(if is_bounded { 1 } else { UNLIMITED });
        (sequences, minutes)
    }
}

/// Builds both programs, then plays.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let seed = arguments.seed.unwrap_or_else(|| since.subsec_nanos().into());
    let (sequences, minutes) = arguments.extent();
    eprintln!("first seed {seed}");
    let Arguments {
        steps,
        jobs,
        postgres,
        ..
    } = *arguments;
    let numbers = [seed, sequences, minutes, steps, jobs, postgres].map(|number| number.to_string());
    let status = servers::play("sweep", numbers)?;
    ensure!(status.success(), "a sequence failed: {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(minutes: Option<u64>, seed: Option<u64>, sequences: Option<u64>) -> (u64, u64) {
        let arguments = Arguments {
            minutes,
            seed,
            sequences,
            steps: UNLIMITED,
            jobs: 1,
            postgres: 17,
        };
        arguments.extent()
    }

    #[test]
    fn a_run_has_an_end() {
        assert_eq!(extent(None, None, None), (UNLIMITED, 10));
        assert_eq!(extent(Some(3), None, None), (UNLIMITED, 3));
        assert_eq!(extent(None, Some(7), None), (1, 0));
        assert_eq!(extent(Some(3), Some(7), None), (UNLIMITED, 3));
        assert_eq!(extent(None, None, Some(20)), (20, 0));
    }
}
