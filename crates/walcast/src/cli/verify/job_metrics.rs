//! Metrics of comparisons that are repeated.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use walcast_verify::{Certificate, Kind, TopicCertificate, Verdict};

/// Labels of the number of differences.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DifferenceLabels {
    /// Tables of a topic, separated by commas.
    table: String,
    kind: &'static str,
}

/// Labels of the outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// Metrics of the comparisons since the start of the process.
#[derive(Debug)]
pub(super) struct JobMetrics {
    registry: Registry,
    lsn: Gauge<i64, AtomicI64>,
    taken_at: Gauge<f64, AtomicU64>,
    differences: Family<DifferenceLabels, Gauge>,
    not_compared: Gauge,
    incomplete: Gauge,
    runs: Family<OutcomeLabels, Counter>,
}

/// Every outcome of a comparison.
const OUTCOMES: [&str; 5] = ["identical", "different", "undecided", "behind", "failed"];

impl JobMetrics {
    /// Metrics of a connector that was not compared yet. Differences have no series until it was.
    pub(super) fn new(connector: &str) -> Self {
        let labels = [("connector".into(), connector.to_owned().into())];
        let mut registry = Registry::with_prefix_and_labels("walcast", labels.into_iter());
        let differences = Family::<DifferenceLabels, Gauge>::default();
        registry.register(
            "verify_differences",
            "Rows that differed in the last comparison by kind, and records in the wrong order",
            differences.clone(),
        );
        let runs = Family::<OutcomeLabels, Counter>::default();
        registry.register("verify_runs", "Comparisons by outcome", runs.clone());
        let not_compared = Gauge::<i64, AtomicI64>::default();
        registry.register(
            "verify_not_compared_tables",
            "Tables that the last comparison left out",
            not_compared.clone(),
        );
        let incomplete = Gauge::<i64, AtomicI64>::default();
        registry.register(
            "verify_incomplete_transactions",
            "Tables in transactions of which a topic lacked events in the last comparison",
            incomplete.clone(),
        );
        let lsn = Gauge::<i64, AtomicI64>::default();
        registry.register(
            "verified_lsn",
            "Position of the last comparison, as a number; 0 before the first",
            lsn.clone(),
        );
        let taken_at = Gauge::<f64, AtomicU64>::default();
        registry.register_with_unit(
            "verified_timestamp",
            "Time of the snapshot of the last comparison; 0 before the first",
            Unit::Seconds,
            taken_at.clone(),
        );
        for outcome in OUTCOMES {
            runs.get_or_create(&OutcomeLabels { outcome }).inc_by(0);
        }
        Self {
            registry,
            lsn,
            taken_at,
            differences,
            not_compared,
            incomplete,
            runs,
        }
    }

    /// The metrics in the OpenMetrics text format.
    ///
    /// # Errors
    /// A value cannot be written.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Notes a comparison that did not take place: `behind` or `failed`.
    pub(super) fn count(&self, outcome: &'static str) {
        self.runs.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Notes a comparison. `lsn` is its position.
    pub(super) fn compared(&self, certificate: &Certificate, lsn: u64) {
        self.count(match certificate.verdict {
            Verdict::Identical => "identical",
            Verdict::Different => "different",
            Verdict::Undecided => "undecided",
        });
        self.lsn.set(i64::try_from(lsn).unwrap_or(i64::MAX));
        let taken_at = u64::try_from(certificate.taken_at_unix_micros).unwrap_or_default();
        self.taken_at.set(Duration::from_micros(taken_at).as_secs_f64());
        self.not_compared
            .set(i64::try_from(certificate.not_compared.len()).unwrap_or(i64::MAX));
        let incomplete = certificate.transactions.map_or(0, |counts| counts.incomplete);
        self.incomplete.set(i64::try_from(incomplete).unwrap_or(i64::MAX));
        // A topic that was not compared this time has no differences that are known.
        self.differences.clear();
        for topic in &certificate.topics {
            for (kind, count) in counts(topic) {
                let table = topic.tables.join(",");
                let gauge = self
                    .differences
                    .get_or_create_owned(&DifferenceLabels { table, kind });
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }
}

/// Number of differences of a topic, by every kind.
fn counts(topic: &TopicCertificate) -> [(&'static str, u64); 6] {
    let count = |kind| topic.differences.get(&kind).copied().unwrap_or_default();
    [
        ("missing", count(Kind::Missing)),
        ("extra", count(Kind::Extra)),
        ("different", count(Kind::Different)),
        ("unverifiable", count(Kind::Unverifiable)),
        ("repeated", topic.repeated),
        ("out_of_order", topic.out_of_order),
    ]
}

#[cfg(test)]
mod tests {
    use walcast_verify::Side;

    use super::*;

    fn certificate(missing: u64) -> Certificate {
        let mut certificate = Certificate::new("shop".to_owned(), "0".to_owned());
        certificate.taken_at_unix_micros = 1_700_000_000_500_000;
        certificate.topics = vec![TopicCertificate {
            topic: "shop.public.items".to_owned(),
            tables: vec!["public.items".to_owned()],
            source: Side::default(),
            folded: Side::default(),
            identical: 1,
            differences: [(Kind::Missing, missing)].into(),
            unverifiable: [].into(),
            repeated: 0,
            out_of_order: 2,
            unreadable: 0,
            columns_left_out: Vec::new(),
            partitions: Vec::new(),
        }];
        certificate.verdict = certificate.overall();
        certificate
    }

    /// Lines of a text that begin with a metric's name and type.
    fn described<'a>(text: &'a str, metric: &'a str) -> impl Iterator<Item = &'a str> {
        text.lines().filter(move |line| line.starts_with(metric))
    }

    #[test]
    fn the_manual_describes_exactly_the_existing_metrics() {
        let metrics = JobMetrics::new("shop");
        metrics.compared(&certificate(3), 258);
        let text = metrics.text().unwrap();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
        let manual = std::fs::read_to_string(path).unwrap();
        let (_, section) = manual.split_once("\n## Comparisons\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let mut existing = 0;
        for descriptor in described(&text, "# TYPE ") {
            let words: Vec<&str> = descriptor.split(' ').collect();
            let [_, _, name, kind] = words.as_slice() else {
                panic!("{descriptor}")
            };
            let total = if *kind == "counter" { "_total" } else { "" };
            let row = format!("| `{name}{total}` | {kind} | `connector`");
            assert_eq!(described(section, &row).count(), 1, "{row}");
            existing += 1;
        }
        assert_eq!(described(section, "| `").count(), existing);
    }

    #[test]
    fn each_comparison_replaces_the_one_before() {
        let metrics = JobMetrics::new("shop");
        let has = |line: &str| {
            let text = metrics.text().unwrap();
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        };
        has(r#"walcast_verify_runs_total{connector="shop",outcome="identical"} 0"#);
        metrics.compared(&certificate(3), 258);
        has(r#"walcast_verified_lsn{connector="shop"} 258"#);
        has(r#"walcast_verified_timestamp_seconds{connector="shop"} 1700000000.5"#);
        has(r#"walcast_verify_differences{connector="shop",table="public.items",kind="missing"} 3"#);
        has(r#"walcast_verify_differences{connector="shop",table="public.items",kind="extra"} 0"#);
        has(r#"walcast_verify_differences{connector="shop",table="public.items",kind="out_of_order"} 2"#);
        metrics.compared(&certificate(1), 300);
        has(r#"walcast_verify_differences{connector="shop",table="public.items",kind="missing"} 1"#);
        metrics.count("failed");
        has(r#"walcast_verify_runs_total{connector="shop",outcome="failed"} 1"#);
        has(r#"walcast_verify_runs_total{connector="shop",outcome="different"} 2"#);
        assert!(metrics.text().unwrap().ends_with("# EOF\n"));
    }
}
