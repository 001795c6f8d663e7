//! What was asked for: rows are read for it, unless it was refused or stopped.

use std::collections::BTreeSet;

use walcast_delivery::Checkpoint;
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid};

use super::is_read;
use super::rows::{Version, opening_of, versions};
use crate::broker::{Stored, StoredCheckpoint};
use crate::database::version_in;
use crate::requests::Signalled;
use crate::rules::Rule;
use crate::world::World;

/// How many checkpoints may be committed between the moment at which a signal is read and its own: that of the parcel that is
/// being committed, those of the parcels that wait, and that of the parcel that is being filled.
const READ_AHEAD: usize = 6;

pub(super) fn are_carried_out(world: &World, visible: &[Stored], is_complete: bool) {
    let read = read(world, visible);
    let requests = world.requests.borrow();
    let versions = versions(world);
    for start in &requests.starts {
        let Some(tables) = &start.tables else {
            if was_opened(world, &start.filter) {
                world.breach(Rule::RequestsAreCarriedOut, || {
                    format!("{} was refused, and is carried out", start.filter)
                });
            }
            continue;
        };
        let owed = tables
            .iter()
            .filter(|table| is_complete && !requests.may_be_stopped(table, start.sent));
        for table in owed {
            let missing = missing(world, table, &start.filter, &read, &versions, |number, _| {
                number <= start.version
            });
            tell(world, table, &start.filter, &missing);
        }
    }
    if is_complete {
        signals_are_carried_out(world, &read);
    }
}

fn tell(world: &World, table: &str, filter: &str, missing: &[u64]) {
    if missing.is_empty() {
        world.mark("request carried out");
    } else {
        world.breach(Rule::RequestsAreCarriedOut, || {
            format!("versions {missing:?} of {table} were not read for {filter}")
        });
    }
}

/// The versions that were read, and for which request.
fn read(world: &World, visible: &[Stored]) -> BTreeSet<(String, u64)> {
    let records = visible.iter().filter(|record| is_read(&record.id));
    let read = records.filter_map(|record| {
        let filter = opening_of(world, &record.id)?.filter?;
        Some((filter, version_in(record.value.as_deref()?)?))
    });
    read.collect()
}

fn was_opened(world: &World, filter: &str) -> bool {
    let database = world.database.borrow();
    let mut openings = database.openings.values();
    openings.any(|opening| opening.filter.as_deref() == Some(filter))
}

/// Rows that were there before the request, are now, and were not read for it. What was made behind the first snapshot that was
/// read for it comes as a change.
fn missing(
    world: &World,
    table: &str,
    filter: &str,
    read: &BTreeSet<(String, u64)>,
    versions: &std::collections::BTreeMap<u64, Version>,
    is_owed: impl Fn(u64, Lsn) -> bool,
) -> Vec<u64> {
    let database = world.database.borrow();
    let oid = database.oid_of(table);
    let openings = database.openings.iter();
    let of_it = openings.filter(|((_, of), opening)| *of == oid && opening.filter.as_deref() == Some(filter));
    let first = of_it.map(|((lsn, _), _)| *lsn).min().unwrap_or(Lsn::MAX);
    let rows = database.rows.of(oid).map(|(_, version)| version);
    let missing = rows.filter(|number| {
        let made_at = versions
            .get(number)
            .map_or(Lsn::INVALID, |version| version.made_at);
        made_at < first && is_owed(*number, made_at) && !read.contains(&(filter.to_owned(), *number))
    });
    missing.collect()
}

/// A signal that is passed in the checkpoint is carried out.
fn signals_are_carried_out(world: &World, read: &BTreeSet<(String, u64)>) {
    let requests = world.requests.borrow();
    let signals_read = |checkpoint: &Checkpoint| checkpoint.signals_read;
    let begins_at = world
        .broker
        .borrow()
        .committed_checkpoints()
        .find_map(|stored| signals_read(stored.checkpoint()));
    let Some(begins_at) = begins_at else { return };
    for (offset, signal) in (0..).zip(&requests.topic) {
        if offset >= begins_at {
            is_carried_out(world, signal, read, |checkpoint| {
                signals_read(checkpoint) > Some(offset)
            });
        }
    }
    let database = world.database.borrow();
    let signals = database.signals.clone();
    let log: BTreeSet<Lsn> = database.log.iter().map(|one| one.commit_lsn).collect();
    let from = database.delivers_from;
    drop(database);
    for (commit_lsn, signal) in &signals {
        if log.contains(commit_lsn) && Some(*commit_lsn) >= from {
            is_carried_out(world, signal, read, |checkpoint| {
                checkpoint
                    .last_commit
                    .is_some_and(|last| last.commit_lsn >= *commit_lsn)
            });
        }
    }
}

fn is_carried_out(
    world: &World,
    signal: &Signalled,
    read: &BTreeSet<(String, u64)>,
    is_passed: impl Fn(&Checkpoint) -> bool,
) {
    let Some(filter) = &signal.filter else { return };
    let table = signal.table.to_string();
    let broker = world.broker.borrow();
    let checkpoints: Vec<&StoredCheckpoint> = broker.committed_checkpoints().collect();
    let Some(place) = checkpoints
        .iter()
        .position(|stored| is_passed(stored.checkpoint()))
    else {
        world.breach(Rule::RequestsAreCarriedOut, || format!("{filter} is not passed"));
        return;
    };
    let stored = checkpoints[place];
    let before = place.checked_sub(1).map(|before| checkpoints[before]);
    let earlier = place.checked_sub(READ_AHEAD).map(|before| checkpoints[before]);
    if world.requests.borrow().may_be_stopped(&table, signal.sent) {
        return;
    }
    // It is refused while the table is being read for somebody else.
    let is_other = |other: Option<&str>| other != Some(filter.as_str());
    let reads_other = |stored: &StoredCheckpoint| being_read(stored.checkpoint(), &signal.table, &is_other);
    let since = earlier.map(|earlier| earlier.at);
    let database = world.database.borrow();
    let oid = database.oid_of(&table);
    let mut openings = database.openings.iter();
    let was_read_meanwhile = openings.any(|((_, of), opening)| {
        *of == oid
            && is_other(opening.filter.as_deref())
            && Some(opening.until) >= since
            && opening.at <= stored.at
    });
    // So it is while its changes are not published.
    let is_unpublished = database
        .published_at
        .get(&oid)
        .is_some_and(|at| Some(*at) >= since)
        || database.published_since(oid) == Lsn::MAX;
    drop(database);
    let is_excused =
        is_unpublished || before.is_some_and(reads_other) || reads_other(stored) || was_read_meanwhile;
    if is_excused {
        world.mark("signal while others read");
        return;
    }
    let versions = versions(world);
    let by = stored.checkpoint().end_lsn;
    let missing = missing(world, &table, filter, read, &versions, |_, made_at| made_at < by);
    if missing.is_empty() {
        world.mark("signal carried out");
    }
    tell(world, &table, filter, &missing);
}

fn being_read(checkpoint: &Checkpoint, table: &TableName, is_other: &impl Fn(Option<&str>) -> bool) -> bool {
    let progress = checkpoint.snapshot.as_ref();
    let mut tables = progress.into_iter().flat_map(|progress| &progress.tables);
    tables.any(|one| one.table() == *table && is_other(one.filter.as_deref()))
}

impl crate::database::Database {
    /// The number of a table by its whole name.
    fn oid_of(&self, name: &str) -> Oid {
        let table = self.tables.iter().find(|table| table.name.to_string() == name);
        table.map(|table| table.oid).unwrap_or_default()
    }
}
