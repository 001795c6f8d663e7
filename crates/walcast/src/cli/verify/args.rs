//! Arguments of `walcast verify`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use walcast_mapper::pattern::TablePattern;

use crate::cli::config_args::ConfigArgs;
use crate::config::ConfigDuration;
use crate::exit::help_end;

/// Compare the source with the topics at one position, and name the keys that differ
///
/// Takes a snapshot of the source at a position L, waits until the checkpoint of the connector covers L, folds each topic to its
/// newest record per key up to L, and compares. Neither writers nor the connector are stopped; no lock is taken beyond that of a SELECT. The
/// outcome is appended to the topic `<topic_prefix>.walcast-verifications`.
///
/// The exit code is 0 if both sides are identical, 1 if they differ, and 2 if it is undecided: some rows or tables could not be
/// compared, or the checkpoint did not reach L in time.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast verify\n\
     \x20 walcast verify --tables public.orders --where \"placed >= '2024-01-01'\"\n\
     \x20 walcast verify --json > differences.json      and, later:\n\
     \x20 walcast verify --recheck differences.json     only the keys that differed\n\
     \x20 walcast verify --repair --dry-run             what would be repaired\n\
     \x20 walcast verify --every 1h --metrics-listen 127.0.0.1:9187"
))]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) choice: Choice,

    /// Have the running connector deliver the rows that differ once more, and compare them again: rows of the source are read at their
    /// place in WAL order, and keys that no row has are deleted there
    #[arg(long, conflicts_with = "every")]
    pub(crate) repair: bool,
    /// Only list what would be repaired
    #[arg(long, requires = "repair")]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) job: Job,

    /// Print JSON: the certificate and the differences
    #[arg(long)]
    pub(crate) json: bool,
}

/// Comparisons one after the other.
#[derive(Debug, Args)]
pub(crate) struct Job {
    /// Compare at this interval until stopped; a failed comparison is logged, and the next one is at its time
    #[arg(long, value_name = "DURATION", conflicts_with = "recheck", value_parser = interval)]
    pub(super) every: Option<ConfigDuration>,
    /// Serve metrics of the comparisons at this address; [admin] applies, except for `listen` and a stored token
    #[arg(long, value_name = "ADDRESS", requires = "every")]
    pub(super) metrics_listen: Option<SocketAddr>,
}

/// What is compared, and how.
#[derive(Debug, Args)]
pub(crate) struct Choice {
    /// Only captured tables that match this pattern over schema.table, and those that share a topic with them; can be given several
    /// times
    #[arg(long, value_name = "PATTERN")]
    pub(super) tables: Vec<TablePattern>,
    /// Only rows of the source that satisfy this condition; rows that only the topic has are not looked for
    #[arg(long = "where", value_name = "CONDITION")]
    pub(super) condition: Option<String>,
    /// Compare with the text that Postgres prints, without the code that encodes records; columns whose type has no exact text are not
    /// compared, and named. Needs Avro values
    #[arg(long)]
    pub(super) independent: bool,
    /// Only the keys that an earlier `walcast verify --json` has listed in this file
    #[arg(long, value_name = "FILE")]
    pub(super) recheck: Option<PathBuf>,
    /// Read at most so many rows of the source in a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rows_per_second: Option<u32>,
    /// How long the checkpoint of the connector may take to reach the position
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    pub(super) wait: ConfigDuration,
    /// List at most so many differences of each kind for each topic
    #[arg(long, value_name = "COUNT", default_value_t = LISTED)]
    pub(super) limit: usize,
    /// Do not write the outcome to Kafka
    #[arg(long)]
    pub(super) no_certificate: bool,
}

/// Reads an interval between comparisons.
fn interval(text: &str) -> Result<ConfigDuration, String> {
    let interval = text
        .parse::<ConfigDuration>()
        .map_err(|error| error.to_string())?;
    match (INTERVAL_MIN..=INTERVAL_MAX).contains(&interval.get()) {
        true => Ok(interval),
        false => Err("the interval is at least 1s and at most 365d".to_owned()),
    }
}

/// Shortest interval between two comparisons.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Longest one: the time of the next comparison has to be a point in time.
const INTERVAL_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Differences of each kind that are listed for each topic.
const LISTED: usize = 100;
