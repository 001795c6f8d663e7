//! Log lines on stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;
use crate::exit::UsageError;

/// What to log and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogOptions {
    pub(crate) format: LogFormat,
    /// In the language of `RUST_LOG`.
    pub(crate) level: String,
}

/// What the command line says; it wins over the environment, which wins over the configuration.
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
    /// What holds in the end. `rust_log` is the variable, `configured` the file.
    pub(crate) fn resolve(&self, rust_log: Option<String>, configured: LogOptions) -> LogOptions {
        let rust_log = rust_log.filter(|level| !level.is_empty());
        LogOptions {
            format: self.log_format.unwrap_or(configured.format),
            level: self.log_level.clone().or(rust_log).unwrap_or(configured.level),
        }
    }
}

/// Begins to log; once in a process.
///
/// # Errors
/// The level cannot be read.
pub(crate) fn start(options: &LogOptions) -> Result<(), UsageError> {
    let filter = EnvFilter::try_new(&options.level).map_err(|error| {
        let level = &options.level;
        UsageError(format!(
            "log level {level:?} cannot be read ({error}); use error, warn, info, debug or trace, or a list as in RUST_LOG"
        ))
    })?;
    let lines = fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match options.format {
        LogFormat::Human => {
            let is_colourful = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines
                .with_ansi(is_colourful)
                .with_target(false)
                .finish()
                .try_init()
        }
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .finish()
            .try_init(),
    };
    started.map_err(|error| UsageError(format!("logging cannot be started: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let configured = LogOptions {
            format: LogFormat::Json,
            level: "warn".to_owned(),
        };
        let flags = LogArgs {
            log_format: Some(LogFormat::Human),
            log_level: Some("debug".to_owned()),
        };
        let level = |args: &LogArgs, rust_log: Option<&str>| {
            args.resolve(rust_log.map(str::to_owned), configured.clone())
                .level
        };
        assert_eq!(level(&flags, Some("trace")), "debug");
        assert_eq!(level(&LogArgs::default(), Some("trace")), "trace");
        assert_eq!(level(&LogArgs::default(), Some("")), "warn");
        assert_eq!(level(&LogArgs::default(), None), "warn");
        assert_eq!(flags.resolve(None, configured.clone()).format, LogFormat::Human);
        assert_eq!(
            LogArgs::default().resolve(None, configured).format,
            LogFormat::Json
        );
    }

    #[test]
    fn a_level_that_cannot_be_read_is_refused() {
        let error = start(&LogOptions {
            format: LogFormat::Human,
            level: "a=b=c".to_owned(),
        })
        .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("log level \"a=b=c\" cannot be read"),
            "{error}"
        );
    }
}
