//! The rules of alerts and the dashboard: every metric that they use exists, every alert has a runbook and a unit test, and promtool accepts
//! and tests the rules.
//!
//! Tests of the crates compare docs/metrics.md with the code, so that the document stands for the metrics here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::promtool;

const FOLDER: &str = "examples/deploy";
/// End of the names of files with rules.
const RULES: &str = "-alerts.yaml";
const DASHBOARD: &str = "examples/deploy/grafana-dashboard.json";
const UNIT_TESTS: &str = "examples/deploy/alerts.test.yaml";
const METRICS: &str = "docs/metrics.md";
const RUNBOOKS: &str = "docs/runbooks.md";

/// Series of a histogram.
const OF_HISTOGRAM: [&str; 3] = ["_bucket", "_sum", "_count"];

pub(super) fn check() -> Result<()> {
    let files = rule_files()?;
    let read =
        |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let rules = files
        .iter()
        .map(|file| read(file))
        .collect::<Result<Vec<_>>>()?
        .concat();
    let dashboard = read(Path::new(DASHBOARD))?;
    let (manual, runbooks) = (read(Path::new(METRICS))?, read(Path::new(RUNBOOKS))?);
    serde_json::from_str::<serde_json::Value>(&dashboard)
        .with_context(|| format!("{DASHBOARD} is no JSON"))?;

    let mut findings = unknown_metrics("the rules", &expressions(&rules), &manual);
    findings.extend(unknown_metrics(DASHBOARD, &dashboard, &manual));
    findings.extend(without_runbook(&rules, &runbooks));
    findings.extend(without_test(&rules, &read(Path::new(UNIT_TESTS))?));
    ensure!(
        findings.is_empty(),
        "alerts and dashboard are not as they should be:\n{}",
        findings.join("\n")
    );

    let promtool = promtool::path()?;
    super::run(Command::new(&promtool).args(["check", "rules"]).args(&files))?;
    super::run(Command::new(&promtool).args(["test", "rules", UNIT_TESTS]))
}

/// The files with rules.
fn rule_files() -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(FOLDER).with_context(|| format!("cannot list {FOLDER}"))?;
    let paths = entries.map(|entry| -> Result<PathBuf> { Ok(entry?.path()) });
    let mut files = paths.collect::<Result<Vec<PathBuf>>>()?;
    files.retain(|path| path.to_string_lossy().ends_with(RULES));
    files.sort();
    ensure!(!files.is_empty(), "{FOLDER} has no rules");
    Ok(files)
}

/// The expressions of rules.
fn expressions(rules: &str) -> String {
    let lines = rules.lines().map(str::trim);
    let expressions = lines.filter_map(|line| line.strip_prefix("expr: "));
    expressions.collect::<Vec<_>>().join("\n")
}

/// The names of alerts.
fn alerts(rules: &str) -> impl Iterator<Item = &str> {
    rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
}

/// The metrics that a text names.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("walcast_")).collect()
}

/// What `text` uses and the manual does not describe.
fn unknown_metrics(place: &str, text: &str, manual: &str) -> Vec<String> {
    let rows = manual.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once('`')?;
        Some((name, rest.starts_with(" | histogram")))
    });
    let rows: Vec<(&str, bool)> = rows.collect();
    let exists = |metric: &str| {
        rows.iter().any(|&(name, is_histogram)| {
            let series = metric.strip_prefix(name);
            series.is_some_and(|end| match is_histogram {
                true => OF_HISTOGRAM.contains(&end),
                false => end.is_empty(),
            })
        })
    };
    let used = metrics(text);
    if used.is_empty() {
        return vec![format!("{place} names no metric")];
    }
    let unknown = used.into_iter().filter(|metric| !exists(metric));
    unknown
        .map(|metric| format!("{place}: {METRICS} has no {metric}"))
        .collect()
}

/// Alerts without a link to a runbook, and runbooks without an alert.
fn without_runbook(rules: &str, runbooks: &str) -> Vec<String> {
    let headings: BTreeSet<&str> = runbooks
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let alerts: BTreeSet<&str> = alerts(rules).collect();
    let missing = alerts.difference(&headings);
    let mut findings: Vec<String> = missing
        .map(|alert| format!("{RUNBOOKS} has no heading {alert}"))
        .collect();
    let former = headings.difference(&alerts);
    findings.extend(former.map(|heading| format!("{RUNBOOKS}: no rule is {heading}")));
    for alert in alerts {
        let (_, rule) = rules
            .split_once(&format!("- alert: {alert}\n"))
            .unwrap_or_default();
        let rule = rule.split("- alert: ").next().unwrap_or_default();
        let link = format!("runbook_url: \"{RUNBOOKS}#{}\"", alert.to_ascii_lowercase());
        if !rule.contains(&link) {
            findings.push(format!("{alert} lacks {link}"));
        }
    }
    findings
}

/// Alerts that no unit test fires.
fn without_test(rules: &str, tests: &str) -> Vec<String> {
    let fires = |alert: &str| {
        let name = format!("alertname: {alert}\n");
        let cases = tests.split(&name).skip(1);
        cases
            .map(|rest| rest.split("alertname:").next().unwrap_or_default())
            .any(|case| case.contains("exp_labels:"))
    };
    let untested = alerts(rules).filter(|alert| !fires(alert));
    untested
        .map(|alert| format!("{UNIT_TESTS} does not fire {alert}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: &str = "| `walcast_lag_seconds` | gauge |\n| `walcast_commit_seconds` | histogram |\n";

    #[test]
    fn a_metric_that_does_not_exist_is_found() {
        let rules = "expr: max(walcast_lag_seconds) > 1\nexpr: walcast_lag > 1\ndescription: walcast_other\n";
        assert_eq!(
            unknown_metrics("x", &expressions(rules), MANUAL),
            ["x: docs/metrics.md has no walcast_lag"]
        );
        let buckets = "rate(walcast_commit_seconds_bucket[1m])";
        assert!(unknown_metrics("x", buckets, MANUAL).is_empty());
        assert_eq!(unknown_metrics("x", "walcast_commit_seconds", MANUAL).len(), 1);
        assert_eq!(unknown_metrics("x", "up", MANUAL), ["x names no metric"]);
    }

    #[test]
    fn an_alert_needs_a_runbook_and_a_test() {
        let rules = "- alert: A\n  runbook_url: \"docs/runbooks.md#a\"\n- alert: B\n";
        assert_eq!(
            without_runbook(rules, "### A\n### C\n"),
            [
                "docs/runbooks.md has no heading B",
                "docs/runbooks.md: no rule is C",
                "B lacks runbook_url: \"docs/runbooks.md#b\""
            ]
        );
        let tests = "alertname: A\nexp_alerts:\n- exp_labels: {}\n- alertname: B\nexp_alerts: []\n";
        assert_eq!(
            without_test(rules, tests),
            ["examples/deploy/alerts.test.yaml does not fire B"]
        );
    }
}
