//! Table `[log]` as it is written.

use serde::{Deserialize, Serialize};

use crate::config::log_format::LogFormat;

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawLog {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

/// State changes, and conditions that need an operator.
const LEVEL: &str = "info";

impl Default for RawLog {
    fn default() -> Self {
        Self {
            format: LogFormat::Human,
            level: LEVEL.to_owned(),
        }
    }
}
