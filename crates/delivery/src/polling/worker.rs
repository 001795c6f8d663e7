//! Worker: publishes the events of a part of the keys, one Kafka transaction after another.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::debug;
use walcast_mapper::{ReadContext, RecordBuffer, SnapshotMarker, TableName};
use walcast_pgoutput::reader::Reader;
use walcast_pgoutput::{Lsn, Tid, Tuple};

use crate::clock;
use crate::encode::encode_error::EncodeError;
use crate::encode::tables::polled::{PolledEncoder, PolledPlan};
use crate::error::DeliveryError;
use crate::metrics::{ChangeLabels, Metrics};
use crate::polling::claim::{Claim, ClaimedRows, HashRange, PolledTable, RowKey};
use crate::ports::polled::{PolledClaims, PolledSink};
use crate::ports::registry::SchemaRegistry;
use crate::ports::topics::Topics;

/// Pause before rows are claimed again that wait for a running transaction. No notification comes at its end if it adds no row.
const GATE_PAUSE: Duration = Duration::from_millis(50);

/// Idle time after which a worker forgets its last claim in Kafka. Rows that are marked as unpublished by hand later, to be sent again,
/// would otherwise be marked by the next start.
const FORGET_AFTER: Duration = Duration::from_secs(10);

/// Outbox of a worker.
pub(super) struct Outbox<'a> {
    table: &'a PolledTable,
    plan: PolledPlan,
    range: HashRange,
}

impl<'a> Outbox<'a> {
    /// Outbox of the worker with this number; `None` if the outbox has fewer workers.
    pub(super) fn of(table: &'a PolledTable, worker: u32, plan: PolledPlan) -> Option<Self> {
        let of = table.rule.poll.workers;
        (worker < of).then_some(Self {
            table,
            plan,
            range: HashRange { number: worker, of },
        })
    }

    /// The outbox with all of its keys.
    pub(super) fn whole(self) -> Self {
        let range = HashRange { number: 0, of: 1 };
        Self { range, ..self }
    }
}

/// Worker, and the parts that only it uses.
pub(super) struct Worker<'a, C, S, T, R> {
    pub(super) outboxes: Vec<Outbox<'a>>,
    pub(super) claims: C,
    pub(super) sink: S,
    pub(super) encoder: PolledEncoder<'a, T, R>,
    pub(super) metrics: &'a Metrics,
    pub(super) woken: watch::Receiver<u64>,
    pub(super) interval: Duration,
}

/// Result of one attempt to publish the rows of an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// Rows were published, with this number of events.
    Published { events: u64 },
    /// Rows wait for a running transaction.
    Waiting,
    /// There are no rows.
    Nothing,
}

impl<C: PolledClaims, S: PolledSink, T: Topics, R: SchemaRegistry> Worker<'_, C, S, T, R> {
    /// Publishes rows until `stopped` is true. A Kafka transaction that has begun is completed, and its rows are marked.
    pub(super) async fn run(mut self, mut stopped: watch::Receiver<bool>) -> Result<(), DeliveryError> {
        let mut published_last: Option<Instant> = None;
        let mut batch = RecordBuffer::new();
        while !*stopped.borrow_and_update() {
            let mut best = Attempt::Nothing;
            for place in 0..self.outboxes.len() {
                match self.publish(place, &mut batch).await? {
                    published @ Attempt::Published { .. } => {
                        best = published;
                        published_last = Some(Instant::now());
                    }
                    Attempt::Waiting if best == Attempt::Nothing => best = Attempt::Waiting,
                    Attempt::Waiting | Attempt::Nothing => {}
                }
            }
            let pause = match best {
                Attempt::Published { .. } => continue,
                Attempt::Waiting => self.interval.min(GATE_PAUSE),
                Attempt::Nothing => self.interval,
            };
            if published_last.is_some_and(|last| last.elapsed() >= FORGET_AFTER) {
                self.forget_claim().await?;
                published_last = None;
            }
            tokio::select! {
                biased;
                _ = stopped.changed() => {}
                () = notified(&mut self.woken) => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        if published_last.is_some() {
            self.forget_claim().await?;
        }
        Ok(())
    }

    /// Publishes rows until there are none, and returns the producer and the number of events.
    pub(super) async fn drain(mut self) -> Result<(S, u64), DeliveryError> {
        let mut batch = RecordBuffer::new();
        let mut sent = 0;
        loop {
            let (mut has_published, mut is_waiting) = (false, false);
            for place in 0..self.outboxes.len() {
                match self.publish(place, &mut batch).await? {
                    Attempt::Published { events } => {
                        has_published = true;
                        sent += events;
                    }
                    Attempt::Waiting => is_waiting = true,
                    Attempt::Nothing => {}
                }
            }
            match (has_published, is_waiting) {
                (true, _) => {}
                (false, true) => tokio::time::sleep(GATE_PAUSE).await,
                (false, false) => return Ok((self.sink, sent)),
            }
        }
    }

    /// Stores that every event of this worker belongs to a marked row.
    async fn forget_claim(&mut self) -> Result<(), DeliveryError> {
        let stored = self.sink.commit(RecordBuffer::new(), &Claim::none()).await;
        stored.map(drop).map_err(DeliveryError::Sink)
    }

    /// Claims, publishes and marks the next rows of an outbox.
    async fn publish(&mut self, place: usize, batch: &mut RecordBuffer) -> Result<Attempt, DeliveryError> {
        let Some(outbox) = self.outboxes.get_mut(place) else {
            return Ok(Attempt::Nothing);
        };
        let claimed = self.claims.claim(outbox.table, outbox.range).await;
        let claimed = claimed.map_err(DeliveryError::Source)?;
        if claimed.rows.is_empty() {
            return Ok(match claimed.is_waiting {
                true => Attempt::Waiting,
                false => Attempt::Nothing,
            });
        }
        let table = outbox.table.name();
        let events = encode(&mut self.encoder, outbox, &claimed, batch).await?;
        let keys: Vec<RowKey> = claimed.rows.into_iter().map(|row| row.key).collect();
        let claim = Claim {
            table: outbox.table.relation.oid,
            name: table.clone(),
            keys,
        };
        let bytes = batch.len_bytes();
        let begun = Instant::now();
        *batch = self
            .sink
            .commit(std::mem::take(batch), &claim)
            .await
            .map_err(DeliveryError::Sink)?;
        self.metrics
            .kafka_commit_seconds
            .observe(begun.elapsed().as_secs_f64());
        // From here on a failure leaves rows that the next session marks, without sending their events again.
        let marked = self.claims.mark(outbox.table, &claim.keys).await;
        marked.map_err(DeliveryError::Source)?;
        debug!(relation = %table, rows = claim.keys.len(), bytes, range = outbox.range.number, "events of an outbox published");
        let labels = ChangeLabels {
            table: table.to_string(),
            operation: "insert",
        };
        self.metrics.changes.get_or_create(&labels).inc_by(events);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.metrics.produced_bytes.inc_by(bytes);
        Ok(Attempt::Published { events })
    }
}

/// Encodes the claimed rows and returns the number of events.
async fn encode<T: Topics, R: SchemaRegistry>(
    encoder: &mut PolledEncoder<'_, T, R>,
    outbox: &mut Outbox<'_>,
    claimed: &ClaimedRows,
    batch: &mut RecordBuffer,
) -> Result<u64, DeliveryError> {
    let mut events = 0;
    for row in &claimed.rows {
        let tuple = Tuple::read(&mut Reader::new(&row.tuple)).expect("the tuple was encoded by this program");
        let context = ReadContext {
            lsn: claimed.lsn,
            fixed_at: claimed.read_at,
            marker: SnapshotMarker::Row,
            row: row.id,
            processed_at_unix_nanos: clock::unix_nanos(),
        };
        let encoded = encoder.encode(&mut outbox.plan, tuple, &context, batch).await;
        let is_event =
            encoded.map_err(|fault| explain(&outbox.table.name(), row.id.tid, claimed.lsn, fault))?;
        events += u64::from(is_event);
    }
    Ok(events)
}

/// Waits for a notification. Without a sender none comes.
async fn notified(woken: &mut watch::Receiver<u64>) {
    if woken.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Error of a row.
fn explain(table: &TableName, row: Tid, lsn: Lsn, fault: EncodeError) -> DeliveryError {
    match fault {
        EncodeError::Edge(error) => error,
        EncodeError::Map(source) => DeliveryError::MapRow {
            table: table.clone(),
            row: Some(row),
            lsn,
            source: Box::new(source),
        },
        EncodeError::UnknownRelation
        | EncodeError::Refused(_)
        | EncodeError::RejectedTopic(_)
        | EncodeError::RefusedTopic(_)
        | EncodeError::Quarantined => DeliveryError::OutOfOrder {
            after: lsn,
            what: "a row of an outbox that was set aside",
        },
    }
}
