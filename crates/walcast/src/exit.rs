//! How the program ends: exit codes, and the one line that says why.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use walcast_delivery::{DeliveryError, RewindRefused, TakeOverError};
use walcast_postgres::PostgresError;

use crate::config::ConfigError;
use crate::debezium::{InputError, OffsetError, StoredError, WorkerError};

/// What the exit code tells. The numbers are part of the interface: scripts and supervisors decide by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or stopped because it was asked to.
    Done,
    /// A check failed, or a request was refused with the reason.
    Refused,
    /// The command line or the configuration is wrong.
    Usage,
    /// Going on could lose or double changes, also by leaving out one that Kafka or the registry does not take: somebody
    /// has to decide. A restart does not help.
    Halted,
    /// Another instance with the same name has taken over. A restart would make this one the standby.
    Fenced,
    /// A server could not be reached, or something else failed. A restart may help.
    Failed,
    /// Done, but something that was asked for has no counterpart here, or cannot be dealt with so.
    Incomplete,
}

/// The end of every `--help`: examples, then the exit codes.
macro_rules! help_end {
    ($examples:literal) => {
        concat!(
            "Examples:\n",
            $examples,
            "\n\nExit codes:\n",
            "  0  done, or stopped by SIGTERM or SIGINT\n",
            "  1  a check failed, or what was asked for was refused\n",
            "  2  the command line or the configuration is wrong\n",
            "  3  halted: going on could lose or double changes; the message says what to do\n",
            "  4  another instance with the same name has taken over\n",
            "  5  a server could not be reached, or something else failed\n",
            "  6  migrate: written, but something has no counterpart; dlq retry: some dead letters are left\n",
            "  128 + n  ended at once by a second signal n",
        )
    };
}
pub(crate) use help_end;

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::Halted => 3,
            Exit::Fenced => 4,
            Exit::Failed => 5,
            Exit::Incomplete => 6,
        }
    }

    /// The code for an error of any kind that a command can end with.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let causes = || error.chain();
        if causes()
            .any(|cause| cause.is::<ConfigError>() || cause.is::<UsageError>() || cause.is::<InputError>())
        {
            return Exit::Usage;
        }
        let is_setting = |error: &PostgresError| {
            matches!(error, PostgresError::Setting { .. } | PostgresError::Conninfo(_))
        };
        if causes().filter_map(|cause| cause.downcast_ref()).any(is_setting) {
            return Exit::Usage;
        }
        if causes()
            .any(|cause| cause.is::<RewindRefused>() || cause.is::<Refusal>() || is_take_over_refused(cause))
        {
            return Exit::Refused;
        }
        match causes().find_map(|cause| cause.downcast_ref::<DeliveryError>()) {
            Some(error) if error.is_fenced() => Exit::Fenced,
            Some(error) if error.halts() => Exit::Halted,
            Some(_) | None => Exit::Failed,
        }
    }
}

/// What a take-over refuses: the other connector's notes, or the state it is in.
fn is_take_over_refused(cause: &(dyn Error + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(TakeOverError::Refused(_)))
        || matches!(cause.downcast_ref(), Some(WorkerError::NotStopped { .. }))
        || cause.is::<OffsetError>()
        || cause.is::<StoredError>()
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// The command line asks for something that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// A check failed, or a request was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Some preconditions do not hold; they are printed already.
    #[error("{failed} of {all} checks failed")]
    Checks {
        /// How many failed.
        failed: usize,
        /// How many there are.
        all: usize,
    },
    /// A question was not answered with yes.
    #[error("nothing was changed: {0} needs a yes, or --yes where nobody can be asked")]
    NotConfirmed(&'static str),
    /// A file would be overwritten.
    #[error("{} exists; --force overwrites it", .0.display())]
    Exists(PathBuf),
    /// The running connector refuses what it was asked for.
    #[error("{0}")]
    Request(String),
    /// Another instance leads.
    #[error("the connector {0:?} is running (another instance leads); stop it first")]
    Running(String),
}

/// An error and its causes on one line. A cause that the text before it already quotes is not said twice.
pub(crate) fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause
            .to_string()
            .lines()
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("; ");
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        next = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use walcast_delivery::Halt;
    use walcast_kafka::KafkaError;
    use walcast_pgoutput::Lsn;

    use super::*;

    #[test]
    fn errors_have_their_codes() {
        let halt = Halt::SlotMissing {
            slot: "s".to_owned(),
            stored: Lsn::new(1),
        };
        let sink = |fault: KafkaError| anyhow::Error::new(DeliveryError::Sink(fault.into()));
        let cases: [(anyhow::Error, Exit); 8] = [
            (UsageError("no".to_owned()).into(), Exit::Usage),
            (Refusal::Checks { failed: 1, all: 2 }.into(), Exit::Refused),
            (
                RewindRefused::SlotMissing { slot: "s".to_owned() }.into(),
                Exit::Refused,
            ),
            (
                anyhow::Error::new(DeliveryError::from(halt)).context("run"),
                Exit::Halted,
            ),
            (
                sink(KafkaError::RecordTooLarge {
                    topic: "t".to_owned(),
                    bytes: 9,
                    id: None,
                }),
                Exit::Halted,
            ),
            (
                sink(KafkaError::Fenced {
                    transactional_id: "walcast-shop".to_owned(),
                }),
                Exit::Fenced,
            ),
            (sink(KafkaError::Stopped), Exit::Failed),
            (anyhow::anyhow!("the network is down"), Exit::Failed),
        ];
        for (error, exit) in cases {
            assert_eq!(Exit::of(&error), exit, "{error:#}");
        }
    }

    #[test]
    fn the_documented_codes_are_the_real_ones() {
        for (exit, words) in [
            (Exit::Done, "done"),
            (Exit::Refused, "a check failed"),
            (Exit::Usage, "the command line"),
            (Exit::Halted, "halted"),
            (Exit::Fenced, "another instance"),
            (Exit::Failed, "a server"),
            (Exit::Incomplete, "migrate"),
        ] {
            assert!(
                help_end!("").contains(&format!("  {}  {words}", exit.code())),
                "{exit:?}"
            );
        }
    }

    #[test]
    fn causes_are_said_once_and_on_one_line() {
        let error = anyhow::anyhow!("connection refused")
            .context("postgres: connection refused")
            .context("run");
        assert_eq!(one_line(error.as_ref()), "run: postgres: connection refused");
        let error = anyhow::anyhow!("a\n  b").context("outer");
        assert_eq!(one_line(error.as_ref()), "outer: a; b");
    }
}
