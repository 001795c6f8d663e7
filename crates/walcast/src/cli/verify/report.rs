//! What is printed of a comparison.

use serde::Serialize;
use serde_json::Value as Json;
use walcast_verify::{Certificate, IncompleteTransaction, Kind, Reason, TopicCertificate, Verdict};

use super::details::Difference;
use crate::exit::Exit;

/// Outcome of a comparison.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) certificate: Certificate,
    /// SHA-256 of the certificate as it is stored.
    pub(super) certificate_sha256: String,
    pub(super) differences: Vec<Difference>,
    /// Number of differences that are not listed.
    pub(super) left_out: u64,
    /// Transactions of which a topic lacks events.
    pub(super) incomplete_transactions: Vec<IncompleteTransaction>,
    /// The certificate as it is stored.
    #[serde(skip)]
    pub(super) stored: Vec<u8>,
}

/// Longest text of a row on one line.
const ROW_CHARACTERS: usize = 400;

impl Report {
    /// Lines for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for topic in &self.certificate.topics {
            lines.push(summary(topic));
            let listed = self.differences.iter().filter(|one| one.topic == topic.topic);
            lines.extend(listed.map(|difference| format!("  {}", line(difference))));
            for (reason, count) in &topic.unverifiable {
                lines.push(format!("  unverifiable: {count} rows: {}", explained(*reason)));
            }
            if topic.unreadable > 0 {
                lines.push(format!(
                    "  {} records cannot be read as those of rows",
                    topic.unreadable
                ));
            }
            for column in &topic.columns_left_out {
                lines.push(format!("  not compared: column {column}"));
            }
        }
        if self.left_out > 0 {
            lines.push(format!(
                "{} more differences are not listed; see --limit",
                self.left_out
            ));
        }
        if let Some(counts) = &self.certificate.transactions {
            lines.push(format!(
                "transactions: {} of {} lack events",
                counts.incomplete, counts.checked
            ));
        }
        for one in &self.incomplete_transactions {
            let IncompleteTransaction { lsn, table, .. } = one;
            lines.push(format!(
                "  {lsn}: {} of {} events of {table}",
                one.found, one.events
            ));
        }
        for (table, reason) in &self.certificate.not_compared {
            lines.push(format!("{table}: not compared: {reason}"));
        }
        lines.push(self.verdict());
        lines
    }

    /// Number of rows that differ and are not listed.
    pub(super) fn unlisted_rows(&self) -> u64 {
        let rows = self.certificate.topics.iter().map(differing_rows).sum::<u64>();
        let listed = self.differences.iter().filter(|one| one.digest.is_some());
        rows.saturating_sub(listed.map(|one| one.copies.unwrap_or(1)).sum())
    }

    fn verdict(&self) -> String {
        let lsn = &self.certificate.lsn;
        let count =
            |of: fn(&TopicCertificate) -> u64| -> u64 { self.certificate.topics.iter().map(of).sum() };
        match self.certificate.verdict {
            Verdict::Identical => format!("identical up to {lsn}: {} rows", count(|topic| topic.source.rows)),
            Verdict::Different => {
                let incomplete = self
                    .certificate
                    .transactions
                    .map_or(0, |counts| counts.incomplete);
                let count = count(differences) + incomplete;
                format!("different up to {lsn}: {count} differences")
            }
            Verdict::Undecided => format!(
                "undecided up to {lsn}: {} rows are identical, {} cannot be compared",
                count(|topic| topic.identical),
                count(|topic| topic.unverifiable.values().sum())
            ),
        }
    }
}

/// Exit code of an outcome.
pub(super) fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Identical => Exit::Done,
        Verdict::Different => Exit::Rejected,
        Verdict::Undecided => Exit::Undecided,
    }
}

/// Number of differences of a topic.
pub(super) fn differences(topic: &TopicCertificate) -> u64 {
    differing_rows(topic) + topic.repeated + topic.out_of_order
}

/// Number of rows of a topic that differ.
fn differing_rows(topic: &TopicCertificate) -> u64 {
    let rows = topic
        .differences
        .iter()
        .filter(|(kind, _)| **kind != Kind::Unverifiable);
    rows.map(|(_, count)| count).sum()
}

fn summary(topic: &TopicCertificate) -> String {
    let count = |kind| topic.differences.get(&kind).copied().unwrap_or_default();
    let mut parts = vec![format!("{} identical", topic.identical)];
    for (count, what) in [
        (count(Kind::Missing), "missing"),
        (count(Kind::Extra), "extra"),
        (count(Kind::Different), "different"),
        (count(Kind::Unverifiable), "unverifiable"),
        (topic.repeated, "repeated"),
        (topic.out_of_order, "out of order"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    format!("{}: {}", topic.topic, parts.join(", "))
}

fn line(difference: &Difference) -> String {
    let mut line = difference.kind.replace('_', " ");
    if let Some(copies) = difference.copies.filter(|copies| *copies > 1) {
        line.push_str(&format!(" {copies} times"));
    }
    if let Some(key) = &difference.key {
        line.push_str(&format!(" {}", shown(key)));
    }
    if !difference.columns.is_empty() {
        line.push_str(&format!(" in {}", difference.columns.join(", ")));
    }
    for (side, row) in [("source", &difference.source), ("topic", &difference.record)] {
        if let Some(row) = row {
            line.push_str(&format!(", {side} {}", shown(row)));
        }
    }
    if let (Some(partition), Some(offset)) = (difference.partition, difference.offset) {
        line.push_str(&format!(" (partition {partition}, offset {offset}"));
        if let Some(id) = &difference.id {
            line.push_str(&format!(", {id}"));
        }
        if let Some(after) = difference.after_offset {
            line.push_str(&format!(", behind offset {after}"));
        }
        line.push(')');
    }
    line
}

/// JSON on one line, cut if it is long.
pub(super) fn shown(json: &Json) -> String {
    let text = json.to_string();
    match text.char_indices().nth(ROW_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn explained(reason: Reason) -> &'static str {
    match reason {
        Reason::Expired => {
            "retention has removed the first records of the topic, and none is left of the key"
        }
        Reason::Compacted => "compaction has kept only records of the key that are after the position",
        Reason::Unreadable => "records of the topic cannot be read, and none of the others has the key",
        Reason::NotRead => {
            "existing rows of the table are not read, or not all of them yet, and none of the key was"
        }
        Reason::Unsent => "a value that did not change is in no record that is left",
        Reason::SharedKey => "several rows of the source have the key",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::expect;
    use serde_json::json;
    use walcast_verify::{Side, TransactionCounts};

    use super::*;

    #[test]
    fn each_difference_is_on_one_line_with_both_values() {
        let topic = TopicCertificate {
            topic: "shop.public.items".to_owned(),
            tables: vec!["public.items".to_owned()],
            source: Side::default(),
            folded: Side::default(),
            identical: 7,
            differences: [(Kind::Different, 1), (Kind::Missing, 2), (Kind::Unverifiable, 3)].into(),
            unverifiable: [(Reason::Expired, 3)].into(),
            repeated: 1,
            out_of_order: 0,
            unreadable: 0,
            columns_left_out: vec!["public.items.secret (masked)".to_owned()],
            partitions: Vec::new(),
        };
        let mut certificate = Certificate::new("shop".to_owned(), "0".to_owned());
        certificate.lsn = "0/A".to_owned();
        certificate.topics = vec![topic];
        certificate.transactions = Some(TransactionCounts {
            checked: 5,
            incomplete: 1,
        });
        certificate.not_compared = BTreeMap::from([("public.t".to_owned(), "it is quarantined".to_owned())]);
        certificate.verdict = certificate.overall();
        let of = |kind| Difference {
            topic: "shop.public.items".to_owned(),
            kind,
            key: Some(json!({"id": 1})),
            partition: Some(0),
            offset: Some(5),
            id: Some("0/9/0".to_owned()),
            ..Difference::default()
        };
        let report = Report {
            certificate,
            certificate_sha256: String::new(),
            differences: vec![
                Difference {
                    source: Some(json!({"note": "a"})),
                    record: Some(json!({"note": "b"})),
                    columns: vec!["note".to_owned()],
                    ..of("different")
                },
                Difference {
                    source: Some(json!({"note": "x".repeat(500)})),
                    partition: None,
                    copies: Some(2),
                    ..of("missing")
                },
                Difference {
                    after_offset: Some(4),
                    ..of("repeated")
                },
            ],
            left_out: 1,
            incomplete_transactions: vec![IncompleteTransaction {
                lsn: "0/9".to_owned(),
                table: "public.items".to_owned(),
                events: 3,
                found: 1,
            }],
            stored: Vec::new(),
        };
        let cut = "x".repeat(391);
        let lines = report.lines().join("\n").replace(&cut, "x");
        expect![[r#"
            shop.public.items: 7 identical, 2 missing, 1 different, 3 unverifiable, 1 repeated
              different {"id":1} in note, source {"note":"a"}, topic {"note":"b"} (partition 0, offset 5, 0/9/0)
              missing 2 times {"id":1}, source {"note":"x…
              repeated {"id":1} (partition 0, offset 5, 0/9/0, behind offset 4)
              unverifiable: 3 rows: retention has removed the first records of the topic, and none is left of the key
              not compared: column public.items.secret (masked)
            1 more differences are not listed; see --limit
            transactions: 1 of 5 lack events
              0/9: 1 of 3 events of public.items
            public.t: not compared: it is quarantined
            different up to 0/A: 5 differences"#]]
        .assert_eq(&lines);
    }
}
