//! The report of a migration, for people.

use std::fmt::Write;

use super::migration::{Became, Finding, Migration, Origin};

/// What is said of each kind, in the order in which it is said.
const HEADINGS: [(Became, &str); 6] = [
    (Became::NotYet, "not yet"),
    (Became::Refused, "without exact counterpart"),
    (Became::Unknown, "unknown"),
    (Became::ByHand, "to be done by hand"),
    (Became::NotNeeded, "not needed"),
    (Became::Mapped, "mapped"),
];

impl Migration {
    /// Every property under the heading of what became of it.
    pub(crate) fn report(&self) -> String {
        let mut text = String::new();
        for (became, heading) in HEADINGS {
            let of_kind: Vec<&Finding> = self
                .findings
                .iter()
                .filter(|finding| finding.became == became)
                .collect();
            if of_kind.is_empty() {
                continue;
            }
            // Writing to a string does not fail.
            let written = writeln!(text, "{heading} ({})", of_kind.len());
            debug_assert!(written.is_ok());
            for finding in of_kind {
                let written = writeln!(text, "  {}", finding.line());
                debug_assert!(written.is_ok());
            }
        }
        text.truncate(text.trim_end().len());
        text
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
