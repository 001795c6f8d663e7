//! What is printed of a repair.

use serde::Serialize;
use serde_json::Value as Json;

use super::super::details::Difference;
use super::super::report::{Report, shown};
use super::batch::RepairedRow;
use super::connector::Refused;

/// What a repair has done, or would do.
#[derive(Debug, Default, Serialize)]
pub(super) struct Repaired {
    /// Whether nothing was requested.
    pub(super) is_dry_run: bool,
    /// Number of rows of the source that were read again.
    pub(super) read: u64,
    /// Number of keys that were deleted in their topic unless a row has them now.
    pub(super) deleted: u64,
    /// Rows that cannot be repaired.
    pub(super) not_repaired: Vec<NotRepaired>,
}

impl Repaired {
    /// Adds the rows whose request was rejected.
    pub(super) fn refuse(&mut self, differences: &[Difference], refused: &[Refused]) {
        for difference in differences.iter().filter(|one| one.digest.is_some()) {
            let (Some(table), Some(key)) = (&difference.table, &difference.row_key) else {
                continue;
            };
            if let Some(refused) = refused.iter().find(|one| one.has(table, key)) {
                let refused = NotRepaired::of(difference, &refused.reason);
                self.not_repaired.push(refused);
            }
        }
    }

    /// Counts rows that were requested.
    pub(super) fn count<'r>(&mut self, rows: impl IntoIterator<Item = &'r RepairedRow>) {
        for row in rows {
            match row.is_extra {
                true => self.deleted += 1,
                false => self.read += 1,
            }
        }
    }
}

/// Row that is not repaired.
#[derive(Debug, Serialize)]
pub(super) struct NotRepaired {
    topic: String,
    kind: &'static str,
    key: Option<Json>,
    digest: Option<String>,
    reason: String,
}

impl NotRepaired {
    pub(super) fn of(difference: &Difference, reason: &str) -> Self {
        Self {
            topic: difference.topic.clone(),
            kind: difference.kind,
            key: difference.key.clone(),
            digest: difference.digest.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// A repair with the comparisons before and after it.
#[derive(Debug, Serialize)]
pub(super) struct RepairReport<'a> {
    #[serde(flatten)]
    pub(super) before: &'a Report,
    pub(super) repair: &'a Repaired,
    /// Comparison of the repaired rows.
    pub(super) after: Option<&'a Report>,
    /// Reason for which the repaired rows could not be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'a str>,
}

impl RepairReport<'_> {
    /// Lines for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.before.lines();
        let Repaired { read, deleted, .. } = self.repair;
        lines.push(match self.repair.is_dry_run {
            true => format!("repair: {read} rows would be read again, {deleted} keys would be deleted"),
            false => format!("repair: {read} rows were read again, {deleted} keys were deleted"),
        });
        for one in &self.repair.not_repaired {
            let key = match (&one.key, &one.digest) {
                (Some(key), _) => shown(key),
                (None, Some(digest)) => digest.clone(),
                (None, None) => String::new(),
            };
            lines.push(format!(
                "  not repaired: {} {} {key}: {}",
                one.topic, one.kind, one.reason
            ));
        }
        if let Some(after) = self.after {
            lines.push("after the repair:".to_owned());
            lines.extend(after.lines());
        }
        if let Some(reason) = self.reason {
            lines.push(format!("after the repair: undecided: {reason}"));
        }
        lines
    }
}
