//! Lag of consumer groups as metrics, if the configuration asks for them.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::consumer_report::ConsumersReport;

/// Consumer group and topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConsumerLabels {
    group: String,
    topic: String,
}

type Seconds = Gauge<f64, AtomicU64>;
type Number = Gauge<i64, AtomicI64>;

/// Gauges of the groups as of the last read. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct ConsumerMetrics {
    records: Family<ConsumerLabels, Number>,
    seconds: Family<ConsumerLabels, Seconds>,
    complete_to: Family<ConsumerLabels, Number>,
}

impl ConsumerMetrics {
    /// Replaces the values by those of a report.
    pub(crate) fn set(&self, report: &ConsumersReport) {
        self.clear();
        for group in &report.groups {
            for topic in &group.topics {
                let labels = ConsumerLabels {
                    group: group.group.clone(),
                    topic: topic.topic.clone(),
                };
                let records = i64::try_from(topic.lag.records).unwrap_or(i64::MAX);
                self.records.get_or_create(&labels).set(records);
                if let Some(seconds) = topic.lag.seconds {
                    self.seconds.get_or_create(&labels).set(seconds);
                }
                if let Some(lsn) = topic.lag.complete_to {
                    let lsn = i64::try_from(lsn.as_u64()).unwrap_or(i64::MAX);
                    self.complete_to.get_or_create(&labels).set(lsn);
                }
            }
        }
    }

    /// Removes all values: they are not known.
    pub(crate) fn clear(&self) {
        self.records.clear();
        self.seconds.clear();
        self.complete_to.clear();
    }

    /// Adds the gauges to a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "consumer_group_lag_records",
            "Offsets that a consumer group has not consumed",
            self.records.clone(),
        );
        registry.register(
            "consumer_group_lag_seconds",
            "Age of the oldest record that a consumer group has not consumed",
            self.seconds.clone(),
        );
        registry.register(
            "consumer_group_complete_lsn",
            "Position before which a consumer group has consumed every transaction",
            self.complete_to.clone(),
        );
    }
}

impl fmt::Debug for ConsumerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerMetrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use prometheus_client::encoding::text::encode_registry;
    use walcast_kafka::{ConsumerGroup, ConsumerGroups, GroupPartition, NextRecord};
    use walcast_pgoutput::Lsn;

    use super::*;

    fn exposition(metrics: &ConsumerMetrics) -> String {
        let mut registry = Registry::with_prefix("walcast");
        metrics.register(&mut registry);
        let mut text = String::new();
        encode_registry(&mut text, &registry).unwrap();
        text
    }

    /// The manual has a row for each of the gauges. Each call of `register` in this file is one.
    #[test]
    fn the_manual_describes_the_gauges() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
        let manual = std::fs::read_to_string(path).unwrap();
        let (_, section) = manual.split_once("\n## Consumer groups\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let names = ["lag_records", "lag_seconds", "complete_lsn"];
        let registered = include_str!("consumer_metrics.rs").matches("            \"consumer_group_");
        assert_eq!(registered.count(), names.len());
        for name in names {
            let row = format!("| `walcast_consumer_group_{name}` | gauge | `connector`, `group`, `topic` |");
            assert_eq!(section.matches(&row).count(), 1, "{row}");
        }
        assert_eq!(section.matches("\n| `").count(), names.len());
    }

    #[test]
    fn gauges_are_those_of_the_last_report() {
        let partition = |next| GroupPartition {
            topic: "shop.public.orders".to_owned(),
            partition: 0,
            committed: Some(18),
            first: 0,
            end: 20,
            next,
        };
        let report = |group: &str, next| {
            let group = ConsumerGroup {
                group: group.to_owned(),
                state: "Stable".to_owned(),
                members: 1,
                partitions: vec![partition(next)],
            };
            let groups = ConsumerGroups {
                groups: vec![group],
                ..ConsumerGroups::default()
            };
            ConsumersReport::of(&groups, Some(Lsn::new(0x900)), 10_000)
        };
        let metrics = ConsumerMetrics::default();
        metrics.set(&report("gone", NextRecord::None));
        metrics.set(&report("a\"b", NextRecord::Unknown));
        let text = exposition(&metrics);
        assert!(!text.contains("gone"), "{text}");
        let series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        expect![[r#"walcast_consumer_group_lag_records{group="a\"b",topic="shop.public.orders"} 2"#]]
            .assert_eq(&series.join("\n"));
        metrics.set(&report("billing", NextRecord::None));
        let text = exposition(&metrics);
        let series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        expect![[r#"
            walcast_consumer_group_lag_records{group="billing",topic="shop.public.orders"} 0
            walcast_consumer_group_lag_seconds{group="billing",topic="shop.public.orders"} 0.0
            walcast_consumer_group_complete_lsn{group="billing",topic="shop.public.orders"} 2304"#]]
        .assert_eq(&series.join("\n"));
    }
}
