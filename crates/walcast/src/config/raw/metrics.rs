//! Table `[metrics]` as it is written.

use serde::{Deserialize, Serialize};

use crate::config::compatible_metrics::CompatibleMetrics;

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawMetrics {
    pub(crate) compatible: Vec<CompatibleMetrics>,
}

impl RawMetrics {
    /// Programs under whose names metrics are exposed as well, each of them once.
    pub(crate) fn compatible(&self) -> Vec<CompatibleMetrics> {
        let mut compatible = self.compatible.clone();
        compatible.dedup();
        compatible
    }
}
