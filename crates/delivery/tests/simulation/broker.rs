//! The modelled broker: one log of records in transactions, the checkpoint among them, and fencing by epoch.

pub(crate) mod replays;

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::{Duration, Instant};
use walcast_delivery::{Checkpoint, CheckpointLog, CheckpointUpdate, KnownPartitions};
use walcast_mapper::RecordBuffer;
use walcast_pgoutput::Oid;

use self::replays::StoredReplay;
use crate::fault::SimFault;

/// State of a Kafka transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// A request to commit it is still in flight.
    Committing,
    Committed,
    Aborted,
}

/// The writer of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Connector,
    /// A replay, by its number.
    Replay(u64),
    /// Another program.
    Foreign,
}

/// A record on the broker.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) topic: String,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    /// Header `walcast.id`; empty in a record of another program.
    pub(crate) id: String,
    /// Headers of the context of the transaction.
    pub(crate) context: Vec<(String, String)>,
    /// Index of its Kafka transaction.
    pub(crate) transaction: usize,
    pub(crate) origin: Origin,
}

impl Stored {
    /// Key of the row; `None` if the record has none.
    pub(crate) fn row_id(&self) -> Option<i32> {
        // Zigzag encoding of Avro.
        let key = self.key.as_deref()?.get(PREFIX_BYTES)?;
        Some(i32::from(*key) / 2)
    }
}

/// A checkpoint on the broker.
pub(crate) struct StoredCheckpoint {
    transaction: usize,
    update: CheckpointUpdate,
    /// Time of the write.
    pub(crate) at: Instant,
}

impl StoredCheckpoint {
    pub(crate) fn checkpoint(&self) -> &Checkpoint {
        &self.update.current
    }
}

/// The instance and producer that began a Kafka transaction.
#[derive(Clone, Copy, Debug)]
struct Begun {
    by: &'static str,
    epoch: u64,
    /// Number of the replay; `None` for the connector, whose transactional id is another one.
    replay: Option<u64>,
}

/// A halt of a process.
#[derive(Clone, Copy, Debug)]
struct Halted {
    instance: &'static str,
    /// Number of Kafka transactions begun before.
    transactions: usize,
    /// Epoch of the newest producer.
    epoch: u64,
}

/// The broker's state.
pub(crate) struct Broker {
    pub(crate) is_unavailable: bool,
    pub(crate) epoch: u64,
    /// Epoch of a producer whose transaction timed out: it may reconnect, and is not fenced.
    timed_out: Option<u64>,
    topics: BTreeSet<String>,
    /// Records in the order of writing, of all topics except heartbeats.
    records: Vec<Stored>,
    transactions: Vec<State>,
    /// The beginnings of `transactions`, in the same order.
    begun: Vec<Begun>,
    halted: Vec<Halted>,
    /// The only transaction that may be open, and its start.
    current: Option<(usize, Instant)>,
    checkpoints: Vec<StoredCheckpoint>,
    /// Epochs of the producers of replays, by number.
    replay_epochs: BTreeMap<u64, u64>,
    /// The topic of replays.
    replays: Vec<StoredReplay>,
    transaction_timeout: Duration,
}

/// Size of the registry's prefix before the value of a key.
const PREFIX_BYTES: usize = 5;

/// The topic of heartbeats, whose records have no identity.
const HEARTBEATS: &str = "__debezium-heartbeat.shop";

impl Broker {
    pub(crate) fn new(transaction_timeout: Duration) -> Self {
        Self {
            is_unavailable: false,
            epoch: 0,
            timed_out: None,
            topics: BTreeSet::new(),
            records: Vec::new(),
            transactions: Vec::new(),
            begun: Vec::new(),
            halted: Vec::new(),
            current: None,
            checkpoints: Vec::new(),
            replay_epochs: BTreeMap::new(),
            replays: Vec::new(),
            transaction_timeout,
        }
    }

    /// Records of the connector that a read_committed consumer of all topics sees: up to its first open transaction.
    pub(crate) fn visible(&self) -> impl Iterator<Item = &Stored> {
        let of_connector = self.records.iter();
        of_connector
            .filter(|record| record.origin == Origin::Connector)
            .take_while(|record| !self.is_open(record.transaction))
            .filter(|record| self.is_committed(record.transaction))
    }

    fn is_open(&self, transaction: usize) -> bool {
        let state = self.transactions.get(transaction);
        matches!(state, Some(State::Open | State::Committing))
    }

    /// Records the halt of a process.
    pub(crate) fn record_halt(&mut self, instance: &'static str) {
        self.halted.push(Halted {
            instance,
            transactions: self.transactions.len(),
            epoch: self.epoch,
        });
    }

    /// Number of Kafka transactions begun after a halt and committed, by the halted instance or by a later producer. A producer
    /// that existed at the halt may write the changes it has streamed until it is fenced.
    pub(crate) fn commits_after_halt(&self) -> usize {
        let is_late = |index: usize, begun: Begun| {
            begun.replay.is_none()
                && self.halted.iter().any(|halted| {
                    index >= halted.transactions
                        && (begun.by == halted.instance || begun.epoch > halted.epoch)
                })
        };
        let begun = self.begun.iter().enumerate();
        let late = begun.filter(|(index, begun)| self.is_committed(*index) && is_late(*index, **begun));
        late.count()
    }

    fn is_committed(&self, transaction: usize) -> bool {
        self.transactions.get(transaction) == Some(&State::Committed)
    }

    /// The checkpoint topic as compaction would leave it.
    pub(crate) fn checkpoint_log(&self) -> CheckpointLog {
        let mut history = BTreeMap::new();
        let mut schemas = BTreeMap::new();
        for update in self.committed_checkpoints().map(|stored| &stored.update) {
            for lsn in &update.expired {
                history.remove(lsn);
            }
            if update.enters_history {
                history.insert(update.current.end_lsn, &update.current);
            }
            for (table, schema) in &update.schemas {
                match schema {
                    Some(schema) => schemas.insert(*table, schema.clone()),
                    None => schemas.remove(table),
                };
            }
        }
        CheckpointLog {
            current: self.checkpoint().cloned(),
            history: history.into_iter().map(|(lsn, one)| (lsn, one.clone())).collect(),
            known_tables: self.known_tables().cloned(),
            restrictions: self
                .committed_checkpoints()
                .rev()
                .find_map(|stored| stored.update.restrictions.clone()),
            schemas,
            partitions: self.known_partitions(),
            // The simulation has no rows that cannot be delivered.
            quarantines: BTreeMap::new(),
            polled_by: BTreeSet::new(),
        }
    }

    /// The current checkpoint.
    pub(crate) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.committed_checkpoints()
            .next_back()
            .map(StoredCheckpoint::checkpoint)
    }

    /// The partitions recorded last.
    pub(crate) fn known_partitions(&self) -> KnownPartitions {
        let mut known = KnownPartitions::new();
        for stored in self.committed_checkpoints() {
            for (oid, partition) in &stored.update.partitions {
                match partition {
                    Some(partition) => known.insert(*oid, partition.clone()),
                    None => known.remove(oid),
                };
            }
        }
        known
    }

    /// The captured tables recorded last.
    pub(crate) fn known_tables(&self) -> Option<&BTreeSet<Oid>> {
        let mut newest_first = self.committed_checkpoints().rev();
        newest_first.find_map(|stored| stored.update.known_tables.as_ref())
    }

    /// All committed checkpoints, oldest first.
    pub(crate) fn committed_checkpoints(&self) -> impl DoubleEndedIterator<Item = &StoredCheckpoint> {
        let stored = self.checkpoints.iter();
        stored.filter(|stored| self.is_committed(stored.transaction))
    }

    pub(crate) fn ensure_topic(&mut self, topic: &str) {
        self.topics.insert(topic.to_owned());
    }

    /// `init_transactions`: settles a commit in flight, aborts an open transaction, and fences earlier producers.
    pub(crate) fn fence(&mut self, commit_arrived: bool) -> u64 {
        self.settle(None, commit_arrived);
        self.end_open(None);
        self.epoch += 1;
        self.timed_out = None;
        self.epoch
    }

    /// Checks that the producer may continue; the broker aborts a transaction that has timed out.
    pub(crate) fn admit(&mut self, epoch: u64, transaction: Option<usize>) -> Result<(), SimFault> {
        if epoch != self.epoch {
            if self.timed_out == Some(epoch) {
                return Err(SimFault::Transient("the broker timed the transaction out"));
            }
            return Err(SimFault::Fenced);
        }
        if let Some((current, begun)) = self.current
            && self.transactions.get(current) == Some(&State::Open)
            && begun.elapsed() >= self.transaction_timeout
        {
            self.end_open(None);
            self.timed_out = Some(self.epoch);
            self.epoch += 1;
            return Err(SimFault::Transient("the broker timed the transaction out"));
        }
        let is_known = transaction.is_none_or(|index| self.transactions.get(index) == Some(&State::Open));
        if is_known {
            Ok(())
        } else {
            Err(SimFault::Transient("the transaction is not open any more"))
        }
    }

    pub(crate) fn begin(&mut self, by: &'static str) -> usize {
        let index = self.push_transaction(Begun {
            by,
            epoch: self.epoch,
            replay: None,
        });
        self.current = Some((index, Instant::now()));
        index
    }

    fn push_transaction(&mut self, begun: Begun) -> usize {
        self.transactions.push(State::Open);
        self.begun.push(begun);
        self.transactions.len() - 1
    }

    /// Stores records in the order of writing.
    pub(crate) fn write(&mut self, transaction: usize, batch: &RecordBuffer) {
        for record in batch.records() {
            assert!(
                self.topics.contains(record.topic),
                "topic {} does not exist",
                record.topic
            );
            if record.topic == HEARTBEATS {
                continue;
            }
            let id = record.headers().find(|header| header.name == "walcast.id");
            let id = id
                .and_then(|header| header.value)
                .expect("every record has an identity");
            let context = record
                .headers()
                .filter(|header| header.name.starts_with("walcast.context"));
            let context = context.map(|header| {
                let value = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
                (header.name.to_owned(), value)
            });
            self.records.push(Stored {
                topic: record.topic.to_owned(),
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                id: String::from_utf8(id.to_vec()).expect("identities are text"),
                context: context.collect(),
                transaction,
                origin: Origin::Connector,
            });
        }
    }

    /// Stores a checkpoint as part of a transaction.
    pub(crate) fn store(&mut self, transaction: usize, update: &CheckpointUpdate) {
        let json = serde_json::to_vec(&update.current).expect("checkpoints are JSON");
        let current = serde_json::from_slice(&json).expect("a stored checkpoint can be read");
        let update = CheckpointUpdate {
            current,
            ..update.clone()
        };
        self.checkpoints.push(StoredCheckpoint {
            transaction,
            update,
            at: Instant::now(),
        });
    }

    pub(crate) fn end(&mut self, transaction: usize, state: State) {
        if let Some(found) = self.transactions.get_mut(transaction) {
            *found = state;
        }
    }

    /// Settles a commit of a producer whose request was in flight when its client abandoned it.
    fn settle(&mut self, replay: Option<u64>, commit_arrived: bool) {
        let outcome = if commit_arrived {
            State::Committed
        } else {
            State::Aborted
        };
        self.end_all(replay, State::Committing, outcome);
    }

    /// Aborts the open transactions of a producer.
    fn end_open(&mut self, replay: Option<u64>) {
        self.end_all(replay, State::Open, State::Aborted);
    }

    fn end_all(&mut self, replay: Option<u64>, from: State, to: State) {
        for (state, begun) in self.transactions.iter_mut().zip(&self.begun) {
            if *state == from && begun.replay == replay {
                *state = to;
            }
        }
    }
}
