//! What has become of letters, for people and for scripts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::letter::{Letter, count};
use super::batch::Batch;
use super::row::Obstacle;

/// What has become of the letters that were chosen.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// Their rows are in their topics as they are now, or do not exist any more; they are taken off the list.
    pub(super) done: Vec<Fate>,
    /// Rows that could not be delivered as they are now either: letters of this reading.
    pub(super) failed_again: Vec<Again>,
    /// Not dealt with; they stay.
    pub(super) left: Vec<Left>,
}

/// A letter that is dealt with.
#[derive(Debug, Serialize)]
pub(super) struct Fate {
    pub(super) id: String,
    pub(super) table: String,
    pub(super) operation: String,
}

/// A row that failed again.
#[derive(Debug, Serialize)]
pub(super) struct Again {
    pub(super) id: String,
    pub(super) table: String,
    pub(super) reason: String,
    pub(super) error: String,
}

/// A letter that is not.
#[derive(Debug, Serialize)]
pub(super) struct Left {
    pub(super) id: String,
    pub(super) table: String,
    pub(super) operation: String,
    pub(super) why: String,
    pub(super) next: String,
}

/// What would be asked for.
#[derive(Debug, Serialize)]
pub(super) struct Intended {
    pub(super) table: String,
    pub(super) rows: usize,
    pub(super) letters: Vec<String>,
    /// One for each request.
    pub(super) conditions: Vec<String>,
}

/// What would be done.
#[derive(Debug, Default, Serialize)]
pub(super) struct DryRun {
    pub(super) to_read: Vec<Intended>,
    pub(super) left: Vec<Left>,
}

impl Fate {
    pub(super) fn of(letter: &Letter) -> Self {
        Self {
            id: letter.id.clone(),
            table: letter.table().to_string(),
            operation: letter.operation.clone(),
        }
    }
}

impl Again {
    pub(super) fn of(letter: &Letter) -> Self {
        Self {
            id: letter.id.clone(),
            table: letter.table().to_string(),
            reason: letter.reason.clone(),
            error: letter.error.clone(),
        }
    }
}

impl Left {
    pub(super) fn of(letter: &Letter, obstacle: Obstacle) -> Self {
        let Obstacle { why, next } = obstacle;
        Self {
            id: letter.id.clone(),
            table: letter.table().to_string(),
            operation: letter.operation.clone(),
            why,
            next,
        }
    }

    fn line(&self) -> String {
        let Self {
            id,
            table,
            operation,
            why,
            next,
        } = self;
        format!("left  {id}  {table}  {operation}: {why}\n      next: {next}")
    }
}

impl Intended {
    pub(super) fn of(table: String, batches: &[Batch]) -> Self {
        Self {
            table,
            rows: batches.iter().map(|batch| batch.rows.len()).sum(),
            letters: batches.iter().flat_map(|batch| batch.letters.clone()).collect(),
            conditions: batches.iter().map(|batch| batch.condition.clone()).collect(),
        }
    }
}

impl Report {
    pub(super) fn is_complete(&self) -> bool {
        self.left.is_empty() && self.failed_again.is_empty()
    }

    pub(super) fn text(&self) -> String {
        let mut by_table: BTreeMap<&str, usize> = BTreeMap::new();
        for fate in &self.done {
            *by_table.entry(&fate.table).or_default() += 1;
        }
        let mut lines: Vec<String> = by_table
            .iter()
            .map(|(table, letters)| format!("done  {table}: {}", count(*letters)))
            .collect();
        lines.extend(self.failed_again.iter().map(|again| {
            let Again {
                id,
                table,
                reason,
                error,
            } = again;
            let error = error.replace('\n', " ");
            format!("again {id}  {table}  {reason}: {error}")
        }));
        lines.extend(self.left.iter().map(Left::line));
        lines.push(match (self.done.len(), self.failed_again.len(), self.left.len()) {
            (0, 0, 0) => "no dead letters were chosen".to_owned(),
            (done, 0, 0) => format!("{} dealt with", count(done)),
            (done, 0, left) => format!("{} dealt with, {left} left", count(done)),
            (done, again, left) => format!(
                "{} dealt with, {} left; of the rows {again} failed again and {} a letter of this reading",
                count(done),
                left,
                if again == 1 { "has" } else { "have" }
            ),
        });
        lines.join("\n")
    }
}

impl DryRun {
    pub(super) fn text(&self) -> String {
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
                    count(one.letters.len())
                )
            })
            .collect();
        lines.extend(self.left.iter().map(Left::line));
        if lines.is_empty() {
            lines.push("no dead letters were chosen".to_owned());
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::super::letter::tests::letter;
    use super::*;

    fn obstacle() -> Obstacle {
        Obstacle {
            why: "the table was emptied: there is no row".to_owned(),
            next: "tell the consumers".to_owned(),
        }
    }

    #[test]
    fn people_see_what_is_left_and_why() {
        let mut report = Report::default();
        assert_eq!(report.text(), "no dead letters were chosen");
        report.done = vec![Fate::of(&letter("0/1/0")), Fate::of(&letter("0/2/0"))];
        assert!(report.is_complete());
        expect![[r#"
            done  public.orders: 2 dead letters
            2 dead letters dealt with"#]]
        .assert_eq(&report.text());
        report.left = vec![Left::of(&letter("0/3/0"), obstacle())];
        assert!(!report.is_complete());
        report.failed_again = vec![Again::of(&letter("0/9/16384(0,1)"))];
        expect![[r#"
            done  public.orders: 2 dead letters
            again 0/9/16384(0,1)  public.orders  size: too large
            left  0/3/0  public.orders  insert: the table was emptied: there is no row
                  next: tell the consumers
            2 dead letters dealt with, 1 left; of the rows 1 failed again and has a letter of this reading"#]]
        .assert_eq(&report.text());
    }

    #[test]
    fn people_see_what_would_be_done() {
        assert_eq!(DryRun::default().text(), "no dead letters were chosen");
        let run = DryRun {
            to_read: vec![Intended {
                table: "public.orders".to_owned(),
                rows: 1,
                letters: vec!["0/1/0".to_owned(), "0/2/0".to_owned()],
                conditions: Vec::new(),
            }],
            left: vec![Left::of(&letter("0/3/0"), obstacle())],
        };
        expect![[r#"
            to be read  public.orders: 1 row of 2 dead letters
            left  0/3/0  public.orders  insert: the table was emptied: there is no row
                  next: tell the consumers"#]]
        .assert_eq(&run.text());
    }
}
