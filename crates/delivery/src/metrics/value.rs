//! Values of gauges, and how the exposition writes them.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use walcast_pgoutput::PgTimestamp;

use crate::slot_monitor::forecast::Limit;

/// Value of a gauge.
#[derive(Debug)]
pub(super) enum Value {
    One(Number),
    /// Count of events.
    Total(u64),
    /// One series for each limit that applies.
    ByLimit(Vec<(Limit, Number)>),
    /// One series for each bookmark.
    ByBookmark(Vec<(String, Number)>),
    /// One series for each table.
    ByTable(Vec<(String, Number)>),
    /// One count of events for each outbox.
    TotalByTable(Vec<(String, u64)>),
    /// One series for each topic.
    ByTopic(Vec<(String, Number)>),
    /// One count of events for each topic.
    TotalByTopic(Vec<(String, u64)>),
    /// One series for each state of tables.
    ByState(Vec<(&'static str, Number)>),
}

/// Number as the exposition writes it: with or without a decimal point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Whole(u64),
    Real(f64),
}

pub(super) fn whole(value: u64) -> Value {
    Value::One(Number::Whole(value))
}

pub(super) fn real(value: f64) -> Value {
    Value::One(Number::Real(value))
}

pub(super) fn count(count: usize) -> Value {
    whole(u64::try_from(count).unwrap_or(u64::MAX))
}

pub(super) fn flag(is_set: bool) -> Value {
    whole(u64::from(is_set))
}

pub(super) fn duration(duration: Duration) -> Number {
    Number::Real(duration.as_secs_f64())
}

/// Seconds since 1970; 0 for a time that has not come.
pub(super) fn unix_seconds(time: Option<PgTimestamp>) -> Value {
    let seconds = time.map_or(0, PgTimestamp::unix_micros) / 1_000_000;
    whole(u64::try_from(seconds).unwrap_or(0))
}

impl EncodeMetric for Value {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::One(number) => number.encode(encoder),
            Self::Total(count) => ConstCounter::new(*count).encode(encoder),
            Self::ByLimit(series) => series.iter().try_for_each(|(limit, number)| {
                let labels = [("limit", limit.setting())];
                number.encode(encoder.encode_family(&labels)?)
            }),
            Self::ByBookmark(series) => series.iter().try_for_each(|(bookmark, number)| {
                let labels = [("bookmark", bookmark.as_str())];
                number.encode(encoder.encode_family(&labels)?)
            }),
            Self::ByTable(series) => series.iter().try_for_each(|(table, number)| {
                number.encode(encoder.encode_family(&[("table", table.as_str())])?)
            }),
            Self::TotalByTable(series) => series.iter().try_for_each(|(table, count)| {
                ConstCounter::new(*count).encode(encoder.encode_family(&[("table", table.as_str())])?)
            }),
            Self::ByTopic(series) => series.iter().try_for_each(|(topic, number)| {
                number.encode(encoder.encode_family(&[("topic", topic.as_str())])?)
            }),
            Self::TotalByTopic(series) => series.iter().try_for_each(|(topic, count)| {
                ConstCounter::new(*count).encode(encoder.encode_family(&[("topic", topic.as_str())])?)
            }),
            Self::ByState(series) => series
                .iter()
                .try_for_each(|(state, number)| number.encode(encoder.encode_family(&[("state", *state)])?)),
        }
    }

    fn metric_type(&self) -> MetricType {
        match self {
            Self::One(_)
            | Self::ByLimit(_)
            | Self::ByBookmark(_)
            | Self::ByTable(_)
            | Self::ByTopic(_)
            | Self::ByState(_) => MetricType::Gauge,
            Self::Total(_) | Self::TotalByTable(_) | Self::TotalByTopic(_) => MetricType::Counter,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::ByLimit(series) => series.is_empty(),
            Self::ByBookmark(series) => series.is_empty(),
            Self::ByTable(series) | Self::ByTopic(series) => series.is_empty(),
            Self::TotalByTable(series) | Self::TotalByTopic(series) => series.is_empty(),
            Self::One(_) | Self::Total(_) | Self::ByState(_) => false,
        }
    }
}

impl Number {
    fn encode(self, encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => ConstGauge::new(value).encode(encoder),
            Self::Real(value) => ConstGauge::new(value).encode(encoder),
        }
    }
}
