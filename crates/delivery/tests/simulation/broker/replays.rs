//! Replays on the modelled broker: producers of their own, the copies that they write, and the topic of replays. Records of other
//! programs too.

use std::rc::Rc;

use walcast_delivery::{ReplayProgress, ReplayTopic};
use walcast_pgoutput::Lsn;

use super::{Begun, Broker, Origin, State, Stored};
use crate::fault::SimFault;

/// Number of partitions of each topic.
pub(crate) const PARTITIONS: i32 = 2;

/// Window of a replay, with the offsets between which it lies.
#[derive(Debug)]
pub(crate) struct ReplayPlan {
    pub(crate) from: Lsn,
    pub(crate) to: Option<Lsn>,
    pub(crate) topics: Vec<ReplayTopic>,
}

/// A replay in the topic of replays.
#[derive(Clone, Debug)]
pub(crate) struct StoredReplay {
    transaction: usize,
    pub(crate) number: u64,
    pub(crate) plan: Rc<ReplayPlan>,
    pub(crate) progress: ReplayProgress,
}

/// The position of a record: that of its transaction, or of the snapshot from which its row was read.
pub(crate) fn position_of(id: &str) -> Option<Lsn> {
    id.rsplit_once('/')?.0.parse().ok()
}

impl ReplayPlan {
    /// Whether a record belongs to the window.
    pub(crate) fn contains(&self, record: &Stored) -> bool {
        let position = position_of(&record.id).filter(|_| record.origin == Origin::Connector);
        position.is_some_and(|lsn| self.from <= lsn && self.to.is_none_or(|to| lsn <= to))
    }
}

fn partition_of(record: &Stored) -> i32 {
    record.row_id().unwrap_or_default() % PARTITIONS
}

impl Broker {
    /// `init_transactions` of the producer of a replay, which leaves the connector's producer alone.
    pub(crate) fn fence_replay(&mut self, number: u64, commit_arrived: bool) -> u64 {
        self.settle(Some(number), commit_arrived);
        self.end_open(Some(number));
        let epoch = self.replay_epochs.entry(number).or_default();
        *epoch += 1;
        *epoch
    }

    /// Epoch of the newest producer of a replay.
    pub(crate) fn replay_epoch(&self, number: u64) -> u64 {
        self.replay_epochs.get(&number).copied().unwrap_or_default()
    }

    /// Checks that the producer of a replay may continue.
    pub(crate) fn admit_replay(&self, number: u64, epoch: u64) -> Result<(), SimFault> {
        match self.replay_epoch(number) == epoch {
            true => Ok(()),
            false => Err(SimFault::Fenced),
        }
    }

    /// Stores copies and progress in one transaction of the producer of a replay, which ends in `state`.
    pub(crate) fn write_replay(
        &mut self,
        number: u64,
        copies: &[Stored],
        progress: Option<(&Rc<ReplayPlan>, &ReplayProgress)>,
        state: State,
    ) {
        let epoch = self.replay_epoch(number);
        let transaction = self.push_transaction(Begun {
            by: "replay",
            epoch,
            replay: Some(number),
        });
        self.records.extend(copies.iter().map(|copy| Stored {
            transaction,
            origin: Origin::Replay(number),
            ..copy.clone()
        }));
        self.replays.extend(progress.map(|(plan, progress)| StoredReplay {
            transaction,
            number,
            plan: Rc::clone(plan),
            progress: progress.clone(),
        }));
        self.end(transaction, state);
    }

    /// What is stored of a replay.
    pub(crate) fn stored_replay(&self, number: u64) -> Option<&StoredReplay> {
        let mut newest_first = self.replays.iter().rev();
        newest_first.find(|stored| stored.number == number && self.is_committed(stored.transaction))
    }

    /// The replays that were begun, as they are stored.
    pub(crate) fn stored_replays(&self) -> impl Iterator<Item = &StoredReplay> {
        self.replay_epochs
            .keys()
            .filter_map(|number| self.stored_replay(*number))
    }

    /// Appends a record of another program.
    pub(crate) fn write_foreign(&mut self, record: Stored) {
        let transaction = self.push_transaction(Begun {
            by: "another program",
            epoch: 0,
            // No replay has this number, so that no producer ends the transaction.
            replay: Some(u64::MAX),
        });
        self.records.push(Stored {
            transaction,
            ..record
        });
        self.end(transaction, State::Committed);
    }

    /// Committed records of the connector and of other programs in a topic, in the order of writing. A consumer passes over replays.
    pub(crate) fn consumed(&self) -> impl Iterator<Item = &Stored> {
        let originals = self.records.iter();
        originals
            .filter(|record| !matches!(record.origin, Origin::Replay(_)))
            .filter(|record| self.is_committed(record.transaction))
    }

    /// The committed copies of a replay.
    pub(crate) fn copies(&self, number: u64) -> impl Iterator<Item = &Stored> {
        self.records.iter().filter(move |record| {
            record.origin == Origin::Replay(number) && self.is_committed(record.transaction)
        })
    }

    /// The records of a partition with their offsets, also those of aborted transactions.
    fn of_partition(&self, topic: &str, partition: i32) -> impl Iterator<Item = (i64, &Stored)> {
        let of_topic = self.records.iter().filter(move |record| record.topic == topic);
        (0..).zip(of_topic.filter(move |record| partition_of(record) == partition))
    }

    /// Committed records of a partition with their offsets, up to the first open transaction.
    pub(crate) fn committed_of(&self, topic: &str, partition: i32) -> impl Iterator<Item = (i64, &Stored)> {
        self.of_partition(topic, partition)
            .take_while(|(_, record)| !self.is_open(record.transaction))
            .filter(|(_, record)| self.is_committed(record.transaction))
    }

    /// The offset behind the last record of a partition that a read_committed consumer sees.
    pub(crate) fn end_of(&self, topic: &str, partition: i32) -> i64 {
        let seen = self
            .of_partition(topic, partition)
            .take_while(|(_, record)| !self.is_open(record.transaction));
        seen.last().map_or(0, |(offset, _)| offset + 1)
    }
}
