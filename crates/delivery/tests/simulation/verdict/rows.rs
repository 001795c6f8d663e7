//! Checks the rows that were read: their order, that each is read once, and the newest state at the end.

use std::collections::{BTreeMap, BTreeSet};

use walcast_pgoutput::{Lsn, Oid};

use super::is_read;
use crate::broker::Stored;
use crate::database::{
    Database, EVENTS, LeafChange, Opening, SIGNALS, id_of, range_of, version_in, version_of,
};
use crate::rules::Rule;
use crate::wal::Change;
use crate::world::World;

/// A version of a row, with the records of its creation and its end.
#[derive(Debug, Default)]
pub(super) struct Version {
    /// Commit of the transaction that wrote it.
    pub(super) made_at: Lsn,
    made_by: String,
    ended_by: Option<String>,
    is_undone: bool,
    table: Oid,
}

/// For each read, the number of earlier relfilenode changes of its table within the same request. After each change the table is
/// read from its beginning, even in a file it had before: a promotion can undo a rewrite.
fn file_changes(world: &World) -> BTreeMap<(Lsn, Oid), usize> {
    let database = world.database.borrow();
    let mut openings: Vec<(&(Lsn, Oid), &Opening)> = database.openings.iter().collect();
    openings.sort_by_key(|(_, opening)| opening.at);
    let mut known: BTreeMap<(Oid, &Option<String>), (Oid, usize)> = BTreeMap::new();
    let file_changes = openings.into_iter().map(|(place, opening)| {
        let file_change = known
            .entry((place.1, &opening.filter))
            .or_insert((opening.file, 0));
        if file_change.0 != opening.file {
            *file_change = (opening.file, file_change.1 + 1);
        }
        (*place, file_change.1)
    });
    file_changes.collect()
}

pub(super) fn check(world: &World, visible: &[Stored], is_complete: bool) {
    let versions = versions(world);
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, record) in visible.iter().enumerate() {
        places.entry(&record.id).or_insert(place);
    }
    let mut read = BTreeSet::new();
    let file_changes = file_changes(world);
    for (place, record) in visible
        .iter()
        .enumerate()
        .filter(|(_, record)| is_read(&record.id) && !is_gone(&record.id))
    {
        let number = record.value.as_deref().and_then(version_in);
        let Some(version) = number.and_then(|number| versions.get(&number)) else {
            world.report_violation(Rule::NothingInvented, || format!("row {}", record.id));
            continue;
        };
        let filter = opening_of(world, &record.id).map(|opening| opening.filter);
        let file_change = opened_at(&record.id).and_then(|place| file_changes.get(&place));
        // Rows of a leaf that is attached while its table is read come twice.
        if !read.insert((number, filter, file_change)) && version.table != EVENTS {
            world.report_violation(Rule::RowsReadOnce, || {
                format!("row {}, version {number:?}", record.id)
            });
        }
        if version.is_undone && is_complete {
            world.report_violation(Rule::DamageHalts, || {
                format!("row {} was lost by the server", record.id)
            });
        }
        let is_before = |id: &str| places.get(id).is_some_and(|other| *other < place);
        let from = delivers(world, version.table);
        if version.made_at >= from && !version.is_undone && !is_before(&version.made_by) {
            world.report_violation(Rule::RowsInOrder, || {
                format!("row {} precedes {}, which wrote it", record.id, version.made_by)
            });
        }
        if let Some(ended_by) = version.ended_by.as_deref().filter(|id| is_before(id)) {
            world.report_violation(Rule::RowsInOrder, || {
                format!("row {} follows {ended_by}, which changed it", record.id)
            });
        }
    }
    if is_complete {
        check_newest_state(world, visible, &versions, Rule::NewestStateLast);
        if world.settings.has_replays {
            let consumed: Vec<Stored> = world.broker.borrow().consumed().cloned().collect();
            check_newest_state(world, &consumed, &versions, Rule::RepairedIsSource);
        }
    }
}

/// Whether a record is the delete, or the tombstone, of a key that no row had when it was looked for.
fn is_gone(id: &str) -> bool {
    id.contains("(gone,")
}

/// Whether a table was added later and its rows are not read: then the position of a change decides whether it is delivered.
fn is_published_late(world: &World, database: &Database, table: Oid) -> bool {
    !world.settings.reads_rows && database.added_later.contains_key(&table)
}

/// Position from which all changes of a table must be in Kafka.
fn delivers(world: &World, table: Oid) -> Lsn {
    let database = world.database.borrow();
    database.delivers(table, world.settings.reads_rows)
}

/// Snapshot and table of a row that was read, from its identity.
fn opened_at(id: &str) -> Option<(Lsn, Oid)> {
    let (lsn, row) = id.rsplit_once('/')?;
    let (table, _) = row.split_once('(')?;
    Some((lsn.parse().ok()?, Oid::new(table.parse().ok()?)))
}

/// File and request of a row that was read. A ctid is not valid in another file, so a rewritten table is read from its first row,
/// and rows read before are read again.
pub(super) fn opening_of(world: &World, id: &str) -> Option<Opening> {
    let place = opened_at(id)?;
    let opening = world.database.borrow().openings.get(&place).cloned();
    if opening.is_none() {
        world.report_violation(Rule::NothingInvented, || {
            format!("row {id} of a table that was not opened")
        });
    }
    opening
}

/// All versions of all rows.
pub(super) fn versions(world: &World) -> BTreeMap<u64, Version> {
    let database = world.database.borrow();
    let mut versions: BTreeMap<u64, Version> = BTreeMap::new();
    let mut rows: BTreeMap<(Oid, i32), u64> = BTreeMap::new();
    let mut of_leaves = database.leaves.changes.iter().peekable();
    let undone = database.undone.iter().map(|one| (one, true));
    for (transaction, is_undone) in database.wal.iter().map(|one| (one, false)).chain(undone) {
        while let Some(change) = of_leaves.next_if(|one| one.lsn <= transaction.commit_lsn) {
            apply_leaf_change(change, &mut rows, &mut versions);
        }
        for (ordinal, logged) in transaction.changes.iter().enumerate() {
            let table = logged.relation.oid;
            if table == SIGNALS {
                continue;
            }
            let id = format!("{}/{ordinal}", transaction.commit_lsn);
            let (ended, made) = match &logged.change {
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
            // A lost transaction ends no version.
            if let Some(row) = ended.filter(|_| !is_undone)
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
    for change in of_leaves {
        apply_leaf_change(change, &mut rows, &mut versions);
    }
    versions
}

/// Applies the rows that came with a leaf, which no record of WAL contains, or went. Rows that came are not delivered unless they are read.
fn apply_leaf_change(
    change: &LeafChange,
    rows: &mut BTreeMap<(Oid, i32), u64>,
    versions: &mut BTreeMap<u64, Version>,
) {
    match &change.came {
        Some(came) => {
            for (id, version) in came {
                rows.insert((EVENTS, *id), *version);
                let version = versions.entry(*version).or_default();
                version.made_at = Lsn::INVALID;
                version.table = EVENTS;
            }
        }
        None => rows.retain(|(of, id), _| *of != EVENTS || range_of(*id) != change.range),
    }
}

/// Compares the tables with their compacted topics.
fn check_newest_state(world: &World, visible: &[Stored], versions: &BTreeMap<u64, Version>, rule: Rule) {
    let database = world.database.borrow();
    let requests = world.requests.borrow();
    let captured = database.tables.iter().filter(|table| table.captured);
    let mut findings = Vec::new();
    for table in captured {
        let from = delivers(world, table.oid);
        let topic = format!("shop.{}.{}", table.name.namespace, table.name.name);
        let mut last: BTreeMap<i32, Option<u64>> = BTreeMap::new();
        for record in visible.iter().filter(|record| record.topic == topic) {
            // The event of a truncate has no key.
            let Some(id) = record.row_id() else {
                continue;
            };
            last.insert(id, record.value.as_deref().and_then(version_in));
        }
        let rows: BTreeMap<i32, u64> = database.rows_of(table.oid).into_iter().collect();
        for (id, version) in &rows {
            let is_delivered = versions
                .get(version)
                .is_some_and(|version| version.made_at >= from);
            // The first read can be stopped like any other.
            let is_stopped = requests.may_be_stopped(&table.name.to_string(), 0);
            let is_required = is_delivered || world.settings.reads_rows && !is_stopped;
            if is_required && last.get(id) != Some(&Some(*version)) {
                findings.push(format!(
                    "row {id} of {topic} is [{version}], the last record is {:?}",
                    last.get(id)
                ));
            }
        }
        let truncated = truncated_keys(world, table.oid);
        for (id, version) in last
            .iter()
            .filter(|(id, version)| version.is_some() && !rows.contains_key(id))
        {
            if !truncated.contains(id) {
                findings.push(format!(
                    "row {id} of {topic} was deleted, the last record is {version:?}"
                ));
            }
        }
    }
    drop(database);
    if !findings.is_empty() {
        world.report_violation(rule, || findings.join("; "));
    }
}

/// Keys of rows that went by a truncate or with a leaf, for which there is no record.
fn truncated_keys(world: &World, table: Oid) -> BTreeSet<i32> {
    let database = world.database.borrow();
    let mut rows = BTreeSet::new();
    let mut truncated = BTreeSet::new();
    let mut of_leaves = database
        .leaves
        .changes
        .iter()
        .filter(|_| table == EVENTS)
        .peekable();
    let changes = database
        .wal
        .iter()
        .flat_map(|one| one.changes.iter().map(move |logged| (one.commit_lsn, logged)));
    for (commit_lsn, logged) in changes.filter(|(_, logged)| logged.relation.oid == table) {
        while let Some(change) = of_leaves.next_if(|one| one.lsn <= commit_lsn) {
            move_keys(change, &mut rows, &mut truncated);
        }
        match &logged.change {
            Change::Insert(row) | Change::Update(None, row) => {
                rows.insert(id_of(row));
                truncated.remove(&id_of(row));
            }
            Change::Update(Some(old), row) => {
                rows.remove(&id_of(old));
                rows.insert(id_of(row));
                truncated.remove(&id_of(row));
            }
            Change::Delete(row) => {
                rows.remove(&id_of(row));
            }
            Change::Truncate => truncated.append(&mut rows),
            Change::Message => {}
        }
    }
    for change in of_leaves {
        move_keys(change, &mut rows, &mut truncated);
    }
    truncated
}

/// Moves the keys of rows that came with a leaf, or went, between those of `rows` and those of the `truncated` rows.
fn move_keys(change: &LeafChange, rows: &mut BTreeSet<i32>, truncated: &mut BTreeSet<i32>) {
    match &change.came {
        Some(came) => {
            rows.extend(came.iter().map(|(id, _)| *id));
            truncated.retain(|id| !rows.contains(id));
        }
        None => truncated.extend(rows.extract_if(.., |id| range_of(*id) == change.range)),
    }
}
