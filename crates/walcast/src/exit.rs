//! Exit codes, and the error line that is printed with them.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use walcast_delivery::{DeliveryError, ImportError, RewindRejected};
use walcast_postgres::PostgresError;

use crate::config::ConfigError;
use crate::debezium::{InputError, OffsetError, StoredError, WorkerError};
use crate::selection::Unmatched;

/// Meaning of an exit code. The numbers are part of the interface: scripts and supervisors depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or stopped by a signal.
    Done,
    /// A check failed, or a request was rejected.
    Rejected,
    /// The command line or the configuration is wrong.
    Usage,
    /// Continuing could lose or duplicate changes, or skip one that Kafka or the registry rejects: an operator has to decide.
    /// A restart does not help.
    Halted,
    /// Another instance with the same name has taken over. A restart would make this one the standby.
    Fenced,
    /// A server could not be reached, or something else failed. A restart may help.
    Failed,
    /// Done, but a part of the request has no counterpart here, or could not be processed.
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
            "  1  a check failed, or the request was rejected\n",
            "  2  the command line or the configuration is wrong\n",
            "  3  halted: continuing could lose or duplicate changes; the message says what to do\n",
            "  4  another instance with the same name has taken over\n",
            "  5  a server could not be reached, or something else failed\n",
            "  6  migrate: written, but settings have no counterpart; dlq redeliver: some dead letters remain\n",
            "  128 + n  terminated immediately by a second signal n",
        )
    };
}
pub(crate) use help_end;

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Rejected => 1,
            Exit::Usage => 2,
            Exit::Halted => 3,
            Exit::Fenced => 4,
            Exit::Failed => 5,
            Exit::Incomplete => 6,
        }
    }

    /// Exit code for an error with which a command ends.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let causes = || error.chain();
        let is_usage = |cause: &(dyn Error + 'static)| {
            cause.is::<ConfigError>()
                || cause.is::<UsageError>()
                || cause.is::<InputError>()
                || cause.is::<Unmatched>()
        };
        if causes().any(is_usage) {
            return Exit::Usage;
        }
        let is_setting = |error: &PostgresError| {
            matches!(
                error,
                PostgresError::Setting { .. }
                    | PostgresError::PublicationMissing { .. }
                    | PostgresError::NoTableMatches { .. }
                    | PostgresError::Conninfo(_)
            )
        };
        if causes().filter_map(|cause| cause.downcast_ref()).any(is_setting) {
            return Exit::Usage;
        }
        if causes()
            .any(|cause| cause.is::<RewindRejected>() || cause.is::<Rejection>() || is_import_rejected(cause))
        {
            return Exit::Rejected;
        }
        match causes().find_map(|cause| cause.downcast_ref::<DeliveryError>()) {
            Some(error) if error.is_fenced() => Exit::Fenced,
            Some(error) if error.halts() => Exit::Halted,
            Some(_) | None => Exit::Failed,
        }
    }
}

/// Whether an offset import rejected the offset of the Debezium connector, or the state of that connector.
fn is_import_rejected(cause: &(dyn Error + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(ImportError::Rejected(_)))
        || matches!(cause.downcast_ref(), Some(WorkerError::NotStopped { .. }))
        || cause.is::<OffsetError>()
        || cause.is::<StoredError>()
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Error in the arguments of a command.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Failed check, or rejected request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    /// Some preconditions do not hold; the command has printed them.
    #[error("{failed} of {all} checks failed")]
    Checks {
        /// Number of failed checks.
        failed: usize,
        /// Number of all checks.
        all: usize,
    },
    /// The user did not confirm.
    #[error("nothing was changed: {0} needs confirmation; pass --yes where there is no terminal")]
    NotConfirmed(&'static str),
    /// A file would be overwritten.
    #[error("{} exists; --force overwrites it", .0.display())]
    Exists(PathBuf),
    /// The running connector rejects the request.
    #[error("{0}")]
    Request(String),
    /// Another instance is the leader.
    #[error("the connector {0:?} is running (another instance is the leader); stop it first")]
    Running(String),
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
            (Rejection::Checks { failed: 1, all: 2 }.into(), Exit::Rejected),
            (
                RewindRejected::SlotMissing { slot: "s".to_owned() }.into(),
                Exit::Rejected,
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
            (Exit::Rejected, "a check failed"),
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
}
