//! Table `[consumers]` as it is written.

use serde::{Deserialize, Serialize};

use crate::config::duration::ConfigDuration;

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawConsumers {
    pub(crate) lag_interval: Option<ConfigDuration>,
}
