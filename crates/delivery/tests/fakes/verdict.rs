//! Whether what is in Kafka is what was committed in Postgres, and whether every position was honest.

use std::collections::{BTreeMap, BTreeSet};

use walcast_delivery::Checkpoint;
use walcast_mapper::Operation;
use walcast_pgoutput::Lsn;

use super::kafka::Broker;
use super::log::Change;
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
            .log
            .iter()
            .filter(|transaction| transaction.commit_lsn >= from)
        {
            let edge = |edge: &str| format!("{}/{edge}", transaction.commit_lsn);
            let is_told = world.mapper.events.transactions && !transaction.is_message;
            ids.extend(is_told.then(|| edge("begin")));
            for (ordinal, logged) in transaction.changes.iter().enumerate() {
                let id = format!("{}/{ordinal}", transaction.commit_lsn);
                if matches!(logged.change, Change::Message) {
                    ids.extend((!world.mapper.events.messages.is_empty()).then_some(id));
                } else if is_captured(&logged.relation.namespace, &logged.relation.name) {
                    match (world.poison)(logged) {
                        true => ids.push(id),
                        false => ids.extend(ids_of(world, id, &logged.change)),
                    }
                }
            }
            ids.extend(is_told.then(|| edge("end")));
        }
        ids
    })
}

fn ids_of(world: &World, id: String, change: &Change) -> Vec<String> {
    match change {
        Change::Insert(_) | Change::Update(None, _) => vec![id],
        // With the tombstone.
        Change::Delete(_) => vec![id.clone(), format!("{id}.1")],
        // A moved key: delete, tombstone, create.
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

/// Checks everything that must hold at any moment, and that all captured changes are in Kafka.
pub(crate) fn verify(world: &World) {
    verify_so_far(world);
    assert_eq!(
        delivered_ids(world),
        expected_ids(world, world.delivers_from()),
        "what is in Kafka is not what was committed"
    );
}

/// What must hold at any moment, also while changes are missing: whatever is visible is a prefix of what was committed,
/// each change once; every checkpoint says exactly what lies before it; only what is checkpointed was confirmed.
pub(crate) fn verify_so_far(world: &World) {
    let (delivered, expected) = (delivered_ids(world), expected_ids(world, world.delivers_from()));
    assert!(
        expected.starts_with(&delivered),
        "delivered {delivered:#?} is no prefix of {expected:#?}"
    );
    world.kafka.read(|broker| {
        topics_are_right(world, broker);
        checkpoints_say_what_lies_before_them(world, broker);
        if world.config.split_over_bytes.is_none() {
            transactions_are_whole(world, broker);
        }
    });
    confirmations_are_covered(world);
}

fn topics_are_right(world: &World, broker: &Broker) {
    world.postgres.read(|server| {
        for record in broker.committed() {
            let (commit_lsn, place) = place(&record.id);
            let Place::Change(ordinal) = place else {
                assert_eq!(record.topic, "shop.transaction", "record {}", record.id);
                continue;
            };
            let transaction = server
                .log
                .iter()
                .find(|transaction| transaction.commit_lsn == commit_lsn);
            let change = usize::try_from(ordinal).expect("transactions here are short");
            let logged = &transaction.expect("it was committed").changes[change];
            let topic = match logged.change {
                Change::Message => "shop.message".to_owned(),
                _ if (world.poison)(logged) => DEAD_LETTERS.to_owned(),
                _ => format!("shop.{}.{}", logged.relation.namespace, logged.relation.name),
            };
            assert_eq!(record.topic, topic, "record {}", record.id);
        }
    });
}

fn checkpoints_say_what_lies_before_them(world: &World, broker: &Broker) {
    let honest = honest_positions(world);
    for (kafka_transaction, update) in broker.checkpoints() {
        let end_lsn = update.current.end_lsn;
        assert!(
            honest.contains(&end_lsn),
            "checkpoint {end_lsn} is neither the end of a transaction nor of an idle log"
        );
        let visible = broker
            .committed()
            .filter(|record| record.transaction <= *kafka_transaction);
        let visible = visible.map(|record| record.id.clone()).collect::<Vec<_>>();
        let covered = covered_ids(world, &update.current);
        assert_eq!(
            visible, covered,
            "checkpoint {:?} covers something else",
            update.current
        );
    }
}

/// Identities that a checkpoint claims to be in Kafka.
fn covered_ids(world: &World, checkpoint: &Checkpoint) -> Vec<String> {
    let from = world.delivers_from();
    let messages: BTreeSet<Lsn> = world.postgres.read(|server| {
        let messages = server.log.iter().filter(|entry| entry.is_message);
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
        commit_lsn < checkpoint.end_lsn || in_part || is_message
    });
    ids
}

/// What of a transaction a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Begin,
    /// The change with this ordinal.
    Change(u64),
    End,
}

/// Commit position and place of an identity.
fn place(id: &str) -> (Lsn, Place) {
    let (commit_lsn, place) = id.rsplit_once('/').expect("an identity has two halves");
    let place = match place {
        "begin" => Place::Begin,
        "end" => Place::End,
        change => {
            let ordinal = change.split('.').next().expect("splitting gives something");
            Place::Change(ordinal.parse().expect("the second half is a number"))
        }
    };
    (commit_lsn.parse().expect("the first half is a position"), place)
}

fn honest_positions(world: &World) -> BTreeSet<Lsn> {
    world.postgres.read(|server| {
        let transactions = server.log.iter().filter(|entry| !entry.is_message);
        let ends = transactions.map(|transaction| transaction.end_lsn);
        let beginning = [world.delivers_from(), world.first_wal_end()];
        ends.chain(server.idle_ends.iter().copied())
            .chain(beginning)
            .collect()
    })
}

fn transactions_are_whole(world: &World, broker: &Broker) {
    let mut homes: BTreeMap<Lsn, BTreeSet<usize>> = BTreeMap::new();
    let mut seen: BTreeMap<Lsn, usize> = BTreeMap::new();
    for record in broker.committed() {
        let (commit_lsn, _) = place(&record.id);
        homes.entry(commit_lsn).or_default().insert(record.transaction);
        *seen.entry(commit_lsn).or_default() += 1;
    }
    for (commit_lsn, homes) in homes {
        assert_eq!(
            homes.len(),
            1,
            "transaction {commit_lsn} lies in Kafka transactions {homes:?}"
        );
        let expected = expected_ids(world, world.delivers_from());
        let expected = expected.iter().filter(|id| place(id).0 == commit_lsn).count();
        assert_eq!(
            seen.get(&commit_lsn),
            Some(&expected),
            "transaction {commit_lsn} is torn"
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
