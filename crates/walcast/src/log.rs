//! Log lines on stderr. One event is one line, whatever its fields contain.

mod fields;
mod json;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use self::fields::PrintableFields;
use self::json::PrintableJson;
use crate::config::LogFormat;
use crate::exit::UsageError;

/// Settings of the process log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogOptions {
    pub(crate) format: LogFormat,
    /// Filter in the syntax of `RUST_LOG`.
    pub(crate) level: String,
}

/// Log settings of the command line. They take precedence over the environment, which takes precedence over the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct LogArgs {
    /// How log lines look [default: log.format, or human]
    #[arg(long, global = true, value_enum, value_name = "FORMAT", display_order = 900)]
    pub(crate) log_format: Option<LogFormat>,

    /// What is logged: error, warn, info, debug, trace, or a list as in RUST_LOG [default: RUST_LOG, log.level, or info]
    #[arg(long, global = true, value_name = "LEVEL", display_order = 901)]
    pub(crate) log_level: Option<String>,
}

impl LogArgs {
    /// Effective settings. `rust_log` is the environment variable, `configured` comes from the configuration.
    pub(crate) fn resolve(&self, rust_log: Option<String>, configured: LogOptions) -> LogOptions {
        let rust_log = rust_log.filter(|level| !level.is_empty());
        LogOptions {
            format: self.log_format.unwrap_or(configured.format),
            level: self.log_level.clone().or(rust_log).unwrap_or(configured.level),
        }
    }
}

/// Replaces the filter of the process log.
type Replace = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// Filter of the process log, once it is started.
static FILTER: OnceLock<Replace> = OnceLock::new();

/// Starts logging; to be called once per process.
///
/// # Errors
/// The level cannot be parsed.
pub(crate) fn start(options: &LogOptions) -> Result<(), UsageError> {
    let filter = filter(&options.level)?;
    let (started, replace) = match options.format {
        LogFormat::Human => {
            let is_colored = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let (subscriber, replace) = human(filter, io::stderr, is_colored);
            (subscriber.try_init(), replace)
        }
        LogFormat::Json => {
            let (subscriber, replace) = json_lines(filter, || PrintableJson(io::stderr()));
            (subscriber.try_init(), replace)
        }
    };
    started.map_err(|error| UsageError(format!("logging cannot be started: {error}")))?;
    // A process log is started once, so the cell is empty.
    FILTER.get_or_init(|| replace);
    Ok(())
}

/// Changes the level of the running process log.
///
/// # Errors
/// The level cannot be parsed, or no log is running.
pub(crate) fn set_level(level: &str) -> Result<(), UsageError> {
    let filter = filter(level)?;
    let replaced = FILTER.get().map(|replace| replace(filter));
    match replaced {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(UsageError(format!("the log level cannot be changed: {error}"))),
        None => Err(UsageError(
            "the log level cannot be changed: no log is running".to_owned(),
        )),
    }
}

fn filter(level: &str) -> Result<EnvFilter, UsageError> {
    EnvFilter::try_new(level).map_err(|error| {
        UsageError(format!(
            "log level {level:?} cannot be parsed ({error}); use error, warn, info, debug or trace, or a list as in RUST_LOG"
        ))
    })
}

fn human<W>(filter: EnvFilter, writer: W, is_colored: bool) -> (impl Subscriber + Send + Sync, Replace)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(is_colored)
        .with_target(false)
        .fmt_fields(PrintableFields)
        .with_filter_reloading();
    let handle = builder.reload_handle();
    (builder.finish(), Box::new(move |filter| handle.reload(filter)))
}

fn json_lines<W>(filter: EnvFilter, writer: W) -> (impl Subscriber + Send + Sync, Replace)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_filter_reloading();
    let handle = builder.reload_handle();
    (builder.finish(), Box::new(move |filter| handle.reload(filter)))
}
