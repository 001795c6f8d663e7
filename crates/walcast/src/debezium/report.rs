//! Human-readable report of a migration.

use super::finding::{Became, Finding, Origin};
use super::migration::Migration;

/// Heading of each kind of result, in the order of the report.
const HEADINGS: [(Became, &str); 7] = [
    (Became::Partly, "translated in part"),
    (Became::NotYet, "not yet"),
    (Became::Refused, "without an exact counterpart"),
    (Became::Unknown, "unknown"),
    (Became::ByHand, "manual steps"),
    (Became::NotNeeded, "not needed"),
    (Became::Mapped, "mapped"),
];

impl Migration {
    /// All properties, grouped by the kind of result.
    pub(crate) fn report(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (became, heading) in HEADINGS {
            let of_kind: Vec<&Finding> = self
                .findings
                .iter()
                .filter(|finding| finding.became == became)
                .collect();
            if of_kind.is_empty() {
                continue;
            }
            lines.push(format!("{heading} ({})", of_kind.len()));
            lines.extend(of_kind.into_iter().map(|finding| format!("  {}", finding.line())));
        }
        lines
    }
}

impl Finding {
    fn line(&self) -> String {
        let mut line = self.property.clone();
        match self.of {
            Origin::Connector => {}
            Origin::Worker => line.push_str(" (worker)"),
            Origin::Default => line.push_str(" (Debezium's default)"),
        }
        if !self.keys.is_empty() {
            line.push_str(" -> ");
            line.push_str(&self.keys.join(", "));
        }
        if let Some(reason) = &self.reason {
            line.push_str(": ");
            line.push_str(reason);
        }
        line
    }
}
