//! An application with a partitioned table: it writes rows, and creates, attaches, detaches, drops and truncates leaves.
//!
//! Its choices have dice of their own, so that the runs without a partitioned table do not depend on them.

use std::collections::BTreeSet;
use std::rc::Rc;

use tokio::time::{Duration, sleep};
use walcast_pgoutput::Oid;

use crate::database::{EVENTS, KEYS, RANGES, note};
use crate::dice::Dice;
use crate::wal::Change;
use crate::world::World;

/// Longest pause in which inspections can come.
const LONG_PAUSE_MS: u64 = 12_000;

/// Changes the partitioned table and its leaves, if the run has one.
pub(crate) async fn run(world: Rc<World>) {
    if !world.settings.has_partitions {
        return;
    }
    let dice = world.partition_dice.clone();
    for _ in 0..6 + dice.roll(24) {
        let pause_ms = match dice.roll(5) {
            0 => dice.roll(LONG_PAUSE_MS),
            _ => dice.roll(1 + world.settings.pause_ms_max),
        };
        sleep(Duration::from_millis(pause_ms)).await;
        world.until(|| !world.database.borrow().is_unavailable).await;
        if world.database.borrow().is_read_only {
            return;
        }
        change(&world, &dice);
        world.changed();
    }
}

/// Makes one change of the leaves, or commits one transaction.
pub(crate) fn change(world: &World, dice: &Dice) {
    let range = dice.roll(RANGES);
    let (is_free, is_locked) = {
        let database = world.database.borrow();
        let is_free = database.leaves.attached_in(range).is_none();
        // DROP, DETACH and TRUNCATE wait for a session that reads the table; ATTACH does not.
        (is_free, database.is_locked(EVENTS))
    };
    let what = match dice.roll(8) {
        0..3 if is_free && dice.one_in(3) => "partition created",
        0..3 if is_free => "partition attached",
        0 | 1 if !is_free && !is_locked => *dice.pick(&[
            "partition detached",
            "partition detached",
            "partition dropped",
            "partition truncated",
        ]),
        2 if !is_locked && dice.one_in(3) => "partitioned table truncated",
        _ => {
            write(world, dice);
            return;
        }
    };
    world.cover(what);
    let mut database = world.database.borrow_mut();
    match what {
        "partition created" => database.create_leaf(range),
        "partition attached" => {
            let ids: BTreeSet<i32> = (0..dice.roll(6)).map(|_| id_in(range, dice)).collect();
            let ids: Vec<i32> = ids.into_iter().collect();
            database.attach_leaf(range, &ids, dice.roll(64));
        }
        "partition detached" => database.detach_leaf(range),
        "partition dropped" => database.drop_leaf(range),
        "partition truncated" => database.truncate_leaf(range),
        _ => {
            database.commit(vec![(EVENTS, Change::Truncate)], false);
        }
    }
    let wal_end = database.wal_end;
    world.trace.note("database", || {
        format!("{what}, range {range}, WAL ends at {wal_end}")
    });
}

fn id_in(range: u64, dice: &Dice) -> i32 {
    i32::try_from(range * KEYS + dice.roll(KEYS)).expect("keys are small")
}

/// Commits a transaction over the partitioned table.
fn write(world: &World, dice: &Dice) {
    let mut database = world.database.borrow_mut();
    let leaves: Vec<(u64, Oid)> = database
        .leaves
        .attached()
        .map(|leaf| (leaf.range, leaf.oid))
        .collect();
    if leaves.is_empty() {
        return;
    }
    let rows = database.rows_of(EVENTS);
    let mut ids: BTreeSet<i32> = rows.into_iter().map(|(id, _)| id).collect();
    let mut changes = Vec::new();
    for _ in 0..1 + dice.roll(4) {
        let (range, leaf) = *dice.pick(&leaves);
        let (id, to) = (id_in(range, dice), id_in(range, dice));
        let exists = ids.contains(&id);
        let key = |id: i32| vec![Some(id.to_string()), None];
        let mut row = |id: i32| {
            let version = database.new_version(leaf, dice.roll(64));
            vec![Some(id.to_string()), Some(note(version, 0))]
        };
        let change = match dice.roll(4) {
            _ if !exists => Change::Insert(row(id)),
            0 => Change::Delete(key(id)),
            1 if !ids.contains(&to) => Change::Update(Some(key(id)), row(to)),
            _ => Change::Update(None, row(id)),
        };
        if matches!(change, Change::Delete(_) | Change::Update(Some(_), _)) {
            ids.remove(&id);
        }
        match change {
            Change::Insert(_) => ids.extend([id]),
            Change::Update(Some(_), _) => ids.extend([to]),
            Change::Update(None, _) | Change::Delete(_) | Change::Truncate | Change::Message => {}
        }
        changes.push((EVENTS, change));
    }
    let transaction = database.commit(changes, dice.one_in(4));
    let (xid, commit_lsn) = (transaction.xid, transaction.commit_lsn);
    world.trace.note("database", || {
        format!("transaction {xid} over partitions at {commit_lsn}")
    });
}
