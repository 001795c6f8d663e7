//! Another program that writes to the topics, and `walcast verify --repair`: rows that differ are requested from the running connector.
//!
//! The comparison is that of the command, over the models: the rows at a position L, and the newest record of each key up to L once the
//! checkpoint covers L. Requests, reading and deletes are those of the product.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tokio::time::{Duration, sleep, timeout};
use walcast_delivery::{FormerKey, Selection, SnapshotCommand, SnapshotType};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid};

use crate::broker::replays::position_of;
use crate::broker::{Origin, Stored};
use crate::damage::position_here;
use crate::database::{EVENTS, SIGNALS, SNAPSHOT_BYTES, version_in};
use crate::mutation::Mutation;
use crate::node::Node;
use crate::verdict::is_read;
use crate::world::World;

/// Longest pause between two comparisons.
const PAUSE_MAX_MS: u64 = 4_000;
/// Limit of each wait; the command fails and is run again.
const WAIT: Duration = Duration::from_secs(60);
/// Longest time between a comparison and the write of a repair that writes by itself.
const WRITE_MAX_MS: u64 = 3_000;

/// Rows of a table that differ, by key: the version of the source, `None` if it has no such row.
struct Differing {
    table: TableName,
    oid: Oid,
    lsn: Lsn,
    rows: BTreeMap<i32, Option<u64>>,
}

/// Writes foreign records while faults occur, compares and repairs, until a comparison after the faults finds nothing.
pub(crate) async fn run(world: &World, nodes: &[Rc<Node>]) {
    while !world.is_repaired.get() {
        sleep(Duration::from_millis(1 + world.dice.roll(PAUSE_MAX_MS))).await;
        let is_last = !world.has_faults.get();
        if !is_last {
            plant(world);
        }
        let Some(differing) = compare(world).await else {
            continue;
        };
        let repairs = !world.is_mutated(Mutation::RepairsNothing);
        if is_last && (differing.is_empty() || !repairs) {
            world.cover("repaired");
            world.is_repaired.set(true);
            world.changed();
            return;
        }
        for one in differing.iter().filter(|_| repairs) {
            world.cover("rows differ");
            repair(world, nodes, one).await;
        }
    }
}

fn topic_of(table: &TableName) -> String {
    format!("shop.{}.{}", table.namespace, table.name)
}

/// The tables that are captured from the beginning.
fn tables(world: &World) -> Vec<(Oid, TableName)> {
    let database = world.database.borrow();
    let captured = database.tables.iter().filter(|table| table.captured);
    captured
        .filter(|table| table.oid != SIGNALS && table.oid != EVENTS)
        .filter(|table| !database.added_later.contains_key(&table.oid))
        .map(|table| (table.oid, table.name.clone()))
        .collect()
}

/// Appends a tombstone of a key, or an old record of it, as another program does.
fn plant(world: &World) {
    let tables = tables(world);
    let (_, table) = world.dice.pick(&tables);
    let topic = topic_of(table);
    let originals: Vec<Stored> = {
        let broker = world.broker.borrow();
        let of_rows = broker
            .visible()
            .filter(|record| record.topic == topic && record.row_id().is_some() && record.value.is_some());
        of_rows.cloned().collect()
    };
    if originals.is_empty() {
        return;
    }
    let original = world.dice.pick(&originals).clone();
    world.trace.note("another program", || {
        format!("writes to row {:?} of {topic}", original.row_id())
    });
    world.cover("record of another program");
    world.broker.borrow_mut().write_foreign(Stored {
        value: original.value.filter(|_| world.dice.one_in(2)),
        id: String::new(),
        context: Vec::new(),
        origin: Origin::Foreign,
        ..original
    });
    world.changed();
}

/// Compares the tables with their topics at one position; `None` if the server or the connector is not there in time.
async fn compare(world: &World) -> Option<Vec<Differing>> {
    let can_be_taken = || {
        let database = world.database.borrow();
        !database.is_unavailable && !database.is_read_only && database.running.is_none()
    };
    timeout(WAIT, world.until(can_be_taken)).await.ok()?;
    let (lsn, rows) = {
        let mut database = world.database.borrow_mut();
        let lsn = database.wal_end;
        database.write_unrelated_wal(SNAPSHOT_BYTES);
        (lsn, database.rows.clone())
    };
    world.changed();
    timeout(WAIT, world.until(|| is_covered(world, lsn))).await.ok()?;
    let mut found = Vec::new();
    for (oid, table) in tables(world) {
        let of_source: BTreeMap<i32, u64> = rows.of(oid).collect();
        let of_topic = fold(world, &topic_of(&table), lsn).into_iter();
        let differing: BTreeMap<i32, Option<u64>> = of_topic
            .map(|(id, version)| (id, version, of_source.get(&id).copied()))
            .filter(|(_, of_topic, of_source)| of_topic != of_source)
            .map(|(id, _, of_source)| (id, of_source))
            .collect();
        if !differing.is_empty() {
            world
                .trace
                .note("verify", || format!("{table} differs at {lsn} in {differing:?}"));
            found.push(Differing {
                table,
                oid,
                lsn,
                rows: differing,
            });
        }
    }
    Some(found)
}

/// Whether every transaction before a position is in Kafka.
fn is_covered(world: &World, lsn: Lsn) -> bool {
    let (broker, database) = (world.broker.borrow(), world.database.borrow());
    let Some(checkpoint) = broker.checkpoint() else {
        return false;
    };
    let mut newest_first = database.wal.iter().rev();
    let before = newest_first.find(|one| one.commit_lsn < lsn);
    before.is_none_or(|before| position_here(&database, checkpoint) >= before.next_lsn())
}

/// The version in the newest record of each key up to a position. Keys without a record are unverifiable, and not named.
fn fold(world: &World, topic: &str, lsn: Lsn) -> BTreeMap<i32, Option<u64>> {
    let broker = world.broker.borrow();
    let (mut last, mut is_included) = (BTreeMap::new(), true);
    for record in broker.consumed().filter(|record| record.topic == topic) {
        // A record of another program counts at the position of the record before it.
        if let Some(position) = position_of(&record.id) {
            is_included = position < lsn || is_read(&record.id) && position == lsn;
        }
        if let Some(id) = record.row_id().filter(|_| is_included) {
            last.insert(id, record.value.as_deref().and_then(version_in));
        }
    }
    last
}

/// Has the connector deliver the rows that differ, and waits until it has; the command can be killed meanwhile.
async fn repair(world: &World, nodes: &[Rc<Node>], differing: &Differing) {
    let ids: BTreeSet<i32> = differing.rows.keys().copied().collect();
    let condition = world.requests.borrow_mut().new_repair(ids);
    if world.is_mutated(Mutation::WritesComparedRows) {
        sleep(Duration::from_millis(world.dice.roll(WRITE_MAX_MS))).await;
        write_compared(world, differing, &condition);
        return;
    }
    let Some(control) = nodes.iter().find_map(|node| node.streaming_control()) else {
        return;
    };
    let gone = differing.rows.iter().filter(|(_, version)| version.is_none());
    let former_keys = gone.map(|(id, _)| FormerKey([("id".to_owned(), id.to_string())].into()));
    let command = SnapshotCommand::Start {
        tables: vec![Selection {
            tables: differing.table.as_pattern().parse().expect("a pattern"),
            filter: Some(condition.clone()),
            dead_letters: Vec::new(),
            former_keys: former_keys.collect(),
        }],
        marks: SnapshotType::Incremental,
        id: None,
    };
    let answer = timeout(WAIT, control.ask(command)).await;
    world.trace.note("verify", || {
        format!("requests {condition} of {}: {answer:?}", differing.table)
    });
    match answer {
        Ok(Ok(_)) => world.cover("repair requested"),
        // It was rejected, or it is not known whether it is executed.
        Err(_) | Ok(Err(_)) => return,
    }
    if world.has_faults.get() && world.dice.one_in(4) {
        world.cover("repair abandoned");
        return;
    }
    let ended = timeout(WAIT, world.until(|| !is_requested(world, &condition))).await;
    world
        .trace
        .note("verify", || format!("{condition} has ended: {}", ended.is_ok()));
}

/// Whether the checkpoint has rows of a request that are left to be read.
fn is_requested(world: &World, condition: &str) -> bool {
    let broker = world.broker.borrow();
    let progress = broker.checkpoint().and_then(|stored| stored.snapshot.as_ref());
    let mut tables = progress.into_iter().flat_map(|progress| &progress.tables);
    tables.any(|table| table.filter.as_deref() == Some(condition))
}

/// Writes rows as the comparison has read them, behind whatever was delivered since: a mutation.
fn write_compared(world: &World, differing: &Differing, condition: &str) {
    let Differing {
        table,
        oid,
        lsn,
        rows,
    } = differing;
    let topic = topic_of(table);
    for version in rows.values().flatten() {
        let with_version = {
            let broker = world.broker.borrow();
            let mut of_topic = broker.visible().filter(|record| record.topic == topic);
            let found =
                of_topic.find(|record| record.value.as_deref().and_then(version_in) == Some(*version));
            found.cloned()
        };
        let Some(record) = with_version else { continue };
        let mut database = world.database.borrow_mut();
        let file = database
            .tables
            .iter()
            .find(|table| table.oid == *oid)
            .map_or(*oid, |table| table.file);
        database.record_open(*lsn, *oid, file, Some(condition));
        world.broker.borrow_mut().write_foreign(Stored {
            id: format!("{lsn}/{oid}(0,1)"),
            context: Vec::new(),
            origin: Origin::Connector,
            ..record
        });
    }
    world.changed();
}
