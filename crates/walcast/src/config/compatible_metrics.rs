//! Programs under whose names metrics are exposed as well.

use serde::{Deserialize, Serialize};

/// Program whose dashboards and alerts keep their data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CompatibleMetrics {
    /// Debezium: the names of its OpenTelemetry metrics, and those that its rules for the JMX exporter make.
    Debezium,
}
