//! The last delivered transactions, for observers.
//!
//! They are taken where a transaction ends, a few of each batch, so that a source of many small transactions costs no more than one
//! of large ones.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use walcast_mapper::{CONTEXT_HEADER, RecordBuffer, Savepoint};
use walcast_pgoutput::PgTimestamp;

use crate::position::checkpoint::CommitPosition;

/// Number of transactions that are kept.
pub const TRANSACTIONS_KEPT: usize = 1_000;

/// Number of transactions of one batch that are noted.
pub(crate) const NOTED_OF_BATCH: usize = 8;

/// Number of transactions of one Kafka transaction that are noted.
pub(crate) const NOTED_OF_COMMIT: usize = 100;

/// Number of records of a transaction in which its topics and its context are looked for.
const RECORDS_SEARCHED: usize = 64;

/// Number of topics that are noted.
const TOPICS_NOTED: usize = 20;

/// Size of the largest context that is noted.
const CONTEXT_BYTES: usize = 2 << 10;

/// Source transaction whose records are in Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredTransaction {
    /// Position of the transaction.
    pub position: CommitPosition,
    /// Number of its changes.
    pub changes: u64,
    /// Topics of its records, as far as they were noted.
    pub topics: Vec<String>,
    /// Whether further records were not looked at, so that there may be further topics.
    pub has_further_records: bool,
    /// Context of the application, as its header has it.
    pub context: Option<String>,
    /// Time of the Kafka commit.
    pub delivered: PgTimestamp,
}

/// Transaction that was read, and is not in Kafka yet.
#[derive(Debug)]
pub(crate) struct NotedTransaction {
    position: CommitPosition,
    changes: u64,
    topics: Vec<String>,
    has_further_records: bool,
    context: Option<String>,
}

impl NotedTransaction {
    /// Notes a transaction whose last records were written since `begin`. `was_sent` says that further ones are in earlier batches.
    pub(crate) fn of(
        position: CommitPosition,
        changes: u64,
        records: &RecordBuffer,
        begin: Savepoint,
        was_sent: bool,
    ) -> Self {
        let mut topics: Vec<String> = Vec::new();
        let mut context = None;
        let mut has_further_topics = false;
        let mut further = records.records_since(begin);
        for record in further.by_ref().take(RECORDS_SEARCHED) {
            if !topics.iter().any(|topic| topic == record.topic) {
                match topics.len() < TOPICS_NOTED {
                    true => topics.push(record.topic.to_owned()),
                    false => has_further_topics = true,
                }
            }
            if context.is_none() {
                let header = record.headers().find(|header| header.name == CONTEXT_HEADER);
                let value = header.and_then(|header| header.value);
                context = value.filter(|value| value.len() <= CONTEXT_BYTES);
            }
        }
        Self {
            position,
            changes,
            has_further_records: was_sent || has_further_topics || further.next().is_some(),
            topics,
            context: context.map(|value| String::from_utf8_lossy(value).into_owned()),
        }
    }

    fn delivered(self, delivered: PgTimestamp) -> DeliveredTransaction {
        DeliveredTransaction {
            position: self.position,
            changes: self.changes,
            topics: self.topics,
            has_further_records: self.has_further_records,
            context: self.context,
            delivered,
        }
    }
}

/// The last delivered transactions. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct TransactionsState(Arc<Mutex<VecDeque<DeliveredTransaction>>>);

impl TransactionsState {
    /// The last `count` transactions, the newest first.
    #[must_use]
    pub fn last(&self, count: usize) -> Vec<DeliveredTransaction> {
        self.lock().iter().rev().take(count).cloned().collect()
    }

    /// Adds transactions in the order of their commits.
    pub(crate) fn deliver(&self, noted: Vec<NotedTransaction>, at: PgTimestamp) {
        if noted.is_empty() {
            return;
        }
        let mut kept = self.lock();
        kept.extend(noted.into_iter().map(|noted| noted.delivered(at)));
        let excess = kept.len().saturating_sub(TRANSACTIONS_KEPT);
        kept.drain(..excess);
    }

    /// Locks the state. A poisoned lock is ignored: no code panics while holding it, and a display is not worth stopping the connector.
    fn lock(&self) -> MutexGuard<'_, VecDeque<DeliveredTransaction>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use walcast_mapper::Header;
    use walcast_pgoutput::Lsn;

    use super::*;

    fn position(number: u64) -> CommitPosition {
        CommitPosition {
            commit_lsn: Lsn::new(number),
            end_lsn: Lsn::new(number + 8),
            commit_time_unix_micros: 0,
            xid: 7,
        }
    }

    fn noted(number: u64) -> NotedTransaction {
        let records = RecordBuffer::new();
        NotedTransaction::of(position(number), 3, &records, records.savepoint(), false)
    }

    fn record(records: &mut RecordBuffer, topic: &str, context: Option<&str>) {
        let header = context.map(|context| Header {
            name: CONTEXT_HEADER,
            value: Some(context.as_bytes()),
        });
        records.push(&topic.into(), None, Some(b"1"), header);
    }

    #[test]
    fn a_transaction_has_the_topics_and_the_context_of_its_records() {
        let mut records = RecordBuffer::new();
        record(&mut records, "shop.public.earlier", Some("{\"user\":\"eve\"}"));
        let begin = records.savepoint();
        record(&mut records, "shop.public.orders", None);
        record(&mut records, "shop.public.items", Some("{\"user\":\"ada\"}"));
        record(&mut records, "shop.public.orders", Some("{\"user\":\"ada\"}"));
        let noted = NotedTransaction::of(position(16), 3, &records, begin, false);
        assert_eq!(noted.topics, ["shop.public.orders", "shop.public.items"]);
        assert_eq!(noted.context.as_deref(), Some("{\"user\":\"ada\"}"));
        assert!(!noted.has_further_records);
    }

    #[test]
    fn a_large_transaction_is_searched_in_part() {
        let mut records = RecordBuffer::new();
        let begin = records.savepoint();
        for _ in 0..=RECORDS_SEARCHED {
            record(&mut records, "shop.public.orders", None);
        }
        let noted = NotedTransaction::of(position(16), 65, &records, begin, false);
        assert_eq!(noted.topics, ["shop.public.orders"]);
        assert!(noted.has_further_records);
    }

    #[test]
    fn topics_that_are_left_out_are_not_denied() {
        let mut records = RecordBuffer::new();
        let begin = records.savepoint();
        for number in 0..=TOPICS_NOTED {
            record(&mut records, &format!("shop.public.t{number}"), None);
        }
        let noted = NotedTransaction::of(position(16), 21, &records, begin, false);
        assert_eq!(noted.topics.len(), TOPICS_NOTED);
        assert!(noted.has_further_records);
        // The first records of a transaction that was sent in part are in an earlier batch.
        let noted = NotedTransaction::of(position(16), 21, &records, records.savepoint(), true);
        assert_eq!(noted.topics, [""; 0]);
        assert!(noted.has_further_records);
    }

    #[test]
    fn a_context_of_any_size_does_not_grow_the_list() {
        let mut records = RecordBuffer::new();
        record(
            &mut records,
            "shop.public.orders",
            Some(&"x".repeat(CONTEXT_BYTES + 1)),
        );
        let noted = NotedTransaction::of(position(16), 1, &records, Savepoint::default(), false);
        assert_eq!(noted.context, None);
    }

    #[test]
    fn the_last_transactions_are_kept_the_newest_first() {
        let state = TransactionsState::default();
        let at = PgTimestamp::from_postgres_micros(0);
        state.deliver(Vec::new(), at);
        assert_eq!(state.last(10), []);
        for number in 0..=1_000 {
            state.deliver(vec![noted(number)], at);
        }
        let last: Vec<u64> = state
            .last(2)
            .iter()
            .map(|one| one.position.commit_lsn.as_u64())
            .collect();
        assert_eq!(last, [1_000, 999]);
        let all = state.last(usize::MAX);
        assert_eq!(all.len(), TRANSACTIONS_KEPT);
        assert_eq!(all.last().map(|one| one.position.commit_lsn.as_u64()), Some(1));
    }
}
