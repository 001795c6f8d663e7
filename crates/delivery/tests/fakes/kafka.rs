//! The modelled broker: one log of records in transactions, the checkpoint among them, and fencing by epoch.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use walcast_delivery::{
    BoxedPortError, Checkpoint, CheckpointLog, CheckpointStore, CheckpointUpdate, Detail, Disposition,
    PortError, Sink, Topics,
};
use walcast_mapper::dead_letter::DeadLetterReason;
use walcast_mapper::{RecordBuffer, RecordLimits};
use walcast_pgoutput::Lsn;

use super::script::{Act, Script, Scripted, TestFault, perform};
use super::steps::Steps;
use super::world::DEAD_LETTERS;

/// A call to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KafkaCall {
    PeekCheckpoint,
    ReadCheckpoint,
    Open,
    Write,
    Commit,
    Abort,
    EnsureTopic,
    HasRecords,
    Limits,
    IsCompacted,
}

/// How a Kafka transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Open,
    Committed,
    Aborted,
}

/// A record on the broker.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) topic: String,
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    /// Header `walcast.id`.
    pub(crate) id: String,
    /// Headers of the context of the transaction.
    pub(crate) context: Vec<(String, String)>,
    /// Index of its Kafka transaction.
    pub(crate) transaction: usize,
}

impl Stored {
    /// Whether the record is of a row that was read from its table.
    pub(crate) fn is_read(&self) -> bool {
        self.id.ends_with(')')
    }
}

/// The topic of heartbeats, whose records have no identity.
const HEARTBEATS: &str = "__debezium-heartbeat.shop";

/// The topic of notifications, whose records have no identity.
pub(crate) const NOTIFICATIONS: &str = "shop.notifications";

/// The broker's state.
#[derive(Default)]
pub(crate) struct Broker {
    pub(crate) script: Script<KafkaCall>,
    topics: BTreeSet<String>,
    /// Records in the order of writing, of all topics except heartbeats and notifications.
    records: Vec<Stored>,
    /// The transactions of the heartbeats.
    heartbeats: Vec<usize>,
    /// Every Kafka transaction that was begun.
    transactions: Vec<Outcome>,
    /// Checkpoints, each with its transaction.
    checkpoints: Vec<(usize, CheckpointUpdate)>,
    epoch: u64,
    /// Size of key and value above which a record is rejected.
    pub(crate) record_bytes_max: Option<usize>,
    /// Topics that take no record without a key.
    pub(crate) compacted: BTreeSet<String>,
    /// Whether clients cannot see which topics are compacted.
    pub(crate) hides_compaction: bool,
    /// The limit that the broker reports to clients.
    pub(crate) reported_bytes_max: Option<usize>,
}

/// A record is rejected.
#[derive(Debug, thiserror::Error)]
#[error("record {id} is rejected: {reason:?}")]
struct RecordRejected {
    id: String,
    reason: DeadLetterReason,
}

impl PortError for RecordRejected {
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn detail(&self) -> Option<Detail<'_>> {
        Some(Detail::RejectedRecord {
            id: &self.id,
            reason: self.reason,
        })
    }
}

impl Scripted for Broker {
    type Call = KafkaCall;

    fn script(&mut self) -> &mut Script<KafkaCall> {
        &mut self.script
    }
}

impl Broker {
    /// Records that a read_committed consumer of all topics sees, except rows that were read and tombstones of dead letters.
    pub(crate) fn committed(&self) -> impl Iterator<Item = &Stored> {
        let is_committed =
            |record: &&Stored| self.transactions.get(record.transaction) == Some(&Outcome::Committed);
        self.records
            .iter()
            .filter(is_committed)
            .filter(|record| !record.is_read())
            .filter(|record| record.value.is_some() || record.topic != DEAD_LETTERS)
    }

    /// Records of rows that were read from their tables, and of changes, that a read_committed consumer sees.
    pub(crate) fn committed_with_reads(&self) -> impl Iterator<Item = &Stored> {
        let is_committed =
            |record: &&Stored| self.transactions.get(record.transaction) == Some(&Outcome::Committed);
        self.records.iter().filter(is_committed)
    }

    /// Checkpoints in committed transactions, with their transaction.
    pub(crate) fn checkpoints(&self) -> impl Iterator<Item = &(usize, CheckpointUpdate)> {
        let is_committed = |update: &&(usize, CheckpointUpdate)| {
            self.transactions.get(update.0) == Some(&Outcome::Committed)
        };
        self.checkpoints.iter().filter(is_committed)
    }

    /// Heartbeats in committed transactions.
    pub(crate) fn heartbeats(&self) -> usize {
        let is_committed =
            |transaction: &&usize| self.transactions.get(**transaction) == Some(&Outcome::Committed);
        self.heartbeats.iter().filter(is_committed).count()
    }

    /// How Kafka's transactions ended.
    pub(crate) fn transactions(&self) -> &[Outcome] {
        &self.transactions
    }

    /// The checkpoint topic as compaction would leave it.
    pub(crate) fn checkpoint_log(&self) -> CheckpointLog {
        let mut log = CheckpointLog::default();
        for (_, update) in self.checkpoints() {
            for lsn in &update.expired {
                log.history.remove(lsn);
            }
            if update.enters_history {
                log.history.insert(update.current.end_lsn, update.current.clone());
            }
            log.current = Some(update.current.clone());
            log.known_tables = update.known_tables.clone().or(log.known_tables);
            log.restrictions = update.restrictions.clone().or(log.restrictions);
            for (table, history) in &update.schemas {
                match history {
                    Some(history) => log.schemas.insert(*table, history.clone()),
                    None => log.schemas.remove(table),
                };
            }
            for (oid, partition) in &update.partitions {
                match partition {
                    Some(partition) => log.partitions.insert(*oid, partition.clone()),
                    None => log.partitions.remove(oid),
                };
            }
            for (oid, quarantine) in &update.quarantines {
                match quarantine {
                    Some(quarantine) => log.quarantines.insert(*oid, quarantine.clone()),
                    None => log.quarantines.remove(oid),
                };
            }
        }
        log
    }

    /// Writes a checkpoint in a transaction of its own, as a stopped connector's commands do.
    pub(crate) fn put_checkpoint(&mut self, update: CheckpointUpdate) {
        self.transactions.push(Outcome::Committed);
        self.checkpoints.push((self.transactions.len() - 1, update));
    }

    /// Loses the checkpoint topic.
    pub(crate) fn lose_checkpoints(&mut self) {
        self.checkpoints.clear();
    }

    fn begin(&mut self) -> usize {
        self.transactions.push(Outcome::Open);
        self.transactions.len() - 1
    }

    fn end(&mut self, transaction: usize, outcome: Outcome) {
        let state = self
            .transactions
            .get_mut(transaction)
            .expect("transactions are never removed");
        assert_eq!(
            *state,
            Outcome::Open,
            "Kafka transaction {transaction} ends twice"
        );
        *state = outcome;
    }

    fn write(&mut self, transaction: usize, batch: &RecordBuffer) -> Result<(), RecordRejected> {
        for record in batch.records() {
            assert!(
                self.topics.contains(record.topic),
                "topic {} does not exist",
                record.topic
            );
            if record.topic == HEARTBEATS {
                self.heartbeats.push(transaction);
                continue;
            }
            if record.topic == NOTIFICATIONS {
                continue;
            }
            let id = record.headers().find(|header| header.name == "walcast.id");
            let id = id
                .and_then(|header| header.value)
                .expect("every record has an identity");
            let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
            let is_large = self.record_bytes_max.is_some_and(|max| bytes > max);
            let lacks_key = record.key.is_none() && self.compacted.contains(record.topic);
            if is_large || lacks_key {
                return Err(RecordRejected {
                    id: String::from_utf8_lossy(id).into_owned(),
                    reason: if is_large {
                        DeadLetterReason::Size
                    } else {
                        DeadLetterReason::Mapping
                    },
                });
            }
            let context = record
                .headers()
                .filter(|header| header.name.starts_with("walcast.context"));
            let context = context.map(|header| {
                let value = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
                (header.name.to_owned(), value)
            });
            self.records.push(Stored {
                topic: record.topic.to_owned(),
                partition: record.partition,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                id: String::from_utf8(id.to_vec()).expect("identities are text"),
                context: context.collect(),
                transaction,
            });
        }
        Ok(())
    }
}

/// A handle to the broker.
#[derive(Clone)]
pub(crate) struct Kafka {
    pub(crate) broker: Rc<RefCell<Broker>>,
    pub(crate) steps: Steps,
}

impl Kafka {
    pub(crate) fn new(steps: Steps) -> Self {
        Self {
            broker: Rc::default(),
            steps,
        }
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Broker) -> T) -> T {
        read(&self.broker.borrow())
    }

    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut Broker) -> T) -> T {
        let out = edit(&mut self.broker.borrow_mut());
        self.steps.changed();
        out
    }

    /// Plans the failure of the `nth` call of this kind from now on; 1 is the next.
    pub(crate) fn fail(&self, call: KafkaCall, nth: usize, fault: TestFault) {
        self.edit(|broker| broker.script.at(call, nth, Act::Fail(fault)));
    }

    /// Number of calls of one kind.
    pub(crate) fn count(&self, call: KafkaCall) -> usize {
        self.read(|broker| broker.script.count(call))
    }

    pub(crate) fn checkpoint(&self) -> Option<Checkpoint> {
        self.read(|broker| broker.checkpoint_log().current)
    }

    /// The committed checkpoint's position, `0/0` before the first.
    pub(crate) fn checkpointed(&self) -> Lsn {
        self.checkpoint()
            .map_or(Lsn::INVALID, |checkpoint| checkpoint.end_lsn)
    }

    pub(crate) fn sink(&self) -> SinkClient {
        SinkClient {
            kafka: self.clone(),
            epoch: 0,
            transaction: None,
        }
    }

    pub(crate) fn checkpoints(&self) -> CheckpointClient {
        CheckpointClient(self.clone())
    }

    pub(crate) fn topics(&self) -> TopicsClient {
        TopicsClient(self.clone())
    }
}

/// One instance's producer.
pub(crate) struct SinkClient {
    kafka: Kafka,
    epoch: u64,
    transaction: Option<usize>,
}

impl SinkClient {
    async fn call<T>(
        kafka: &Kafka,
        epoch: u64,
        call: KafkaCall,
        effect: impl FnOnce(&mut Broker) -> Result<T, TestFault>,
    ) -> Result<T, BoxedPortError> {
        perform(&kafka.broker, &kafka.steps, call, |broker| {
            if broker.epoch != epoch {
                return Err(TestFault::fenced());
            }
            effect(broker)
        })
        .await
    }
}

/// A reader of the checkpoint topic.
pub(crate) struct CheckpointClient(Kafka);

impl CheckpointClient {
    async fn log(&self, call: KafkaCall) -> Result<CheckpointLog, BoxedPortError> {
        perform(&self.0.broker, &self.0.steps, call, |broker| {
            Ok(broker.checkpoint_log())
        })
        .await
    }
}

impl CheckpointStore for CheckpointClient {
    async fn peek(&self) -> Result<CheckpointLog, BoxedPortError> {
        self.log(KafkaCall::PeekCheckpoint).await
    }

    async fn read(&self) -> Result<CheckpointLog, BoxedPortError> {
        self.log(KafkaCall::ReadCheckpoint).await
    }
}

impl Sink for SinkClient {
    async fn open(&mut self) -> Result<CheckpointLog, BoxedPortError> {
        let (epoch, transaction) = (&mut self.epoch, &mut self.transaction);
        perform(&self.kafka.broker, &self.kafka.steps, KafkaCall::Open, |broker| {
            broker.epoch += 1;
            *epoch = broker.epoch;
            *transaction = None;
            for state in &mut broker.transactions {
                if *state == Outcome::Open {
                    *state = Outcome::Aborted;
                }
            }
            Ok(broker.checkpoint_log())
        })
        .await
    }

    async fn write(&mut self, mut batch: RecordBuffer) -> Result<RecordBuffer, BoxedPortError> {
        let transaction = &mut self.transaction;
        let written = Self::call(&self.kafka, self.epoch, KafkaCall::Write, |broker| {
            let transaction = *transaction.get_or_insert_with(|| broker.begin());
            Ok(broker.write(transaction, &batch))
        });
        written.await?.map_err(BoxedPortError::from)?;
        batch.clear(usize::MAX);
        Ok(batch)
    }

    async fn commit(&mut self, update: &CheckpointUpdate) -> Result<(), BoxedPortError> {
        let transaction = &mut self.transaction;
        Self::call(&self.kafka, self.epoch, KafkaCall::Commit, |broker| {
            let transaction = transaction.take().unwrap_or_else(|| broker.begin());
            let stored = CheckpointUpdate {
                current: stored(&update.current),
                ..update.clone()
            };
            broker.checkpoints.push((transaction, stored));
            broker.end(transaction, Outcome::Committed);
            Ok(())
        })
        .await
    }

    async fn abort(&mut self) -> Result<(), BoxedPortError> {
        let transaction = &mut self.transaction;
        Self::call(&self.kafka, self.epoch, KafkaCall::Abort, |broker| {
            if let Some(transaction) = transaction.take() {
                broker.end(transaction, Outcome::Aborted);
            }
            Ok(())
        })
        .await
    }
}

/// The checkpoint as it is read back from its stored form.
fn stored(checkpoint: &Checkpoint) -> Checkpoint {
    let json = serde_json::to_vec(checkpoint).expect("checkpoints are JSON");
    serde_json::from_slice(&json).expect("a stored checkpoint can be read")
}

/// The broker's topics, as a port.
pub(crate) struct TopicsClient(Kafka);

impl Topics for TopicsClient {
    // The fake has no client-side cache.
    fn forget(&mut self) {}

    async fn ensure(&mut self, topic: &str) -> Result<(), BoxedPortError> {
        perform(&self.0.broker, &self.0.steps, KafkaCall::EnsureTopic, |broker| {
            broker.topics.insert(topic.to_owned());
            Ok(())
        })
        .await
    }

    async fn ensure_dead_letters(&mut self, topic: &str) -> Result<(), BoxedPortError> {
        self.ensure(topic).await
    }

    async fn has_records(&mut self, topic: &str) -> Result<bool, BoxedPortError> {
        perform(&self.0.broker, &self.0.steps, KafkaCall::HasRecords, |broker| {
            Ok(broker.records.iter().any(|record| record.topic == topic))
        })
        .await
    }

    async fn limits(&mut self, _: &str) -> Result<RecordLimits, BoxedPortError> {
        perform(&self.0.broker, &self.0.steps, KafkaCall::Limits, |broker| {
            Ok(RecordLimits {
                key_and_value: broker.reported_bytes_max.unwrap_or(usize::MAX),
                whole: usize::MAX,
                taken: broker.record_bytes_max.unwrap_or(1_000_000),
            })
        })
        .await
    }

    // Every topic has the partitions that rows name.
    async fn partitions(&mut self, _: &str) -> Result<i32, BoxedPortError> {
        Ok(i32::MAX)
    }

    async fn is_compacted(&mut self, topic: &str) -> Result<bool, BoxedPortError> {
        perform(&self.0.broker, &self.0.steps, KafkaCall::IsCompacted, |broker| {
            Ok(broker.compacted.contains(topic) && !broker.hides_compaction)
        })
        .await
    }
}
