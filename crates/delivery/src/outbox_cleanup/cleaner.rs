//! Outbox cleaner: removes delivered rows of outbox tables at an interval, for as long as the connector streams.

mod readiness;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};
use walcast_mapper::TableName;
use walcast_pgoutput::PgTimestamp;

use crate::describe::Describe;
use crate::outbox_cleanup::cleaner::readiness::{Obstacle, Seen, obstacle};
use crate::outbox_cleanup::horizon::Horizons;
use crate::outbox_cleanup::removal::{OutboxLook, OutboxTable, Removal, Removed};
use crate::outbox_cleanup::{CleanupRule, OutboxCleanupConfig};
use crate::port_error::BoxedPortError;
use crate::ports::outbox_tables::OutboxTables;
use crate::state::ConnectorState;
use crate::state::outboxes::CleanupView;

/// Time after which a request counts as not answered by the server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Removes rows whose events are in Kafka. It never stops delivery: an error is logged and shown, and the next run tries again.
#[derive(Debug)]
pub struct OutboxCleaner<T> {
    tables: T,
    config: OutboxCleanupConfig,
    state: ConnectorState,
    describe: Describe,
    horizons: BTreeMap<TableName, Horizons>,
    /// Tables, each with what was known when it was first found.
    seen: Seen,
    /// Time of the last run, by table.
    runs: BTreeMap<TableName, Instant>,
    /// Errors that were logged, by table, until a run has none.
    reported: BTreeMap<TableName, String>,
}

impl<T: OutboxTables> OutboxCleaner<T> {
    /// Creates a cleaner of `tables` for the connector with this state, whose errors are logged as `describe` describes them.
    pub fn new(tables: T, config: OutboxCleanupConfig, state: ConnectorState, describe: Describe) -> Self {
        Self {
            tables,
            config,
            state,
            describe,
            horizons: BTreeMap::new(),
            seen: Seen::default(),
            runs: BTreeMap::new(),
            reported: BTreeMap::new(),
        }
    }

    /// Removes rows until dropped.
    pub async fn run(mut self) -> Infallible {
        let Some(interval) = self.config.interval() else {
            return std::future::pending().await;
        };
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.pass().await;
        }
    }

    /// One look, and the runs that are due.
    async fn pass(&mut self) {
        if !self.state.status.is_streaming() {
            return;
        }
        let captured = self.state.table_states().into_keys();
        let tables: Vec<TableName> = captured
            .filter(|table| self.config.rule(table).is_some())
            .collect();
        if tables.is_empty() {
            return;
        }
        let look = match answered(self.tables.look(&tables)).await {
            Ok(Some(look)) => look,
            Ok(None) => return,
            Err(problem) => {
                let error = problem.text(self.describe);
                for table in &tables {
                    self.fail(table, error.clone());
                }
                return;
            }
        };
        self.seen.observe(&look, self.state.drift.inspection());
        let now = Instant::now();
        for table in &look.tables {
            let Some(rule) = self.config.rule(&table.name).cloned() else {
                continue;
            };
            self.horizons
                .entry(table.name.clone())
                .or_insert_with(|| Horizons::new(sample_age(&rule)))
                .observe(&look, now);
            let last = self.runs.get(&table.name);
            if last.is_some_and(|last| now.saturating_duration_since(*last) < rule.interval) {
                continue;
            }
            self.runs.insert(table.name.clone(), now);
            match self.clean_up(&look, table, &rule).await {
                Ok(waits_for) => self.succeed(&table.name, waits_for),
                Err(problem) => {
                    let error = problem.text(self.describe);
                    self.fail(&table.name, error);
                }
            }
        }
    }

    /// One run of a table; the obstacle, if no row may be removed.
    async fn clean_up(
        &mut self,
        look: &OutboxLook,
        table: &OutboxTable,
        rule: &CleanupRule,
    ) -> Result<Option<Obstacle>, Problem> {
        let mut is_empty = false;
        let mut found = self.obstacle(table, rule);
        if let Some(Obstacle::Incomplete) = found {
            is_empty = self.is_empty(look, table).await?;
            if is_empty
                && let Some(membership) = &table.membership
                && self.obstacle(table, rule) == Some(Obstacle::Incomplete)
            {
                self.state.outboxes.complete(table.oid, membership);
                found = None;
            }
        }
        if found.is_some() {
            return Ok(found);
        }
        if rule.existing
            && let Some(membership) = &table.membership
            && !self.state.outboxes.is_complete(table.oid, membership)
        {
            // It stays so once the setting is removed.
            self.state.outboxes.complete(table.oid, membership);
        }
        loop {
            // The checkpoint first: before it passes a change that is skipped, the state shows the quarantine.
            let checkpointed = self.state.positions.read().checkpointed;
            if let Some(obstacle) = self.obstacle(table, rule) {
                return Ok(Some(obstacle));
            }
            let Some(horizons) = self.horizons.get_mut(&table.name) else {
                return Ok(None);
            };
            horizons.deliver(checkpointed);
            let Some(horizon) = horizons.reached(Instant::now()) else {
                return Ok((!is_empty).then_some(Obstacle::Waiting));
            };
            let removal = Removal {
                table,
                action: &rule.action,
                horizon: horizon.min(look.horizon),
                keep: rule.keep,
                age_column: rule.age_column.as_deref(),
                limit: rule.batch_rows,
            };
            let removed = answered(self.tables.remove(&removal)).await?;
            self.count(&table.name, &removed);
            if let Some(code) = removed.prevented_by {
                return Ok(Some(Obstacle::ForeignCode(code)));
            }
            if !removed.has_more {
                return Ok(None);
            }
            let rows = u32::try_from(removed.rows).unwrap_or(u32::MAX);
            sleep(Duration::from_secs(1) * rows / rule.rows_per_second.max(1)).await;
        }
    }

    /// Whether a table without obstacle is empty, so that each row that it will have is delivered. A transaction that inserted a row
    /// before the table was published, and still runs, is waited for: its row is never sent, and is not seen before.
    async fn is_empty(&mut self, look: &OutboxLook, table: &OutboxTable) -> Result<bool, Problem> {
        match self.seen.next(table.oid) {
            Some(next) if next <= look.horizon => answered(self.tables.is_empty(table.oid)).await,
            Some(_) => Ok(false),
            None => {
                let next = answered(self.tables.next_transaction()).await?;
                self.seen.note_next(table.oid, next);
                Ok(false)
            }
        }
    }

    fn obstacle(&self, table: &OutboxTable, rule: &CleanupRule) -> Option<Obstacle> {
        obstacle(&self.state, &self.config, &self.seen, table, rule)
    }

    fn count(&self, table: &TableName, removed: &Removed) {
        if removed.rows == 0 && removed.partitions == 0 {
            return;
        }
        debug!(%table, rows = removed.rows, partitions = removed.partitions, "delivered rows of an outbox are cleaned up");
        self.state.outboxes.clean_up(table, |view| {
            view.rows += removed.rows;
            view.partitions += removed.partitions;
        });
    }

    fn succeed(&mut self, table: &TableName, waits_for: Option<Obstacle>) {
        // A run that waits does not show that the cause of an error is gone.
        let has_worked = waits_for.is_none();
        if has_worked && self.reported.remove(table).is_some() {
            info!(%table, "clean-up of the outbox works again");
        }
        self.state.outboxes.clean_up(table, |view| {
            view.last_run = Some(PgTimestamp::now());
            view.error = view.error.take().filter(|_| !has_worked);
            view.waits_for = waits_for.map(|obstacle| obstacle.to_string());
        });
    }

    /// Shows an error, and logs it once, until a run has none.
    fn fail(&mut self, table: &TableName, error: String) {
        if self.reported.get(table) != Some(&error) {
            warn!(%table, error, "the outbox cannot be cleaned up; its events are delivered, and clean-up is tried again");
            self.reported.insert(table.clone(), error.clone());
        }
        self.state.outboxes.clean_up(table, |view: &mut CleanupView| {
            view.errors += 1;
            view.error = Some(error);
        });
    }
}

/// Age that a horizon must have: that of the rows, unless a column has it.
fn sample_age(rule: &CleanupRule) -> Duration {
    match rule.age_column {
        Some(_) => Duration::ZERO,
        None => rule.keep,
    }
}

/// Failure of a run.
enum Problem {
    Port(BoxedPortError),
    Silence,
}

impl Problem {
    fn text(&self, describe: Describe) -> String {
        match self {
            Self::Port(fault) => describe.error(fault),
            Self::Silence => "the server does not answer".to_owned(),
        }
    }
}

async fn answered<A>(answer: impl Future<Output = Result<A, BoxedPortError>>) -> Result<A, Problem> {
    match timeout(ANSWER_TIMEOUT, answer).await {
        Ok(answer) => answer.map_err(Problem::Port),
        Err(_) => Err(Problem::Silence),
    }
}

#[cfg(test)]
mod tests;
