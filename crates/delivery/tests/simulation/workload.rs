//! The application, which commits transactions of all kinds.

use std::rc::Rc;

use tokio::time::{Duration, sleep};
use walcast_pgoutput::Oid;

use crate::database::{EVENTS, Rows, SIGNALS, note};
use crate::publishing::{AUDIT, LATER};
use crate::wal::{Change, Row};
use crate::world::World;

/// Number of keys.
const IDS: u64 = 24;
/// Padding of a large row, in bytes.
const PADDING: usize = 300;

/// Commits the transactions of the run, and waits while the server is unavailable.
pub(crate) async fn write(world: Rc<World>) {
    for _ in 0..world.settings.transactions {
        sleep(Duration::from_millis(
            world.dice.roll(world.settings.pause_ms_max),
        ))
        .await;
        world.until(|| !world.database.borrow().is_unavailable).await;
        if world.database.borrow().is_read_only {
            return;
        }
        write_one(&world);
    }
}

/// Writes a transaction, a message, or unrelated WAL.
pub(crate) fn write_one(world: &World) {
    match world.dice.roll(12) {
        0 => world.database.borrow_mut().emit_message(),
        1 => world
            .database
            .borrow_mut()
            .write_unrelated_wal(8 * (1 + world.dice.roll(200))),
        sort => {
            let changes = changes(world);
            let mut database = world.database.borrow_mut();
            let transaction = database.commit(changes, sort == 2);
            let (xid, commit_lsn, count) =
                (transaction.xid, transaction.commit_lsn, transaction.changes.len());
            world.trace.note("database", || {
                format!("transaction {xid}, {count} changes, at {commit_lsn}")
            });
        }
    }
    let wal_end = world.database.borrow().wal_end;
    world.trace.note("database", || format!("WAL ends at {wal_end}"));
    world.changed();
}

/// The changes of a transaction, each valid after the previous ones.
fn changes(world: &World) -> Vec<(Oid, Change)> {
    let mut rows = world.database.borrow().rows.clone();
    let count = match world.dice.roll(8) {
        0 => 1 + world.dice.roll(12),
        1 => 0,
        _ => 1 + world.dice.roll(3),
    };
    let tables: Vec<Oid> = world
        .database
        .borrow()
        .tables
        .iter()
        .map(|table| table.oid)
        .filter(|oid| *oid != SIGNALS && *oid != EVENTS)
        .collect();
    // Changes that the server omits shift the ordinals of later changes, so it omits all changes of a transaction, or none.
    let first = *world.dice.pick(&tables);
    let is_late = |oid: Oid| world.settings.has_late_tables && (oid == AUDIT || later(oid));
    let is_alone = is_late(first);
    let others: Vec<Oid> = tables.into_iter().filter(|oid| !is_late(*oid)).collect();
    let changes = (0..count).map(|_| {
        let table = if is_alone {
            first
        } else {
            *world.dice.pick(&others)
        };
        let change = change(world, &rows, table, !is_alone);
        rows.apply(table, &change);
        (table, change)
    });
    changes.collect()
}

fn later(oid: Oid) -> bool {
    LATER.iter().any(|(_, later)| Oid::new(*later) == oid)
}

fn change(world: &World, rows: &Rows, table: Oid, with_messages: bool) -> Change {
    let dice = &world.dice;
    let id = i32::try_from(dice.roll(IDS)).expect("keys are small");
    let exists = rows.of(table).any(|(key, _)| key == id);
    match dice.roll(20) {
        0 if with_messages => return Change::Message,
        1 if !world.database.borrow().is_locked(table) => return Change::Truncate,
        _ => {}
    }
    let padding = if dice.one_in(6) { PADDING } else { 0 };
    if !exists {
        return Change::Insert(row(world, table, id, padding));
    }
    match dice.roll(4) {
        0 => Change::Delete(vec![Some(id.to_string()), None]),
        1 => {
            let to = i32::try_from(dice.roll(IDS)).expect("keys are small");
            if rows.of(table).any(|(key, _)| key == to) {
                return Change::Update(None, row(world, table, id, padding));
            }
            let old = vec![Some(id.to_string()), None];
            Change::Update(Some(old), row(world, table, to, padding))
        }
        _ => Change::Update(None, row(world, table, id, padding)),
    }
}

/// Commits the first rows of a table.
pub(crate) fn fill(world: &World, table: Oid) {
    let ids = (0..i32::try_from(world.dice.roll(6)).expect("dice here are small")).collect::<Vec<_>>();
    let rows = ids
        .into_iter()
        .map(|id| (table, Change::Insert(row(world, table, id, 0))));
    let rows = rows.collect();
    world.database.borrow_mut().commit(rows, false);
}

fn row(world: &World, table: Oid, id: i32, padding: usize) -> Row {
    let chance = world.dice.roll(64);
    let version = world.database.borrow_mut().new_version(table, chance);
    vec![Some(id.to_string()), Some(note(version, padding))]
}
