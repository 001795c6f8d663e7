//! Metrics of all connectors in the OpenMetrics text format.

use std::fmt::{self, Write};

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;
use walcast_delivery::ConnectorCollector;

use crate::admin::debezium_metrics;
use crate::config::CompatibleMetrics;
use crate::connector_handle::ConnectorHandle;

/// First words of a family of series. A line that begins with them is no series: line breaks in labels are escaped.
const FAMILY: &str = "# HELP ";

/// Metrics of these connectors, each with the label `connector`.
pub(super) fn exposition<'a>(
    connectors: impl Iterator<Item = &'a ConnectorHandle>,
) -> Result<String, fmt::Error> {
    let mut families = Families::default();
    for connector in connectors {
        families.add(&series(connector)?);
    }
    let mut text = String::new();
    for Family { descriptor, series } in &families.0 {
        write!(text, "{descriptor}{series}")?;
    }
    encode_eof(&mut text)?;
    Ok(text)
}

/// Metrics of one connector.
fn series(connector: &ConnectorHandle) -> Result<String, fmt::Error> {
    let labels = [("connector".into(), connector.identity.name.clone().into())];
    let mut registry = Registry::with_prefix_and_labels("walcast", labels.into_iter());
    let collector = ConnectorCollector::new(connector.metrics.clone(), connector.state.clone());
    registry.register_collector(Box::new(collector));
    if connector
        .settings
        .as_ref()
        .is_some_and(|settings| settings.lag_interval.is_some())
    {
        connector.consumers.register(&mut registry);
    }
    let mut text = String::new();
    encode_registry(&mut text, &registry)?;
    for compatible in &connector.compatible {
        text += &match compatible {
            CompatibleMetrics::Debezium => debezium_metrics::series(connector)?,
        };
    }
    Ok(text)
}

/// Families of series. The format allows each of them once, with the series of all connectors.
#[derive(Default)]
struct Families(Vec<Family>);

/// Series of one name.
#[derive(Default)]
struct Family {
    /// Lines with name, help, type and unit.
    descriptor: String,
    series: String,
}

impl Families {
    /// Adds the series of a connector.
    fn add(&mut self, text: &str) {
        let mut family = 0;
        for line in text.lines() {
            if line.starts_with(FAMILY) {
                family = self.find(line);
            } else if let Some(family) = self.0.get_mut(family) {
                let lines = if line.starts_with('#') && family.series.is_empty() {
                    &mut family.descriptor
                } else if line.starts_with('#') {
                    // A connector before has described the family.
                    continue;
                } else {
                    &mut family.series
                };
                lines.push_str(line);
                lines.push('\n');
            }
        }
    }

    /// Number of the family that `help` begins.
    fn find(&mut self, help: &str) -> usize {
        let found = self
            .0
            .iter()
            .position(|one| one.descriptor.lines().next() == Some(help));
        found.unwrap_or_else(|| {
            self.0.push(Family {
                descriptor: format!("{help}\n"),
                series: String::new(),
            });
            self.0.len() - 1
        })
    }
}
