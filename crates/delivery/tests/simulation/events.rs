//! Events that affect the servers and the processes while the application writes.

use std::rc::Rc;

use tokio::time::{Duration, sleep};
use walcast_delivery::{CheckpointState, Timeline, TimelineSwitch, WalStatus};
use walcast_pgoutput::{Lsn, Oid};

use crate::database::Database;
use crate::node::Node;
use crate::process::Process;
use crate::stream::FIXED_VERSION;
use crate::workload;
use crate::world::World;

/// Positions of different timelines never coincide here, although their ranges overlap, so that the checker can assign a
/// record to one of two transactions.
const TIMELINE_STRIDE: u64 = 8;

/// Longest outage of a system.
const OUTAGE_MAX_MS: u64 = 12_000;
/// Longest wait for a moment in which no process streams.
const GAP_TIMEOUT: Duration = Duration::from_secs(30);

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    ServerRestarts,
    /// A standby with all of WAL and the synchronized slot is promoted.
    FailsOverToSynchronized,
    /// A standby whose WAL ends earlier is promoted.
    FailsOverToLagging,
    /// A standby without the slot is promoted.
    FailsOverWithoutSlot,
    /// A backup is restored, on a new timeline.
    RestoredToPoint,
    /// The data directory is rewound, on the same timeline.
    DataDirectoryRewound,
    SlotAdvanced,
    SlotDropped,
    SlotRecreated,
    SlotLost,
    BrokerUnavailable,
    RegistryUnavailable,
    RegistryRejects,
    /// All rows of a table get new ctids, as after VACUUM FULL.
    TableRewritten,
    /// A table is created, with rows.
    TableAppears,
    /// All processes restart with a configuration that captures one more table.
    ConfigurationWidened,
    ProcessKilled,
    ProcessStopped,
    ProcessFrozen,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Event::ServerRestarts => "server restarts",
            Event::FailsOverToSynchronized => "fails over to synchronized",
            Event::FailsOverToLagging => "fails over to lagging",
            Event::FailsOverWithoutSlot => "fails over without slot",
            Event::RestoredToPoint => "restored to point",
            Event::DataDirectoryRewound => "data directory rewound",
            Event::SlotAdvanced => "slot advanced",
            Event::SlotDropped => "slot dropped",
            Event::SlotRecreated => "slot recreated",
            Event::SlotLost => "slot lost",
            Event::BrokerUnavailable => "broker unavailable",
            Event::RegistryUnavailable => "registry unavailable",
            Event::RegistryRejects => "registry rejects",
            Event::TableRewritten => "table rewritten",
            Event::TableAppears => "table appears",
            Event::ConfigurationWidened => "configuration widened",
            Event::ProcessKilled => "process killed",
            Event::ProcessStopped => "process stopped",
            Event::ProcessFrozen => "process frozen",
        }
    }
}

const HARMLESS: [Event; 10] = [
    Event::ServerRestarts,
    Event::FailsOverToSynchronized,
    Event::BrokerUnavailable,
    Event::RegistryUnavailable,
    Event::RegistryRejects,
    Event::TableRewritten,
    Event::TableRewritten,
    Event::ProcessKilled,
    Event::ProcessStopped,
    Event::ProcessFrozen,
];

/// Events of which at most one occurs in a run: the outcome of two is not specified.
const HARMFUL: [Event; 8] = [
    Event::FailsOverToLagging,
    Event::FailsOverToLagging,
    Event::FailsOverWithoutSlot,
    Event::RestoredToPoint,
    Event::DataDirectoryRewound,
    Event::SlotAdvanced,
    Event::SlotDropped,
    Event::SlotLost,
];

/// Runs the events of a run.
pub(crate) async fn run(world: Rc<World>, nodes: Vec<Rc<Node>>) {
    let harmful = world
        .dice
        .one_in(2)
        .then(|| world.dice.roll(1 + world.settings.events))
        // The model does not undo changes of leaves, and no topic is compared with a server that has lost transactions.
        .filter(|_| !world.settings.has_partitions && !world.settings.has_replays);
    let expected_ms = world.settings.transactions * world.settings.pause_ms_max / 2 + 3_000;
    for number in 0..world.settings.events {
        let pause_ms = world.dice.roll(1 + 2 * expected_ms / (1 + world.settings.events));
        sleep(Duration::from_millis(pause_ms)).await;
        let event = if Some(number) == harmful {
            match world.dice.roll(9) {
                8 => Event::SlotRecreated,
                _ => *world.dice.pick(&HARMFUL),
            }
        } else if world.settings.has_late_tables && is_set_up(&world) && world.dice.one_in(4) {
            *world.dice.pick(&[
                Event::TableAppears,
                Event::TableAppears,
                Event::ConfigurationWidened,
            ])
        } else {
            *world.dice.pick(&HARMLESS)
        };
        world.trace.note("EVENT", || format!("{event:?}"));
        world.cover(event.name());
        let node = world.dice.pick(&nodes);
        if event == Event::ConfigurationWidened {
            world.database.borrow_mut().capture_audit();
            nodes.iter().for_each(|node| node.with_process(Process::kill));
        }
        apply(&world, node, event).await;
    }
}

/// Whether the first start is complete. If it was interrupted after the creation of the publication, tables created since must be
/// published by hand, as with a publication that another client created.
fn is_set_up(world: &World) -> bool {
    let broker = world.broker.borrow();
    let checkpoint = broker.checkpoint();
    checkpoint.is_some_and(|checkpoint| checkpoint.state == CheckpointState::Streaming)
}

async fn apply(world: &World, node: &Node, event: Event) {
    match event {
        Event::ProcessKilled => node.with_process(|process| process.kill()),
        Event::ProcessStopped => node.stop(),
        Event::ConfigurationWidened => {}
        Event::TableAppears => {
            let is_writable =
                !world.database.borrow().is_read_only && !world.database.borrow().is_unavailable;
            let table = world.database.borrow_mut().add_table().filter(|_| is_writable);
            if let Some(table) = table {
                workload::fill(world, table);
            }
        }
        Event::TableRewritten => {
            let tables: Vec<Oid> = world
                .database
                .borrow()
                .tables
                .iter()
                .map(|table| table.oid)
                .collect();
            let table = *world.dice.pick(&tables);
            world.database.borrow_mut().rewrite(table, world.dice.roll(64));
        }
        Event::ProcessFrozen => node.with_process(|process| world.freeze(process)),
        Event::BrokerUnavailable => {
            world.broker.borrow_mut().is_unavailable = true;
            sleep(outage(world)).await;
            world.broker.borrow_mut().is_unavailable = false;
        }
        Event::RegistryUnavailable => {
            world.registry.borrow_mut().is_unavailable = true;
            sleep(outage(world)).await;
            world.registry.borrow_mut().is_unavailable = false;
        }
        Event::RegistryRejects => {
            world.registry.borrow_mut().rejects = true;
            sleep(outage(world)).await;
            world.registry.borrow_mut().rejects = false;
        }
        Event::ServerRestarts
        | Event::FailsOverToSynchronized
        | Event::FailsOverToLagging
        | Event::FailsOverWithoutSlot
        | Event::RestoredToPoint
        | Event::DataDirectoryRewound => {
            {
                let mut database = world.database.borrow_mut();
                database.is_unavailable = true;
                database.disconnect_all();
                database.running = None;
                change_server(world, &mut database, event);
            }
            world.changed();
            sleep(Duration::from_millis(world.dice.roll(3_000))).await;
            world.database.borrow_mut().is_unavailable = false;
        }
        Event::SlotAdvanced | Event::SlotDropped | Event::SlotRecreated | Event::SlotLost => {
            // A slot cannot be altered while it is streamed from, so this waits for a moment without a stream.
            node.with_process(|process| process.kill());
            let altered = tokio::time::timeout(GAP_TIMEOUT, alter_slot(world, event)).await;
            world.trace.note("database", || {
                format!("the slot could be altered: {}", altered.is_ok())
            });
        }
    }
    world.changed();
}

fn outage(world: &World) -> Duration {
    Duration::from_millis(world.dice.roll(OUTAGE_MAX_MS))
}

/// Changes the server while it is down.
fn change_server(world: &World, database: &mut Database, event: Event) {
    // A later promotion would repair the damage where only idle WAL is lost.
    if database.is_read_only {
        return;
    }
    let dice = &world.dice;
    let on_disk = database.confirmed_on_disk;
    if let Some(slot) = &mut database.slot {
        slot.confirmed_flush_lsn = slot.confirmed_flush_lsn.map(|_| on_disk);
        slot.restart_lsn = slot.confirmed_flush_lsn;
    }
    // A standby or a backup has all of WAL before the slot's position.
    let floor = database.confirmed().unwrap_or(database.wal_end);
    let back = database.wal_end.bytes_since(floor);
    let cut = Lsn::new(floor.as_u64() + dice.roll(back + 1) / TIMELINE_STRIDE * TIMELINE_STRIDE);
    // WAL ends between two records, never inside one.
    let mut records = database
        .wal
        .iter()
        .map(|entry| (entry.record_begin(), entry.next_lsn()));
    let cut_record = records.find(|(begin, end)| *begin < cut && cut < *end);
    let cut = cut_record.map_or(cut, |(begin, _)| begin);
    match event {
        Event::FailsOverToSynchronized => promote(database, database.wal_end),
        Event::FailsOverToLagging => promote(database, cut),
        Event::FailsOverWithoutSlot => {
            promote(database, cut);
            database.slot = None;
        }
        Event::RestoredToPoint => {
            promote(database, cut);
            if dice.one_in(2) {
                database.slot = None;
            }
        }
        Event::DataDirectoryRewound => rewind_data_directory(world, database, cut),
        _ => {}
    }
    world.trace.note("database", || {
        let (timeline, wal_end, slot) = (database.timeline, database.wal_end, database.confirmed());
        format!("restarts on timeline {timeline}, WAL ends at {wal_end}, the slot is at {slot:?}")
    });
}

/// Starts a new timeline at `cut`. Timelines that were left after `cut` are not part of its history.
fn promote(database: &mut Database, cut: Lsn) {
    database.cut(cut);
    let mut left = database.timeline;
    while let Some(switch) = database.history.pop_if(|switch| cut < switch.switched_at) {
        left = switch.timeline;
    }
    database.history.push(TimelineSwitch {
        timeline: left,
        switched_at: cut,
    });
    database.continue_behind(cut);
    database.timeline = Timeline::new(database.timelines);
}

impl Database {
    /// Continues WAL behind `cut`, at positions that no other timeline uses.
    fn continue_behind(&mut self, cut: Lsn) {
        self.timelines += 1;
        let offset = u64::from(self.timelines - 1) % TIMELINE_STRIDE;
        let aligned = cut.as_u64().div_ceil(TIMELINE_STRIDE) * TIMELINE_STRIDE;
        self.wal_end = Lsn::new(aligned + offset);
    }
}

/// Rewinds WAL without a trace on the server. The model does so only if a delivered position is lost, and continues to write only
/// if reading WAL again shows it.
fn rewind_data_directory(world: &World, database: &mut Database, cut: Lsn) {
    let Some(checkpoint) = world.broker.borrow().checkpoint().cloned() else {
        return;
    };
    if checkpoint.end_lsn <= cut {
        return;
    }
    database.cut(cut);
    let shows = checkpoint.last_commit.is_some_and(|last| cut <= last.commit_lsn)
        && database.server_version >= FIXED_VERSION;
    if !shows || world.dice.one_in(3) {
        database.is_read_only = true;
        return;
    }
    world.cover("writes after being rewound");
    database.has_diverged = true;
    database.continue_behind(cut);
    if world.dice.one_in(2) {
        let to_checkpoint = checkpoint
            .end_lsn
            .bytes_since(database.wal_end.min(checkpoint.end_lsn));
        let strides = to_checkpoint.div_ceil(TIMELINE_STRIDE) + world.dice.roll(64);
        database.write_unrelated_wal(strides * TIMELINE_STRIDE);
    }
}

/// Alters the slot as soon as no process streams from it.
async fn alter_slot(world: &World, event: Event) {
    world
        .until(|| {
            let database = world.database.borrow();
            !database.is_unavailable && !database.is_streaming()
        })
        .await;
    // Before the first checkpoint there is no guarantee for the changes in the slot.
    let checkpoint = world
        .broker
        .borrow()
        .checkpoint()
        .map(|checkpoint| checkpoint.state);
    if checkpoint != Some(CheckpointState::Streaming) {
        return;
    }
    let mut database = world.database.borrow_mut();
    let wal_end = database.wal_end;
    let Some(slot) = &mut database.slot else { return };
    let confirmed = slot.confirmed_flush_lsn.unwrap_or(wal_end);
    match event {
        Event::SlotAdvanced => {
            let bytes = 1 + world.dice.roll(wal_end.bytes_since(confirmed) + 1);
            let to = Lsn::new(confirmed.as_u64() + bytes).min(wal_end);
            database.confirm(to);
            database.confirmed_on_disk = database.confirmed_on_disk.max(to);
        }
        Event::SlotLost => {
            slot.wal_status = Some(WalStatus::Lost);
            slot.restart_lsn = None;
        }
        Event::SlotRecreated => {
            database.create_slot();
        }
        _ => database.slot = None,
    }
    let slot = database.confirmed();
    world
        .trace
        .note("database", || format!("the slot is at {slot:?} now"));
}
