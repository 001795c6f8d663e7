//! Requests to the running connector to read rows, and the wait for their completion.

use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use tracing::warn;
use walcast_delivery::{CheckpointStore, Selection, SnapshotCommand, SnapshotType};
use walcast_kafka::KafkaCheckpointStore;
use walcast_mapper::TableName;

use super::batch::{Batch, exactly};
use crate::admin::ExistingRows;
use crate::cli::snapshot::ask::Admin;
use crate::config::Config;
use crate::exit::Rejection;
use crate::wiring;

/// Interval between two progress checks.
const INTERVAL: Duration = Duration::from_millis(300);

/// Time for which the connector may be unreachable, as during a restart.
const UNREACHABLE_MAX: Duration = Duration::from_secs(60);

/// Connection to the admin port of the connector, and to its checkpoints.
pub(super) struct Reading {
    admin: Admin,
    checkpoints: KafkaCheckpointStore,
    bar: ProgressBar,
}

impl Reading {
    pub(super) fn new(config: &Config, letters: usize) -> anyhow::Result<Self> {
        let admin = Admin::new(config)?;
        // The bar draws nothing if stderr is not a terminal.
        let bar = ProgressBar::new(u64::try_from(letters).unwrap_or(u64::MAX));
        let bar = bar.with_style(ProgressStyle::with_template(
            "{bar:30} {pos} of {len} dead letters  {msg}",
        )?);
        Ok(Self {
            admin,
            checkpoints: wiring::checkpoints(config),
            bar,
        })
    }

    /// Fails unless the connector runs and reads requested rows.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        let rows: ExistingRows = self.admin.get().await?;
        match rows.state.as_str() {
            "paused" => Err(Rejection::Request(
                "reading existing rows is paused: run walcast snapshot resume first".to_owned(),
            )
            .into()),
            _ => Ok(()),
        }
    }

    /// Requests the rows of a batch; the inner error is the reason for which the connector rejects the request.
    pub(super) async fn start(&self, table: &TableName, batch: &Batch) -> anyhow::Result<Result<(), String>> {
        let tables = exactly(table).parse();
        let command = SnapshotCommand::Start {
            tables: vec![Selection {
                tables: tables.context("the name of a table is not a pattern")?,
                filter: Some(batch.condition.clone()),
                dead_letters: batch.letters.clone(),
                former_keys: batch.former_keys.clone(),
            }],
            marks: SnapshotType::Incremental,
            id: None,
        };
        let answer = self.admin.try_post(&command).await?;
        Ok(answer.map(|_| ()))
    }

    /// Waits until no row is being read for these dead letters, according to the checkpoint, which is in the Kafka transaction
    /// of the last row.
    pub(super) async fn wait(&self, letters: &[String]) -> anyhow::Result<()> {
        let (mut has_warned, mut unreachable_since) = (false, None);
        loop {
            match self.admin.get::<ExistingRows>().await {
                Ok(rows) => {
                    unreachable_since = None;
                    self.bar.set_message(rows.state.clone());
                    if rows.state == "paused" && !has_warned {
                        warn!(
                            "reading existing rows is paused; the command waits until it is resumed with walcast snapshot resume"
                        );
                        has_warned = true;
                    }
                }
                Err(error) => {
                    let since = *unreachable_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= UNREACHABLE_MAX {
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
