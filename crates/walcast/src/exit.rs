//! Exit codes, and the error line that is printed with them.

mod of_error;

use std::path::PathBuf;
use std::process::ExitCode;

/// Meaning of an exit code. The numbers are part of the interface: scripts and supervisors depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or stopped by a signal.
    Done,
    /// A check failed, or a request was rejected.
    Rejected,
    /// The command line or the configuration is wrong.
    Usage,
    /// `verify`: some rows or tables could not be compared.
    Undecided,
    /// Continuing could lose or duplicate changes, or skip one that cannot be delivered: an operator has to decide. A restart
    /// does not help.
    Halted,
    /// Another instance with the same name has taken over. A restart would make this one the standby.
    Fenced,
    /// A server could not be reached, or something else failed. A restart may help.
    Failed,
    /// Done, but a part of the request has no counterpart here, or could not be processed.
    Incomplete,
    /// Postgres, a broker or the schema registry rejects a connection or a request, and would reject it again, or is not set up for
    /// it. A restart does not help.
    Denied,
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
            "  3  halted: continuing could lose, duplicate or skip changes; the message says what to do\n",
            "  4  another instance with the same name has taken over\n",
            "  5  a server could not be reached, or something else failed; a restart may help\n",
            "  6  migrate: written, but settings have no counterpart; dlq redeliver: some dead letters remain\n",
            "  7  a server rejects a connection or a request for good; the message says what to do\n",
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
            Exit::Usage | Exit::Undecided => 2,
            Exit::Halted => 3,
            Exit::Fenced => 4,
            Exit::Failed => 5,
            Exit::Incomplete => 6,
            Exit::Denied => 7,
        }
    }
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
    /// Some statements were not executed; the command has printed them.
    #[error("{left} of {all} statements are left for an administrator")]
    Unfixed {
        /// Number of statements that were not executed.
        left: usize,
        /// Number of all statements.
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
    /// No record of a row is in the topics of its table.
    #[error(
        "no record of {row} is in {topics}; check the key, and whether retention has removed its records"
    )]
    NoRecord {
        /// Table and key.
        row: String,
        /// Topics that were read.
        topics: String,
    },
    /// Another instance is the leader.
    #[error("the connector {0:?} is running (another instance is the leader); stop it first")]
    Running(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_name_what_is_rejected_and_the_way_on() {
        for (rejection, text) in [
            (Rejection::Checks { failed: 1, all: 20 }, "1 of 20 checks failed"),
            (
                Rejection::Unfixed { left: 1, all: 3 },
                "1 of 3 statements are left for an administrator",
            ),
            (
                Rejection::NotConfirmed("deleting the checkpoint"),
                "nothing was changed: deleting the checkpoint needs confirmation; pass --yes where there is no terminal",
            ),
            (
                Rejection::Exists("walcast.toml".into()),
                "walcast.toml exists; --force overwrites it",
            ),
            (
                Rejection::Request("public.itmes is not a captured table; see [postgres] tables".to_owned()),
                "public.itmes is not a captured table; see [postgres] tables",
            ),
            (
                Rejection::NoRecord {
                    row: "public.orders 8471".to_owned(),
                    topics: "shop.public.orders".to_owned(),
                },
                "no record of public.orders 8471 is in shop.public.orders; check the key, and whether retention has removed its records",
            ),
            (
                Rejection::Running("shop".to_owned()),
                "the connector \"shop\" is running (another instance is the leader); stop it first",
            ),
        ] {
            assert_eq!(rejection.to_string(), text);
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
            (Exit::Denied, "a server rejects"),
        ] {
            assert!(
                help_end!("").contains(&format!("  {}  {words}", exit.code())),
                "{exit:?}"
            );
        }
    }
}
