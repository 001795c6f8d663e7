//! Reload of the configuration: SIGHUP and a changed file are noticed while the connector runs.
//!
//! What can change while the connector runs is applied: the log level. Every other setting that differs from the running
//! configuration is named in one log line, without secrets, and takes effect with the next start. A file that is invalid changes
//! nothing, so that a mistake does not end a connector that runs.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use crate::config::{ChangedSetting, Config, Settings};
use crate::log::{self, LogArgs, LogOptions};
use crate::remedy::describe;

/// Interval between two looks at the file. A mounted configuration changes a minute after its object in Kubernetes anyway.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The only setting that is applied while the connector runs.
const LEVEL: &str = "log.level";

/// Running configuration, and the file that it comes from.
#[derive(Debug)]
pub(crate) struct Reload {
    path: PathBuf,
    flags: LogArgs,
    /// Settings that are in effect.
    running: Settings,
    /// Effective log level.
    level: String,
    /// Version of the file that was read last; `None` before the first look, because the file may have changed since the start.
    known: Option<Version>,
}

/// Difference between the running configuration and the file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    /// Effective log level of the file, if it is another one.
    level: Option<String>,
    /// Settings that are in effect from now on.
    applied: Vec<String>,
    /// Settings that the next start uses.
    waits: Vec<String>,
}

/// Version of a file, without its content.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

impl Version {
    /// Version of a regular file; `None` while there is none.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
        })
    }
}

impl Reload {
    /// Reload of a connector that runs with `config`, the content of the file at `path`.
    pub(crate) fn new(path: PathBuf, flags: LogArgs, config: &Config) -> Self {
        let level = effective_level(&flags, config);
        Self {
            known: None,
            path,
            flags,
            running: config.settings.clone(),
            level,
        }
    }

    /// Handler of SIGHUP, which would end the process otherwise; must be called within a runtime.
    ///
    /// # Errors
    /// The handler cannot be installed.
    pub(crate) fn hangup() -> io::Result<Signal> {
        signal(SignalKind::hangup())
    }

    /// Follows the file until dropped.
    pub(crate) async fn run(mut self, mut hangup: Signal) {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Both futures are cancel-safe.
            let is_requested = tokio::select! {
                received = hangup.recv() => received.is_some(),
                _ = looks.tick() => false,
            };
            let version = self.version().await;
            if version.is_none() {
                // In the middle of a replacement there is no file for a moment. A pipe would be waited for without end.
                if is_requested {
                    warn!(
                        file = %self.path.display(),
                        "there is no regular file that could be read again; the running configuration stays in effect"
                    );
                }
            } else if is_requested || version != self.known {
                self.known = version;
                self.reload(is_requested).await;
            }
        }
    }

    async fn version(&self) -> Option<Version> {
        let path = self.path.clone();
        let looked = tokio::task::spawn_blocking(move || Version::of(&path)).await;
        looked.ok().flatten()
    }

    /// Reads the file, applies what can change, and logs the difference; on a request also that there is none.
    async fn reload(&mut self, is_requested: bool) {
        let path = self.path.clone();
        let loaded = tokio::task::spawn_blocking(move || Config::load(&path)).await;
        let config = match loaded {
            Ok(Ok(config)) => config,
            Ok(Err(error)) => {
                warn!(
                    error = describe(&error),
                    "the configuration cannot be used; the running one stays in effect"
                );
                return;
            }
            Err(error) => {
                warn!(%error, "the configuration cannot be read; the running one stays in effect");
                return;
            }
        };
        let difference = self.difference(&config);
        if let Some(level) = &difference.level {
            if let Err(error) = log::set_level(level) {
                warn!(%error, "the log level stays as it is");
                return;
            }
            self.level.clone_from(level);
        }
        self.settle(&config, &difference);
        if is_requested || difference != Difference::default() {
            report(&difference);
        }
    }

    /// Compares the running configuration with that of the file.
    fn difference(&self, config: &Config) -> Difference {
        let level = effective_level(&self.flags, config);
        let is_overridden = level != config.log.level;
        let level = (level != self.level).then_some(level);
        let (live, others): (Vec<ChangedSetting>, Vec<ChangedSetting>) = self
            .running
            .changes(&config.settings)
            .into_iter()
            .partition(|changed| changed.key == LEVEL);
        let texts =
            |changes: Vec<ChangedSetting>| changes.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut waits = texts(others);
        let mut applied = texts(live);
        // A level that was written as it is in effect already is applied, too.
        if level.is_none() && is_overridden {
            let overridden = applied
                .drain(..)
                .map(|changed| format!("{changed} (overridden by --log-level or RUST_LOG)"));
            waits.extend(overridden);
        }
        Difference {
            level,
            applied,
            waits,
        }
    }

    /// Records what is in effect now.
    fn settle(&mut self, config: &Config, difference: &Difference) {
        if !difference.applied.is_empty() {
            let changes = self.running.changes(&config.settings);
            for changed in changes.iter().filter(|changed| changed.key == LEVEL) {
                self.running.apply(changed);
            }
        }
    }
}

fn effective_level(flags: &LogArgs, config: &Config) -> String {
    let configured = LogOptions {
        format: config.log.format,
        level: config.log.level.clone(),
    };
    flags.resolve(std::env::var("RUST_LOG").ok(), configured).level
}

/// Logs one line: a warning if the connector runs with other settings than the file has.
fn report(difference: &Difference) {
    let (applied, waits) = (difference.applied.join("; "), difference.waits.join("; "));
    match (applied.is_empty(), waits.is_empty()) {
        (true, true) => info!("the configuration was read again: it is the running one"),
        (false, true) => info!(applied, "the configuration has changed"),
        (true, false) => warn!(
            restart = waits,
            "the configuration has changed; restart to use these settings"
        ),
        (false, false) => warn!(
            applied,
            restart = waits,
            "the configuration has changed; restart to use the settings that were not applied"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_for_test;

    fn config(lines: &str) -> Config {
        let text = format!(
            "name = \"shop\"\n[postgres]\nurl = \"postgres://walcast@db/shop\"\n[kafka]\nbrokers = \"127.0.0.1:9092\"\n\
             [registry]\nurl = \"http://127.0.0.1:8081\"\n{lines}"
        );
        parse_for_test(&text, &|_| Err(std::env::VarError::NotPresent)).unwrap()
    }

    /// Reload of a connector that was started with this level on its command line.
    fn reload(level: &str, config: &Config) -> Reload {
        let flags = LogArgs {
            log_format: None,
            log_level: Some(level.to_owned()),
        };
        Reload::new("walcast.toml".into(), flags, config)
    }

    #[test]
    fn the_level_is_applied_and_the_rest_waits_for_a_start() {
        let (before, after) = (
            config(""),
            config("[log]\nlevel = \"debug\"\n[retry]\nbackoff_max = \"5s\"\n"),
        );
        let mut reload = reload("warn", &before);
        // Whatever RUST_LOG is in the environment of the tests, the level becomes another one.
        reload.flags = LogArgs::default();
        reload.level = "off".to_owned();
        let level = effective_level(&reload.flags, &after);
        let difference = reload.difference(&after);
        let waits = vec!["retry.backoff_max unset -> \"5s\"".to_owned()];
        assert_eq!(difference.waits, waits);
        assert_eq!(difference.applied, ["log.level unset -> \"debug\""]);
        assert_eq!(difference.level, Some(level.clone()));
        // What was applied is in effect; what waits is named again.
        reload.level = level;
        reload.settle(&after, &difference);
        let again = reload.difference(&after);
        assert_eq!(
            (again.level, again.applied, again.waits),
            (None, Vec::new(), waits)
        );
    }

    #[test]
    fn a_level_of_the_command_line_is_kept() {
        let reload = reload("trace", &config(""));
        let difference = reload.difference(&config("[log]\nlevel = \"debug\"\n"));
        let waits = ["log.level unset -> \"debug\" (overridden by --log-level or RUST_LOG)".to_owned()];
        assert_eq!(
            (difference.level, difference.applied, difference.waits),
            (None, Vec::new(), waits.to_vec())
        );
    }

    #[test]
    fn a_level_that_is_in_effect_already_is_applied() {
        let mut reload = reload("debug", &config(""));
        let after = config("[log]\nlevel = \"debug\"\n");
        let difference = reload.difference(&after);
        let applied = ["log.level unset -> \"debug\"".to_owned()];
        assert_eq!(
            (&difference.level, &difference.applied[..], difference.waits.len()),
            (&None, &applied[..], 0)
        );
        reload.settle(&after, &difference);
        assert_eq!(reload.difference(&after), Difference::default());
    }

    #[test]
    fn an_unchanged_configuration_differs_in_nothing() {
        let reload = reload("info", &config(""));
        assert_eq!(reload.difference(&config("")), Difference::default());
    }
}
