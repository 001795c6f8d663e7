//! `walcast dlq redeliver`: has the running connector deliver the current rows of dead letters.
//!
//! The recorded change is never sent again: it would return its row to an earlier state. The connector reads the row at its
//! place in WAL order, and resolves the dead letter in the same Kafka transaction. Even if the command or the connector ends
//! early, no dead letter is resolved without its row, and a repeated request is harmless.

mod batch;
mod reading;
mod report;
mod row;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;
use walcast_mapper::TableName;

use self::batch::{Batch, batches};
use self::reading::Reading;
use self::report::{DryRun, FailedAgain, PlannedRead, Remaining, Report, Resolved};
use self::row::{Obstacle, Rows};
use super::letter::{Choice, DeadLetter, chosen, letters};
use crate::config::Config;
use crate::exit::Exit;
use crate::remedy::describe;
use crate::stdout::stdout;

/// Maximum number of tables in one round of requests.
const CONCURRENT_TABLES_MAX: usize = 8;

pub(super) async fn redeliver(
    config: &Config,
    choice: &Choice,
    dry_run: bool,
    json: bool,
) -> anyhow::Result<Exit> {
    let all = letters(config).await?;
    let known: BTreeSet<String> = all.iter().map(|letter| letter.id.clone()).collect();
    let letters = chosen(all, choice)?;
    let (rows, remaining) = sort(config, &letters);
    let tables: BTreeMap<TableName, Vec<Batch>> = rows
        .into_iter()
        .map(|(table, rows)| (table, batches(rows)))
        .collect();
    if dry_run {
        let to_read = tables
            .iter()
            .map(|(table, batches)| PlannedRead::of(table.to_string(), batches));
        let run = DryRun {
            to_read: to_read.collect(),
            remaining,
        };
        let is_complete = run.remaining.is_empty();
        print(json, &run, DryRun::lines)?;
        return Ok(exit(is_complete));
    }
    let mut redelivery = Redelivery {
        config,
        letters: letters
            .into_iter()
            .map(|letter| (letter.id.clone(), letter))
            .collect(),
        report: Report {
            remaining,
            ..Report::default()
        },
        was_requested: false,
    };
    let ended = match tables.is_empty() {
        true => Ok(()),
        false => redelivery.read(tables, &known).await,
    };
    let failure = match ended {
        // No request was sent.
        Err(error) if !redelivery.was_requested => return Err(error),
        ended => ended.err(),
    };
    let report = redelivery.report;
    print(json, &report, Report::lines)?;
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

fn print<T: Serialize>(json: bool, result: &T, lines: impl Fn(&T) -> Vec<String>) -> anyhow::Result<()> {
    let mut output = stdout();
    match json {
        true => output.json(result)?,
        false => output.lines(lines(result))?,
    };
    output.flush()?;
    Ok(())
}

type ByTable = BTreeMap<TableName, Vec<(String, Rows)>>;

/// Dead letters whose rows can be read, by table, and those that cannot be resolved by a read.
fn sort(config: &Config, letters: &[DeadLetter]) -> (ByTable, Vec<Remaining>) {
    let (mut by_table, mut remaining) = (ByTable::new(), Vec::new());
    for letter in letters {
        match row::of(letter, &config.mapper.keys) {
            Ok(rows) => by_table
                .entry(letter.table())
                .or_default()
                .push((letter.id.clone(), rows)),
            Err(obstacle) => remaining.push(Remaining::of(letter, obstacle)),
        }
    }
    (by_table, remaining)
}

struct Redelivery<'a> {
    config: &'a Config,
    /// Chosen dead letters, by identifier.
    letters: BTreeMap<String, DeadLetter>,
    report: Report,
    /// Whether the connector accepted a request.
    was_requested: bool,
}

impl Redelivery<'_> {
    /// Has all rows read, one batch of each table at a time. `known` contains the dead letters that existed before.
    async fn read(
        &mut self,
        tables: BTreeMap<TableName, Vec<Batch>>,
        known: &BTreeSet<String>,
    ) -> anyhow::Result<()> {
        let names: BTreeSet<TableName> = tables.keys().cloned().collect();
        let mut waiting: VecDeque<(TableName, VecDeque<Batch>)> = tables
            .into_iter()
            .map(|(table, batches)| (table, batches.into()))
            .collect();
        let count = waiting
            .iter()
            .flat_map(|(_, batches)| batches)
            .map(|batch| batch.letters.len())
            .sum();
        let reading = Reading::new(self.config, count)?;
        reading.check().await?;
        let ended = self.request_batches(&reading, &mut waiting).await;
        reading.end();
        if let Err(error) = &ended {
            let reason = format!("its row was not requested: {}", describe(error.as_ref()));
            for batch in waiting.iter().flat_map(|(_, batches)| batches) {
                self.keep(&batch.letters, &reason, "fix the cause and run the command again");
            }
        }
        if self.was_requested {
            let now = letters(self.config).await?;
            let failed_again = now.into_iter().filter(|letter| {
                letter.operation == "read" && names.contains(&letter.table()) && !known.contains(&letter.id)
            });
            self.report.failed_again = failed_again.map(|letter| FailedAgain::of(&letter)).collect();
        }
        ended
    }

    async fn request_batches(
        &mut self,
        reading: &Reading,
        waiting: &mut VecDeque<(TableName, VecDeque<Batch>)>,
    ) -> anyhow::Result<()> {
        while !waiting.is_empty() {
            let mut requested = Vec::new();
            for (table, batches) in waiting.iter_mut().take(CONCURRENT_TABLES_MAX) {
                let Some(batch) = batches.front() else { continue };
                match reading.start(table, batch).await? {
                    Ok(()) => {
                        self.was_requested = true;
                        requested.extend(batches.pop_front());
                    }
                    Err(reason) => {
                        for batch in batches.drain(..) {
                            self.keep(&batch.letters, &reason, "fix the cause and run the command again, or, if no consumer needs the row, run walcast dlq discard");
                        }
                    }
                }
            }
            waiting.retain(|(_, batches)| !batches.is_empty());
            let requested: Vec<String> = requested.into_iter().flat_map(|batch| batch.letters).collect();
            if requested.is_empty() {
                continue;
            }
            if let Err(error) = reading.wait(&requested).await {
                let reason = format!(
                    "it is not known whether its row was read: {}",
                    describe(error.as_ref())
                );
                self.keep(
                    &requested,
                    &reason,
                    "the connector continues with the request when it runs; check walcast dlq list, and run the command again",
                );
                return Err(error);
            }
            self.record_outcome(&requested).await?;
            reading.advance(requested.len());
        }
        Ok(())
    }

    /// Records the outcome after the read has ended: dead letters that are no longer on the list are resolved.
    async fn record_outcome(&mut self, requested: &[String]) -> anyhow::Result<()> {
        let listed = letters(self.config).await?.into_iter();
        let listed: BTreeSet<String> = listed.map(|letter| letter.id).collect();
        let (remaining, resolved): (Vec<String>, Vec<String>) =
            requested.iter().cloned().partition(|id| listed.contains(id));
        let letters = &self.letters;
        let resolved = resolved.iter().filter_map(|id| letters.get(id)).map(Resolved::of);
        self.report.resolved.extend(resolved);
        self.keep(
            &remaining,
            "the read of its row did not complete: it was stopped, or failed on the server",
            "see the logs of the connector, and run the command again",
        );
        Ok(())
    }

    fn keep(&mut self, ids: &[String], reason: &str, remedy: &str) {
        let letters = &self.letters;
        let remaining = ids.iter().filter_map(|id| letters.get(id)).map(|letter| {
            let obstacle = Obstacle {
                reason: reason.to_owned(),
                remedy: remedy.to_owned(),
            };
            Remaining::of(letter, obstacle)
        });
        self.report.remaining.extend(remaining);
    }
}
