//! Report of a redelivery, as text and as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::letter::{DeadLetter, count};
use super::batch::Batch;
use super::row::Obstacle;

/// Outcome for the chosen dead letters.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// Resolved dead letters: their current rows are in their topics, or no longer exist.
    pub(super) resolved: Vec<Resolved>,
    /// New dead letters: current rows that could not be delivered either.
    pub(super) failed_again: Vec<FailedAgain>,
    /// Dead letters that remain unresolved.
    pub(super) remaining: Vec<Remaining>,
}

/// Resolved dead letter.
#[derive(Debug, Serialize)]
pub(super) struct Resolved {
    pub(super) id: String,
    pub(super) table: String,
    pub(super) operation: String,
}

/// New dead letter of a row that failed again.
#[derive(Debug, Serialize)]
pub(super) struct FailedAgain {
    pub(super) id: String,
    pub(super) table: String,
    pub(super) reason: String,
    pub(super) error: String,
}

/// Dead letter that remains unresolved.
#[derive(Debug, Serialize)]
pub(super) struct Remaining {
    pub(super) id: String,
    pub(super) table: String,
    pub(super) operation: String,
    pub(super) reason: String,
    pub(super) remedy: String,
}

/// Read that a redelivery would request for one table.
#[derive(Debug, Serialize)]
pub(super) struct PlannedRead {
    pub(super) table: String,
    pub(super) rows: usize,
    pub(super) dead_letters: Vec<String>,
    /// SQL conditions, one per request.
    pub(super) conditions: Vec<String>,
}

/// Report of a dry run.
#[derive(Debug, Default, Serialize)]
pub(super) struct DryRun {
    pub(super) to_read: Vec<PlannedRead>,
    pub(super) remaining: Vec<Remaining>,
}

impl Resolved {
    pub(super) fn of(letter: &DeadLetter) -> Self {
        Self {
            id: letter.id.clone(),
            table: letter.table().to_string(),
            operation: letter.operation.clone(),
        }
    }
}

impl FailedAgain {
    pub(super) fn of(letter: &DeadLetter) -> Self {
        Self {
            id: letter.id.clone(),
            table: letter.table().to_string(),
            reason: letter.reason.clone(),
            error: letter.error.clone(),
        }
    }
}

impl Remaining {
    pub(super) fn of(letter: &DeadLetter, obstacle: Obstacle) -> Self {
        let Obstacle { reason, remedy } = obstacle;
        Self {
            id: letter.id.clone(),
            table: letter.table().to_string(),
            operation: letter.operation.clone(),
            reason,
            remedy,
        }
    }

    fn lines(&self) -> [String; 2] {
        let Self {
            id,
            table,
            operation,
            reason,
            remedy,
        } = self;
        [
            format!("remaining  {id}  {table}  {operation}: {reason}"),
            format!("           remedy: {remedy}"),
        ]
    }
}

impl PlannedRead {
    pub(super) fn of(table: String, batches: &[Batch]) -> Self {
        Self {
            table,
            rows: batches.iter().map(|batch| batch.rows.len()).sum(),
            dead_letters: batches.iter().flat_map(|batch| batch.letters.clone()).collect(),
            conditions: batches.iter().map(|batch| batch.condition.clone()).collect(),
        }
    }
}

impl Report {
    pub(super) fn is_complete(&self) -> bool {
        self.remaining.is_empty() && self.failed_again.is_empty()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut by_table: BTreeMap<&str, usize> = BTreeMap::new();
        for resolved in &self.resolved {
            *by_table.entry(&resolved.table).or_default() += 1;
        }
        let mut lines: Vec<String> = by_table
            .iter()
            .map(|(table, letters)| format!("resolved  {table}: {}", count(*letters)))
            .collect();
        lines.extend(self.failed_again.iter().map(|again| {
            let FailedAgain {
                id,
                table,
                reason,
                error,
            } = again;
            let error = error.replace('\n', " ");
            format!("again {id}  {table}  {reason}: {error}")
        }));
        lines.extend(self.remaining.iter().flat_map(Remaining::lines));
        lines.push(
            match (self.resolved.len(), self.failed_again.len(), self.remaining.len()) {
                (0, 0, 0) => "no dead letters were chosen".to_owned(),
                (resolved, 0, 0) => format!("{} resolved", count(resolved)),
                (resolved, 0, remaining) => format!("{} resolved, {remaining} remaining", count(resolved)),
                (resolved, again, remaining) => format!(
                    "{} resolved, {remaining} remaining; {} failed again and {} a new dead letter",
                    count(resolved),
                    if again == 1 {
                        "1 row".to_owned()
                    } else {
                        format!("{again} rows")
                    },
                    if again == 1 { "has" } else { "have" }
                ),
            },
        );
        lines
    }
}

impl DryRun {
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .to_read
            .iter()
            .map(|one| {
                let rows = match one.rows {
                    1 => "1 row".to_owned(),
                    rows => format!("{rows} rows"),
                };
                format!(
                    "to be read  {}: {rows} of {}",
                    one.table,
                    count(one.dead_letters.len())
                )
            })
            .collect();
        lines.extend(self.remaining.iter().flat_map(Remaining::lines));
        if lines.is_empty() {
            lines.push("no dead letters were chosen".to_owned());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::super::letter::tests::letter;
    use super::*;

    fn obstacle() -> Obstacle {
        Obstacle {
            reason: "the table was truncated: there is no row".to_owned(),
            remedy: "inform the consumers".to_owned(),
        }
    }

    #[test]
    fn text_lists_remaining_dead_letters_with_reasons() {
        let mut report = Report::default();
        assert_eq!(report.lines().join("\n"), "no dead letters were chosen");
        report.resolved = vec![Resolved::of(&letter("0/1/0")), Resolved::of(&letter("0/2/0"))];
        assert!(report.is_complete());
        expect![[r#"
            resolved  public.orders: 2 dead letters
            2 dead letters resolved"#]]
        .assert_eq(&report.lines().join("\n"));
        report.remaining = vec![Remaining::of(&letter("0/3/0"), obstacle())];
        assert!(!report.is_complete());
        report.failed_again = vec![FailedAgain::of(&letter("0/9/16384(0,1)"))];
        expect![[r#"
            resolved  public.orders: 2 dead letters
            again 0/9/16384(0,1)  public.orders  size: too large
            remaining  0/3/0  public.orders  insert: the table was truncated: there is no row
                       remedy: inform the consumers
            2 dead letters resolved, 1 remaining; 1 row failed again and has a new dead letter"#]]
        .assert_eq(&report.lines().join("\n"));
    }

    #[test]
    fn text_lists_planned_reads() {
        assert_eq!(
            DryRun::default().lines().join("\n"),
            "no dead letters were chosen"
        );
        let run = DryRun {
            to_read: vec![PlannedRead {
                table: "public.orders".to_owned(),
                rows: 1,
                dead_letters: vec!["0/1/0".to_owned(), "0/2/0".to_owned()],
                conditions: Vec::new(),
            }],
            remaining: vec![Remaining::of(&letter("0/3/0"), obstacle())],
        };
        expect![[r#"
            to be read  public.orders: 1 row of 2 dead letters
            remaining  0/3/0  public.orders  insert: the table was truncated: there is no row
                       remedy: inform the consumers"#]]
        .assert_eq(&run.lines().join("\n"));
    }
}
