//! Compares the records that a read_committed consumer sees with the committed transactions.

mod replays;
mod requests;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use walcast_mapper::config::Operation;
use walcast_pgoutput::Lsn;

use crate::broker::Stored;
use crate::rules::Rule;
use crate::wal::{Change, Transaction};
use crate::world::World;

/// Commit position of an identity; `None` for a row that was read.
pub(crate) fn commit_of(id: &str) -> Option<Lsn> {
    if is_read(id) {
        return None;
    }
    let (commit_lsn, _) = id.rsplit_once('/')?;
    commit_lsn.parse().ok()
}

/// Whether an identity is that of a row that was read.
pub(crate) fn is_read(id: &str) -> bool {
    id.ends_with(')')
}

/// Checks a run that has ended. `is_complete`: not all instances halted, so all changes must be delivered.
pub(crate) fn check(world: &World, is_complete: bool) {
    let visible: Vec<Stored> = world.broker.borrow().visible().cloned().collect();
    check_changes(world, &visible, is_complete);
    check_contexts(world, &visible);
    if world.settings.split_over_bytes.is_none() {
        check_transactions(world, &visible);
    }
    rows::check(world, &visible, is_complete);
    requests::check(world, &visible, is_complete);
    replays::check(world);
    let late_commits = world.broker.borrow().commits_after_halt();
    if late_commits > 0 {
        world.report_violation(Rule::NoWritesAfterHalt, || {
            format!("{late_commits} commits came after a halt")
        });
    }
}

/// Identities and topics of the records of a transaction, and whether each is required: of a table added later, not all
/// are.
fn records_of(world: &World, transaction: &Transaction) -> Vec<(String, String, bool)> {
    let boundary = |boundary: &str| {
        let has_metadata = world.settings.emits_transactions && !transaction.is_message;
        let id = format!("{}/{boundary}", transaction.commit_lsn);
        has_metadata.then(|| (id, "shop.transaction".to_owned(), true))
    };
    let mut records: Vec<(String, String, bool)> = boundary("begin").into_iter().collect();
    let captured = world.database.borrow().captured_names();
    for (ordinal, logged) in transaction.changes.iter().enumerate() {
        let id = format!("{}/{ordinal}", transaction.commit_lsn);
        let relation = &logged.relation;
        if matches!(logged.change, Change::Message) {
            records.push((id, "shop.message".to_owned(), true));
        } else if captured.iter().any(|table| table.name == relation.name) {
            let topic = format!("shop.{}.{}", relation.namespace, relation.name);
            let ids = ids_of(world, id, &logged.change);
            let database = world.database.borrow();
            let from = database.delivers(relation.oid, world.settings.reads_rows);
            // The position of the change decides whether it is published; a snapshot shows committed transactions.
            let position = if world.settings.reads_rows {
                transaction.commit_lsn
            } else {
                logged.lsn
            };
            let is_late = database.added_later.contains_key(&relation.oid);
            let is_required = !is_late || position >= from;
            records.extend(ids.into_iter().map(|id| (id, topic.clone(), is_required)));
        }
    }
    records.extend(boundary("end"));
    records
}

fn ids_of(world: &World, id: String, change: &Change) -> Vec<String> {
    match change {
        Change::Insert(_) | Change::Update(None, _) => vec![id],
        // With the tombstone.
        Change::Delete(_) => vec![id.clone(), format!("{id}.1")],
        // A changed key: delete, tombstone, create.
        Change::Update(Some(_), _) => vec![id.clone(), format!("{id}.1"), format!("{id}.2")],
        Change::Truncate if world.emits_operation(Operation::Truncate) => vec![id],
        Change::Truncate | Change::Message => Vec::new(),
    }
}

/// All records that may be in Kafka, in commit order.
fn expected(world: &World) -> Vec<(String, String, bool)> {
    let database = world.database.borrow();
    let Some(from) = database.delivery_start else {
        return Vec::new();
    };
    let transactions = database.wal.iter().filter(|one| one.record_begin() >= from);
    transactions.flat_map(|one| records_of(world, one)).collect()
}

fn check_changes(world: &World, visible: &[Stored], is_complete: bool) {
    let expected = expected(world);
    let places: BTreeMap<&str, usize> = expected
        .iter()
        .enumerate()
        .map(|(place, (id, ..))| (id.as_str(), place))
        .collect();
    let mut seen = vec![false; expected.len()];
    let mut next = 0;
    for record in visible.iter().filter(|record| !is_read(&record.id)) {
        let Some(place) = places.get(record.id.as_str()).copied() else {
            check_lost(world, record, is_complete);
            continue;
        };
        if expected[place].1 != record.topic {
            world.report_violation(Rule::NothingInvented, || {
                format!("{} in topic {}", record.id, record.topic)
            });
        }
        if std::mem::replace(&mut seen[place], true) {
            world.report_violation(Rule::NothingDuplicated, || record.id.clone());
        } else if place < next {
            world.report_violation(Rule::NothingReordered, || {
                format!("{} is out of order", record.id)
            });
        }
        next = next.max(place + 1);
    }
    let until = if is_complete { expected.len() } else { next };
    let missing: Vec<&str> = expected[..until]
        .iter()
        .zip(&seen)
        .filter(|((.., is_required), is_seen)| *is_required && !**is_seen)
        .map(|((id, ..), _)| id.as_str())
        .collect();
    if !missing.is_empty() {
        world.report_violation(Rule::NothingLost, || missing.join(" "));
    }
}

/// Checks a record that belongs to no transaction in WAL: it may be of a lost one, and then the connector must halt.
fn check_lost(world: &World, record: &Stored, is_complete: bool) {
    let commit_lsn = commit_of(&record.id);
    let database = world.database.borrow();
    let is_undone = database
        .undone
        .iter()
        .any(|lost| Some(lost.commit_lsn) == commit_lsn);
    drop(database);
    if !is_undone {
        world.report_violation(Rule::NothingInvented, || record.id.clone());
        return;
    }
    world.cover("lost and visible");
    if is_complete {
        world.report_violation(Rule::DamageHalts, || {
            format!("{} was lost by the server, and no instance halted", record.id)
        });
    }
}

/// Checks that every record has the context that its transaction had at the change, whatever was read again before it.
fn check_contexts(world: &World, visible: &[Stored]) {
    let database = world.database.borrow();
    let mut transactions: BTreeMap<Lsn, Vec<&Transaction>> = BTreeMap::new();
    for one in database.wal.iter().chain(&database.undone) {
        transactions.entry(one.commit_lsn).or_default().push(one);
    }
    for record in visible {
        let found = commit_of(&record.id).and_then(|commit_lsn| transactions.get(&commit_lsn));
        let is_expected = match found {
            // Timelines may have different transactions at one position.
            Some(found) => found
                .iter()
                .any(|one| record.context == context_at(one, &record.id)),
            None => record.context.is_empty(),
        };
        if !is_expected {
            world.report_violation(Rule::NothingInvented, || {
                format!("{} has the context {:?}", record.id, record.context)
            });
        }
    }
}

/// Context of the record with an identity; a boundary of the transaction has none.
fn context_at(transaction: &Transaction, id: &str) -> Vec<(String, String)> {
    let (_, change) = id.rsplit_once('/').unwrap_or_default();
    let (ordinal, _) = change.split_once('.').unwrap_or((change, ""));
    ordinal
        .parse()
        .map(|ordinal| transaction.context_of(ordinal))
        .unwrap_or_default()
}

fn check_transactions(world: &World, visible: &[Stored]) {
    let mut kafka_transactions: BTreeMap<Lsn, BTreeSet<usize>> = BTreeMap::new();
    let mut seen: BTreeMap<Lsn, BTreeSet<&str>> = BTreeMap::new();
    for record in visible {
        if let Some(commit_lsn) = commit_of(&record.id) {
            kafka_transactions
                .entry(commit_lsn)
                .or_default()
                .insert(record.transaction);
            seen.entry(commit_lsn).or_default().insert(&record.id);
        }
    }
    let database = world.database.borrow();
    for (commit_lsn, kafka_transactions) in kafka_transactions {
        // The position of a table's publication on an abandoned timeline is not known.
        let has_late_table = |one: &&Transaction| {
            let mut oids = one.changes.iter().map(|logged| logged.relation.oid);
            oids.any(|oid| database.added_later.contains_key(&oid))
        };
        let undone = database.undone.iter().filter(|one| !has_late_table(one));
        let mut transactions = database.wal.iter().chain(undone);
        let transaction = transactions.find(|one| one.commit_lsn == commit_lsn);
        let records = transaction.map_or(0, |one| {
            let records = records_of(world, one);
            records.iter().filter(|(.., is_required)| *is_required).count()
        });
        let found = seen.get(&commit_lsn).map_or(0, BTreeSet::len);
        if kafka_transactions.len() > 1 || found < records {
            world.report_violation(Rule::NothingSplit, || {
                format!("{found} of {records} records of transaction {commit_lsn}, in Kafka transactions {kafka_transactions:?}")
            });
        }
    }
}
