//! Configuration: the file is parsed and validated to a [`Config`], whose values need no further checks.
//!
//! ```text
//! text ──Document──▶ RawConfig ──resolve──▶ Config: the configurations of the crates, and of this program
//!        unknown keys,             names, bounds, secrets from files,
//!        ${VARIABLES}              each error with its line
//! ```

mod bytes;
mod compatible_metrics;
mod document;
mod duration;
mod error;
mod expand;
mod exposed;
mod fields;
mod host;
mod log_format;
#[cfg(test)]
mod manual;
mod nearest;
mod presets;
mod raw;
mod resolve;
mod sections;
mod selections;
mod settings;
mod stream_snapshots;
mod tables;
#[cfg(test)]
mod tests;

use std::path::Path;

use walcast_postgres::Environment;

pub(crate) use self::bytes::ByteSize;
pub(crate) use self::compatible_metrics::CompatibleMetrics;
pub(crate) use self::duration::ConfigDuration;
pub(crate) use self::error::{ConfigError, Place};
pub(crate) use self::exposed::Exposed;
pub(crate) use self::host::Host;
pub(crate) use self::log_format::LogFormat;
pub(crate) use self::nearest::nearest;
pub(crate) use self::sections::{AdminSection, Config, Identity};
pub(crate) use self::selections::{Choice, Selection};
pub(crate) use self::settings::{ChangedSetting, Settings};
pub(crate) use self::tables::{Keys, tables};

use self::document::Document;

/// Inputs of a configuration other than its file.
pub(crate) struct ConfigInputs<'a> {
    /// Environment variables.
    pub(crate) lookup: expand::Lookup<'a>,
    /// Environment variables of libpq.
    pub(crate) postgres: Environment,
}

impl Config {
    /// Loads a configuration file.
    ///
    /// # Errors
    /// The file cannot be read, or its content is invalid.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut config = Self::parse_text(&path.display().to_string(), &text)?;
        config.exposed.retain(|exposed| exposed.is_exposed(path));
        Ok(config)
    }

    /// Parses `text`, the content of `file`, in the environment of the process.
    ///
    /// # Errors
    /// The content is invalid.
    pub(crate) fn parse_text(file: &str, text: &str) -> Result<Self, ConfigError> {
        let inputs = ConfigInputs {
            lookup: &|name| std::env::var(name),
            postgres: Environment::of_process(),
        };
        Self::parse(file, text, &inputs)
    }

    /// Parses `text`, the content of `file`.
    ///
    /// # Errors
    /// The content is invalid.
    pub(crate) fn parse(file: &str, text: &str, inputs: &ConfigInputs<'_>) -> Result<Self, ConfigError> {
        let (document, raw) = Document::read(file, text, inputs.lookup)?;
        resolve::resolve(&document, &raw, &inputs.postgres)
    }
}

/// Parses `text` as a configuration file, for tests of code that writes such files.
#[cfg(test)]
pub(crate) fn parse_for_test(text: &str, lookup: expand::Lookup<'_>) -> Result<Config, ConfigError> {
    let inputs = ConfigInputs {
        lookup,
        postgres: Environment::default(),
    };
    Config::parse("walcast.toml", text, &inputs)
}
