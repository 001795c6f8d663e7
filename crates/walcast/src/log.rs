//! Log lines on stderr. One event is one line, whatever its fields contain.

mod fields;
mod json;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
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

/// Starts logging; to be called once per process.
///
/// # Errors
/// The level cannot be parsed.
pub(crate) fn start(options: &LogOptions) -> Result<(), UsageError> {
    let filter = EnvFilter::try_new(&options.level).map_err(|error| {
        let level = &options.level;
        UsageError(format!(
            "log level {level:?} cannot be parsed ({error}); use error, warn, info, debug or trace, or a list as in RUST_LOG"
        ))
    })?;
    let started = match options.format {
        LogFormat::Human => {
            let is_colored = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            human(filter, io::stderr, is_colored).try_init()
        }
        LogFormat::Json => json_lines(filter, || PrintableJson(io::stderr())).try_init(),
    };
    started.map_err(|error| UsageError(format!("logging cannot be started: {error}")))
}

fn human<W>(filter: EnvFilter, writer: W, is_colored: bool) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(is_colored)
        .with_target(false)
        .fmt_fields(PrintableFields)
        .finish()
}

fn json_lines<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .finish()
}
