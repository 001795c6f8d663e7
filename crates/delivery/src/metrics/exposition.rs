//! Exposition of a connector: its counters and histograms, and gauges that are derived from its state at each scrape.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::registry::Unit;

use crate::metrics::Metrics;
use crate::metrics::gauges::{GAUGES, Reading};
use crate::state::ConnectorState;

/// Collector of the metrics of one connector, under their public names.
#[derive(Debug)]
pub struct ConnectorCollector {
    metrics: Metrics,
    state: ConnectorState,
}

impl ConnectorCollector {
    /// Creates the collector of a connector with these counters and this state.
    #[must_use]
    pub fn new(metrics: Metrics, state: ConnectorState) -> Self {
        Self { metrics, state }
    }
}

impl Collector for ConnectorCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let reading = Reading::of(&self.state);
        for gauge in &GAUGES {
            let value = (gauge.value)(&reading);
            metric(&mut encoder, gauge.name, gauge.help, gauge.unit.as_ref(), &value)?;
        }
        for (name, help, unit, value) in self.metrics.rows() {
            metric(&mut encoder, name, help, unit.as_ref(), value)?;
        }
        Ok(())
    }
}

/// Writes a metric as a registry does: without a series it has no descriptor, and its help ends with a full stop.
fn metric(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: &dyn EncodeMetric,
) -> fmt::Result {
    if value.is_empty() {
        return Ok(());
    }
    let help = format!("{help}.");
    value.encode(encoder.encode_descriptor(name, &help, unit, value.metric_type())?)
}

#[cfg(test)]
mod tests;
