//! Metrics of consumer groups, from `[consumers]`.

use super::check::Check;
use crate::config::duration::ConfigDuration;
use crate::config::error::ConfigError;
use crate::config::raw::RawConsumers;
use crate::config::sections::ConsumersSection;

/// Each read asks the coordinator of every group of the cluster.
const INTERVAL_MIN: ConfigDuration = ConfigDuration::from_secs(5);
const INTERVAL_MAX: ConfigDuration = ConfigDuration::from_secs(24 * 3600);

impl Check<'_> {
    pub(super) fn consumers(&self, raw: &RawConsumers) -> Result<ConsumersSection, ConfigError> {
        let interval =
            |interval| self.duration("consumers.lag_interval", interval, INTERVAL_MIN, INTERVAL_MAX);
        Ok(ConsumersSection {
            lag_interval: raw.lag_interval.map(interval).transpose()?,
        })
    }
}
