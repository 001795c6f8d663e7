//! Requests to the running connector to deliver rows once more, and the wait for their completion.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Deserialize;
use tracing::{info, warn};
use walcast_delivery::{CheckpointStore, Selection, SnapshotCommand, SnapshotType};
use walcast_kafka::KafkaCheckpointStore;
use walcast_mapper::TableName;
use walcast_verify::RowKey;

use super::batch::Batch;
use crate::admin::ExistingRows;
use crate::cli::snapshot::ask::Admin;
use crate::config::Config;
use crate::exit::Rejection;
use crate::remedy::describe;
use crate::wiring;

/// Maximum number of tables in one round of requests.
const CONCURRENT_TABLES_MAX: usize = 8;

/// Interval between two progress checks.
const INTERVAL: Duration = Duration::from_millis(300);

/// Interval of the lines about the wait.
const REPORT: Duration = Duration::from_secs(30);

/// Time for which the connector may be unreachable, as during a restart.
const UNREACHABLE_MAX: Duration = Duration::from_secs(60);

/// The running connector: its admin port, and its checkpoints.
pub(in crate::cli::verify) struct Connector {
    admin: Admin,
    checkpoints: KafkaCheckpointStore,
}

/// The connector that answers at an admin port.
#[derive(Deserialize)]
struct Answering {
    name: String,
    topic_prefix: String,
}

/// What the connector has done.
#[derive(Default)]
pub(super) struct Delivered {
    /// Number of rows that were read.
    pub(super) read: usize,
    /// Number of keys that were deleted unless a row has them.
    pub(super) deleted: usize,
    pub(super) refused: Vec<Refused>,
}

/// Rows whose request the connector rejected.
pub(super) struct Refused {
    table: TableName,
    keys: Vec<RowKey>,
    pub(super) reason: String,
}

impl Refused {
    pub(super) fn has(&self, table: &TableName, key: &RowKey) -> bool {
        self.table == *table && self.keys.contains(key)
    }
}

impl Connector {
    /// The running connector.
    ///
    /// # Errors
    /// It does not run, has no admin port, is another one, or does not read requested rows.
    pub(in crate::cli::verify) async fn of(config: &Config) -> anyhow::Result<Self> {
        let connector = Self {
            admin: Admin::new(config)?,
            checkpoints: wiring::checkpoints(config),
        };
        // Another one would deliver rows of its own database, and delete keys in its own topics.
        let answering: Answering = connector.admin.status().await?;
        let (name, prefix) = (&config.name, &config.kafka.topic_prefix);
        if answering.name != *name || answering.topic_prefix != *prefix {
            return Err(Rejection::Request(format!(
                "the connector {} with the topic_prefix {} answers at the address of the admin port, and not {name} with {prefix}: \
                 check [admin] listen and url",
                answering.name, answering.topic_prefix
            ))
            .into());
        }
        let rows: ExistingRows = connector.admin.get().await?;
        match rows.state.as_str() {
            "paused" => Err(Rejection::Request(
                "reading existing rows is paused: run walcast snapshot resume first".to_owned(),
            )
            .into()),
            _ => Ok(connector),
        }
    }

    /// Has all rows delivered, one batch of each table at a time. `delivered` says what was done, also after an error.
    pub(super) async fn deliver(
        &self,
        tables: BTreeMap<TableName, Vec<Batch>>,
        delivered: &mut Delivered,
    ) -> anyhow::Result<()> {
        let tables = tables.into_iter();
        let mut waiting: Vec<(TableName, VecDeque<Batch>)> =
            tables.map(|(table, batches)| (table, batches.into())).collect();
        while !waiting.is_empty() {
            let (mut requested, mut keys, mut former_keys) = (Vec::new(), 0, 0);
            for (table, batches) in waiting.iter_mut().take(CONCURRENT_TABLES_MAX) {
                let Some(batch) = batches.pop_front() else {
                    continue;
                };
                match self.start(table, &batch).await? {
                    Ok(()) => {
                        keys += batch.keys.len();
                        former_keys += batch.former_keys.len();
                        requested.push((table.clone(), batch.condition));
                    }
                    Err(reason) => {
                        let left = batches.drain(..).flat_map(|batch| batch.keys);
                        delivered.refused.push(Refused {
                            table: table.clone(),
                            keys: batch.keys.into_iter().chain(left).collect(),
                            reason,
                        });
                    }
                }
            }
            waiting.retain(|(_, batches)| !batches.is_empty());
            self.wait(&requested).await?;
            delivered.read += keys.saturating_sub(former_keys);
            delivered.deleted += former_keys;
        }
        Ok(())
    }

    /// Requests the rows of a batch; the inner error is the reason for which the connector rejects the request.
    async fn start(&self, table: &TableName, batch: &Batch) -> anyhow::Result<Result<(), String>> {
        let tables = table.as_pattern().parse();
        let command = SnapshotCommand::Start {
            tables: vec![Selection {
                tables: tables.context("the name of a table is not a pattern")?,
                filter: Some(batch.condition.clone()),
                dead_letters: Vec::new(),
                former_keys: batch.former_keys.clone(),
            }],
            marks: SnapshotType::Incremental,
            id: None,
        };
        let answer = self.admin.try_post(&command).await?;
        Ok(answer.map(|_| ()))
    }

    /// Waits until no request with these tables and conditions is in the checkpoint, which is in the Kafka transaction of the last
    /// row.
    async fn wait(&self, requested: &[(TableName, String)]) -> anyhow::Result<()> {
        let (mut has_warned, mut unreachable_since) = (false, None);
        let mut reported = Instant::now();
        while self.is_reading(requested).await? {
            match self.admin.get::<ExistingRows>().await {
                Ok(rows) => {
                    unreachable_since = None;
                    if rows.state == "paused" && !has_warned {
                        warn!(
                            "reading existing rows is paused; the command waits until it is resumed with walcast snapshot resume"
                        );
                        has_warned = true;
                    }
                    if reported.elapsed() >= REPORT {
                        reported = Instant::now();
                        info!(
                            state = rows.state,
                            tables = requested.len(),
                            "the connector has not read the requested rows yet; /status has its state"
                        );
                    }
                }
                Err(error) => {
                    let since = *unreachable_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= UNREACHABLE_MAX {
                        return Err(error.context(
                            "the rows were requested, and the connector reads them when it runs; compare again then",
                        ));
                    }
                    warn!(error = describe(error.as_ref()), "the connector does not answer");
                }
            }
            tokio::time::sleep(INTERVAL).await;
        }
        Ok(())
    }

    async fn is_reading(&self, requested: &[(TableName, String)]) -> anyhow::Result<bool> {
        let stored = self.checkpoints.read().await?.current;
        let progress = stored.and_then(|checkpoint| checkpoint.snapshot);
        let mut being_read = progress.iter().flat_map(|progress| &progress.tables);
        Ok(being_read.any(|read| {
            let mut requested = requested.iter();
            requested.any(|(table, condition)| {
                read.table() == *table && !read.unread && read.filter.as_ref() == Some(condition)
            })
        }))
    }
}
