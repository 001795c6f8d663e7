//! Rows that a command has the running connector read: the requests, and the wait until the connector has read them.

use std::time::{Duration, Instant};

use tracing::warn;
use walcast_delivery::{CheckpointStore, Selection, SnapshotCommand, SnapshotType, TableProgress};
use walcast_kafka::KafkaCheckpointStore;

use super::snapshot::ask::Admin;
use crate::admin::ExistingRows;
use crate::config::Config;
use crate::exit::Rejection;
use crate::wiring;

/// Interval between two progress checks.
const INTERVAL: Duration = Duration::from_millis(300);

/// Time for which the connector may be unreachable, as during a restart.
const UNREACHABLE_MAX: Duration = Duration::from_secs(60);

/// The running connector: its admin port, and its checkpoints.
pub(super) struct RequestedRows {
    admin: Admin,
    checkpoints: KafkaCheckpointStore,
}

/// Response of the connector during a wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Response<'a> {
    /// State of reading existing rows.
    State(&'a str),
    /// It does not answer.
    Unreachable(&'a anyhow::Error),
}

impl RequestedRows {
    /// Connection to the connector.
    ///
    /// # Errors
    /// The configuration has no admin port.
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            admin: Admin::new(config)?,
            checkpoints: wiring::checkpoints(config),
        })
    }

    /// The admin port.
    pub(super) fn admin(&self) -> &Admin {
        &self.admin
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

    /// Requests rows; the inner error is the reason for which the connector rejects the request.
    pub(super) async fn start(&self, selection: Selection) -> anyhow::Result<Result<(), String>> {
        let command = SnapshotCommand::Start {
            tables: vec![selection],
            marks: SnapshotType::Incremental,
            id: None,
        };
        let answer = self.admin.try_post(&command).await?;
        Ok(answer.map(|_| ()))
    }

    /// Waits until no table in the checkpoint is one that `is_requested` knows: the checkpoint is in the Kafka transaction of the last
    /// row. `show` gets each response of the connector.
    ///
    /// # Errors
    /// The checkpoint cannot be read, or the connector does not answer for too long; it continues with the request when it runs.
    pub(super) async fn wait(
        &self,
        is_requested: impl Fn(&TableProgress) -> bool,
        mut show: impl FnMut(Response<'_>),
    ) -> anyhow::Result<()> {
        let (mut has_warned, mut unreachable_since) = (false, None);
        while self.is_read(&is_requested).await? {
            match self.admin.get::<ExistingRows>().await {
                Ok(rows) => {
                    unreachable_since = None;
                    show(Response::State(&rows.state));
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
                    show(Response::Unreachable(&error));
                }
            }
            tokio::time::sleep(INTERVAL).await;
        }
        Ok(())
    }

    async fn is_read(&self, is_requested: impl Fn(&TableProgress) -> bool) -> anyhow::Result<bool> {
        let stored = self.checkpoints.read().await?.current;
        let progress = stored.and_then(|checkpoint| checkpoint.snapshot);
        let mut being_read = progress.iter().flat_map(|progress| &progress.tables);
        Ok(being_read.any(is_requested))
    }
}
