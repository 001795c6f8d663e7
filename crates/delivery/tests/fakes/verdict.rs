//! Checks that Kafka has exactly the changes committed in Postgres, and that every position was valid.

use std::collections::{BTreeMap, BTreeSet};

use walcast_delivery::Checkpoint;
use walcast_mapper::TableName;
use walcast_mapper::config::Operation;
use walcast_pgoutput::Lsn;

use super::kafka::Broker;
use super::wal::{Change, LoggedChange, Transaction};
use super::world::{DEAD_LETTERS, World};

/// Identities of the records of all captured changes after `from`, in commit order.
fn expected_ids(world: &World, from: Lsn) -> Vec<String> {
    world.postgres.read(|server| {
        let captured = server.captured_names();
        let is_captured = |namespace: &str, name: &str| {
            captured
                .iter()
                .any(|table| table.namespace == namespace && table.name == name)
        };
        let mut ids = Vec::new();
        for transaction in server
            .wal
            .iter()
            .filter(|transaction| transaction.record_begin() >= from)
        {
            let boundary = |boundary: &str| format!("{}/{boundary}", transaction.commit_lsn);
            let has_metadata = world.mapper.events.transactions && !transaction.is_message;
            ids.extend(has_metadata.then(|| boundary("begin")));
            for (ordinal, logged) in transaction.changes.iter().enumerate() {
                let id = format!("{}/{ordinal}", transaction.commit_lsn);
                if matches!(logged.change, Change::Message) {
                    ids.extend((!world.mapper.events.messages.is_empty()).then_some(id));
                } else if is_captured(&logged.relation.namespace, &logged.relation.name)
                    && !is_skipped(world, transaction, logged)
                {
                    match (world.undeliverable)(logged) {
                        true => ids.push(id),
                        false => ids.extend(ids_of(world, id, &logged.change)),
                    }
                }
            }
            ids.extend(has_metadata.then(|| boundary("end")));
        }
        ids
    })
}

/// Whether the table of a change is quarantined meanwhile.
fn is_skipped(world: &World, transaction: &Transaction, logged: &LoggedChange) -> bool {
    world.skipped.get().is_some_and(|skipped| {
        logged.relation.name == skipped.table
            && logged.lsn >= skipped.from
            && transaction.commit_lsn < skipped.until
    })
}

fn ids_of(world: &World, id: String, change: &Change) -> Vec<String> {
    match change {
        Change::Insert(_) | Change::Update(None, _) => vec![id],
        // With the tombstone.
        Change::Delete(_) => vec![id.clone(), format!("{id}.1")],
        // A changed key: delete, tombstone, create.
        Change::Update(Some(_), _) => vec![id.clone(), format!("{id}.1"), format!("{id}.2")],
        Change::Truncate if world.mapper.events.operations.contains(&Operation::Truncate) => vec![id],
        Change::Truncate | Change::Message => Vec::new(),
    }
}

/// Identities of the records a read_committed consumer sees, in the order of writing.
pub(crate) fn delivered_ids(world: &World) -> Vec<String> {
    world
        .kafka
        .read(|broker| broker.committed().map(|record| record.id.clone()).collect())
}

/// Checks the invariants, and that all captured changes are in Kafka.
pub(crate) fn verify(world: &World) {
    verify_so_far(world);
    assert_eq!(
        delivered_ids(world),
        expected_ids(world, world.delivery_start()),
        "Kafka does not have exactly the committed changes"
    );
}

/// Checks the invariants, which hold even while changes are missing: the visible records are a prefix of the committed changes,
/// each change once; every checkpoint covers exactly the records before it; only checkpointed positions were confirmed.
pub(crate) fn verify_so_far(world: &World) {
    let (delivered, expected) = (delivered_ids(world), expected_ids(world, world.delivery_start()));
    assert!(
        expected.starts_with(&delivered),
        "delivered {delivered:#?} is not a prefix of {expected:#?}"
    );
    world.kafka.read(|broker| {
        topics_are_correct(world, broker);
        contexts_are_correct(world, broker);
        checkpoints_cover_exactly_earlier_records(world, broker);
        if world.config.split_over_bytes.is_none() {
            transactions_are_complete(world, broker);
        }
    });
    confirmations_are_covered(world);
}

fn topics_are_correct(world: &World, broker: &Broker) {
    world.postgres.read(|server| {
        for record in broker.committed() {
            let (commit_lsn, place) = place(&record.id);
            let Place::Change(ordinal) = place else {
                assert_eq!(record.topic, "shop.transaction", "record {}", record.id);
                continue;
            };
            let transaction = server
                .wal
                .iter()
                .find(|transaction| transaction.commit_lsn == commit_lsn);
            let change = usize::try_from(ordinal).expect("transactions here are short");
            let logged = &transaction.expect("the transaction was committed").changes[change];
            let topic = match logged.change {
                Change::Message => "shop.message".to_owned(),
                _ if (world.undeliverable)(logged) => DEAD_LETTERS.to_owned(),
                _ => topic_of_row(world, logged),
            };
            assert_eq!(record.topic, topic, "record {}", record.id);
        }
    });
}

/// Every record has the context that its transaction had at the change, whatever was read again before it.
fn contexts_are_correct(world: &World, broker: &Broker) {
    world.postgres.read(|server| {
        for record in broker.committed() {
            let (commit_lsn, place) = place(&record.id);
            let mut transactions = server.wal.iter();
            let transaction = transactions.find(|transaction| transaction.commit_lsn == commit_lsn);
            let expected = match (transaction, place) {
                (Some(transaction), Place::Change(ordinal)) => {
                    transaction.context_of(usize::try_from(ordinal).expect("transactions here are short"))
                }
                _ => Vec::new(),
            };
            assert_eq!(record.context, expected, "record {}", record.id);
        }
    });
}

/// Topic of the records of a change: that of its table, or the one that the row names.
fn topic_of_row(world: &World, logged: &LoggedChange) -> String {
    let table = TableName::from(&*logged.relation);
    let rules = &world.mapper.destinations;
    let (Some(rule), Change::Insert(row) | Change::Update(_, row)) = (
        rules.iter().find(|rule| rule.tables.matches(&table)),
        &logged.change,
    ) else {
        return format!("shop.{}.{}", table.namespace, table.name);
    };
    let mut columns = logged.relation.columns.iter().zip(row);
    let named = columns.find(|(column, _)| column.name == rule.topic_column);
    let named = named.and_then(|(_, value)| value.as_deref());
    format!(
        "{}{}",
        rule.topic_prefix,
        named.expect("rows here name their topic")
    )
}

fn checkpoints_cover_exactly_earlier_records(world: &World, broker: &Broker) {
    let valid = valid_positions(world);
    for (kafka_transaction, update) in broker.checkpoints() {
        let end_lsn = update.current.end_lsn;
        assert!(
            valid.contains(&end_lsn),
            "checkpoint {end_lsn} is neither the end of a transaction nor of idle WAL"
        );
        let visible = broker
            .committed()
            .filter(|record| record.transaction <= *kafka_transaction);
        let visible = visible.map(|record| record.id.clone()).collect::<Vec<_>>();
        let covered = covered_ids(world, &update.current);
        assert_eq!(
            visible, covered,
            "checkpoint {:?} does not cover exactly the records before it",
            update.current
        );
    }
}

/// Identities that a checkpoint covers.
fn covered_ids(world: &World, checkpoint: &Checkpoint) -> Vec<String> {
    let from = world.delivery_start();
    let messages: BTreeSet<Lsn> = world.postgres.read(|server| {
        let messages = server.wal.iter().filter(|entry| entry.is_message);
        messages.map(|message| message.commit_lsn).collect()
    });
    let mut ids = expected_ids(world, from);
    ids.retain(|id| {
        let (commit_lsn, place) = place(id);
        let in_part = checkpoint.partial.is_some_and(|partial| {
            let is_before = match place {
                Place::Begin => true,
                Place::Change(ordinal) => ordinal < partial.next_ordinal,
                Place::End => false,
            };
            partial.commit_lsn == commit_lsn && is_before
        });
        let is_message = messages.contains(&commit_lsn) && Some(commit_lsn) <= checkpoint.last_message;
        let is_before = commit_lsn < checkpoint.end_lsn
            || messages.contains(&commit_lsn) && commit_lsn == checkpoint.end_lsn;
        is_before || in_part || is_message
    });
    ids
}

/// Part of a transaction that a record describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Begin,
    /// The change with this ordinal.
    Change(u64),
    End,
}

/// Commit position of an identity, and its part of the transaction.
fn place(id: &str) -> (Lsn, Place) {
    let (commit_lsn, place) = id.rsplit_once('/').expect("an identity has two halves");
    let place = match place {
        "begin" => Place::Begin,
        "end" => Place::End,
        change => {
            let ordinal = change
                .split('.')
                .next()
                .expect("splitting returns at least one part");
            Place::Change(ordinal.parse().expect("the second half is a number"))
        }
    };
    (commit_lsn.parse().expect("the first half is a position"), place)
}

fn valid_positions(world: &World) -> BTreeSet<Lsn> {
    world.postgres.read(|server| {
        let transactions = server.wal.iter().filter(|entry| !entry.is_message);
        let ends = transactions.map(|transaction| transaction.end_lsn);
        let beginning = [world.delivery_start(), world.first_wal_end()];
        ends.chain(server.idle_ends.iter().copied())
            .chain(beginning)
            .collect()
    })
}

fn transactions_are_complete(world: &World, broker: &Broker) {
    let mut kafka_transactions: BTreeMap<Lsn, BTreeSet<usize>> = BTreeMap::new();
    let mut seen: BTreeMap<Lsn, usize> = BTreeMap::new();
    for record in broker.committed() {
        let (commit_lsn, _) = place(&record.id);
        kafka_transactions
            .entry(commit_lsn)
            .or_default()
            .insert(record.transaction);
        *seen.entry(commit_lsn).or_default() += 1;
    }
    for (commit_lsn, kafka_transactions) in kafka_transactions {
        assert_eq!(
            kafka_transactions.len(),
            1,
            "transaction {commit_lsn} is in Kafka transactions {kafka_transactions:?}"
        );
        let expected = expected_ids(world, world.delivery_start());
        let expected = expected.iter().filter(|id| place(id).0 == commit_lsn).count();
        assert_eq!(
            seen.get(&commit_lsn),
            Some(&expected),
            "transaction {commit_lsn} is incomplete"
        );
    }
}

fn confirmations_are_covered(world: &World) {
    world.postgres.read(|server| {
        for confirmation in &server.confirmations {
            assert!(
                confirmation.flush <= confirmation.checkpointed,
                "confirmed {} while only {} was checkpointed",
                confirmation.flush,
                confirmation.checkpointed
            );
        }
    });
}
