//! Rows that were read: each at its place, each once, and at the end the newest state of all.

use std::collections::{BTreeMap, BTreeSet};

use walcast_pgoutput::{Lsn, Oid};

use super::is_read;
use crate::broker::Stored;
use crate::database::{Database, Opening, SIGNALS, id_of, version_in, version_of};
use crate::log::Change;
use crate::rules::Rule;
use crate::world::World;

/// A version of a row: which record tells that it is made, and which that it is no more.
#[derive(Debug, Default)]
pub(super) struct Version {
    /// The commit of the transaction that made it.
    pub(super) made_at: Lsn,
    made_by: String,
    ended_by: Option<String>,
    is_undone: bool,
    table: Oid,
}

/// By the place of an opening: how often its table had come to lie in another file before it was opened for a request. It is
/// read from its beginning then, in a file in which it has been already too: after a promotion that takes a rewriting back.
fn stays(world: &World) -> BTreeMap<(Lsn, Oid), usize> {
    let database = world.database.borrow();
    let mut openings: Vec<(&(Lsn, Oid), &Opening)> = database.openings.iter().collect();
    openings.sort_by_key(|(_, opening)| opening.at);
    let mut known: BTreeMap<(Oid, &Option<String>), (Oid, usize)> = BTreeMap::new();
    let stays = openings.into_iter().map(|(place, opening)| {
        let stay = known
            .entry((place.1, &opening.filter))
            .or_insert((opening.file, 0));
        if stay.0 != opening.file {
            *stay = (opening.file, stay.1 + 1);
        }
        (*place, stay.1)
    });
    stays.collect()
}

/// Bytes before a key's value: the registry's prefix.
const PREFIX_BYTES: usize = 5;

pub(super) fn are_right(world: &World, visible: &[Stored], is_complete: bool) {
    let versions = versions(world);
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, record) in visible.iter().enumerate() {
        places.entry(&record.id).or_insert(place);
    }
    let mut read = BTreeSet::new();
    let stays = stays(world);
    for (place, record) in visible
        .iter()
        .enumerate()
        .filter(|(_, record)| is_read(&record.id))
    {
        let number = record.value.as_deref().and_then(version_in);
        let Some(version) = number.and_then(|number| versions.get(&number)) else {
            world.breach(Rule::NothingInvented, || format!("row {}", record.id));
            continue;
        };
        let filter = opening_of(world, &record.id).map(|opening| opening.filter);
        let stay = opened_at(&record.id).and_then(|place| stays.get(&place));
        if !read.insert((number, filter, stay)) {
            world.breach(Rule::RowsOnce, || {
                format!("row {}, version {number:?}", record.id)
            });
        }
        if version.is_undone && is_complete {
            world.breach(Rule::DamageHalts, || {
                format!("row {} was taken back by the server", record.id)
            });
        }
        let is_before = |id: &str| places.get(id).is_some_and(|other| *other < place);
        let from = delivers(world, version.table);
        if version.made_at >= from && !version.is_undone && !is_before(&version.made_by) {
            world.breach(Rule::RowsAtTheirPlace, || {
                format!(
                    "row {} stands before {}, which made it",
                    record.id, version.made_by
                )
            });
        }
        if let Some(ended_by) = version.ended_by.as_deref().filter(|id| is_before(id)) {
            world.breach(Rule::RowsAtTheirPlace, || {
                format!("row {} stands after {ended_by}, which changed it", record.id)
            });
        }
    }
    if is_complete {
        newest_state_is_last(world, visible, &versions);
    }
}

/// Whether a table came later and its rows are not read: then its changes are told by where they lie.
fn is_published_late(world: &World, database: &Database, table: Oid) -> bool {
    !world.settings.reads_rows && database.late.contains_key(&table)
}

/// From where on changes of a table are to be in Kafka.
fn delivers(world: &World, table: Oid) -> Lsn {
    let database = world.database.borrow();
    database.delivers(table, world.settings.reads_rows)
}

/// The snapshot and the table of a row that was read, by its identity.
fn opened_at(id: &str) -> Option<(Lsn, Oid)> {
    let (lsn, row) = id.rsplit_once('/')?;
    let (table, _) = row.split_once('(')?;
    Some((lsn.parse().ok()?, Oid::new(table.parse().ok()?)))
}

/// From which file, and for which request, a row was read. A place means nothing in another file, so a table that was
/// rewritten is read from its first row, and what was read before comes once more.
pub(super) fn opening_of(world: &World, id: &str) -> Option<Opening> {
    let place = opened_at(id)?;
    let opening = world.database.borrow().openings.get(&place).cloned();
    if opening.is_none() {
        world.breach(Rule::NothingInvented, || {
            format!("row {id} of a table that was not opened")
        });
    }
    opening
}

/// All versions that rows ever had.
pub(super) fn versions(world: &World) -> BTreeMap<u64, Version> {
    let database = world.database.borrow();
    let mut versions: BTreeMap<u64, Version> = BTreeMap::new();
    let mut rows: BTreeMap<(Oid, i32), u64> = BTreeMap::new();
    let undone = database.undone.iter().map(|one| (one, true));
    for (transaction, is_undone) in database.log.iter().map(|one| (one, false)).chain(undone) {
        for (ordinal, logged) in transaction.changes.iter().enumerate() {
            let table = logged.relation.oid;
            if table == SIGNALS {
                continue;
            }
            let id = format!("{}/{ordinal}", transaction.commit_lsn);
            let (gone, made) = match &logged.change {
                Change::Insert(row) => (None, Some((row, id.clone()))),
                Change::Update(None, row) => (Some(row), Some((row, id.clone()))),
                Change::Update(Some(old), row) => (Some(old), Some((row, format!("{id}.2")))),
                Change::Delete(row) => (Some(row), None),
                Change::Truncate => {
                    rows.retain(|(of, _), _| *of != table);
                    (None, None)
                }
                Change::Message => (None, None),
            };
            // What was taken back has changed nothing.
            if let Some(row) = gone.filter(|_| !is_undone)
                && let Some(before) = rows.remove(&(table, id_of(row)))
                && let Some(before) = versions.get_mut(&before)
            {
                before.ended_by = Some(id);
            }
            if let Some((row, made_by)) = made {
                let version = Version {
                    made_at: if is_published_late(world, &database, table) {
                        logged.lsn
                    } else {
                        transaction.commit_lsn
                    },
                    made_by,
                    ended_by: None,
                    is_undone,
                    table,
                };
                versions.insert(version_of(row), version);
                if !is_undone {
                    rows.insert((table, id_of(row)), version_of(row));
                }
            }
        }
    }
    versions
}

/// What a compacted topic would hold, against what the tables do.
fn newest_state_is_last(world: &World, visible: &[Stored], versions: &BTreeMap<u64, Version>) {
    let database = world.database.borrow();
    let requests = world.requests.borrow();
    let captured = database.tables.iter().filter(|table| table.captured);
    let mut findings = Vec::new();
    for table in captured {
        let from = delivers(world, table.oid);
        let topic = format!("shop.{}.{}", table.name.namespace, table.name.name);
        let mut last: BTreeMap<i32, Option<u64>> = BTreeMap::new();
        for record in visible.iter().filter(|record| record.topic == topic) {
            // Avro's zigzag. The event of an emptied table has no key.
            let Some(key) = record.key.as_deref().and_then(|key| key.get(PREFIX_BYTES)) else {
                continue;
            };
            last.insert(i32::from(*key) / 2, record.value.as_deref().and_then(version_in));
        }
        let rows: BTreeMap<i32, u64> = database.rows.of(table.oid).collect();
        for (id, version) in &rows {
            let is_told = versions
                .get(version)
                .is_some_and(|version| version.made_at >= from);
            // The first reading can be stopped like any other.
            let is_stopped = requests.may_be_stopped(&table.name.to_string(), 0);
            let must_be_there = is_told || world.settings.reads_rows && !is_stopped;
            if must_be_there && last.get(id) != Some(&Some(*version)) {
                findings.push(format!(
                    "row {id} of {topic} is [{version}], the last record {:?}",
                    last.get(id)
                ));
            }
        }
        let emptied = emptied_keys(world, table.oid);
        for (id, version) in last
            .iter()
            .filter(|(id, version)| version.is_some() && !rows.contains_key(id))
        {
            if !emptied.contains(id) {
                findings.push(format!(
                    "row {id} of {topic} is gone, the last record {version:?}"
                ));
            }
        }
    }
    drop(database);
    if !findings.is_empty() {
        world.breach(Rule::NewestStateLast, || findings.join("; "));
    }
}

/// Rows that went when their table was emptied, of which no record tells.
fn emptied_keys(world: &World, table: Oid) -> BTreeSet<i32> {
    let database = world.database.borrow();
    let mut rows = BTreeSet::new();
    let mut emptied = BTreeSet::new();
    let changes = database.log.iter().flat_map(|one| &one.changes);
    for logged in changes.filter(|logged| logged.relation.oid == table) {
        match &logged.change {
            Change::Insert(row) | Change::Update(None, row) => {
                rows.insert(id_of(row));
                emptied.remove(&id_of(row));
            }
            Change::Update(Some(old), row) => {
                rows.remove(&id_of(old));
                rows.insert(id_of(row));
                emptied.remove(&id_of(row));
            }
            Change::Delete(row) => {
                rows.remove(&id_of(row));
            }
            Change::Truncate => emptied.append(&mut rows),
            Change::Message => {}
        }
    }
    emptied
}
