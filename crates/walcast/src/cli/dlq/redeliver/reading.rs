//! Requests to the running connector to read the rows of dead letters, with a progress bar.

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use walcast_delivery::{Selection, TableProgress};
use walcast_mapper::TableName;

use super::batch::{Batch, exactly};
use crate::cli::requested_rows::{RequestedRows, Response};
use crate::config::Config;

/// Requests to the connector, and their progress.
pub(super) struct Reading {
    rows: RequestedRows,
    bar: ProgressBar,
}

impl Reading {
    pub(super) fn new(config: &Config, letters: usize) -> anyhow::Result<Self> {
        let rows = RequestedRows::new(config)?;
        // The bar draws nothing if stderr is not a terminal.
        let bar = ProgressBar::new(u64::try_from(letters).unwrap_or(u64::MAX));
        let bar = bar.with_style(ProgressStyle::with_template(
            "{bar:30} {pos} of {len} dead letters  {msg}",
        )?);
        Ok(Self { rows, bar })
    }

    /// Fails unless the connector runs and reads requested rows.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        self.rows.check().await
    }

    /// Requests the rows of a batch; the inner error is the reason for which the connector rejects the request.
    pub(super) async fn start(&self, table: &TableName, batch: &Batch) -> anyhow::Result<Result<(), String>> {
        let tables = exactly(table).parse();
        let selection = Selection {
            tables: tables.context("the name of a table is not a pattern")?,
            filter: Some(batch.condition.clone()),
            dead_letters: batch.letters.clone(),
            former_keys: batch.former_keys.clone(),
        };
        self.rows.start(selection).await
    }

    /// Waits until no row is being read for these dead letters.
    pub(super) async fn wait(&self, letters: &[String]) -> anyhow::Result<()> {
        let show = |response: Response<'_>| match response {
            Response::State(state) => self.bar.set_message(state.to_owned()),
            Response::Unreachable(_) => self.bar.set_message("the connector does not answer"),
        };
        let is_requested = |table: &TableProgress| {
            let mut of_table = table.letters.iter();
            of_table.any(|letter| letters.contains(letter))
        };
        self.rows.wait(is_requested, show).await
    }

    pub(super) fn advance(&self, letters: usize) {
        self.bar.inc(u64::try_from(letters).unwrap_or(u64::MAX));
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
