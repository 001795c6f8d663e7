//! Checks that rows are read for every request, unless it was rejected or stopped.

use std::collections::BTreeSet;

use walcast_delivery::Checkpoint;
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid};

use super::is_read;
use super::rows::{Version, opening_of, versions};
use crate::broker::{Stored, StoredCheckpoint};
use crate::database::version_in;
use crate::requests::SentSignal;
use crate::rules::Rule;
use crate::world::World;

/// Number of checkpoints that may be committed between the read of a signal and its own checkpoint: those of the batch in
/// commit, of the waiting batches, and of the batch being filled.
const READ_AHEAD: usize = 6;

pub(super) fn check(world: &World, visible: &[Stored], is_complete: bool) {
    let read = read(world, visible);
    let requests = world.requests.borrow();
    let versions = versions(world);
    for start in &requests.starts {
        let Some(tables) = &start.tables else {
            if was_opened(world, &start.filter) {
                world.report_violation(Rule::RequestsAreExecuted, || {
                    format!("{} was rejected, and is executed", start.filter)
                });
            }
            continue;
        };
        let required = tables
            .iter()
            .filter(|table| is_complete && !requests.may_be_stopped(table, start.sent));
        for table in required {
            let missing = missing(world, table, &start.filter, &read, &versions, |number, _| {
                number <= start.version
            });
            report(world, table, &start.filter, &missing);
        }
    }
    if is_complete {
        check_signals(world, &read);
    }
}

fn report(world: &World, table: &str, filter: &str, missing: &[u64]) {
    if missing.is_empty() {
        world.cover("request executed");
    } else {
        world.report_violation(Rule::RequestsAreExecuted, || {
            format!("versions {missing:?} of {table} were not read for {filter}")
        });
    }
}

/// The versions that were read, with their request.
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

/// Rows that existed before the request, still exist, and were not read for it. Rows written after the first snapshot of the
/// request are delivered as changes.
fn missing(
    world: &World,
    table: &str,
    filter: &str,
    read: &BTreeSet<(String, u64)>,
    versions: &std::collections::BTreeMap<u64, Version>,
    is_required: impl Fn(u64, Lsn) -> bool,
) -> Vec<u64> {
    let database = world.database.borrow();
    let oid = database.oid_of(table);
    let openings = database.openings.iter();
    let of_request =
        openings.filter(|((_, of), opening)| *of == oid && opening.filter.as_deref() == Some(filter));
    let first = of_request.map(|((lsn, _), _)| *lsn).min().unwrap_or(Lsn::MAX);
    let rows = database.rows.of(oid).map(|(_, version)| version);
    let missing = rows.filter(|number| {
        let made_at = versions
            .get(number)
            .map_or(Lsn::INVALID, |version| version.made_at);
        made_at < first && is_required(*number, made_at) && !read.contains(&(filter.to_owned(), *number))
    });
    missing.collect()
}

/// Checks that signals before the checkpoint are executed.
fn check_signals(world: &World, read: &BTreeSet<(String, u64)>) {
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
            check_signal(world, signal, read, |checkpoint| {
                signals_read(checkpoint) > Some(offset)
            });
        }
    }
    let database = world.database.borrow();
    let signals = database.signals.clone();
    let log: BTreeSet<Lsn> = database.wal.iter().map(|one| one.commit_lsn).collect();
    let from = database.delivery_start;
    drop(database);
    for (commit_lsn, signal) in &signals {
        if log.contains(commit_lsn) && Some(*commit_lsn) >= from {
            check_signal(world, signal, read, |checkpoint| {
                checkpoint
                    .last_commit
                    .is_some_and(|last| last.commit_lsn >= *commit_lsn)
            });
        }
    }
}

fn check_signal(
    world: &World,
    signal: &SentSignal,
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
        world.report_violation(Rule::RequestsAreExecuted, || {
            format!("{filter} is behind the last checkpoint")
        });
        return;
    };
    let stored = checkpoints[place];
    let before = place.checked_sub(1).map(|before| checkpoints[before]);
    let earlier = place.checked_sub(READ_AHEAD).map(|before| checkpoints[before]);
    if world.requests.borrow().may_be_stopped(&table, signal.sent) {
        return;
    }
    // A signal is rejected while the table is being read for another request.
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
    // A signal is also rejected while the table is not published.
    let is_unpublished = database
        .published_at
        .get(&oid)
        .is_some_and(|at| Some(*at) >= since)
        || database.published_since(oid) == Lsn::MAX;
    drop(database);
    let is_excused =
        is_unpublished || before.is_some_and(reads_other) || reads_other(stored) || was_read_meanwhile;
    if is_excused {
        world.cover("signal during another read");
        return;
    }
    let versions = versions(world);
    let by = stored.checkpoint().end_lsn;
    let missing = missing(world, &table, filter, read, &versions, |_, made_at| made_at < by);
    if missing.is_empty() {
        world.cover("signal executed");
    }
    report(world, &table, filter, &missing);
}

fn being_read(checkpoint: &Checkpoint, table: &TableName, is_other: &impl Fn(Option<&str>) -> bool) -> bool {
    let progress = checkpoint.snapshot.as_ref();
    let mut tables = progress.into_iter().flat_map(|progress| &progress.tables);
    tables.any(|one| one.table() == *table && is_other(one.filter.as_deref()))
}

impl crate::database::Database {
    /// The OID of a table by its qualified name.
    fn oid_of(&self, name: &str) -> Oid {
        let table = self.tables.iter().find(|table| table.name.to_string() == name);
        table.map(|table| table.oid).unwrap_or_default()
    }
}
