//! What a read_committed consumer sees, held against what was committed.

mod requests;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use walcast_mapper::Operation;
use walcast_pgoutput::Lsn;

use crate::broker::Stored;
use crate::log::{Change, Transaction};
use crate::rules::Rule;
use crate::world::World;

/// Commit position of an identity; `None` for a row that was read.
pub(crate) fn commit_of(id: &str) -> Option<Lsn> {
    if is_read(id) {
        return None;
    }
    let (commit_lsn, _) = id.rsplit_once('/')?;
    commit_lsn.parse().ok()
}

fn is_read(id: &str) -> bool {
    id.ends_with(')')
}

/// Checks a run that has ended. `is_complete`: it came to the end of the history, and did not halt before.
pub(crate) fn judge(world: &World, is_complete: bool) {
    let visible: Vec<Stored> = world.broker.borrow().visible().cloned().collect();
    changes_are_right(world, &visible, is_complete);
    if world.settings.split_over_bytes.is_none() {
        transactions_are_whole(world, &visible);
    }
    rows::are_right(world, &visible, is_complete);
    requests::are_carried_out(world, &visible, is_complete);
    let late = world.broker.borrow().commits_after_halt();
    if late > 0 {
        world.breach(Rule::SilentAfterHalt, || {
            format!("{late} commits came after a halt")
        });
    }
}

/// Identities and topics of the records of one log entry, and whether they must be there: of a table that came later
/// not all must.
fn records_of(world: &World, transaction: &Transaction) -> Vec<(String, String, bool)> {
    let edge = |edge: &str| {
        let is_told = world.settings.tells_transactions && !transaction.is_message;
        let id = format!("{}/{edge}", transaction.commit_lsn);
        is_told.then(|| (id, "shop.transaction".to_owned(), true))
    };
    let mut records: Vec<(String, String, bool)> = edge("begin").into_iter().collect();
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
            // A change is published or not where it lies; a snapshot shows what was committed.
            let lies_at = if world.settings.reads_rows {
                transaction.commit_lsn
            } else {
                logged.lsn
            };
            let is_late = database.late.contains_key(&relation.oid);
            let is_required = !is_late || lies_at >= from;
            records.extend(ids.into_iter().map(|id| (id, topic.clone(), is_required)));
        }
    }
    records.extend(edge("end"));
    records
}

fn ids_of(world: &World, id: String, change: &Change) -> Vec<String> {
    match change {
        Change::Insert(_) | Change::Update(None, _) => vec![id],
        // With the tombstone.
        Change::Delete(_) => vec![id.clone(), format!("{id}.1")],
        // A moved key: delete, tombstone, create.
        Change::Update(Some(_), _) => vec![id.clone(), format!("{id}.1"), format!("{id}.2")],
        Change::Truncate if world.mapper_tells(Operation::Truncate) => vec![id],
        Change::Truncate | Change::Message => Vec::new(),
    }
}

/// Everything that is to be in Kafka, in commit order.
fn expected(world: &World) -> Vec<(String, String, bool)> {
    let database = world.database.borrow();
    let Some(from) = database.delivers_from else {
        return Vec::new();
    };
    let transactions = database.log.iter().filter(|one| one.commit_lsn >= from);
    transactions.flat_map(|one| records_of(world, one)).collect()
}

fn changes_are_right(world: &World, visible: &[Stored], is_complete: bool) {
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
            is_of_undone(world, record, is_complete);
            continue;
        };
        if expected[place].1 != record.topic {
            world.breach(Rule::NothingInvented, || {
                format!("{} in topic {}", record.id, record.topic)
            });
        }
        if std::mem::replace(&mut seen[place], true) {
            world.breach(Rule::NothingDoubled, || record.id.clone());
        } else if place < next {
            world.breach(Rule::NothingReordered, || format!("{} comes too late", record.id));
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
        world.breach(Rule::NothingLost, || missing.join(" "));
    }
}

/// A record that no transaction of the log makes: one that was taken back may have, and then the connector must halt.
fn is_of_undone(world: &World, record: &Stored, is_complete: bool) {
    let commit_lsn = commit_of(&record.id);
    let database = world.database.borrow();
    let is_undone = database
        .undone
        .iter()
        .any(|gone| Some(gone.commit_lsn) == commit_lsn);
    drop(database);
    if !is_undone {
        world.breach(Rule::NothingInvented, || record.id.clone());
        return;
    }
    world.mark("taken back and seen");
    if is_complete {
        world.breach(Rule::DamageHalts, || {
            format!("{} was taken back by the server, and nothing halted", record.id)
        });
    }
}

fn transactions_are_whole(world: &World, visible: &[Stored]) {
    let mut homes: BTreeMap<Lsn, BTreeSet<usize>> = BTreeMap::new();
    let mut seen: BTreeMap<Lsn, BTreeSet<&str>> = BTreeMap::new();
    for record in visible {
        if let Some(commit_lsn) = commit_of(&record.id) {
            homes.entry(commit_lsn).or_default().insert(record.transaction);
            seen.entry(commit_lsn).or_default().insert(&record.id);
        }
    }
    let database = world.database.borrow();
    for (commit_lsn, homes) in homes {
        // Since when a table was published on a timeline that is gone is not known any more.
        let came_later = |one: &&Transaction| {
            let mut oids = one.changes.iter().map(|logged| logged.relation.oid);
            oids.any(|oid| database.late.contains_key(&oid))
        };
        let undone = database.undone.iter().filter(|one| !came_later(one));
        let mut transactions = database.log.iter().chain(undone);
        let transaction = transactions.find(|one| one.commit_lsn == commit_lsn);
        let records = transaction.map_or(0, |one| {
            let records = records_of(world, one);
            records.iter().filter(|(.., is_required)| *is_required).count()
        });
        let found = seen.get(&commit_lsn).map_or(0, BTreeSet::len);
        if homes.len() > 1 || found < records {
            world.breach(Rule::NothingTorn, || {
                format!("{found} of {records} records of transaction {commit_lsn}, in Kafka transactions {homes:?}")
            });
        }
    }
}
