//! `walcast dlq retry`: has the rows of dead letters delivered as they are now.
//!
//! A letter itself is never sent again: it would take its row back to an earlier state. The running connector reads the row at
//! its place in the log, and takes the letter off the list in the same Kafka transaction. So whatever ends early here, or
//! there, no letter is off the list without its row, and asking again is harmless.

mod batch;
mod reading;
mod report;
mod row;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::json;
use walcast_mapper::TableName;

use self::batch::{Batch, batches};
use self::reading::Reading;
use self::report::{Again, DryRun, Fate, Intended, Left, Report};
use self::row::{Obstacle, Rows};
use super::letter::{Choice, Letter, chosen, letters};
use crate::config::Config;
use crate::exit::{Exit, one_line};
use crate::stdout::stdout;

/// No more tables are read at once.
const TABLES_AT_ONCE: usize = 8;

pub(super) async fn retry(
    config: &Config,
    choice: &Choice,
    dry_run: bool,
    json: bool,
) -> anyhow::Result<Exit> {
    let all = letters(config).await?;
    let known: BTreeSet<String> = all.iter().map(|letter| letter.id.clone()).collect();
    let letters = chosen(all, choice)?;
    let (rows, left) = sort(config, &letters);
    let tables: BTreeMap<TableName, Vec<Batch>> = rows
        .into_iter()
        .map(|(table, rows)| (table, batches(rows)))
        .collect();
    if dry_run {
        let to_read = tables
            .iter()
            .map(|(table, batches)| Intended::of(table.to_string(), batches));
        let run = DryRun {
            to_read: to_read.collect(),
            left,
        };
        let is_complete = run.left.is_empty();
        print(match json {
            true => serde_json::to_string_pretty(&run)?,
            false => run.text(),
        })?;
        return Ok(exit(is_complete));
    }
    let mut retry = Retry {
        config,
        letters: letters
            .into_iter()
            .map(|letter| (letter.id.clone(), letter))
            .collect(),
        report: Report {
            left,
            ..Report::default()
        },
        was_asked: false,
    };
    let ended = match tables.is_empty() {
        true => Ok(()),
        false => retry.read(tables, &known).await,
    };
    let failure = match ended {
        // Nothing has happened.
        Err(error) if !retry.was_asked => return Err(error),
        ended => ended.err(),
    };
    let report = retry.report;
    print(match json {
        true => serde_json::to_string_pretty(&json!(report))?,
        false => report.text(),
    })?;
    Ok(match failure {
        Some(error) => Exit::of(&error),
        None => exit(report.is_complete()),
    })
}

fn exit(is_complete: bool) -> Exit {
    match is_complete {
        true => Exit::Done,
        false => Exit::Incomplete,
    }
}

fn print(text: String) -> anyhow::Result<()> {
    let mut output = stdout();
    output.line(&text)?;
    output.flush()?;
    Ok(())
}

type ByTable = BTreeMap<TableName, Vec<(String, Rows)>>;

/// Letters whose rows can be read, by table, and the others.
fn sort(config: &Config, letters: &[Letter]) -> (ByTable, Vec<Left>) {
    let (mut by_table, mut left) = (ByTable::new(), Vec::new());
    for letter in letters {
        match row::of(letter, &config.keys) {
            Ok(rows) => by_table
                .entry(letter.table())
                .or_default()
                .push((letter.id.clone(), rows)),
            Err(obstacle) => left.push(Left::of(letter, obstacle)),
        }
    }
    (by_table, left)
}

struct Retry<'a> {
    config: &'a Config,
    /// Those that were chosen.
    letters: BTreeMap<String, Letter>,
    report: Report,
    /// Whether the connector was asked for something.
    was_asked: bool,
}

impl Retry<'_> {
    /// Has rows read, a batch of each table at once, until all are. `known` letters were there before.
    async fn read(
        &mut self,
        tables: BTreeMap<TableName, Vec<Batch>>,
        known: &BTreeSet<String>,
    ) -> anyhow::Result<()> {
        let names: BTreeSet<TableName> = tables.keys().cloned().collect();
        let mut left: VecDeque<(TableName, VecDeque<Batch>)> = tables
            .into_iter()
            .map(|(table, batches)| (table, batches.into()))
            .collect();
        let count = left
            .iter()
            .flat_map(|(_, batches)| batches)
            .map(|batch| batch.letters.len())
            .sum();
        let reading = Reading::new(self.config, count)?;
        reading.check().await?;
        let ended = self.rounds(&reading, &mut left).await;
        reading.end();
        if let Err(error) = &ended {
            let why = format!("it was not asked for: {}", one_line(error.as_ref()));
            for batch in left.iter().flat_map(|(_, batches)| batches) {
                self.leave(&batch.letters, &why, "mend that and run this again");
            }
        }
        if self.was_asked {
            let now = letters(self.config).await?;
            let again = now.into_iter().filter(|letter| {
                letter.operation == "read" && names.contains(&letter.table()) && !known.contains(&letter.id)
            });
            self.report.failed_again = again.map(|letter| Again::of(&letter)).collect();
        }
        ended
    }

    async fn rounds(
        &mut self,
        reading: &Reading,
        left: &mut VecDeque<(TableName, VecDeque<Batch>)>,
    ) -> anyhow::Result<()> {
        while !left.is_empty() {
            let mut asked = Vec::new();
            for (table, batches) in left.iter_mut().take(TABLES_AT_ONCE) {
                let Some(batch) = batches.front() else { continue };
                match reading.start(table, batch).await? {
                    Ok(()) => {
                        self.was_asked = true;
                        asked.extend(batches.pop_front());
                    }
                    Err(why) => {
                        for batch in batches.drain(..) {
                            self.leave(&batch.letters, &why, "mend that and run this again, or, where nobody needs the row, walcast dlq done");
                        }
                    }
                }
            }
            left.retain(|(_, batches)| !batches.is_empty());
            let asked: Vec<String> = asked.into_iter().flat_map(|batch| batch.letters).collect();
            if asked.is_empty() {
                continue;
            }
            if let Err(error) = reading.wait(&asked).await {
                let why = format!(
                    "whether its row was read is not known: {}",
                    one_line(error.as_ref())
                );
                self.leave(
                    &asked,
                    &why,
                    "the connector goes on with what it was asked for when it runs; see walcast dlq list, and run this again",
                );
                return Err(error);
            }
            self.settle(&asked).await?;
            reading.advance(asked.len());
        }
        Ok(())
    }

    /// Nothing is read any more: what is off the list is done with.
    async fn settle(&mut self, asked: &[String]) -> anyhow::Result<()> {
        let listed = letters(self.config).await?.into_iter();
        let listed: BTreeSet<String> = listed.map(|letter| letter.id).collect();
        let (stayed, done): (Vec<String>, Vec<String>) =
            asked.iter().cloned().partition(|id| listed.contains(id));
        let letters = &self.letters;
        let fates = done.iter().filter_map(|id| letters.get(id)).map(Fate::of);
        self.report.done.extend(fates);
        self.leave(
            &stayed,
            "reading its row came to no end: somebody stopped it, or the server did not have the rows read",
            "see the connector's log, and run this again",
        );
        Ok(())
    }

    fn leave(&mut self, ids: &[String], why: &str, next: &str) {
        let letters = &self.letters;
        let left = ids.iter().filter_map(|id| letters.get(id)).map(|letter| {
            let obstacle = Obstacle {
                why: why.to_owned(),
                next: next.to_owned(),
            };
            Left::of(letter, obstacle)
        });
        self.report.left.extend(left);
    }
}
