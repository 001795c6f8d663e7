//! Requests to the running connector to deliver rows once more, and the wait for their completion.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Deserialize;
use tracing::{info, warn};
use walcast_delivery::{Selection, TableProgress};
use walcast_mapper::TableName;
use walcast_verify::RowKey;

use super::batch::Batch;
use crate::cli::requested_rows::{RequestedRows, Response};
use crate::config::Config;
use crate::exit::Rejection;
use crate::remedy::describe;

/// Maximum number of tables in one round of requests.
const CONCURRENT_TABLES_MAX: usize = 8;

/// Interval of the lines about the wait.
const REPORT: Duration = Duration::from_secs(30);

/// The running connector.
pub(in crate::cli::verify) struct Connector {
    rows: RequestedRows,
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
            rows: RequestedRows::new(config)?,
        };
        // Another one would deliver rows of its own database, and delete keys in its own topics.
        let answering: Answering = connector.rows.admin().status().await?;
        let (name, prefix) = (&config.name, &config.kafka.topic_prefix);
        if answering.name != *name || answering.topic_prefix != *prefix {
            return Err(Rejection::Request(format!(
                "the connector {} with the topic_prefix {} answers at the address of the admin port, and not {name} with {prefix}: \
                 check [admin] listen and url",
                answering.name, answering.topic_prefix
            ))
            .into());
        }
        connector.rows.check().await?;
        Ok(connector)
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
        let selection = Selection {
            tables: tables.context("the name of a table is not a pattern")?,
            filter: Some(batch.condition.clone()),
            dead_letters: Vec::new(),
            former_keys: batch.former_keys.clone(),
        };
        self.rows.start(selection).await
    }

    /// Waits until no request with these tables and conditions is left.
    async fn wait(&self, requested: &[(TableName, String)]) -> anyhow::Result<()> {
        let mut reported = Instant::now();
        let show = |response: Response<'_>| match response {
            Response::State(state) if reported.elapsed() >= REPORT => {
                reported = Instant::now();
                info!(
                    state,
                    tables = requested.len(),
                    "the connector has not read the requested rows yet; /status has its state"
                );
            }
            Response::State(_) => {}
            Response::Unreachable(error) => {
                warn!(error = describe(error.as_ref()), "the connector does not answer");
            }
        };
        let is_requested = |read: &TableProgress| {
            let mut requested = requested.iter();
            requested.any(|(table, condition)| {
                read.table() == *table && !read.unread && read.filter.as_ref() == Some(condition)
            })
        };
        let waited = self.rows.wait(is_requested, show).await;
        waited
            .context("the rows were requested, and the connector reads them when it runs; compare again then")
    }
}
