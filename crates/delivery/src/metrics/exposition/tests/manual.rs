//! Comparison of `docs/metrics.md` with the registry: the manual describes exactly the existing metrics of a connector.

use std::fmt;
use std::fs;
use std::path::Path;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

use crate::metrics::exposition::metric;
use crate::metrics::gauges::{GAUGES, Reading};
use crate::metrics::value::{Number, Value};
use crate::metrics::{
    ChangeLabels, ContextErrorLabels, DeadLetterLabels, ErrorLabels, EventLabels, Metrics, ViolationLabels,
};
use crate::slot_monitor::forecast::Limit;
use crate::state::ConnectorState;

/// Heading of the metrics of a connector in the manual.
const SECTION: &str = "\n## The connector\n";

/// Ends of names that are units, or what they count from.
const UNITS: [(&str, &str); 5] = [
    ("_bytes_per_second", "bytes per second"),
    ("_timestamp_seconds", "seconds since 1970"),
    ("_seconds", "seconds"),
    ("_bytes", "bytes"),
    ("_lsn", "byte position"),
];

/// Collector with a series of every metric.
#[derive(Debug)]
struct EveryMetric(Metrics);

impl Collector for EveryMetric {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let reading = Reading::of(&ConnectorState::default());
        for gauge in &GAUGES {
            let value = with_series((gauge.value)(&reading));
            metric(&mut encoder, gauge.name, gauge.help, gauge.unit.as_ref(), &value)?;
        }
        for (name, help, unit, value) in self.0.rows() {
            metric(&mut encoder, name, help, unit.as_ref(), value)?;
        }
        Ok(())
    }
}

/// A value with a series, whatever the state is.
fn with_series(value: Value) -> Value {
    let (name, number) = ("public.orders".to_owned(), Number::Whole(0));
    match value {
        Value::ByLimit(_) => Value::ByLimit(vec![(Limit::KeepSize, number)]),
        Value::ByBookmark(_) => Value::ByBookmark(vec![(name, number)]),
        Value::ByTable(_) => Value::ByTable(vec![(name, number)]),
        Value::TotalByTable(_) => Value::TotalByTable(vec![(name, 0)]),
        Value::ByTopic(_) => Value::ByTopic(vec![(name, number)]),
        Value::TotalByTopic(_) => Value::TotalByTopic(vec![(name, 0)]),
        Value::One(_) | Value::Total(_) | Value::ByState(_) => value,
    }
}

/// Counters and histograms with a series of every family.
fn with_members() -> Metrics {
    let metrics = Metrics::default();
    let table = || "public.orders".to_owned();
    let change = ChangeLabels {
        table: table(),
        operation: "insert",
    };
    metrics.changes.get_or_create(&change).inc_by(0);
    metrics.quarantined_changes.get_or_create(&change).inc_by(0);
    let letter = DeadLetterLabels {
        table: table(),
        reason: "size",
    };
    metrics.dead_letters.get_or_create(&letter).inc_by(0);
    let context = ContextErrorLabels { reason: "not_json" };
    metrics.context_errors.get_or_create(&context).inc_by(0);
    let event = EventLabels {
        table: table(),
        predecessor: "known",
    };
    metrics.event_store_events.get_or_create(&event).inc_by(0);
    let violation = ViolationLabels {
        table: table(),
        kind: "gap",
    };
    metrics.event_store_violations.get_or_create(&violation).inc_by(0);
    let error = ErrorLabels { origin: "kafka" };
    metrics.errors.get_or_create(&error).inc_by(0);
    metrics
}

/// Beginning of the manual's row of each metric: name, type, labels, unit and help.
fn rows(text: &str) -> Vec<String> {
    text.split("# HELP ").skip(1).map(row).collect()
}

fn row(family: &str) -> String {
    let (name, rest) = family.split_once(' ').unwrap();
    let (help, rest) = rest.split_once('\n').unwrap();
    let kind = rest.lines().next().unwrap().rsplit(' ').next().unwrap();
    let series = rest.lines().find(|line| !line.starts_with('#'));
    let series = series.unwrap_or_else(|| panic!("{name} has no series"));
    let (labels, _) = series.split_once('{').unwrap().1.split_once('}').unwrap();
    let labels = labels.split(',').map(|label| label.split_once('=').unwrap().0);
    let labels: Vec<String> = labels.map(|label| format!("`{label}`")).collect();
    let labels = labels.join(", ");
    let total = if kind == "counter" { "_total" } else { "" };
    let unit = UNITS.into_iter().find(|(end, _)| name.ends_with(end));
    let unit = unit.map_or("count", |(_, unit)| unit);
    format!("| `{name}{total}` | {kind} | {labels} | {unit} | {help}")
}

#[test]
fn the_manual_describes_exactly_the_existing_metrics() {
    let labels = [("connector".into(), "shop".into())];
    let mut registry = Registry::with_prefix_and_labels("walcast", labels.into_iter());
    registry.register_collector(Box::new(EveryMetric(with_members())));
    let mut text = String::new();
    encode_registry(&mut text, &registry).unwrap();

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let manual = fs::read_to_string(path).unwrap();
    let (_, section) = manual.split_once(SECTION).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let described: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let rows = rows(&text);
    for row in &rows {
        let of_row = described.iter().filter(|line| line.starts_with(row.as_str()));
        assert_eq!(
            of_row.count(),
            1,
            "rows of docs/metrics.md that begin with\n{row}"
        );
    }
    for line in &described {
        let is_metric = rows.iter().any(|row| line.starts_with(row.as_str()));
        assert!(is_metric, "docs/metrics.md has what no metric is:\n{line}");
    }
}

/// Prometheus's conventions: a metric is in base units and has its unit at the end of its name.
#[test]
fn metrics_are_in_base_units() {
    let rows = GAUGES.iter().map(|gauge| (gauge.name, gauge.unit.clone()));
    let metrics = Metrics::default();
    let counted = metrics.rows().map(|(name, _, unit, _)| (name, unit));
    for (name, unit) in rows.chain(counted) {
        for other in [
            "_ms", "_millis", "_micros", "_kb", "_mb", "_minutes", "_hours", "_total",
        ] {
            assert!(!name.contains(other), "{name}");
        }
        // A unit is appended once.
        let unit = unit.map(|unit| unit.as_str().to_owned());
        assert!(unit.is_none_or(|unit| !name.ends_with(&unit)), "{name}");
    }
}
