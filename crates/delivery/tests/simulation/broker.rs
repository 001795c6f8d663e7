//! The modelled broker: one log of records in transactions, the checkpoint among them, and fencing by epoch.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::{Duration, Instant};
use walcast_delivery::{Checkpoint, CheckpointLog, CheckpointUpdate};
use walcast_mapper::Batch;
use walcast_pgoutput::Oid;

use crate::fault::SimFault;

/// How a Kafka transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// It was asked to be committed by a request that is still on its way.
    Committing,
    Committed,
    Aborted,
}

/// A record on the broker.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) topic: String,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    /// Header `walcast.id`.
    pub(crate) id: String,
    /// The Kafka transaction it lies in, an index.
    pub(crate) transaction: usize,
}

/// A checkpoint on the broker.
pub(crate) struct StoredCheckpoint {
    transaction: usize,
    update: CheckpointUpdate,
    /// When it was written.
    pub(crate) at: Instant,
}

impl StoredCheckpoint {
    pub(crate) fn checkpoint(&self) -> &Checkpoint {
        &self.update.current
    }
}

/// Who began a Kafka transaction.
#[derive(Clone, Copy, Debug)]
struct Begun {
    by: &'static str,
    epoch: u64,
}

/// A process halted.
#[derive(Clone, Copy, Debug)]
struct Halted {
    who: &'static str,
    /// How many Kafka transactions had been begun.
    transactions: usize,
    /// The epoch of the producer that was made last.
    epoch: u64,
}

/// The broker's state.
pub(crate) struct Broker {
    pub(crate) is_away: bool,
    pub(crate) epoch: u64,
    /// The epoch of a producer whose transaction outlasted its time: it may come back, and is no zombie.
    timed_out: Option<u64>,
    topics: BTreeSet<String>,
    /// In the order in which they were written, over all topics but that of heartbeats.
    records: Vec<Stored>,
    transactions: Vec<State>,
    /// As many, in the same order.
    begun: Vec<Begun>,
    halted: Vec<Halted>,
    /// The one transaction that may be open, and since when.
    current: Option<(usize, Instant)>,
    checkpoints: Vec<StoredCheckpoint>,
    transaction_timeout: Duration,
}

/// The topic of heartbeats, which have no identity.
const HEARTBEATS: &str = "__debezium-heartbeat.shop";

impl Broker {
    pub(crate) fn new(transaction_timeout: Duration) -> Self {
        Self {
            is_away: false,
            epoch: 0,
            timed_out: None,
            topics: BTreeSet::new(),
            records: Vec::new(),
            transactions: Vec::new(),
            begun: Vec::new(),
            halted: Vec::new(),
            current: None,
            checkpoints: Vec::new(),
            transaction_timeout,
        }
    }

    /// What a read_committed consumer of all topics sees: up to the first transaction that is not at its end.
    pub(crate) fn visible(&self) -> impl Iterator<Item = &Stored> {
        let is_open = |index: usize| {
            matches!(
                self.transactions.get(index),
                Some(State::Open | State::Committing)
            )
        };
        self.records
            .iter()
            .take_while(move |record| !is_open(record.transaction))
            .filter(|record| self.is_committed(record.transaction))
    }

    /// Remembers that a process halted.
    pub(crate) fn note_halt(&mut self, who: &'static str) {
        self.halted.push(Halted {
            who,
            transactions: self.transactions.len(),
            epoch: self.epoch,
        });
    }

    /// How many Kafka transactions were begun after a halt and committed: by who had halted, or by a producer that was made
    /// after it. One that was there already may write what it has streamed until it is fenced.
    pub(crate) fn commits_after_halt(&self) -> usize {
        let is_late = |index: usize, begun: Begun| {
            self.halted.iter().any(|halted| {
                index >= halted.transactions && (begun.by == halted.who || begun.epoch > halted.epoch)
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
        for update in self.committed_checkpoints().map(|stored| &stored.update) {
            for lsn in &update.expired {
                history.remove(lsn);
            }
            if update.enters_history {
                history.insert(update.current.end_lsn, &update.current);
            }
        }
        CheckpointLog {
            current: self.checkpoint().cloned(),
            history: history.into_iter().map(|(lsn, one)| (lsn, one.clone())).collect(),
            known_tables: self.known_tables().cloned(),
        }
    }

    /// The checkpoint.
    pub(crate) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.committed_checkpoints()
            .next_back()
            .map(StoredCheckpoint::checkpoint)
    }

    /// The tables that were captured when it was last looked.
    pub(crate) fn known_tables(&self) -> Option<&BTreeSet<Oid>> {
        let mut newest_first = self.committed_checkpoints().rev();
        newest_first.find_map(|stored| stored.update.known_tables.as_ref())
    }

    /// All checkpoints that were committed, oldest first.
    pub(crate) fn committed_checkpoints(&self) -> impl DoubleEndedIterator<Item = &StoredCheckpoint> {
        let stored = self.checkpoints.iter();
        stored.filter(|stored| self.is_committed(stored.transaction))
    }

    pub(crate) fn ensure_topic(&mut self, topic: &str) {
        self.topics.insert(topic.to_owned());
    }

    /// `init_transactions`: a commit that is on its way is settled, an open transaction ends, and whoever came before
    /// is fenced.
    pub(crate) fn fence(&mut self, commit_arrived: bool) -> u64 {
        self.settle(commit_arrived);
        self.end_open();
        self.epoch += 1;
        self.timed_out = None;
        self.epoch
    }

    /// Whether the producer may go on; a transaction that outlasted its time was ended by the broker.
    pub(crate) fn admit(&mut self, epoch: u64, transaction: Option<usize>) -> Result<(), SimFault> {
        if epoch != self.epoch {
            if self.timed_out == Some(epoch) {
                return Err(SimFault::Passing("the broker timed the transaction out"));
            }
            return Err(SimFault::Fenced);
        }
        if let Some((current, begun)) = self.current
            && self.transactions.get(current) == Some(&State::Open)
            && begun.elapsed() >= self.transaction_timeout
        {
            self.end_open();
            self.timed_out = Some(self.epoch);
            self.epoch += 1;
            return Err(SimFault::Passing("the broker timed the transaction out"));
        }
        let is_known = transaction.is_none_or(|index| self.transactions.get(index) == Some(&State::Open));
        if is_known {
            Ok(())
        } else {
            Err(SimFault::Passing("the transaction is not open any more"))
        }
    }

    pub(crate) fn begin(&mut self, by: &'static str) -> usize {
        self.transactions.push(State::Open);
        self.begun.push(Begun {
            by,
            epoch: self.epoch,
        });
        let index = self.transactions.len() - 1;
        self.current = Some((index, Instant::now()));
        index
    }

    /// Stores records; in the run's own order of writing.
    pub(crate) fn write(&mut self, transaction: usize, batch: &Batch) {
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
            let id = id.expect("every record has an identity").value;
            self.records.push(Stored {
                topic: record.topic.to_owned(),
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                id: String::from_utf8(id.to_vec()).expect("identities are text"),
                transaction,
            });
        }
    }

    /// Stores a checkpoint as part of a transaction.
    pub(crate) fn store(&mut self, transaction: usize, update: &CheckpointUpdate) {
        let json = serde_json::to_vec(&update.current).expect("checkpoints are JSON");
        let current = serde_json::from_slice(&json).expect("what was written can be read");
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

    /// What becomes of a commit whose request was on its way when its client gave it up.
    pub(crate) fn settle(&mut self, commit_arrived: bool) {
        let outcome = if commit_arrived {
            State::Committed
        } else {
            State::Aborted
        };
        for state in &mut self.transactions {
            if *state == State::Committing {
                *state = outcome;
            }
        }
    }

    fn end_open(&mut self) {
        for state in &mut self.transactions {
            if *state == State::Open {
                *state = State::Aborted;
            }
        }
    }
}
