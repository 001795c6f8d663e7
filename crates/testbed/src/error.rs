//! What can go wrong with a testbed, each case with what to do about it.

use std::path::PathBuf;
use std::process::ExitStatus;

/// A failure of the testbed itself, never of the program under test.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program that the testbed runs is not installed.
    #[error("{tool} is not installed: {install}")]
    MissingTool {
        /// The program that was looked for on `PATH`.
        tool: &'static str,
        /// What to install.
        install: &'static str,
    },
    /// There are no packages for this machine or version.
    #[error("no testbed package for {what}: {supported}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// What there is instead.
        supported: String,
    },
    /// A helper program ended with a failure.
    #[error("{command} failed ({status}): {output}")]
    CommandFailed {
        /// The program and its first argument.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it printed.
        output: String,
    },
    /// The account that servers run as under root cannot reach the package cache.
    #[error("the account `nobody` cannot read {}: set WALCAST_TESTBED_CACHE to a world-readable folder", path.display())]
    CacheNotReadable {
        /// The folder that is closed.
        path: PathBuf,
    },
    /// The package cache belongs to another user, whose programs must not be run.
    #[error("{} belongs to another user: remove it or set WALCAST_TESTBED_CACHE", path.display())]
    CacheNotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// A server ended before it was ready.
    #[error("{server} ended while starting ({status}); its log ends with:\n{log}")]
    ServerEnded {
        /// Which server.
        server: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// A condition did not come true in time.
    #[error("{what} did not happen within {seconds} s{log}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long, in seconds.
        seconds: u64,
        /// The last lines of the process log concerned, if there is one.
        log: String,
    },
    /// A server was used that is stopped.
    #[error("{server} is not running: start it first")]
    NotRunning {
        /// Which server.
        server: String,
    },
    /// No free port was found.
    #[error("no free loopback port between {from} and {to}: stop other testbeds")]
    NoFreePort {
        /// First port tried.
        from: u16,
        /// First port not tried.
        to: u16,
    },
    /// Work on a file failed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A process could not be started, signalled or waited for.
    #[error("cannot {action} {program}")]
    Process {
        /// What was attempted.
        action: &'static str,
        /// On which program.
        program: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Postgres refused something.
    #[error("postgres refused {action}")]
    Postgres {
        /// What was attempted.
        action: String,
        /// The cause.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The Kafka client reported an error.
    #[error("kafka: cannot {action}")]
    Kafka {
        /// What was attempted.
        action: String,
        /// The cause.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// The schema registry, or another HTTP server, could not be asked.
    #[error("cannot get {url}")]
    Http {
        /// The address without any secret.
        url: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The Kafka Connect worker refused something, or a connector of its failed.
    #[error("kafka connect: cannot {action}: {answer}")]
    Connect {
        /// What was attempted.
        action: String,
        /// The worker's answer, or the trace of the connector's task.
        answer: String,
    },
    /// The browser refused a command.
    #[error("the browser cannot {action}: {reason}")]
    Browser {
        /// What was attempted.
        action: String,
        /// The answer of ChromeDriver.
        reason: String,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate for {subject}")]
    Certificate {
        /// Whom it was for.
        subject: String,
        /// The cause.
        #[source]
        source: rcgen::Error,
    },
    /// A record is not what a reader of the Debezium envelope expects.
    #[error("record {topic}[{partition}]@{offset} is malformed: {problem}")]
    Record {
        /// Topic of the record.
        topic: String,
        /// Partition of the record.
        partition: i32,
        /// Offset of the record.
        offset: i64,
        /// What is wrong with it.
        problem: String,
    },
    /// The registry's answer is not a schema.
    #[error("schema {id} of the registry cannot be read")]
    Schema {
        /// The id in the registry.
        id: u32,
        /// The cause.
        #[source]
        source: Box<apache_avro::Error>,
    },
    /// Bytes are not what the schema before them says.
    #[error("bytes that name schema {id} do not fit it")]
    Datum {
        /// The id in the registry.
        id: u32,
        /// The cause.
        #[source]
        source: Box<apache_avro::Error>,
    },
    /// A background task of the testbed ended by panic or was cancelled.
    #[error("a testbed task ended early")]
    Task {
        /// The cause.
        #[from]
        source: tokio::task::JoinError,
    },
}

/// The result of testbed work.
pub type Result<T> = std::result::Result<T, Error>;

/// Adds to an I/O error what was attempted on which file.
pub(crate) fn file_error(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { action, path, source }
}
