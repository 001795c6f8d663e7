//! Has the running connector read rows, and waits until it has.

use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use tracing::warn;
use walcast_delivery::{Marks, Selection, SnapshotCommand};
use walcast_kafka::CheckpointReader;
use walcast_mapper::TableName;

use super::batch::{Batch, exactly};
use crate::admin::ExistingRows;
use crate::cli::snapshot::ask::Admin;
use crate::config::Config;
use crate::exit::Refusal;
use crate::wiring;

/// How often it is looked how far it is.
const INTERVAL: Duration = Duration::from_millis(300);

/// How long a connector may be away, as it is while it is started again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The way to the connector, and to what it has stored.
pub(super) struct Reading {
    admin: Admin,
    checkpoints: CheckpointReader,
    bar: ProgressBar,
}

impl Reading {
    pub(super) fn new(config: &Config, letters: usize) -> anyhow::Result<Self> {
        let admin = Admin::new(config)?;
        // It draws nothing where stderr is no terminal.
        let bar = ProgressBar::new(u64::try_from(letters).unwrap_or(u64::MAX));
        let bar = bar.with_style(ProgressStyle::with_template(
            "{bar:30} {pos} of {len} dead letters  {msg}",
        )?);
        Ok(Self {
            admin,
            checkpoints: CheckpointReader::new(wiring::kafka(config)?),
            bar,
        })
    }

    /// Whether the connector runs, and would read what it is asked for.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        let rows: ExistingRows = self.admin.get().await?;
        match rows.state.as_str() {
            "paused" => Err(Refusal::Request(
                "reading existing rows is paused: run walcast snapshot resume first".to_owned(),
            )
            .into()),
            _ => Ok(()),
        }
    }

    /// Asks for the rows of a batch; why not, in the connector's words.
    pub(super) async fn start(&self, table: &TableName, batch: &Batch) -> anyhow::Result<Result<(), String>> {
        let tables = exactly(table).parse();
        let command = SnapshotCommand::Start {
            tables: vec![Selection {
                tables: tables.context("a table's name is no pattern")?,
                filter: Some(batch.condition.clone()),
                letters: batch.letters.clone(),
                former_keys: batch.former_keys.clone(),
            }],
            marks: Marks::Incremental,
            id: None,
        };
        let answer = self.admin.try_post(&command).await?;
        Ok(answer.map(|_| ()))
    }

    /// Waits until nothing is read any more for these letters. What counts is the checkpoint, which lies in the Kafka
    /// transaction of the last row.
    pub(super) async fn wait(&self, letters: &[String]) -> anyhow::Result<()> {
        let (mut was_told, mut away_since) = (false, None);
        loop {
            match self.admin.get::<ExistingRows>().await {
                Ok(rows) => {
                    away_since = None;
                    self.bar.set_message(rows.state.clone());
                    if rows.state == "paused" && !was_told {
                        warn!(
                            "reading existing rows was paused; this waits until somebody runs walcast snapshot resume"
                        );
                        was_told = true;
                    }
                }
                Err(error) => {
                    let since = *away_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= PATIENCE {
                        return Err(error);
                    }
                    self.bar.set_message("the connector does not answer");
                }
            }
            if !self.is_reading(letters).await? {
                return Ok(());
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn is_reading(&self, letters: &[String]) -> anyhow::Result<bool> {
        let stored = self.checkpoints.read().await?.current;
        let progress = stored.and_then(|checkpoint| checkpoint.snapshot);
        let mut being_read = progress
            .iter()
            .flat_map(|progress| &progress.tables)
            .flat_map(|table| &table.letters);
        Ok(being_read.any(|letter| letters.contains(letter)))
    }

    pub(super) fn advance(&self, letters: usize) {
        self.bar.inc(u64::try_from(letters).unwrap_or(u64::MAX));
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
