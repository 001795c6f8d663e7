//! Families of series with labels of their own, for the text of a registry.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Label of a series, with its value.
pub(super) type Label = (&'static str, &'static str);

/// Labels of a series.
type Labels = Vec<Label>;

/// Number of a gauge.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    /// Whole number.
    Whole(i64),
    /// Number with a decimal point.
    Real(f64),
}

impl Number {
    pub(super) fn of(count: u64) -> Self {
        Self::Whole(i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub(super) fn flag(is_set: bool) -> Self {
        Self::Whole(i64::from(is_set))
    }

    pub(super) fn millis(time: Duration) -> Self {
        Self::Whole(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Metric with its series.
#[derive(Debug)]
pub(super) struct Family {
    name: &'static str,
    help: &'static str,
    series: Series,
}

#[derive(Debug)]
enum Series {
    Counts(Vec<(Labels, u64)>),
    Gauges(Vec<(Labels, Number)>),
}

impl Family {
    /// Counter; the exposition appends `_total` to its name.
    pub(super) fn counter(name: &'static str, help: &'static str, series: Vec<(Labels, u64)>) -> Self {
        let series = Series::Counts(series);
        Self { name, help, series }
    }

    pub(super) fn gauge(name: &'static str, help: &'static str, series: Vec<(Labels, Number)>) -> Self {
        let series = Series::Gauges(series);
        Self { name, help, series }
    }
}

/// Collector of these families.
#[derive(Debug)]
pub(super) struct Families(pub(super) Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|family| family.encode(&mut encoder))
    }
}

impl Family {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = format!("{}.", self.help);
        let kind = match self.series {
            Series::Counts(_) => MetricType::Counter,
            Series::Gauges(_) => MetricType::Gauge,
        };
        let mut family = encoder.encode_descriptor(self.name, &help, None, kind)?;
        match &self.series {
            Series::Counts(series) => series.iter().try_for_each(|(labels, count)| {
                ConstCounter::new(*count).encode(family.encode_family(labels)?)
            }),
            Series::Gauges(series) => series.iter().try_for_each(|(labels, number)| {
                let series = family.encode_family(labels)?;
                match number {
                    Number::Whole(value) => ConstGauge::new(*value).encode(series),
                    Number::Real(value) => ConstGauge::new(*value).encode(series),
                }
            }),
        }
    }
}
