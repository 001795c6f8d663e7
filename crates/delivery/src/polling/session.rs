//! One session: leadership, the rows that Kafka has already, then the workers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};
use walcast_mapper::{MapperConfig, RecordBuffer};
use walcast_pgoutput::Lsn;

use crate::config::DeliveryConfig;
use crate::describe::Describe;
use crate::encode::dead_letters::rejected_changes::RejectedChanges;
use crate::encode::dead_letters::writer::DeadLetters;
use crate::encode::registrar::Registrar;
use crate::encode::tables::polled::PolledEncoder;
use crate::error::DeliveryError;
use crate::metrics::Metrics;
use crate::polling::claim::{Claim, PolledTable};
use crate::polling::together::{Boxed, all};
use crate::polling::worker::{Outbox, Worker};
use crate::port_error::Detail;
use crate::ports::polled::{PolledSink, PolledSource, PolledTarget};
use crate::ports::registry::SchemaRegistry;
use crate::ports::topics::Topics;
use crate::session::status::Status;
use crate::state::ConnectorState;
use crate::state::role::Role;

/// Time after which an instance that does not lead yet is a standby.
const STANDBY_AFTER: Duration = Duration::from_secs(2);

/// Interval between two samples of the backlog.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(2);

/// Ports and shared state of one session.
pub(super) struct Session<'a, P, K, T, R> {
    pub(super) source: &'a mut P,
    pub(super) target: &'a mut K,
    pub(super) ports: &'a mut [(T, R)],
    pub(super) mapper: &'a MapperConfig,
    pub(super) config: &'a DeliveryConfig,
    pub(super) metrics: &'a Metrics,
    pub(super) state: &'a ConnectorState,
    pub(super) describe: Describe,
    pub(super) stopped: watch::Receiver<bool>,
    /// Whether the instance was a standby, or published, since the session began.
    pub(super) lasted: &'a mut bool,
}

impl<P: PolledSource, K: PolledTarget, T: Topics, R: SchemaRegistry> Session<'_, P, K, T, R> {
    /// Publishes until the connector is stopped.
    pub(super) async fn run(mut self) -> Result<(), DeliveryError> {
        if !self.lead().await? {
            return Ok(());
        }
        let tables = self.source.tables().await.map_err(DeliveryError::Source)?;
        let workers = u32::try_from(self.ports.len()).unwrap_or(u32::MAX);
        let sinks = self.take_over(&tables, workers).await?;
        let rejected = RejectedChanges::default();
        let source = &*self.source;
        let mut running: Vec<Boxed<'_, DeliveryError>> = Vec::new();
        for ((number, sink), (topics, registry)) in sinks.into_iter().zip(self.ports.iter_mut()) {
            topics.forget();
            registry.forget();
            let registrar = Registrar::new(topics, registry, self.config.on_incompatible);
            let dead_letters = &self.config.dead_letters;
            let letters = DeadLetters::new(dead_letters, self.mapper, self.metrics, &rejected, self.describe)
                .reporting_to(self.state.dead_letters.clone());
            let encoder = PolledEncoder::new(registrar, self.mapper, letters);
            let mut outboxes = Vec::new();
            for table in &tables {
                let plan = encoder.plan(table).map_err(|source| DeliveryError::MapRow {
                    table: table.name(),
                    row: None,
                    lsn: Lsn::INVALID,
                    source: Box::new(source),
                })?;
                outboxes.extend(Outbox::of(table, number, plan));
            }
            let worker = Worker {
                outboxes,
                claims: source.claims().await.map_err(DeliveryError::Source)?,
                sink,
                encoder,
                metrics: self.metrics,
                woken: source.woken(),
                interval: interval(&tables),
            };
            running.push(Box::pin(worker.run(self.stopped.clone())));
        }
        info!(outboxes = tables.len(), workers, "polling outboxes");
        *self.lasted = true;
        self.state.status.set(Status::Streaming);
        tokio::select! {
            biased;
            ended = all(running) => ended,
            lost = source.lost() => Err(DeliveryError::Source(lost)),
            never = Box::pin(source.listen()) => match never {},
            failed = observe(source, &tables, self.state, self.describe) => Err(failed),
        }
    }

    /// Waits for leadership; false if the connector is stopped before.
    async fn lead(&mut self) -> Result<bool, DeliveryError> {
        let mut stopped = self.stopped.clone();
        let mut leading = std::pin::pin!(self.source.acquire_leadership());
        let mut is_standby = false;
        loop {
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return Ok(false),
                led = &mut leading => {
                    led.map_err(DeliveryError::Source)?;
                    self.state.status.set(Status::Connecting);
                    self.state.role.set(Role::Leader);
                    return Ok(true);
                }
                () = tokio::time::sleep(STANDBY_AFTER), if !is_standby => {
                    is_standby = true;
                    *self.lasted = true;
                    self.state.status.set(Status::Standby);
                    self.state.role.set(Role::Standby);
                }
            }
        }
    }

    /// Fences every worker that ever published, this number of workers at least, and marks the rows whose events they have made durable.
    /// Returns the producers of the workers by number.
    async fn take_over(
        &mut self,
        tables: &[PolledTable],
        workers: u32,
    ) -> Result<BTreeMap<u32, K::Sink>, DeliveryError> {
        let mut sinks = BTreeMap::new();
        // A process that was killed has left transactions open. They end with the fences, and the claims can be read only then.
        for number in 0..workers {
            let sink = self.target.open(number).await.map_err(DeliveryError::Sink)?;
            sinks.insert(number, sink);
        }
        let mut claims = self.target.claims().await.map_err(DeliveryError::Sink)?;
        let further: Vec<u32> = claims.range(workers..).map(|(number, _)| *number).collect();
        if !further.is_empty() {
            for number in further {
                let sink = self.target.open(number).await.map_err(DeliveryError::Sink)?;
                sinks.insert(number, sink);
            }
            claims = self.target.claims().await.map_err(DeliveryError::Sink)?;
        }
        for claim in claims.values().filter(|claim| !claim.keys.is_empty()) {
            self.mark(tables, claim).await?;
        }
        // The greatest number first: once worker 0 is known to be not fenced, each worker has a claim, by which an instance with fewer
        // workers finds all that it has to fence.
        for sink in sinks.values_mut().rev() {
            let stored = sink.commit(RecordBuffer::new(), &Claim::none()).await;
            drop(stored.map_err(DeliveryError::Sink)?);
        }
        sinks.retain(|number, _| *number < workers);
        Ok(sinks)
    }

    async fn mark(&self, tables: &[PolledTable], claim: &Claim) -> Result<(), DeliveryError> {
        let Some(table) = tables.iter().find(|table| table.relation.oid == claim.table) else {
            warn!(
                relation = %claim.name,
                rows = claim.keys.len(),
                "the last events of an outbox are in Kafka, and their rows are not marked, because the outbox is not polled any more or was \
                 created again; if it is polled again, they are sent again"
            );
            return Ok(());
        };
        let marked = self.source.mark(table, &claim.keys).await;
        let marked = marked.map_err(DeliveryError::Source)?;
        if marked > 0 {
            info!(
                relation = %table.name(),
                rows = marked,
                "rows marked whose events were in Kafka when the session before ended"
            );
        }
        Ok(())
    }
}

/// Shortest interval of the outboxes. An outbox that is polled more often than it asks for costs a query.
fn interval(tables: &[PolledTable]) -> Duration {
    let intervals = tables.iter().map(|table| table.rule.poll.interval);
    intervals.min().unwrap_or_default()
}

/// Samples the backlogs until the session ends. A statement that the server rejects, or cancels because it takes too long, costs figures
/// and no events.
async fn observe<P: PolledSource>(
    source: &P,
    tables: &[PolledTable],
    state: &ConnectorState,
    describe: Describe,
) -> DeliveryError {
    let mut unknown = BTreeSet::new();
    loop {
        for table in tables {
            let name = table.name();
            let error = match source.backlog(table).await {
                Ok(backlog) => {
                    unknown.remove(&name);
                    state.backlog.set(name, backlog);
                    continue;
                }
                Err(error) => DeliveryError::Source(error),
            };
            if !matches!(
                error.detail(),
                Some(Detail::StatementRejected | Detail::RowsUnreadable)
            ) {
                return error;
            }
            state.backlog.forget(&name);
            if unknown.insert(name) {
                let error = describe.error(&error);
                warn!(relation = %table.name(), error, "the backlog of an outbox is not known");
            }
        }
        tokio::time::sleep(SAMPLE_INTERVAL).await;
    }
}
