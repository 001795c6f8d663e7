//! Options that commands share: the configuration file, and JSON as output.

use std::path::PathBuf;

use clap::Args;
use tracing::warn;

use crate::config::Config;
use crate::log::{self, LogArgs, LogOptions};
use crate::reload::Reload;

/// Location of the configuration.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "WALCAST_CONFIG",
        default_value = "walcast.toml"
    )]
    config: PathBuf,
}

/// Options of each action of a command.
#[derive(Clone, Debug, Args)]
pub(crate) struct ActionArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,

    /// Print JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl ActionArgs {
    /// The options with another configuration file.
    pub(super) fn of_file(mut self, file: PathBuf) -> Self {
        self.config.config = file;
        self
    }
}

impl ConfigArgs {
    /// Reads the configuration, starts the process log as configured, and warns about secrets that other users can read.
    pub(super) fn load(&self, flags: &LogArgs) -> anyhow::Result<Config> {
        let config = self.read(flags)?;
        for exposed in &config.exposed {
            warn!("{exposed}");
        }
        Ok(config)
    }

    /// Reload of a connector that runs with `config`, the content of the file.
    pub(super) fn reload(&self, flags: &LogArgs, config: &Config) -> Reload {
        Reload::new(self.config.clone(), flags.clone(), config)
    }

    /// Reads the configuration and starts the process log as configured.
    pub(super) fn read(&self, flags: &LogArgs) -> anyhow::Result<Config> {
        let config = Config::load(&self.config)?;
        let options = LogOptions {
            format: config.log.format,
            level: config.log.level.clone(),
        };
        start_log(flags, options)?;
        Ok(config)
    }
}

/// Starts the process log.
pub(super) fn start_log(flags: &LogArgs, configured: LogOptions) -> anyhow::Result<()> {
    log::start(&flags.resolve(std::env::var("RUST_LOG").ok(), configured))?;
    Ok(())
}
