//! `[log]`.

use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::check::Check;
use crate::config::error::ConfigError;
use crate::config::raw::RawLog;
use crate::config::sections::LogSection;

impl Check<'_> {
    pub(super) fn log(&self, raw: &RawLog) -> Result<LogSection, ConfigError> {
        let wanted = "error, warn, info, debug or trace, or a list as in RUST_LOG";
        // A bare word that is no level would be taken for the name of a module, and nothing else would be logged.
        let is_level = |part: &str| part.contains(['=', '[']) || LevelFilter::from_str(part.trim()).is_ok();
        let is_filter = EnvFilter::try_new(&raw.level).is_ok() && raw.level.split(',').all(is_level);
        self.rule("log.level", &raw.level, wanted, is_filter)?;
        Ok(LogSection {
            format: raw.format,
            level: raw.level.clone(),
        })
    }
}
